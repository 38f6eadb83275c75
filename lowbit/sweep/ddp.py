"""Lightning's DDP for a trial's team, whose processes somebody else has started."""

import fcntl
import os
import socket
import struct
import sys

from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy

from lowbit.sweep.executors.attempt import Team

ADDRESS_OF = 0x8915  # Linux's SIOCGIFADDR


class Ranks(ClusterEnvironment):
    """Each rank is a node of one device, be it beside the others or on another machine."""

    def __init__(self, team: Team) -> None:
        self.team = team

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.team.address

    @property
    def main_port(self) -> int:
        return self.team.port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.team.size

    def set_world_size(self, size: int) -> None: ...

    def global_rank(self) -> int:
        return self.team.rank

    def set_global_rank(self, rank: int) -> None: ...

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self.team.rank


def strategy(team: Team) -> DDPStrategy | str:
    if team.size == 1:
        return "auto"
    if sys.platform == "linux" and "GLOO_SOCKET_IFNAME" not in os.environ:
        os.environ["GLOO_SOCKET_IFNAME"] = interface(team.address)
    return DDPStrategy(cluster_environment=Ranks(team))


def interface(address: str) -> str:
    """The network interface that leads to `address`: gloo would ask for this machine's name, which
    may well stand for 127.0.1.1, where no other machine finds it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        own = probe.getsockname()[0]
        for _, name in socket.if_nameindex():
            if address_of(probe, name) == own:
                return name
    raise OSError(f"no network interface has the address {own}, which leads to {address}")


def address_of(probe: socket.socket, name: str) -> str | None:
    try:
        found = fcntl.ioctl(probe, ADDRESS_OF, struct.pack("256s", name.encode()))
    except OSError:  # it has none
        return None
    return socket.inet_ntoa(found[20:24])

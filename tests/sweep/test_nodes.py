"""A cluster of two nodes with addresses of their own, one of which is killed midway.

In two network namespaces where the system lets us make them; else at two loopback addresses.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lowbit.sweep.config import by_key
from lowbit.sweep.store import Store

pytestmark = pytest.mark.slow
ROOT, TOY = Path(__file__).parents[2], Path(__file__).with_name("toy_sweep.py")
TEAM = Path(__file__).with_name("team_sweep.py")
TRIALS, PORT = 120, 6390
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


@dataclass
class Place:
    address: str
    namespace: str = ""

    def start(self, *command: str, out: int = subprocess.PIPE) -> subprocess.Popen:
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        return subprocess.Popen(
            [*inside, *command],
            env=ENVIRONMENT,
            start_new_session=True,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[int]:
        """Every process of a namespace; or else the node's own, with whose end its workers end."""
        if self.namespace:
            return [int(pid) for pid in ip("netns", "pids", self.namespace).split()]
        return [pid for pid in everyone() if self.address in words(pid) and "raylet" in words(pid)]

    def kill(self) -> int:
        pids = self.processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(pids)


def everyone() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def namespaces() -> Iterator[list[Place]]:
    """Two, joined by a cable; none if the system does not let us."""
    names = [f"lowbit{os.getpid()}{end}" for end in "ab"]
    places = [Place(f"10.77.0.{i}", name) for i, name in enumerate(names, 1)]
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip(
                "link",
                "add",
                "va",
                "netns",
                names[0],
                "type",
                "veth",
                "peer",
                "vb",
                "netns",
                names[1],
            )
            for place, end in zip(places, ("va", "vb"), strict=True):
                ip("-n", place.namespace, "address", "add", f"{place.address}/24", "dev", end)
                ip("-n", place.namespace, "link", "set", end, "up")
                ip("-n", place.namespace, "link", "set", "lo", "up")
                ip("-n", place.namespace, "route", "add", "default", "dev", end)
        except (OSError, subprocess.CalledProcessError):
            places = []
        yield places
    finally:
        for place in places:
            place.kill()
        for name in names:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                ip("netns", "delete", name)


def node(place: Place, *how: str) -> subprocess.Popen:
    options = [f"--node-ip-address={place.address}", "--num-cpus=1", "--disable-usage-stats"]
    return place.start(*RAY, "start", *how, *options, "--block", out=subprocess.DEVNULL)


def cluster_size(place: Place, address: str) -> int:
    code = f"import ray; ray.init({address!r}, log_to_driver=False, logging_level=40); "
    code += "print('nodes', sum(n['Alive'] for n in ray.nodes()))"
    asked = place.start(sys.executable, "-c", code)
    said, _ = asked.communicate(timeout=120)
    return int(said.rpartition("nodes ")[2]) if asked.returncode == 0 else 0


def wait_for(happened, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.2)


@contextlib.contextmanager
def cluster() -> Iterator[tuple[Place, Place, str]]:
    """Two nodes of one CPU each, and the address of the first."""
    pytest.importorskip("ray", reason="the extra lowbit[ray] is not installed")
    with namespaces() as found:
        first, second = found or [Place("127.0.0.2"), Place("127.0.0.3")]
        print("namespaces" if found else "loopback addresses")
        address = f"{first.address}:{PORT}"
        temporary = f"--temp-dir=/tmp/lowbit-ray-{os.getpid()}"
        head = node(first, "--head", f"--port={PORT}", "--include-dashboard=false", temporary)
        try:
            wait_for(lambda: cluster_size(first, address) == 1, 300)
            other = node(second, f"--address={address}")
            wait_for(lambda: cluster_size(first, address) == 2, 300)
            yield first, second, address
        finally:
            for place in (first, second):
                place.kill()
            head.wait(30)
            other.wait(30)


def test_a_node_that_is_killed_midway_costs_nothing(toy, tmp_path):
    with cluster() as (first, second, address):
        sweep = first.start(
            *(sys.executable, str(TOY), str(tmp_path / "store"), str(TRIALS)),
            *("ray", "2", address),
        )
        results = tmp_path / "store" / "results"
        wait_for(lambda: results.is_dir() and len(list(results.glob("[0-9a-f]*.json"))) > 10, 240)
        assert second.kill()
        at_the_kill = len(list(results.glob("[0-9a-f]*.json")))
        said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, said
    assert at_the_kill < TRIALS
    store = Store(tmp_path / "store")
    assert store.finished().keys() == by_key(toy.configs(TRIALS)).keys()
    assert not store.damaged
    assert not (store.folder / "recomputed").exists()


def test_one_trial_trains_on_two_machines(tmp_path):
    """A rank on each, since neither has a second CPU; beside each other they find the same."""
    here = subprocess.run(
        [sys.executable, str(TEAM), str(tmp_path / "here"), "inline"], env=ENVIRONMENT, timeout=300
    )
    assert here.returncode == 0
    with cluster() as (first, _, address):
        sweep = first.start(sys.executable, str(TEAM), str(tmp_path / "there"), "ray", address)
        said, _ = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, said
    networks = [
        {file.name: file.read_bytes() for file in (tmp_path / place / "networks").iterdir()}
        for place in ("here", "there")
    ]
    assert networks[0] == networks[1]
    assert len(networks[0]) == 1

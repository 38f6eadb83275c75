"""While one trial is timed, the other trials of this machine wait.

A measurement beside a training would measure the training. Two files are locked, and the system
lets go of them however a process ends. Whoever works shares the room; who measures has it alone,
and holds the door meanwhile, so that nobody comes in before a measurement that waits its turn.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from fcntl import LOCK_EX, LOCK_SH, LOCK_UN, flock
from pathlib import Path

from lowbit.kernels.cache import check


class Turns:
    """One working process of this machine: enter it, and step aside now and then."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or here()

    def __enter__(self) -> "Turns":
        self.door = (self.folder / "door").open("w")
        self.room = (self.folder / "room").open("w")
        self.come_in()
        return self

    def __exit__(self, *failure) -> None:
        self.room.close()
        self.door.close()

    def come_in(self) -> None:
        flock(self.door, LOCK_EX)
        flock(self.room, LOCK_SH)
        flock(self.door, LOCK_UN)

    def step_aside(self) -> None:
        """Lets those measure who wait for it."""
        flock(self.room, LOCK_UN)
        self.come_in()

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Nobody else works meanwhile."""
        flock(self.room, LOCK_UN)
        flock(self.door, LOCK_EX)
        flock(self.room, LOCK_EX)
        try:
            yield
        finally:
            flock(self.room, LOCK_SH)
            flock(self.door, LOCK_UN)


class Follower(Turns):
    """A helper of a team: rank 0 steps aside for all, and at the next batch its helpers wait."""

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, *failure) -> None: ...

    def step_aside(self) -> None: ...


def here() -> Path:
    """A folder of this user's on this machine, which no other machine sees."""
    folder = Path(tempfile.gettempdir()) / f"lowbit-turns-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    check(folder)
    return folder

"""The most memory that this process held at once, since the last time it was asked to forget."""

import resource
import sys
from pathlib import Path

PROC = Path("/proc/self")


def forget() -> None:
    """Starts anew where the system allows it, which is Linux; elsewhere the peak is of all time."""
    try:
        (PROC / "clear_refs").write_text("5")
    except OSError:
        return


def peak() -> int:
    """Bytes."""
    try:
        lines = (PROC / "status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

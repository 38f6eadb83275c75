"""Plans a graph once and runs it many times, with NumPy and Numba alone."""

from pathlib import Path

from lowbit.runtime.network import Network

__all__ = ["Network", "load"]


def load(path: str | Path, batch: int = 1, kernel: str | None = None) -> Network:
    """An exported file, verified and ready to run."""
    from lowbit import pack

    return Network(pack.load(path), batch, kernel)

"""Plans a graph once and runs it many times, with NumPy and Numba alone."""

from pathlib import Path

from lowbit.runtime.network import Network

__all__ = ["Network", "load"]


def load(path: str | Path, batch: int = 1, kernel: str | None = None, threads: int = 1) -> Network:
    """An exported file, verified and ready to run: see Network for the options."""
    from lowbit import pack

    return Network(pack.load(path), batch, kernel, threads)

"""Plans a graph once and runs it many times, with NumPy and Numba alone."""

from lowbit.runtime.network import Network

__all__ = ["Network"]

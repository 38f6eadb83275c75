"""One lowering rule per ATen operation, one file a family."""

from lowbit.exporter.rules import arithmetic, pool, product, shape, step

__all__ = ["arithmetic", "pool", "product", "shape", "step"]

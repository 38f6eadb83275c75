"""One lowering rule per ATen operation, one file a family."""

from lowbit.exporter.rules import (
    arithmetic,
    functions,
    part,
    place,
    pool,
    product,
    rows,
    shape,
    step,
)

__all__ = [
    "arithmetic",
    "functions",
    "part",
    "place",
    "pool",
    "product",
    "rows",
    "shape",
    "step",
]

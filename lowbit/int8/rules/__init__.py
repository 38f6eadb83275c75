"""Lowering rules of 8-bit operations, one file a family."""

from lowbit.int8.rules import elementwise, product, shape

__all__ = ["elementwise", "product", "shape"]

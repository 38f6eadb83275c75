"""Lowering rules of 8-bit operations, one file a family."""

from lowbit.int8.rules import elementwise, norm, product, shape, softmax

__all__ = ["elementwise", "norm", "product", "shape", "softmax"]

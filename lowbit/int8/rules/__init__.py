"""Lowering rules of 8-bit operations, one file a family."""

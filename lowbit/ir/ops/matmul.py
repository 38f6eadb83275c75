"""Products of two tensors that both depend on the input: attention."""

from dataclasses import dataclass

import numpy as np

from lowbit.ir.op import op, require
from lowbit.ir.ops.codes import deviation
from lowbit.ir.types import TensorType
from lowbit.spec import QuantSpec


@op("matmul")
@dataclass(frozen=True, slots=True)
class MatMul:
    """a (*B, M, K) with b (*B, K, N) to (*B, M, N), the sum over k of (a - z_a) (b - z_b).

    Codes of 8 bits sum exactly. As soon as one operand is float both are, the zero points are 0,
    and each sum runs in order of k from +0, product and addition rounded separately.
    """

    zeros: tuple[int, ...]

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(len(a.shape) == len(b.shape) >= 2, f"a is (*B, M, K), b (*B, K, N): {a}, {b}")
        require(a.shape[:-2] == b.shape[:-2], f"matrices are paired: {a} and {b}")
        require(a.shape[-1] == b.shape[-2], f"depths agree: {a.shape[-1]} and {b.shape[-2]}")
        require(len(self.zeros) == 2, "two zero points")
        shape = (*a.shape[:-1], b.shape[-1])
        if a.spec is None or b.spec is None:
            require(not any(self.zeros), "floats have no zero point")
            return TensorType(shape, None)
        x, y = (deviation(t, z) for t, z in zip((a, b), self.zeros, strict=True))
        corners = [p * q * a.shape[-1] for p in (x.lo, x.hi) for q in (y.lo, y.hi)]
        return TensorType(shape, QuantSpec(min(corners), max(corners)))

    def evaluate(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if np.float32 not in (a.dtype, b.dtype):
            za, zb = self.zeros
            return (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
        a, b = a.astype(np.float32), b.astype(np.float32)
        out = np.zeros((*a.shape[:-1], b.shape[-1]), np.float32)
        for k in range(a.shape[-1]):
            out += a[..., k, None] * b[..., k, None, :]
        return out

"""The tables that plans choose from."""

from lowbit.kernels import (
    copy,
    elementwise,
    float_conv,
    halve,
    int_conv,
    matmul,
    mean_codes,
    pick,
    plane_conv,
    pool,
    softmax,
    xnor_conv,
)
from lowbit.kernels.table import Kernel

TABLES: dict[str, tuple[Kernel, ...]] = {
    "xnor_conv": xnor_conv.KERNELS,
    "plane_conv": plane_conv.KERNELS,
    "int_conv": int_conv.KERNELS,
    "float_conv": float_conv.KERNELS,
    "max_pool": pool.MAX_POOL,
    "max_bits": pool.MAX_BITS,
    "max_bytes": pool.MAX_BYTES,
    "avg_pool": pool.AVG_POOL,
    "mean": pool.MEAN,
    "mean_codes": mean_codes.KERNELS,
    "elementwise": elementwise.KERNELS,
    "copy": copy.KERNELS,
    "pick": pick.KERNELS,
    "halve": halve.KERNELS,
    "matmul": matmul.KERNELS,
    "softmax": softmax.KERNELS,
}

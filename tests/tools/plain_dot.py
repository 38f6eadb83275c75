"""An instruction of dots.py that any AVX2 machine has, for kernels of those that few have."""

from llvmlite import ir

from lowbit.kernels import packed
from lowbit.kernels.dots import Dot, as_bytes
from lowbit.kernels.simd import I32


def plain(builder, acc, x, w):
    """Equation (1) of dots.py on any CPU."""
    wide = ir.VectorType(I32, 4 * acc.type.count)
    x, w = as_bytes(builder, x, w)
    product = builder.mul(builder.zext(x, wide), builder.sext(w, wide))
    for j in range(4):
        every = acc.type(list(range(j, wide.count, 4)))
        acc = builder.add(acc, builder.shuffle_vector(product, wide(ir.Undefined), every))
    return acc


AVX2 = Dot(8, frozenset({"avx2"}), plain, packs=packed.AVX2)

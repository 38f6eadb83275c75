"""Products of two tensors that both depend on the input."""

from lowbit.kernels.matmul import generic, reference
from lowbit.kernels.table import Kernel

KERNELS = (
    Kernel("matmul_floats", generic.floats, tile=(1, 16), fits=generic.fits_floats),
    Kernel("matmul_codes", generic.codes, tile=(1, 16), fits=generic.fits_codes),
    Kernel("matmul_reference", reference.run, reference=True),
)

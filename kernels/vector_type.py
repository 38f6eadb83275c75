"""Numba's type of an LLVM vector."""

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import register_model


class VectorType(types.Type):
    def __init__(self, llvm: ir.VectorType) -> None:
        self.llvm = llvm
        super().__init__(f"Vector({llvm})")


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)

"""Loads machine code into this process, by LLVM's linker alone."""

import functools
import threading
from typing import Any, NamedTuple

import llvmlite.binding as llvm

from lowbit.kernels import cpu


class MachineCode(NamedTuple):
    """An object file, and which of its functions is the one to call."""

    symbol: str
    object: bytes


@functools.cache
def engine() -> Any:
    cpu.initialize()
    triple, name, features = cpu.target()
    module = llvm.parse_assembly("")
    module.triple = triple
    machine = llvm.Target.from_triple(triple).create_target_machine(
        cpu=name, features=features, codemodel="jitdefault", jit=True
    )
    return llvm.create_mcjit_compiler(module, machine)


ONE_AT_A_TIME = threading.Lock()  # LLVM's linker has none of its own


def load(code: MachineCode) -> int:
    """The address of its function."""
    with ONE_AT_A_TIME:
        engine().add_object_file(llvm.ObjectFileRef.from_data(code.object))
        engine().finalize_object()
        address = engine().get_function_address(code.symbol)
    if not address:
        raise LookupError(f"{code.symbol} is not in its object file")
    return address

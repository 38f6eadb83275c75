"""Prints the machine code of a kernel's row for a CPU that need not be this one.

    python scripts/assembly.py int_conv_neon_4x16 aarch64-linux-gnu +neon,+dotprod
    python scripts/assembly.py int_conv_avxvnni_4x16 x86_64-linux-gnu +avx2,+avxvnni

Numba makes LLVM's text as always, but nothing is loaded into this process, whose CPU may lack the
instructions; LLVM's back end for the other CPU then compiles the text.
"""

import re
import sys

import llvmlite.binding as llvm

from lowbit.kernels import compiler, entry
from lowbit.runtime.kernels import TABLES


def assembly(text: str, triple: str, features: str) -> str:
    text = re.sub("target triple = .*", f'target triple = "{triple}"', text)
    module = llvm.parse_assembly(re.sub("target datalayout = .*", "", text))
    target = llvm.Target.from_triple(triple)
    return target.create_target_machine(features=features, opt=3).emit_assembly(module)


def main(name: str, triple: str, features: str) -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    rows = {kernel.name: kernel for table in TABLES.values() for kernel in table}
    text = compiler.llvm_text(rows[name].run, entry.KERNEL, entry.FAILED)
    print(assembly(text, triple, features))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the code that Numba makes may use of this CPU. The only module that asks."""

import functools
import os

import llvmlite.binding as llvm

Target = tuple[str, str, str]

# LLVM does not list the dot product among the features that it finds on an Arm processor, though it
# uses it where the processor's name implies it. So it is asked for this sum, and its answer read.
DOT_PRODUCT = """
define i32 @sum(ptr %a, ptr %b) {
  %x = load <16 x i8>, ptr %a
  %y = load <16 x i8>, ptr %b
  %u = sext <16 x i8> %x to <16 x i32>
  %v = sext <16 x i8> %y to <16 x i32>
  %p = mul <16 x i32> %u, %v
  %s = call i32 @llvm.vector.reduce.add.v16i32(<16 x i32> %p)
  ret i32 %s
}
declare i32 @llvm.vector.reduce.add.v16i32(<16 x i32>)
"""


@functools.cache
def target() -> Target:
    """The triple, the CPU's name and its feature string: the host's, unless NUMBA_CPU_NAME or
    NUMBA_CPU_FEATURES says otherwise. An instruction that the target lacks would abort the
    process inside LLVM, so the host alone is never the one to ask."""
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    given = os.environ.get("NUMBA_CPU_FEATURES")
    return llvm.get_process_triple(), name, host_features() if given is None else given


def initialize() -> None:
    """LLVM's back end for this machine, which every maker of machine code needs."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


def host_features() -> str:
    try:
        return llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # LLVM does not know how to ask here
        return ""


@functools.cache
def features() -> frozenset[str]:
    """LLVM's names of the instruction sets, such as {"popcnt", "avx2", "avx512vpopcntdq"}."""
    return features_of(target())


def features_of(target: Target) -> frozenset[str]:
    """Those in a target's feature string, and the dot product where its name implies it."""
    triple, _name, text = target
    named = {f[1:] for f in text.split(",") if f.startswith("+")}
    if triple.startswith(("aarch64", "arm64")) and "sdot" in assembly(DOT_PRODUCT, target):
        named.add("dotprod")
    return frozenset(named)


def assembly(text: str, target: Target) -> str:
    """What LLVM makes of its own language for a target."""
    initialize()
    triple, name, given = target
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=given)
    module = llvm.parse_assembly(text)
    module.triple = triple
    return machine.emit_assembly(module)

"""What the code that Numba makes may use of this CPU. The only module that asks."""

import functools


@functools.cache
def target() -> tuple[str, str, str]:
    """Numba's triple, CPU name and feature string: the host's, unless NUMBA_CPU_NAME or
    NUMBA_CPU_FEATURES says otherwise. An instruction that the target lacks would abort the
    process inside LLVM, so the host alone is never the one to ask."""
    from numba.core.registry import cpu_target

    return cpu_target.target_context.codegen().magic_tuple()


@functools.cache
def features() -> frozenset[str]:
    """LLVM's names of the instruction sets, such as {"popcnt", "avx2", "avx512vpopcntdq"}."""
    return frozenset(f[1:] for f in target()[2].split(",") if f.startswith("+"))

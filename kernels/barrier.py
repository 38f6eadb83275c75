"""How threads that run one program share a step and meet after it.

A step is cut into at most 64 pieces, taken by setting their bits in a word; another word counts
the pieces that are done. Each thread begins with its own share, so that what it computed in one
step lies in its cache for the next, and then takes what others have left: a thread that the system
has not yet woken, or has sent away, is not waited for unless it is in the middle of a piece.
"""

import ctypes

from llvmlite import ir

from lowbit.kernels import cpu
from lowbit.kernels.entry import inner
from lowbit.kernels.late import types
from lowbit.kernels.simd import I32, I64, call, intrinsic

PIECES = 64
MEETING = 128  # bytes a step: the words taken and failed, and, on its own cache line, done
FAILED = 8  # where in them a piece says that it could not be computed
SPINS = 300  # some ten microseconds; then the system may give the core to somebody else


def system_yield() -> int:
    """The address of the C function, without arguments, that gives the core away."""
    address = ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value
    assert address is not None
    return address


def atomic(kind: str):
    """The intrinsic from (address, value) to what an int64 there was before this operation."""

    @intrinsic
    def change(typingctx, address, value):
        def codegen(context, builder, signature, args):
            pointer = builder.inttoptr(args[0], I64.as_pointer())
            return builder.atomic_rmw(kind, pointer, args[1], "acq_rel")

        return types.int64(types.int64, types.int64), codegen

    return change


add, either = atomic("add"), atomic("or")


@intrinsic
def seen(typingctx, address):
    """The int64 at an address, with all that was written before it was."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def relax(typingctx):
    """Tells the core that it spins."""

    def codegen(context, builder, signature, args):
        family = cpu.target()[0].split("-")[0]
        if family == "x86_64":
            call(builder, "llvm.x86.sse2.pause", ir.VoidType())
        elif family in ("aarch64", "arm64"):
            call(builder, "llvm.aarch64.hint", ir.VoidType(), I32(1))
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def give_way(typingctx, function):
    """Calls the system's yield."""

    def codegen(context, builder, signature, args):
        kind = ir.FunctionType(I32, []).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inner
def take(meeting, piece):
    """Whether the piece is the caller's from now on."""
    bit = 1 << piece
    return seen(meeting) & bit == 0 and either(meeting, bit) & bit == 0


@inner
def finish(meeting):
    add(meeting + MEETING // 2, 1)


@inner
def fail(meeting):
    """Before it is finished, as any piece is: the others wait for it."""
    either(meeting + FAILED, 1)


@inner
def wait(meeting, pieces, pause):
    """Returns when all pieces are done."""
    spins = 0
    while seen(meeting + MEETING // 2) < pieces:
        spins += 1
        if spins < SPINS:
            relax()
        else:
            give_way(pause)

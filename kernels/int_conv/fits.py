"""Which problems each row of int_conv is for: why not, or ""."""

import math

from lowbit.kernels import cpu, depthwise
from lowbit.kernels.dots import Dot
from lowbit.kernels.int_conv import amx, amx_registers, depthwise_fours, few_bits, joined, widened
from lowbit.kernels.layout import Layout
from lowbit.kernels.problem import parts

RUNS = (32, 8)  # of bounded.py, longest first
MOST_PARTS = 3  # of parts.py


def words(problem) -> str:
    return "" if problem.layout is Layout.INT else "needs int32 codes"


def bytes_by_int16(problem) -> str:
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs codes of one byte"
    return "" if problem.w_spec.magnitude < 2**15 else "needs int16 weights"


def bytes_by_int8(problem) -> str:
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs codes of one byte"
    return "" if problem.w_spec.lo >= -128 and problem.w_spec.hi <= 127 else "needs int8 weights"


def bytes_in_parts(problem) -> str:
    """Each part costs all products once more: of many, int16 are the faster."""
    if problem.layout not in (Layout.BYTE, Layout.UBYTE):
        return "needs codes of one byte"
    few = parts(problem.w_spec) <= MOST_PARTS
    return "" if few else f"needs weights of {MOST_PARTS} int8 at most"


def most_in_pairs(problem) -> int:
    """The largest sum of two products of codes, of which signed ones are moved by 128."""
    low = problem.x_spec.lo if problem.layout is Layout.UBYTE else -128
    return 2 * (problem.x_spec.hi - low) * problem.w_spec.magnitude


def bounded_bytes(run: int, problem) -> str:
    """Only for the longest run of sums that fit 16 bits."""
    if why := bytes_by_int8(problem):
        return why
    longest = max((r for r in RUNS if r * most_in_pairs(problem) < 2**15), default=0)
    return "" if run == longest else f"needs {2 * run} products in 16 bits, and no more"


def one_row(problem) -> str:
    """What widened.py asks for besides."""
    if problem.groups > 1:
        return "needs one group"
    few = math.prod(problem.kernel) * problem.channels <= widened.MOST
    return "" if few else f"needs {widened.MOST} inputs a sum at most"


def widened_bytes(problem) -> str:
    return one_row(problem) or bytes_by_int8(problem)


def widened_shorts(problem) -> str:
    if not bytes_by_int8(problem):
        return "needs weights that are no bytes"
    return one_row(problem) or bytes_by_int16(problem)


def pairs(problem) -> str:
    """What the widened rows leave: they are faster in all they can do."""
    return bytes_by_int16(problem) if one_row(problem) else "needs groups, or longer sums"


def few_taps(problem) -> str:
    few = math.prod(problem.kernel) <= depthwise_fours.MOST_TAPS
    return "" if few else f"needs {depthwise_fours.MOST_TAPS} taps at most"


def exact_pairs(dot: Dot, problem) -> str:
    narrow = dot.narrow and most_in_pairs(problem) >= 2**15
    return "needs two products in 16 bits" if narrow else ""


def bytes_by_dots(dot: Dot, problem) -> str:
    return bytes_by_int8(problem) or exact_pairs(dot, problem)


def joined_by_dots(dot: Dot, problem) -> str:
    return joined.fits(problem) or bytes_in_parts(problem) or exact_pairs(dot, problem)


def depthwise_by_dots(dot: Dot, problem) -> str:
    """Wide vectors of few channels would be mostly padding."""
    if why := depthwise.fits(problem) or bytes_by_dots(dot, problem) or few_taps(problem):
        return why
    spare = -problem.channels % dot.bytes
    return "needs vectors full of channels" if dot.lanes > 8 and spare >= 32 else ""


def rolled_by_dots(block: int, problem) -> str:
    """The last block may be padding for the most part, if it is the only one."""
    if why := depthwise.fits(problem) or bytes_by_int8(problem):
        return why
    if problem.kernel != (3, 3) or problem.stride[1] > 1 or problem.dilation[1] > 1:
        return "needs neighbouring pixels under 3 by 3 taps"
    spare = -problem.channels % block
    return "needs vectors full of channels" if spare >= 32 else ""


def depthwise_by_pairs(problem) -> str:
    return depthwise.fits(problem) or bytes_by_int16(problem) or few_taps(problem)


def signed_by_two_bits(problem) -> str:
    if problem.layout is not Layout.BYTE:
        return "needs signed bytes"
    if math.prod(problem.kernel) * problem.channels // problem.groups > few_bits.MOST:
        return f"needs {few_bits.MOST} inputs a sum at most"
    return "" if 1 <= problem.w_spec.bits <= 2 else "needs weights of two bits"


def bytes_by_amx(problem) -> str:
    if why := bytes_by_int8(problem):
        return why
    if problem.channels // problem.groups < amx.DEPTH // 2:
        return f"needs {amx.DEPTH // 2} channels a group"
    steps = math.prod(problem.kernel) * -(-problem.channels // problem.groups // amx.DEPTH)
    if steps > amx.MOST:
        return f"needs {amx.MOST * amx.DEPTH} inputs a sum at most"
    return leave()


def joined_by_amx(problem) -> str:
    (rows, columns), few = problem.kernel, amx.DEPTH // 2
    if problem.groups > 1 or problem.channels >= few or problem.dilation[1] > 1:
        return f"needs neighbouring taps of less than {few} channels, in one group"
    if rows * -(-columns * problem.channels // amx.DEPTH) > amx.MOST:
        return f"needs {amx.MOST} steps of {amx.DEPTH} inputs a sum at most"
    return bytes_in_parts(problem) or leave()


def leave() -> str:
    """What the system has to say to a CPU's AMX; one that has none is told so elsewhere."""
    able = cpu.features() >= amx.REQUIRES
    return "" if not able or amx_registers.permitted() else "needs the system's leave to use AMX"

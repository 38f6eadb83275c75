"""Small programs over a few rows of channels, run on what a kernel has just computed.

A kernel leaves int32 or float32 values of a run of pixels in a scratch that stays in the first
cache, [pixel][channel] with `stride` values a pixel, and calls a program on it. A program is an
array of INSTRUCTIONs up to END, one or several of them a pass over the scratch. Every tensor layout
is loaded and stored here and nowhere else.
"""

from enum import IntEnum

from lowbit.kernels.entry import inner
from lowbit.kernels.record import record
from lowbit.kernels.simd import caller


class Op(IntEnum):
    END = 0
    LOAD_WORD = 1  # int32 or float32
    LOAD_BYTE = 2
    LOAD_UBYTE = 3
    LOAD_PLANES = 4
    TO_FLOAT = 5
    ADD = 6
    SUB = 7
    SUB_FROM = 8
    MUL = 9
    DIV = 10
    RELU = 11
    CLAMP = 12
    PRELU = 13
    THRESHOLD_INT = 14
    THRESHOLD_FLOAT = 15
    SEARCH_INT = 16
    SEARCH_FLOAT = 17
    LOOKUP = 18
    STORE_WORD = 19
    STORE_AS_FLOAT = 20
    STORE_BYTE = 21
    STORE_PLANES = 22
    REQUANTIZE_D = 23  # what the numbers mean: kernels/program/eight_bit_reference.py
    REQUANTIZE_F = 24
    QUANTIZE_D = 25
    QUANTIZE_F = 26
    ADD_D = 27
    ADD_F = 28
    MUL_CODES = 29
    BYTE = 30
    REQUANTIZE_WIDE = 31
    STEPS_INT = 32  # thresholds in equal steps, or nearly: steps.py
    STEPS_FLOAT = 33
    STEPS_NEAREST = 34
    STEPS_QUOTIENT = 35
    NEAR_INT = 36
    NEAR_FLOAT = 37
    ABS = 38  # functions.py, as those below
    SQRT = 39
    EXP = 40
    SIGMOID = 41
    DIV_FROM = 42


INSTRUCTION = record(
    "op",
    "run",  # the pass that begins here, its address; passes.py has them
    "together",  # instructions of the pass that begins here; else 0, as at END
    "at",  # the operand: a tensor, or a constant's vector over channels
    "row",  # a tensor's bytes a pixel, a constant's 0
    "div",  # the operand's pixel is (pixel // div) % mod; mod 0 is none
    "mod",
    "second",  # a second vector over channels
    "third",  # a third
    "lo",
    "step",  # of thresholds; bytes from one to the next of several vectors in `second`
    "levels",  # thresholds a channel, or a table's entries
    "by_channel",  # 0 when all channels share one row of thresholds or of a table
    "channels",  # of the tensor
    "planes",
    "hi",  # of 8-bit codes, with lo
    "zero",  # their zero point
    "kind",  # the Layout of an operand of codes
)

ARGUMENTS = 7  # program, scratch, first pixel, pixels, first channel, channels, stride
call = caller(ARGUMENTS)


@inner
def run_program(address, arguments):
    if call(address, arguments) != 0:
        raise RuntimeError("a program failed")


# The scratch of a kernel. A run is at most RUN pixels; CHUNK channels at most lie side by side
# unless groups force more, and never more than SCRATCH values in all.
SCRATCH = 4096
RUN = 64
CHUNK = 512
EAGER = 15  # up to so many thresholds a channel, comparing with all of them beats searching

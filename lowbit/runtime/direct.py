"""Programs so short that the tiles of a kernel can do their work: what a plan then tells it."""

import numpy as np

from lowbit.kernels.layout import Layout
from lowbit.kernels.program import Op
from lowbit.kernels.requantize import CODES_D, CODES_F, SUM_F
from lowbit.kernels.table import Kernel
from lowbit.kernels.window import BITS, WORDS
from lowbit.runtime.program import Instruction
from lowbit.runtime.step import Place

FORMS: dict[object, int] = {Op.REQUANTIZE_F: CODES_F, Op.REQUANTIZE_D: CODES_D}
NEVER = 2**40  # a limit that no sum reaches


def direct(kernel: Kernel, outs: int, groups: int, program: list[Instruction]) -> dict[str, Place]:
    """The fields of a record that take the place of its program; none if it has to be run."""
    ops, block = [i["op"] for i in program], kernel.tile[1] if kernel.tile else 1
    if kernel.reference or not (groups == 1 or kernel.channelwise or outs // groups % block == 0):
        return {}
    if ops == [Op.STORE_WORD] and outs % block == 0:
        return {"direct": WORDS, **target(program[0])}
    if kernel.codes and len(ops) == 2 and ops[0] in FORMS and ops[1] == Op.STORE_BYTE:
        return {"direct": FORMS[ops[0]], **target(program[1])}
    if kernel.codes and ops == [Op.REQUANTIZE_F, Op.ADD_F, Op.STORE_BYTE] and beside(*program[1:]):
        return {"direct": SUM_F, **target(program[2])}
    if ops != [Op.THRESHOLD_INT, Op.STORE_PLANES] or not kernel.bits or groups > 1:
        return {}
    threshold, store = program
    if threshold["levels"] != 1 or store["planes"] != 1:
        return {}
    t, slope = threshold["at"], threshold["third"]
    assert isinstance(t, np.ndarray)
    assert isinstance(slope, np.ndarray)
    lanes = -(-outs // block) * block
    limits, falls = np.full(lanes + 8, NEVER, np.int64), np.zeros(lanes + 64, np.uint8)
    limits[:outs], falls[:outs] = t[0, :outs], slope[:outs] < 0
    flips = np.packbits(falls, bitorder="little")
    return {"direct": BITS, "limits": limits, "flips": flips, **target(store)}


def beside(add: Instruction, store: Instruction) -> bool:
    """Whether the other codes lie pixel by pixel as the sums will."""
    bytes_ = add["kind"] in (Layout.BYTE, Layout.UBYTE)
    return bytes_ and add["row"] == store["row"] and "div" not in add and "mod" not in add


def target(store: Instruction) -> dict[str, Place]:
    return {"out": store["at"], "out_pixel": store["row"]}

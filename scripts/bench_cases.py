"""The steps that bench_kernels.py times, as graphs."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.spec import BINARY, INT8, NARROW_INT8, TERNARY, Codes, QuantSpec, unsigned

SCALE = 0.02  # of the codes of an input
ALPHABETS = {"w1a1": (BINARY, BINARY), "w2a8": (TERNARY, INT8), "w8a8": (NARROW_INT8, INT8)}
CONVS = ((56, 64), (28, 128), (14, 256), (7, 512))


@dataclass(frozen=True)
class Case:
    """x (side, side, channels) or (rows, channels), a kernel of k by k, and what follows."""

    op: str
    dtype: str
    side: int
    channels: int
    outs: int
    k: int = 1
    stride: int = 1
    groups: int = 1
    rows: int = 0

    @property
    def shape(self) -> str:
        if self.rows:
            return f"{self.rows}x{self.channels}x{self.outs}"
        size = f"{self.side}x{self.side}x{self.channels}->{self.outs}"
        return f"{size} k{self.k}s{self.stride}" + (f"g{self.groups}" if self.groups > 1 else "")

    @property
    def pixels(self) -> int:
        return self.rows or (-(-self.side // self.stride)) ** 2

    @property
    def gop(self) -> float:
        """A product and a sum are two operations; taps outside the image count."""
        return 2e-9 * self.pixels * self.outs * self.k**2 * self.channels / self.groups

    @property
    def weight_bytes(self) -> float:
        bits = {"w1a1": 1, "w2a8": 2, "w8a8": 8}[self.dtype]
        return self.outs * self.k**2 * self.channels / self.groups * bits / 8


def cases() -> Iterator[Case]:
    yield Case("gemm", "w1a1", 0, 4096, 1024, rows=1024)
    for dtype in ("w1a1", "w8a8"):
        for side, channels in CONVS:
            yield Case("conv", dtype, side, channels, channels, k=3)
    for dtype in ALPHABETS:
        for rows in (1, 16, 256):
            yield Case("linear", dtype, 0, 4096, 4096, rows=rows)
    yield Case("conv1x1", "w8a8", 14, 512, 512)
    yield Case("first", "w8a8", 224, 3, 64, k=7, stride=2)
    for side, channels in ((112, 32), (56, 128), (14, 512)):
        yield Case("depthwise", "w8a8", side, channels, channels, k=3, groups=channels)


def constant(value, spec: QuantSpec | None = None) -> TensorType:
    type_ = TensorType(np.shape(value), spec)
    return TensorType(type_.shape, spec, np.ascontiguousarray(value, type_.dtype))


def sized(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if case.rows:
        return (case.rows, case.channels), (case.outs, case.channels)
    sides = (case.side, case.side)
    return (*sides, case.channels), (case.outs, case.k, case.k, case.channels // case.groups)


def pads(case: Case) -> tuple[tuple[int, int], tuple[int, int]]:
    return ((case.k // 2, case.k // 2),) * 2


def graph(case: Case, rng: np.random.Generator) -> Graph:
    """The product and what follows it in a network: thresholds and bits for signs, codes for 8
    bits, int32 for ternary weights, whose scale is a token's, and for the plain matrix product."""
    w_spec, x_spec = ALPHABETS[case.dtype]
    x_shape, w_shape = sized(case)
    w = rng.integers(0, w_spec.levels, w_shape) * w_spec.step + w_spec.lo
    constants = {"w": constant(w, w_spec)}
    sides = (case.stride,) * 2
    product = ops.Linear() if case.rows else ops.Conv(sides, pads(case), (1, 1), case.groups)
    nodes, last = [Node(product, ("x", "w"), "y")], "y"
    if case.dtype == "w8a8":
        more, after, last = codes(case)
    elif case.dtype == "w1a1" and case.op != "gemm":
        more, after, last = signs(case, rng)
    else:
        more, after = {}, []
    every = (*nodes, *after)
    return Graph({"x": TensorType(x_shape, x_spec)}, constants | more, every, (last,))


def codes(case: Case):
    """Requantization in form F; first, in words, what the input's codes are worth."""
    constants = {
        "none": constant(np.zeros(1), QuantSpec(-(2**20), 2**20)),
        "one": constant(np.ones(1)),
        "bias": constant(np.zeros(case.outs), QuantSpec(-(2**20), 2**20)),
        "scales": constant(np.full(case.outs, 0.01)),
    }
    form = ops.RequantizeF(SCALE, Codes(20 * SCALE, 0))
    return constants, [Node(form, ("y", "bias", "scales"), "z")], "z"


def signs(case: Case, rng: np.random.Generator):
    """One threshold a channel, and one consumer that wants packed bits."""
    reach = int(np.prod(sized(case)[1][1:])) // 8
    constants = {
        "t": constant(rng.integers(-reach, reach, (case.outs, 1)), QuantSpec(-(2**31), 2**31 - 1)),
        "rising": constant(np.zeros(case.outs), unsigned(1)),
        "w2": constant(rng.choice([-1, 1], (8, case.outs)), BINARY),
    }
    nodes = [
        Node(ops.Threshold(-1, 1, 2), ("y", "t", "rising"), "z"),
        Node(ops.Linear(), ("z", "w2"), "end"),
    ]
    return constants, nodes, "end"


def worth(graph: Graph) -> Graph:
    """The same graph, saying what its input's codes are worth, as other formats demand."""
    same = Node(ops.RequantizeF(SCALE, Codes(SCALE, 0)), ("x", "none", "one"), "known")
    first = replace(graph.nodes[0], inputs=("known", "w"))
    return replace(graph, nodes=(same, first, *graph.nodes[1:]))

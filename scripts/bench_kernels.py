"""Times single steps against the machine's ceilings and against other libraries, in one process.

    python scripts/bench_kernels.py [--only conv] [--json] [--csv results]

A round runs every contestant of a case once: ours, the peers, and the ceiling that bounds it, so
that all see the same machine. Medians are quoted, one thread. A step's input and output lie as
they do inside a network: packed bits for signs, bytes for 8-bit codes. Ceilings are measured from
registers alone (xor, popcount and add; vpdpbusd) or, for a single row, by reading as many bytes as
the packed weights take.
"""

import argparse
import csv
import datetime
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.kernels import ceiling, entry
from lowbit.runtime import Network
from lowbit.runtime.step import Step
from lowbit.spec import BINARY, INT8, NARROW_INT8, TERNARY, QuantSpec, unsigned
from lowbit.timing import cpu_model, interleaved

ALPHABETS = {"w1a1": (BINARY, BINARY), "w2a8": (TERNARY, INT8), "w8a8": (NARROW_INT8, unsigned(8))}
UNITS = {"w1a1": "bits", "w2a8": "bytes", "w8a8": "bytes"}


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
    convs = ((56, 64), (28, 128), (14, 256), (7, 512))
    yield Case("gemm", "w1a1", 0, 4096, 1024, rows=1024)
    for dtype in ("w1a1", "w8a8"):
        for side, channels in convs:
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
    """The product, and behind it what keeps its neighbours packed: thresholds, or one consumer."""
    w_spec, x_spec = ALPHABETS[case.dtype]
    x_shape, w_shape = sized(case)
    w = rng.integers(0, w_spec.levels, w_shape) * w_spec.step + w_spec.lo
    reach = w_spec.magnitude * x_spec.magnitude * np.prod(w_shape[1:])
    levels, out = x_spec.levels - 1, x_spec
    t = np.linspace(-reach, reach, levels + 2)[1:-1].astype(np.int64) // 8
    constants = {
        "w": constant(w, w_spec),
        "t": constant(np.repeat(t[None], case.outs, 0), QuantSpec(-(2**31), 2**31 - 1)),
        "rising": constant(np.zeros(case.outs), unsigned(1)),
        "w2": constant(rng.choice([-1, 1], (8, case.outs)), BINARY),
    }
    sides = (case.stride,) * 2
    product = ops.Linear() if case.rows else ops.Conv(sides, pads(case), (1, 1), case.groups)
    nodes = [Node(product, ("x", "w"), "y")]
    last = "y"
    if case.op != "gemm":
        step = ops.Threshold(out.lo, out.hi, out.step)
        nodes += [Node(step, ("y", "t", "rising"), "z"), Node(ops.Linear(), ("z", "w2"), "end")]
        last = "end"
    return Graph({"x": TensorType(x_shape, x_spec)}, constants, tuple(nodes), (last,))


def ours(case: Case, rng: np.random.Generator) -> tuple[Step, Callable[[], None], Network]:
    network = Network(graph(case, rng))
    step = next(s for s in network.plan.steps if "y" in s.nodes)
    run, at = step.kernel.callable(), step.record.ctypes.data
    return step, lambda: run(at, 0, step.units), network


# Peers: each returns a function to time, or None where it is not installed or cannot.


def torch_float(case: Case) -> Callable[[], object] | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    x_shape, w_shape = sized(case)
    if case.rows:
        x, w = torch.randn(x_shape), torch.randn(w_shape)
        run = torch.nn.functional.linear
        return torch.inference_mode()(lambda: run(x, w))
    x = torch.randn(1, *x_shape[::-1])
    w = torch.randn(w_shape).permute(0, 3, 1, 2).contiguous()
    conv = torch.nn.functional.conv2d
    return torch.inference_mode()(
        lambda: conv(x, w, None, case.stride, case.k // 2, groups=case.groups)
    )


def onnxruntime_int8(case: Case) -> Callable[[], object] | None:
    """QLinearConv or QLinearMatMul, uint8 by int8."""
    try:
        import onnxruntime
        from onnx import TensorProto as T
        from onnx import helper, numpy_helper
    except ImportError:
        return None
    x_shape, w_shape = sized(case)
    rng = np.random.default_rng(0)
    w = rng.integers(-127, 128, w_shape).astype(np.int8)
    w = w.T.copy() if case.rows else w.transpose(0, 3, 1, 2).copy()
    shape = x_shape if case.rows else (1, *x_shape[::-1])
    scale = {name: np.float32(0.01) for name in ("xs", "ws", "ys")}
    zero = {"xz": np.uint8(0), "wz": np.int8(0), "yz": np.uint8(128)}
    values = {"w": w, **scale, **zero}
    held = [numpy_helper.from_array(np.asarray(v), n) for n, v in values.items()]
    inputs = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    if case.rows:
        node = helper.make_node("QLinearMatMul", inputs, ["y"])
    else:
        pad = [case.k // 2] * 4
        strides = [case.stride] * 2
        node = helper.make_node(
            "QLinearConv", inputs, ["y"], pads=pad, strides=strides, group=case.groups
        )
    ends = [[helper.make_tensor_value_info(n, T.UINT8, s)] for n, s in (("x", shape), ("y", None))]
    model = helper.make_model(
        helper.make_graph([node], "one", *ends, held),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = rng.integers(0, 256, shape).astype(np.uint8)
    return lambda: session.run(None, {"x": x})


PEERS = {"torch-fp32": torch_float, "onnxruntime-int8": onnxruntime_int8}


def roof(case: Case) -> tuple[str, Callable[[], None], float]:
    """The ceiling's name, a run of it, and its billions of operations."""
    if case.rows == 1:
        memory = np.ones(max(1 << 12, int(case.weight_bytes)), np.uint8)
        run = entry.compiled(ceiling.read, "ceiling_read").ctypes
        at, size = memory.ctypes.data, len(memory) // 512 * 512
        return "read", lambda: (run(at, 0, size), memory)[0], case.gop
    counting = case.dtype == "w1a1"
    name, code, each = ("counts", ceiling.counts, 512) if counting else ceiling.products()
    run, rounds = entry.compiled(code, f"ceiling_{name}").ctypes, 20000
    memory, work = np.zeros(64, np.uint8), 2e-9 * ceiling.CHAINS * each * rounds
    return name, lambda: (run(memory.ctypes.data, 0, rounds), memory)[0], work


def measure(case: Case, rounds: int, peers: bool) -> Iterator[dict]:
    rng = np.random.default_rng(0)
    step, run, network = ours(case, rng)
    name, top, work = roof(case)
    contestants: dict[str, Callable[[], object]] = {"": run, name: top}
    if peers:
        contestants |= {peer: made for peer, make in PEERS.items() if (made := make(case))}
    taken = interleaved(contestants, rounds)
    ceiling_gops = work / taken[name] * 1e3
    for contestant, milliseconds in taken.items():
        if contestant == name:
            continue
        yield {
            "op": case.op,
            "shape": case.shape,
            "dtype": case.dtype if contestant in ("", "onnxruntime-int8") else "float32",
            "kernel": contestant or step.kernel.name,
            "threads": 1,
            "median_ms": round(milliseconds, 5),
            "gops": round(case.gop / milliseconds * 1e3, 1),
            "ceiling_gops": round(ceiling_gops, 1),
            "peer": contestant or None,
        }
    del network


def line(row: dict) -> str:
    share = "" if row["peer"] else f"{row['gops'] / row['ceiling_gops']:6.0%} of the ceiling"
    head = f"{row['op']:10} {row['shape']:26} {row['dtype']:8} {row['kernel']:26}"
    return f"{head} {row['median_ms']:9.3f} ms {row['gops']:8.0f} GOPS {share}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--alone", action="store_true", help="no other libraries")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--csv", type=Path, help="a folder for the CSV file")
    arguments = parser.parse_args()
    rows = []
    for case in cases():
        if arguments.only not in f"{case.op} {case.dtype} {case.shape}":
            continue
        for row in measure(case, arguments.rounds, not arguments.alone):
            rows.append(row)
            print(json.dumps(row) if arguments.json else line(row), flush=True)
    if arguments.csv and rows:
        print(write(arguments.csv, rows))


def write(folder: Path, rows: list[dict]) -> Path:
    """What was measured, with machine and day in the file's name."""
    machine = cpu_model().replace(" ", "-").replace("/", "-").lower()
    path = folder / f"kernels_{machine}_{datetime.date.today()}_1-thread.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

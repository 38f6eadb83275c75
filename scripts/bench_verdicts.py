"""What the measurements of bench_kernels.py say of its targets: one line each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench_cases import CONVS

Row = dict[str, object]
BINARY, INT8 = "w1a1", "w8a8"
TERNARY_RATIO = (
    0.28 / 2.53 / 1.5
)  # of torch float32: the best ternary peer's share, and half better


@dataclass(frozen=True)
class Verdict:
    target: str
    wanted: float
    reached: float
    most: bool = False  # the target is to stay below

    @property
    def met(self) -> bool:
        return self.reached <= self.wanted if self.most else self.reached >= self.wanted

    def line(self) -> list[str]:
        sign = "<=" if self.most else ">="
        wanted, reached = f"{sign} {self.wanted:.3g}", f"{self.reached:.3g}"
        return [self.target, wanted, reached, "yes" if self.met else "no"]


@dataclass(frozen=True)
class Case:
    """The rows of one case: ours, and every peer's milliseconds."""

    ours: Row
    peers: dict[str, float]

    @property
    def milliseconds(self) -> float:
        return float(self.ours["median_ms"])  # type: ignore[arg-type]

    @property
    def tiles(self) -> bool:
        """Whether it ran on AMX, whose products of bytes no ceiling of vectors bounds."""
        return "amx" in str(self.ours["kernel"])

    @property
    def share(self) -> float:
        """Of the ceiling. For a single row that is a plain read of the weights' bytes."""
        return float(self.ours["gops"]) / float(self.ours["ceiling_gops"])  # type: ignore[arg-type]

    def faster_than(self, *names: str) -> float:
        """How many times faster than the fastest peer of those names."""
        times = [t for peer, t in self.peers.items() if any(n in peer for n in names)]
        return min(times, default=float("nan")) / self.milliseconds


def grouped(rows: list[Row]) -> dict[tuple[str, str, str], Case]:
    found: dict[tuple[str, str, str], Case] = {}
    for row in rows:
        if not row["peer"]:
            key = (str(row["op"]), str(row["dtype"]), str(row["shape"]))
            found[key] = Case(row, {})
        else:
            found[key].peers[str(row["peer"])] = float(row["median_ms"])  # type: ignore[arg-type]
    return found


def convs(cases, dtype: str) -> list[Case]:
    shapes = [f"{s}x{s}x{c}->{c} k3s1" for s, c in CONVS]
    return [cases[("conv", dtype, shape)] for shape in shapes]


def binary(cases) -> Iterator[Verdict]:
    yield Verdict(
        "1. XNOR GEMM 1024x4096x1024, of the ceiling",
        0.80,
        cases[("gemm", BINARY, "1024x4096x1024")].share,
    )
    four = convs(cases, BINARY)
    yield Verdict("1. binary 3x3, four shapes, of the ceiling", 0.65, min(c.share for c in four))
    slowest = min(c.faster_than("fp32") for c in four)
    yield Verdict("1. binary 3x3, times faster than torch float32", 10, slowest)
    times = sorted(c.faster_than("int8") for c in four)
    if any(case.tiles for case in cases.values()):
        target = "1. binary 3x3, times faster than every int8 peer on AMX, on three of four shapes"
        yield Verdict(target, 1, times[1])
    else:
        yield Verdict("1. binary 3x3, times faster than every int8 peer", 3, times[0])


def bytes_(cases) -> Iterator[Verdict]:
    four = convs(cases, INT8)
    matrix = cases[("linear", INT8, "256x4096x4096")]
    if not any(case.tiles for case in (*four, matrix)):
        yield Verdict("2. int8 3x3, four shapes, of the ceiling", 0.75, min(c.share for c in four))
        yield Verdict("2. int8 256x4096x4096, of the ceiling", 0.75, matrix.share)
    slowest = min(c.faster_than("int8") for c in four)
    yield Verdict("2. int8 3x3, times faster than the fastest int8 peer", 1, slowest)
    yield Verdict("2. int8 256x4096x4096, the same", 1, matrix.faster_than("int8"))
    deep = [case for (op, _, _), case in cases.items() if op == "depthwise"]
    slowest = min(c.faster_than("onnxruntime") for c in deep)
    yield Verdict("2. int8 depthwise, times faster than ONNX Runtime", 1, slowest)


def single(cases) -> Iterator[Verdict]:
    ternary, sign = (cases[("linear", d, "1x4096x4096")] for d in ("w2a8", BINARY))
    share = 1 / ternary.faster_than("fp32")
    yield Verdict("3. ternary 1x4096x4096, of torch float32's time", TERNARY_RATIO, share, True)
    yield Verdict("3. ternary 1x4096x4096, times a read of its bytes", 1.4, 1 / ternary.share, True)
    yield Verdict("3. binary 1x4096x4096, times a read of its bytes", 1.4, 1 / sign.share, True)


def lesser(cases) -> Iterator[Verdict]:
    shapes = [f"{s}x{s}x{c}->{c} k3s1" for s, c in CONVS]
    four = [cases[("conv", "w1a1-avx2", shape)] for shape in shapes]
    slowest = min(c.faster_than("fp32") for c in four)
    yield Verdict("5. binary 3x3 on AVX2 alone, times faster than torch float32", 3, slowest)


POINTS: tuple[Callable[..., Iterator[Verdict]], ...] = (binary, bytes_, single, lesser)


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Those whose cases were measured."""
    cases, found = grouped(rows), []
    for point in POINTS:
        try:
            found += list(point(cases))
        except (KeyError, ValueError):
            continue
    return [v for v in found if v.reached == v.reached]

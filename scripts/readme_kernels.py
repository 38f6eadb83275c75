"""The README's tables of kernels, beside other runtimes' and against their targets.

kernels_*.csv    python scripts/bench_kernels.py --csv scripts/results; of each machine the last
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from bench_verdicts import grouped, verdicts
from readme_markdown import folded, titled


def kernels(folder: Path) -> Iterator[str]:
    """Of each machine what was measured last: ours beside the others, then the targets."""
    found = sorted(folder.glob("kernels_*.csv"), key=lambda path: path.stem.split("_")[2])
    for path in {path.stem.split("_")[1]: path for path in found}.values():
        yield from measured(path)


def measured(path: Path) -> Iterator[str]:
    rows: list[dict[str, object]] = list(csv.DictReader(path.read_text().splitlines()))
    lines = []
    for (op, dtype, shape), case in grouped(rows).items():
        eight = {peer: t for peer, t in case.peers.items() if "int8" in peer}
        best = min(eight, key=lambda peer: eight[peer], default="")
        others = [f"{case.peers['torch-fp32']:.3g}" if "torch-fp32" in case.peers else ""]
        others += [f"{eight[best]:.3g} ({best.removesuffix('-int8')})" if best else ""]
        share = f"{case.share:.0%}"
        lines.append([f"{op} {shape}", dtype, f"{case.milliseconds:.3g}", share, *others])
    _, machine, day, threads = path.stem.split("_")
    yield folded(
        f"Kernels (`scripts/bench_kernels.py`), {threads} of {machine}, {day}: medians in ms, all "
        "contestants in turns in one process. The ceiling is this machine's, from registers alone "
        "or, for one row, a plain read of the weights' bytes.",
        ["step", "codes", "lowbit", "of the ceiling", "torch float32", "fastest int8 peer"],
        lines,
    )
    if targets := [v.line() for v in verdicts(rows)]:
        yield titled(
            "The same measurements against their targets.",
            ["target", "wanted", "reached", "met"],
            [[target, f"`{wanted}`", reached, met] for target, wanted, reached, met in targets],
        )

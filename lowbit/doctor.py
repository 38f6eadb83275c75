"""Is this machine fit to run lowbit? Versions, the processor, the cache, known holes.

Versions are read from the packages' metadata: nothing is imported to be asked.
"""

import platform
import re
import warnings
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

Version = tuple[int, ...]
Status = Literal["ok", "bad", "absent"]


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    found: str
    status: Status
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Hole:
    """Versions from `since` up to, but not including, `fixed`."""

    package: str
    since: Version
    fixed: Version
    why: str


REQUIRED = ("numpy", "numba", "llvmlite", "safetensors")
EXTRA = ("torch", "lightning", "pytorch-lightning")
UPLOAD = "a malicious upload: remove it, and change every credential this machine has seen"
CALLS = "loading a checkpoint calls a function that it names (CVE-2026-58659): install 2.6.6"
HOLES = (  # the first that fits is told
    Hole("lightning", (2, 6, 2), (2, 6, 4), UPLOAD),
    Hole("lightning", (0,), (2, 6, 6), CALLS),
    Hole("pytorch-lightning", (0,), (2, 6, 6), CALLS),
    Hole(
        "torch", (0,), (2, 10), "weights_only loads corrupt memory (CVE-2026-24747): install 2.10"
    ),
)
USEFUL = (
    "popcnt",
    "avx2",
    "avx512f",
    "avx512vpopcntdq",
    "avx512vnni",
    "amx-int8",
    "neon",
    "dotprod",
)


def examine() -> list[Finding]:
    return [
        Finding("python", platform.python_version(), "ok", platform.platform()),
        *(package(name, needed=True) for name in REQUIRED),
        *(package(name, needed=False) for name in EXTRA),
        processor(),
        cache(),
    ]


def package(name: str, needed: bool) -> Finding:
    try:
        found = version(name)
    except PackageNotFoundError:
        remark = "pip install lowbit" if needed else 'for training: pip install "lowbit[train]"'
        return Finding(name, "-", "bad" if needed else "absent", remark)
    hole = next(
        (h for h in HOLES if h.package == name and h.since <= release(found) < h.fixed), None
    )
    return Finding(name, found, "bad" if hole else "ok", hole.why if hole else "")


def release(text: str) -> Version:
    """2.13.0+cpu is (2, 13, 0)."""
    numbers = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def processor() -> Finding:
    try:
        from lowbit.kernels import cpu
    except ImportError as error:
        return Finding("processor", platform.machine(), "bad", str(error))
    _triple, name, _features = cpu.target()
    return Finding("processor", name, "ok", " ".join(f for f in USEFUL if f in cpu.features()))


def cache() -> Finding:
    """Without a usable directory everything works, after a compilation in each process."""
    try:
        from lowbit.kernels.cache import directory
    except ImportError as error:
        return Finding("kernel cache", "-", "bad", str(error))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = directory()
    if folder is None:
        return Finding("kernel cache", "-", "bad", "; ".join(str(w.message) for w in caught))
    files = [f.stat().st_size for f in folder.iterdir() if f.is_file()]
    return Finding("kernel cache", str(folder), "ok", f"{len(files)} kernels, {sum(files):,} bytes")

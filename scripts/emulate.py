"""The kernels' tests on processors that this machine does not have, under QEMU's user mode.

    python scripts/emulate.py Nehalem Haswell            x86, by this Python
    python scripts/emulate.py cortex-a53 neoverse-n1     Arm, without and with dot products
    python scripts/emulate.py --whole neoverse-n1        every test, which takes hours
    python scripts/emulate.py Nehalem -- tests/kernels/test_cpu.py     what pytest is told instead

It needs qemu-x86_64 or qemu-aarch64 (Debian's qemu-user), and for Arm apt-get and dpkg-deb. Arm's
Python and its libraries are Debian's, unpacked beside Arm wheels of the packages in this
environment, once, in --folder; nothing is installed and the system's packages stay as they are.
Compiled kernels are kept there as well, so that what was interrupted goes on. For x86 this machine
compiles them, told which processor to compile for: that is what takes emulation longest.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import platformdirs

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("numpy", "numba", "llvmlite", "safetensors", "platformdirs", "pytest", "hypothesis")
WHEELS = ("manylinux2014_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
DEBIAN = ("python3", "libstdc++6")

# Every row of every table: at windows of all kinds, at all alphabets, around words and tiles.
# What starts another process would start it on this machine's own processor.
TESTS = ["tests/kernels", "tests/runtime", "-m", "not slow"]
ELSEWHERE = "not test_cache and not assembly and not forked and not data_loader"
FEW = f"{ELSEWHERE} and not random and not around and not chunk and not many and not test_network"


@dataclass(frozen=True)
class Level:
    """A processor, and what its Python has in the environment."""

    machine: str
    environment: dict[str, str] = field(default_factory=dict)


def named(name: str) -> Level:
    """An Arm processor: QEMU shows no /proc/cpuinfo of it, in which LLVM would look."""
    return Level(ARM, {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": "+neon"})


X86, ARM = "x86_64", "aarch64"
LEVELS = {
    "Nehalem": Level(X86),
    # QEMU 7.2 computes NumPy's AVX2 maximum of float32 wrongly: the definitions do without.
    "Haswell": Level(X86, {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}),
    "cortex-a53": named("cortex-a53"),
    "neoverse-n1": named("neoverse-n1"),
}


def need(*programs: str) -> None:
    if missing := [p for p in programs if shutil.which(p) is None]:
        raise SystemExit(
            f"not on this machine: {', '.join(missing)} (Debian: qemu-user, apt, dpkg)"
        )


def call(*command: object, **options) -> None:
    subprocess.run([str(part) for part in command], check=True, **options)


def arm(folder: Path) -> Path:
    """The root of an Arm Debian with Python and wheels, made if it is not there."""
    root = folder / "arm64"
    if not (root / "complete").exists():
        need("apt-get", "dpkg-deb")
        shutil.rmtree(root, ignore_errors=True)
        debian(root)
        wheels(root)
        (root / "complete").touch()
    return root


def debian(root: Path) -> None:
    state = root / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True)
    (state / "status").touch()  # nothing is installed: all that is needed gets downloaded
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
    }
    apt = ["apt-get", "-q"] + [f"-o{name}={value}" for name, value in settings.items()]
    call(*apt, "update")
    call(*apt, "install", "-y", "--no-install-recommends", "--download-only", *DEBIAN)
    for package in sorted((state / "cache/archives").glob("*.deb")):
        call("dpkg-deb", "-x", package, root / "system")


def wheels(root: Path) -> None:
    (python,) = (root / "system/usr/bin").glob("python3.[0-9]*")
    place = ["--target", root / "packages", "--only-binary=:all:", "--no-warn-conflicts"]
    kinds = [f"--platform={name}" for name in (*WHEELS, "any")]
    kinds.append(f"--python-version={python.name.removeprefix('python')}")
    exact = [f"{name}=={version(name)}" for name in PACKAGES]
    call(sys.executable, "-m", "pip", "install", "-q", *place, *kinds, *exact)


def command(name: str, folder: Path) -> tuple[list[object], dict[str, str]]:
    """How the processor's Python is started, and in which environment."""
    level = LEVELS[name]
    need(f"qemu-{level.machine}")
    start: list[object] = [f"qemu-{level.machine}", "-cpu", name]
    own = {"PYTHONPATH": str(ROOT), "LOWBIT_CACHE": str(folder / f"kernels-{name}")}
    if level.machine == X86:
        return [*start, sys.executable], own | level.environment
    root = arm(folder)
    own["PYTHONPATH"] += f"{os.pathsep}{root / 'packages'}"
    own |= level.environment
    return [*start, "-L", root / "system", root / "system/usr/bin/python3"], own


TARGET = "from lowbit.kernels import cpu; print(*cpu.target()[1:], sep=chr(10))"
COMPILE = "from lowbit.runtime import warm; [compile_() for _, compile_ in warm.everything()]"


def compile_here(start: list[object], own: dict[str, str]) -> None:
    """Fills the kernel cache of an emulated x86 processor."""
    command = [str(part) for part in (*start, "-c", TARGET)]
    told = subprocess.check_output(command, env={**os.environ, **own}, text=True)
    own["NUMBA_CPU_NAME"], own["NUMBA_CPU_FEATURES"] = told.splitlines()
    call(sys.executable, "-c", COMPILE, env={**os.environ, **own})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cpu", nargs="+", choices=LEVELS, metavar="cpu", help=", ".join(LEVELS))
    parser.add_argument("--whole", action="store_true", help="every test, not some of every kind")
    parser.add_argument("--folder", type=Path, help="for what is downloaded and compiled")
    given, told = split(parser)
    folder = (given.folder or Path(platformdirs.user_cache_dir("lowbit")) / "emulation").resolve()
    chosen = told or [*TESTS, "-k", ELSEWHERE if given.whole else FEW]
    failed = []
    for name in given.cpu:
        start, own = command(name, folder)
        Path(own["LOWBIT_CACHE"]).mkdir(parents=True, exist_ok=True)
        if LEVELS[name].machine == X86:
            compile_here(start, own)
        run = [*start, "-m", "pytest", "-v", "-p", "no:cacheprovider", *chosen]
        print("+", *run, flush=True)
        if subprocess.run([str(p) for p in run], cwd=ROOT, env={**os.environ, **own}).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed on {', '.join(failed)}")


def split(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, list[str]]:
    """Ours, and what comes after --."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    return parser.parse_args(words[:at]), words[at + 1 :]


if __name__ == "__main__":
    main()

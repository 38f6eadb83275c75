"""Compiled kernels on disk, where no other user of Numba is touched.

Numba's own cache does not notice a change in a callee that lives in another file, and a truncated
file makes it fail for ever. So a directory of ours is named by a hash of all that the machine code
depends on, the source of every kernel included, and holds one checked file a kernel. What is in
the files gets run: the directory is the user's own, mode 0700, and one that belongs to somebody
else is refused. Without a usable directory kernels are compiled anew in each process, with one
warning.

    LOWBIT_CACHE    a directory to use instead of the user's cache directory
"""

import functools
import hashlib
import os
import shutil
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

from lowbit import exponential, spec
from lowbit.kernels import cpu
from lowbit.kernels.machine import MachineCode

DIGEST = 32
SETTINGS = ("NUMBA_OPT", "NUMBA_BOUNDSCHECK", "NUMBA_DEBUGINFO")  # that change machine code


def sources() -> list[Path]:
    """Every file whose change may change the machine code."""
    outside = [Path(module.__file__) for module in (exponential, spec) if module.__file__]
    return [*sorted(Path(__file__).parent.rglob("*.py")), *outside]


def numba_version() -> str:
    """Of what would compile, which is not imported to be asked."""
    found = find_spec("numba")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).with_name("_version.py").read_text()


@functools.cache
def key() -> str:
    settings = [os.environ.get(name) for name in SETTINGS]
    parts = [repr((sys.version, numba_version(), settings, cpu.target())).encode()]
    parts += [p.name.encode() + b"\0" + p.read_bytes() for p in sources()]
    return hashlib.sha256(b"\0".join(hashlib.sha256(p).digest() for p in parts)).hexdigest()[:32]


@functools.cache
def directory() -> Path | None:
    """The keyed directory, made if need be. None, with a warning, if there cannot be one."""
    path = Path(os.environ.get("LOWBIT_CACHE") or home()) / f"kernels-{key()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        check(path)
    except OSError as error:
        warnings.warn(
            f"kernels are compiled anew in every process: no cache directory ({error}); "
            "set LOWBIT_CACHE to a directory of your own",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return path


def home() -> str:
    import platformdirs  # takes longer to import than a small network to load

    return platformdirs.user_cache_dir("lowbit")


def check(path: Path) -> None:
    """What is in files here gets run, so nobody else may write them."""
    status = path.stat()
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")
        if status.st_mode & 0o022:
            raise PermissionError(f"{path} can be written by other users")
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} cannot be written")


def load(name: str) -> MachineCode | None:
    """What was kept under this name. A damaged file empties the directory, with a warning."""
    folder = directory()
    if folder is None:
        return None
    try:
        data = (folder / name).read_bytes()
    except OSError:
        return None
    digest, payload = data[:DIGEST], data[DIGEST:]
    if hashlib.sha256(payload).digest() != digest:
        warnings.warn(f"{folder / name}: its checksum is wrong; cache wiped", stacklevel=2)
        wipe(folder)
        return None
    symbol, _, code = payload.partition(b"\0")
    return MachineCode(symbol.decode(), code)


def save(name: str, code: MachineCode) -> None:
    folder = directory()
    if folder is None:
        return
    payload = code.symbol.encode() + b"\0" + code.object
    try:
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(hashlib.sha256(payload).digest() + payload)
        os.replace(file.name, folder / name)
    except OSError as error:
        warnings.warn(f"{name} was not cached: {error}", stacklevel=2)


def wipe(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

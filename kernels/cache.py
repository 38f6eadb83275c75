"""Compiled kernels on disk, where no other user of Numba is touched.

Numba's own cache does not notice a change in a callee that lives in another file, and a truncated
file makes it fail for ever. So a directory of ours is named by a hash of all that the machine code
depends on, the source of every kernel included, and holds one checked file a kernel. The files
are pickles: the directory is the user's own, mode 0700, and one that belongs to somebody else is
refused. Without a usable directory kernels are compiled anew in each process, with one warning.

    LOWBIT_CACHE    a directory to use instead of the user's cache directory
"""

import functools
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numba
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from lowbit import exponential, spec
from lowbit.kernels import cpu

DIGEST = 32


def sources() -> list[Path]:
    """Every file whose change may change the machine code."""
    outside = [Path(module.__file__) for module in (exponential, spec) if module.__file__]
    return [*sorted(Path(__file__).parent.rglob("*.py")), *outside]


@functools.cache
def key() -> str:
    settings = [getattr(config, name) for name in ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")]
    parts = [repr((sys.version, numba.__version__, settings, cpu.target())).encode()]
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
    """Files here are unpickled, so nobody else may write them."""
    status = path.stat()
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user")
        if status.st_mode & 0o022:
            raise PermissionError(f"{path} can be written by other users")
    if not os.access(path, os.W_OK):
        raise PermissionError(f"{path} cannot be written")


class KernelCache(_Cache):
    """What a Numba dispatcher expects of a cache, over one file."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def cache_path(self):
        return directory()

    def load_overload(self, sig, target_context):
        # No target_context.refresh() as in Numba's own cache: it would load the registries of types
        # that machine code has no use for, and SciPy with them, which takes longer than all else.
        folder = directory()
        if folder is None:
            return None
        try:
            data = (folder / self.name).read_bytes()
        except OSError:
            return None
        try:
            digest, payload = data[:DIGEST], data[DIGEST:]
            if hashlib.sha256(payload).digest() != digest:
                raise ValueError("its checksum is wrong")
            return CompileResult._rebuild(target_context, *pickle.loads(payload))
        except Exception as error:
            warnings.warn(f"{folder / self.name}: {error}; cache wiped", stacklevel=2)
            wipe(folder)
            return None

    def save_overload(self, sig, data) -> None:
        folder = directory()
        if folder is None:
            return
        payload = dumps(data._reduce())
        try:
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(file.name, folder / self.name)
        except OSError as error:
            warnings.warn(f"{self.name} was not cached: {error}", stacklevel=2)

    def enable(self) -> None: ...

    def disable(self) -> None: ...

    def flush(self) -> None: ...


def wipe(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)

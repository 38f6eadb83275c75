"""Files that appear whole or not at all, whoever is killed, and when."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".unfinished"  # how the name of what a kill leaves ends


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A name beside `path` to write a file under, which becomes `path` in one move at the end.

    It is then on the disk, also should the power fail. After an exception it is gone, and `path` is
    as it was. An OSError names `path`.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        yield unfinished
        with unfinished.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        if error.filename == str(unfinished):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        sync(path.parent)


def write(path: str | Path, data: bytes | str) -> None:
    """`path` holds all of `data`, or is as it was."""
    with replacing(path) as unfinished:
        unfinished.write_bytes(data.encode() if isinstance(data, str) else data)


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Files of trained weights: from the package, from the cache, or downloaded and then checked.

A file is used only if its SHA-256 is its card's. LOWBIT_CACHE moves the cache; LOWBIT_OFFLINE=1
says that nothing may be downloaded.
"""

import hashlib
import os
from pathlib import Path

import platformdirs

from lowbit.zoo.cards import File

BUNDLED = Path(__file__).parent / "weights"


class Unavailable(OSError):
    """A file that is neither here nor to be had. The message says which, why, and the way out."""


def located(file: File) -> Path:
    """The path of the file, whose hash has been checked."""
    for place in (BUNDLED, cache()):
        if intact(place / file.name, file):
            return place / file.name
    if not file.url:
        raise Unavailable(
            f"{file.name}: damaged or missing in {BUNDLED}, and it ships with lowbit alone: "
            "install lowbit again"
        )
    if os.environ.get("LOWBIT_OFFLINE") == "1":
        raise Unavailable(
            f"{file.name} is not in {cache()}, and LOWBIT_OFFLINE=1 forbids its download: unset "
            f"it, or put {file.url} there yourself"
        )
    return downloaded(file)


def cache() -> Path:
    folder = os.environ.get("LOWBIT_CACHE") or platformdirs.user_cache_dir("lowbit")
    return Path(folder) / "zoo"


def intact(path: Path, file: File) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def downloaded(file: File) -> Path:
    """pooch puts the file into the cache only once its hash is right; a damaged one is replaced."""
    try:
        import pooch
    except ModuleNotFoundError:
        raise Unavailable(
            f'{file.name}: a download needs pooch: pip install "lowbit[zoo]"'
        ) from None
    fetch = pooch.HTTPDownloader(progressbar=False, timeout=20)
    try:
        found = pooch.retrieve(
            file.url, f"sha256:{file.sha256}", file.name, cache(), downloader=fetch
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(
            f"{file.name} was not downloaded: {reason}. Put {file.url} into {cache()} yourself"
        ) from None
    return Path(found)

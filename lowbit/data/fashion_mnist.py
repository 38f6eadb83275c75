"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28 x 28, in ten classes.

Xiao, Rasul and Vollgraf, "Fashion-MNIST", 2017, https://github.com/zalandoresearch/fashion-mnist,
MIT licence. Looked for in the folder given, in Debian's package `dataset-fashion-mnist`, in the
cache; else downloaded; else the first 600 + 100 images of every class, which come with lowbit.
Whatever the source, the unpacked bytes are checked against the digests below.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs
from numpy.typing import NDArray

from lowbit.data.idx import DataError, read_idx

LOG = logging.getLogger("lowbit")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SUBSET = Path(__file__).parent / "fashion_mnist_subset"
UPSTREAM = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


class File(NamedTuple):
    """A file's name and SHA-256: unpacked, as the embedded subset's, and of upstream's .gz."""

    name: str
    full: str
    subset: str
    packed: str


FILES = {
    "train_images": File(
        "train-images-idx3-ubyte",
        full="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        subset="cf313073c7eb485392848071d5c433571d7166043e971e3345b095cc30518084",
        packed="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train_labels": File(
        "train-labels-idx1-ubyte",
        full="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        subset="097b93fbcf9bd5bc648b1a457ddc55c9e4ab49afb33f9ecae8ce068399a75e3a",
        packed="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "test_images": File(
        "t10k-images-idx3-ubyte",
        full="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        subset="7cee33c3c6414b1b86c25e665a6c4f41584269de3b7cc9768b1d351922845eef",
        packed="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "test_labels": File(
        "t10k-labels-idx1-ubyte",
        full="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        subset="3128d790775889812b73c4f13923559c8b9e281d112c6ea7862acf60a206a909",
        packed="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class FashionMNIST:
    """Images (N, 28, 28) and labels (N,), all uint8 and read-only, and where they came from."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.uint8]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    source: str


def load_fashion_mnist(folder: str | Path | None = None) -> FashionMNIST:
    """The data set from the first source that has it; only from `folder` when one is given."""
    if folder is not None:
        return _read(Path(folder))
    for place in (DEBIAN, _cache()):
        if all(_candidates(place, file.name) for file in FILES.values()):
            return _read(place)
    try:
        _download(_cache())
    except (ImportError, OSError, ValueError) as error:
        LOG.warning(
            "Fashion-MNIST is not on this machine and was not downloaded (%s): "
            "using the embedded subset of 6,000 + 1,000 images",
            " ".join(str(error).split()),
        )
        return load_fashion_mnist_subset()
    return _read(_cache())


def load_fashion_mnist_subset() -> FashionMNIST:
    """The 6,000 + 1,000 images, as many of every class, that come with lowbit."""
    return _read(SUBSET)


def _read(folder: Path) -> FashionMNIST:
    arrays = {}
    for field, file in FILES.items():
        found = _candidates(folder, file.name)
        if not found:
            raise DataError(f"{folder}: no {file.name} or {file.name}.gz there")
        arrays[field] = read_idx(found[0], frozenset({file.full, file.subset}))
    source = "embedded subset" if folder == SUBSET else str(folder)
    return FashionMNIST(**arrays, source=source)


def _candidates(folder: Path, name: str) -> list[Path]:
    return [path for path in (folder / f"{name}.gz", folder / name) if path.is_file()]


def _cache() -> Path:
    return Path(os.environ.get("LOWBIT_CACHE") or platformdirs.user_cache_dir("lowbit")) / (
        "fashion-mnist"
    )


def _download(folder: Path) -> None:
    """Upstream's four files into `folder`; pooch checks each digest before it is put there."""
    if os.environ.get("LOWBIT_OFFLINE") == "1":
        raise OSError("LOWBIT_OFFLINE=1")
    import pooch

    fetch = pooch.HTTPDownloader(progressbar=True, timeout=20)
    for file in FILES.values():
        packed = f"{file.name}.gz"
        pooch.retrieve(UPSTREAM + packed, f"sha256:{file.packed}", packed, folder, downloader=fetch)

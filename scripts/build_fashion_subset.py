"""Make the embedded subset of Fashion-MNIST: the first images of each class, in upstream order.

    python scripts/build_fashion_subset.py [FOLDER_OF_THE_FULL_SET]

Rerunning gives the same arrays; the digests it prints stand in lowbit/data/fashion_mnist.py.
"""

import gzip
import hashlib
import sys

import numpy as np

from lowbit.data.fashion_mnist import FILES, SUBSET, load_fashion_mnist
from lowbit.data.idx import dump

PER_CLASS = {"train": 600, "test": 100}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Indices of the first `count` samples of every class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in range(10)]))


def main() -> None:
    full = load_fashion_mnist(sys.argv[1] if len(sys.argv) > 1 else None)
    if "subset" in full.source:
        sys.exit("the full data set is needed: give its folder")
    SUBSET.mkdir(exist_ok=True)
    for field, file in FILES.items():
        split = field.partition("_")[0]
        chosen = first_of_each_class(getattr(full, f"{split}_labels"), PER_CLASS[split])
        raw = dump(getattr(full, field)[chosen])
        target = SUBSET / f"{file.name}.gz"
        target.write_bytes(gzip.compress(raw, 9, mtime=0))
        print(f"{hashlib.sha256(raw).hexdigest()}  {file.name}  {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()

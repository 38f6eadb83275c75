"""A card: all that is known of one set of trained weights, as data. One JSON file each.

Its accuracy is the integer network's on the whole test set; `lowbit zoo eval` finds it again.
"""

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "cards"


@dataclass(frozen=True, slots=True)
class File:
    """Where a file's bytes are: in the package if it ships there, else at `url`."""

    name: str
    sha256: str
    bytes: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From bytes (N, H, W) or (N, H, W, C) to what the network takes: a border of `pad` zeros,
    channels in front, divided by `divide`, and standardized where `mean` and `std` are given. Text,
    bytes (N, T), is taken as it is."""

    pad: int = 0
    divide: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if images.dtype == np.uint8 and images.ndim == 2:
            return images
        if images.dtype != np.uint8 or images.ndim not in (3, 4):
            raise ValueError(
                f"images are bytes (N, H, W) or (N, H, W, C), not {images.dtype} {images.shape}"
            )
        planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        border = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        pixels = np.pad(planes, border).astype(np.float32) / np.float32(self.divide)
        if self.mean:
            mean, std = (
                np.reshape(v, (-1, 1, 1)).astype(np.float32) for v in (self.mean, self.std)
            )
            pixels = (pixels - mean) / std
        return np.ascontiguousarray(pixels, np.float32)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a network reaches on test data: the fraction of images that it classifies as labelled;
    or of bytes, of a text, that it finds the likeliest behind those before them, and how many bits
    a byte it would take to write the text with its probabilities."""

    accuracy: float
    test_images: int
    bits_per_byte: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """`scheme` is the fields of a lowbit.schemes.Scheme, or None for the architecture's own.

    `accuracy` is the network's whose files these are; `spread` holds every seed's, this one's
    among them; `recipe` is the digest of what they were made by. Of a network that is `calibrated`,
    `weights` are the float network's, by no training of its own; they are None where they are too
    large to ship. `test_images` counts bytes where the data is text. Operations are
    multiply-accumulates for one image or one window of text.
    """

    name: str
    task: str
    data: str
    preprocess: Preprocessing
    input: tuple[int, ...]
    classes: int
    scheme: dict[str, str | None] | None
    exact: bool
    accuracy: float
    test_images: int
    seed: int
    spread: dict[str, float]
    cost: dict[str, float | str]
    bits: str
    parameters: int
    binary_macs: int
    low_bit_macs: int
    float_macs: int
    licence: str
    paper: str
    command: str
    graph: File
    weights: File | None
    versions: dict[str, str]
    notes: str = ""
    recipe: str = ""
    calibrated: bool = False
    bits_per_byte: float | None = None

    @property
    def measured(self) -> Measured:
        return Measured(self.accuracy, self.test_images, self.bits_per_byte)

    @property
    def bytes(self) -> int:
        """Of the integer network's file."""
        return self.graph.bytes

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"


def from_json(text: str) -> Card:
    said = json.loads(text)
    steps = said["preprocess"]
    steps |= {key: tuple(steps[key]) for key in ("mean", "std")}
    said |= {key: File(**said[key]) for key in ("graph", "weights") if said[key]}
    said |= {"preprocess": Preprocessing(**steps), "input": tuple(said["input"])}
    return Card(**said)


@functools.cache
def cards_of(folder: Path) -> dict[str, Card]:
    read = (from_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))
    return {card.name: card for card in read}


def cards() -> dict[str, Card]:
    """Every card of the package, by name."""
    return cards_of(FOLDER)

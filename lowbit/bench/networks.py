"""Which networks are raced, and in which forms of ours: (network, scheme) as lowbit.sweep has them.

A float network and the low-bit ones of its size: Bi-Real Net is the binary ResNet-18. `exact`
keeps first and last layers at 8 bits, so that all products are of integers. Where bytes are only
multiplied by an instruction that saturates (AVX2 alone), weights of 7 bits are its exact use.
"""

from dataclasses import dataclass

from lowbit.zoo.architecture import architectures


@dataclass(frozen=True, slots=True)
class Entry:
    float: str
    ours: tuple[tuple[str, str], ...]


NETWORKS = {
    "resnet18": Entry(
        "resnet18",
        (
            ("resnet18", "ptq-w8a8"),
            ("resnet18", "ptq-w7a8"),
            ("resnet18(exact=True)", "lsq-w4a4"),
            ("resnet18(exact=True)", "lsq-w2a2"),
            ("resnet18(exact=True)", "lsq-wta8"),
            ("birealnet18(exact=True)", "w1a1"),
        ),
    ),
    "mobilenet_v1": Entry(
        "mobilenet_v1", (("mobilenet_v1", "ptq-w8a8"), ("mobilenet_v1", "ptq-w7a8"))
    ),
    "quicknet": Entry("quicknet", (("quicknet(exact=True)", "w1a1"),)),
}


def entry(name: str, schemes: list[str]) -> Entry:
    """One of the table, or any network of the zoo; `schemes` replace the forms of ours."""
    known = NETWORKS.get(name) or Entry(name, by_default(name))
    return Entry(known.float, tuple((name, text) for text in schemes)) if schemes else known


def by_default(name: str) -> tuple[tuple[str, str], ...]:
    """Calibrated, and at the widths that the architecture was published with."""
    found = architectures().get(name)
    own = [(f"{name}(exact=True)", "w1a1")] if found and found.bits == "w1a1" else []
    return ((name, "ptq-w8a8"), *own)

"""How a trial trains, as data: from scratch, from a float model, or by calibration alone.

{"epochs": 10}                        from scratch
{"float_epochs": 10, "epochs": 5}     quantization-aware: the float model first, then low-bit
{"float_epochs": 10, "epochs": 0}     calibration: steps from the first batches, no training
{"epochs": 10, "ranks": 2}            two processes share each batch, under Lightning's DDP
{"epochs": 10, "calibration": "mse"}  how lowbit.ptq finds the ranges of schemes ptq-w8a8, ptq-w4a8
{"epochs": 20, "inputs_from": 0.1, "weights_from": 0.5, "input_bits": [[0, 8], [0.5, 2]]}
                                      in stages, times as shares of the training
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """`lr` is of the low-bit training, and of the float one unless `float_lr` says otherwise.
    `ranks` processes cut each batch of `batch_size` between them: other batch statistics, another
    result, wherever they run. `clip` limits the latent weights of binary layers to [-1, 1];
    `recalibrate` is over how many batches batch-norm statistics are estimated anew at the end (0:
    they stay the running ones), and ranges are observed where the scheme is calibrated, then at
    least one;
    `train_images` takes only the first of them (0: all); `shift` and `flip` augment."""

    epochs: int = 3
    float_epochs: int = 0
    lr: float = 2e-3
    float_lr: float = 0.0
    batch_size: int = 128
    ranks: int = 1
    optimizer: str = "adam"
    schedule: str = "cosine"
    weight_decay: float = 0.0
    clip: bool = True
    recalibrate: int = 50
    shift: int = 0
    flip: bool = False
    calibration: str = "minmax"
    train_images: int = 0
    inputs_from: float = 0.0
    weights_from: float = 0.0
    input_bits: tuple[tuple[float, int], ...] = ()
    weight_bits: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        counts = ("epochs", "float_epochs", "recalibrate", "shift", "train_images")
        for name in counts:
            require(getattr(self, name) >= 0, f"{name} is not negative")
        require(self.epochs + self.float_epochs > 0, "epochs or float_epochs is at least 1")
        require(self.batch_size > 0 and self.lr > 0, "lr and batch_size are positive")
        require(self.float_lr >= 0, "float_lr is not negative")
        require(self.ranks > 0, "ranks is at least 1")
        require(self.batch_size % self.ranks == 0, "batch_size is a multiple of ranks")
        require(self.optimizer in ("adam", "bop"), "optimizer is adam or bop")
        require(self.schedule in ("cosine", "constant"), "schedule is cosine or constant")

    def to_json(self) -> dict[str, Any]:
        """A learning rate of 1 and one of 1.0 are the same trial."""
        return {f.name: typed(f.name, getattr(self, f.name), type(f.default)) for f in fields(self)}

    def changes(self) -> dict[str, Any]:
        """What is not the default."""
        return {f.name: v for f in fields(self) if (v := getattr(self, f.name)) != f.default}

    def float_part(self) -> "Recipe":
        """What decides the float network: the same for all recipes that go on from the same one."""
        kept = {name: getattr(self, name) for name in FLOAT_PART}
        return Recipe(epochs=0, **kept | {"lr": self.float_lr or self.lr})


FLOAT_PART = (
    *("float_epochs", "lr", "batch_size", "ranks", "optimizer", "schedule", "weight_decay"),
    *("shift", "flip", "train_images"),
)


def require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(f"recipe: {rule}")


def recipe(given: Mapping[str, Any]) -> Recipe:
    """A recipe from JSON, every value of the type that it should have."""
    known = {f.name: type(f.default) for f in fields(Recipe)}
    for name in given:
        require(name in known, f"no setting {name!r}, there are {', '.join(known)}")
    return Recipe(**{name: typed(name, value, known[name]) for name, value in given.items()})


def typed(name: str, value: Any, kind: type) -> Any:
    if kind is tuple:
        try:
            return tuple((float(time), int(bits)) for time, bits in value)
        except (TypeError, ValueError):
            raise ValueError(f"recipe: {name} is pairs [time, bits], not {value!r}") from None
    right = isinstance(value, (int, float) if kind is float else kind)
    require(right and isinstance(value, bool) == (kind is bool), f"{name} is {kind.__name__}")
    return kind(value)

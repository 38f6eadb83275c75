"""8 bits on Fashion-MNIST: a small float network, calibrated and trained, over seeds.

    python scripts/accuracy_int8.py --seeds 3 --out scripts/results/fashion_int8.csv

Three 3 x 3 convolutions of 16, 32 and 32 channels with batch norm, and a linear layer: 6 epochs of
floats, then 2 epochs more with quantization (and, to be fair, with floats). Calibration takes the
first 100 training images. Accuracy is of the exported integers, run by lowbit on the 10,000 test
images. Beside it, calibrated alone, vgg_mini with the weights that the zoo brings along, of one
seed. Checkpoints are kept in --work, and a finished row is not measured again.
"""

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import mean, stdev

import lightning as L
import numpy as np
import torch
from results_csv import append, read
from torch import Tensor, nn

import lowbit
from lowbit import pack, zoo
from lowbit.data import load_fashion_mnist
from lowbit.ir import Graph
from lowbit.qat import QuantizedTraining
from lowbit.tables import render
from lowbit.train import Classifier, FashionMNISTData, QuantizationAwareTraining

EPOCHS, MORE = 6, 2
FLOAT, LONGER = "float", "float, 2 epochs more"
CALIBRATED = {
    "int8": {},
    "int8, form F": {"form": "F"},
    "int8, moving average": {"method": "moving_average"},
    "int8, percentile": {"method": "percentile"},
    "int8, entropy": {"method": "entropy"},
    "int8, mse": {"method": "mse"},
    "int8, per tensor": {"per_channel": False},
    "W7A8": {"weight_bits": 7},
    "W4A8": {"weight_bits": 4},
    "W4A8, AdaRound": {"weight_bits": 4, "adaptive": True, "bias_corrected": True},
    "W3A8": {"weight_bits": 3},
    "W3A8, AdaRound": {"weight_bits": 3, "adaptive": True, "bias_corrected": True},
    "W2A8, AdaRound": {"weight_bits": 2, "adaptive": True, "bias_corrected": True},
}
LARGE = ("int8", "int8, form F", "int8, per tensor", "W7A8", "W4A8", "W4A8, AdaRound")
TRAINED = {
    "int8, trained": {},
    "int8, trained, learned": {"learned_ranges": True, "learned_steps": True},
    "W4A8, trained": {"weight_bits": 4},
    "W2A8, trained": {"weight_bits": 2},
}


def network() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)),
        *(nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3, bias=False), nn.BatchNorm2d(32)),
        *(nn.ReLU(), nn.Flatten(), nn.Linear(800, 10)),
    )


def fit(model: nn.Module, seed: int, epochs: int, lr: float, callbacks: list | None = None) -> None:
    L.seed_everything(seed, verbose=False)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
        callbacks=callbacks or [],
    )
    trainer.fit(Classifier(model, lr=lr), FashionMNISTData(batch_size=128, seed=seed))


def floats(work: Path, seed: int, longer: bool = False) -> nn.Module:
    """The float network, trained once and kept."""
    path = work / f"float_{seed}{'_longer' if longer else ''}.pt"
    model = network()
    if path.exists():
        model.load_state_dict(torch.load(path, weights_only=True))
        return model.eval()
    if longer:
        model = floats(work, seed)
        fit(model, seed + 100, MORE, 2e-4)
    else:
        L.seed_everything(seed, verbose=False)
        model = network()
        fit(model, seed, EPOCHS, 2e-3)
    work.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), path)
    return model.eval()


def images(found: np.ndarray) -> Tensor:
    return torch.from_numpy(found[:, None].astype(np.float32)) / 255


class Test:
    """The test set, and the first hundred training images to calibrate on."""

    def __init__(self) -> None:
        data = load_fashion_mnist()
        self.x, self.labels = images(data.test_images), data.test_labels
        self.calibration = list(images(data.train_images[:100]).split(20))

    def of_floats(self, model: nn.Module) -> float:
        with torch.no_grad():
            logits = torch.cat([model(x) for x in self.x.split(500)]).numpy()
        return self.share(logits)

    def of(self, graph: Graph) -> float:
        return self.share(lowbit.Network(graph, batch=100)(self.x.numpy()))

    def share(self, logits: np.ndarray) -> float:
        return 100 * float((logits.argmax(1) == self.labels).mean())


def trained(model: nn.Module, test: Test, seed: int, choices: dict) -> Graph:
    found = QuantizedTraining(model, test.calibration, **choices)
    fit(found, seed + 100, MORE, 2e-4, [QuantizationAwareTraining()])
    return found.graph()


Measured = tuple[float, int]  # accuracy, bytes


class Rows:
    """What is not known yet of one model and one seed; names of rows begin with `prefix`."""

    def __init__(self, model: nn.Module, test: Test, seed: int, done: set[str], prefix: str = ""):
        self.model, self.test, self.seed = model, test, seed
        self.done, self.prefix = done, prefix
        floats = (t for t in model.state_dict().values() if t.is_floating_point())
        self.size = sum(4 * t.numel() for t in floats)

    def of(self, table: dict[str, Callable[[], Measured]]) -> Iterator[dict]:
        for short, measure in table.items():
            name = self.prefix + short
            if name not in self.done:
                accuracy, stored = measure()
                found = {"row": name, "seed": self.seed, "accuracy": f"{accuracy:.2f}"}
                yield {**found, "bytes": stored, "float_bytes": self.size}

    def floats(self, model: nn.Module) -> Measured:
        return self.test.of_floats(model), self.size

    def graph(self, graph: Graph) -> Measured:
        return self.test.of(graph), len(pack.serialize(graph))

    def calibrated(self, choices: dict) -> Measured:
        return self.graph(lowbit.ptq(self.model, self.test.calibration, **choices))


def small(work: Path, test: Test, seed: int, done: set[str]) -> Iterator[dict]:
    model = floats(work, seed)
    found = Rows(model, test, seed, done)
    yield from found.of({FLOAT: lambda: found.floats(model)})
    yield from found.of({n: partial(found.calibrated, c) for n, c in CALIBRATED.items()})
    yield from found.of({LONGER: lambda: found.floats(floats(work, seed, longer=True))})
    for name, choices in TRAINED.items():
        yield from found.of({name: lambda c=choices: found.graph(trained(model, test, seed, c))})


def large(test: Test, done: set[str]) -> Iterator[dict]:
    model = zoo.create_model("vgg_mini.float_fmnist").eval()
    found = Rows(model, test, 0, done, "vgg_mini, ")
    yield from found.of({FLOAT: lambda: found.floats(model)})
    yield from found.of({n: partial(found.calibrated, CALIBRATED[n]) for n in LARGE})


def report(rows: list[dict]) -> str:
    lines = []
    for name in dict.fromkeys(r["row"] for r in rows):
        mine = [r for r in rows if r["row"] == name]
        found = [float(r["accuracy"]) for r in mine]
        spread = f"{stdev(found):.2f}" if len(found) > 1 else ""
        lines.append([name, len(mine), f"{mean(found):.2f}", spread, int(mine[0]["bytes"])])
    return render(["row", "seeds", "accuracy", "sd", "bytes"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("scripts/results/fashion_int8.csv"))
    parser.add_argument("--work", type=Path, default=Path("lowbit-int8"))
    given = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    test = Test()
    for seed in range(given.seeds):
        done = {r["row"] for r in read(given.out) if r["seed"] == str(seed)}
        parts = [small(given.work, test, seed, done), *([] if seed else [large(test, done)])]
        for found in chain(*parts):
            append(given.out, found)
            print(f"{found['row']}: {found['accuracy']} %", flush=True)
    print(report(read(given.out)))


if __name__ == "__main__":
    main()

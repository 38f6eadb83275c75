"""8 bits on Fashion-MNIST: a small float network, calibrated and trained, over seeds.

    python scripts/accuracy_int8.py --seeds 1 --out scripts/results/fashion_int8.csv

Three 3 x 3 convolutions of 16, 32 and 32 channels with batch norm, and a linear layer: 6 epochs of
floats, then 2 epochs more with quantization (and, to be fair, with floats). Calibration takes the
first 100 training images. Accuracy is of the exported integers, run by lowbit on the 10,000 test
images. Checkpoints are kept in --work, and a finished row is not measured again.
"""

import argparse
import csv
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

import lowbit
from lowbit import pack
from lowbit.data import load_fashion_mnist
from lowbit.ir import Graph
from lowbit.qat import QuantizedTraining
from lowbit.tables import render
from lowbit.train import Classifier, FashionMNISTData, QuantizationAwareTraining

FIELDS = ("row", "seed", "accuracy", "bytes", "float_bytes")
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
    "W4A8": {"weight_bits": 4},
    "W4A8, AdaRound": {"weight_bits": 4, "adaptive": True, "bias_corrected": True},
    "W3A8": {"weight_bits": 3},
    "W3A8, AdaRound": {"weight_bits": 3, "adaptive": True, "bias_corrected": True},
    "W2A8, AdaRound": {"weight_bits": 2, "adaptive": True, "bias_corrected": True},
}
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


def rows(work: Path, seed: int, done: set[str]) -> Iterator[dict]:
    test, model = Test(), floats(work, seed)
    size = sum(4 * t.numel() for t in model.state_dict().values() if t.is_floating_point())

    def row(name: str, accuracy: float, stored: int) -> dict:
        found = {"row": name, "seed": seed, "accuracy": f"{accuracy:.2f}"}
        return {**found, "bytes": stored, "float_bytes": size}

    if FLOAT not in done:
        yield row(FLOAT, test.of_floats(model), size)
    for name, choices in CALIBRATED.items():
        if name not in done:
            graph = lowbit.ptq(model, test.calibration, **choices)
            yield row(name, test.of(graph), len(pack.serialize(graph)))
    if LONGER not in done:
        yield row(LONGER, test.of_floats(floats(work, seed, longer=True)), size)
    for name, choices in TRAINED.items():
        if name not in done:
            graph = trained(model, test, seed, choices)
            yield row(name, test.of(graph), len(pack.serialize(graph)))


def read(path: Path) -> list[dict]:
    return list(csv.DictReader(path.open(newline=""))) if path.exists() else []


def append(path: Path, found: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(found)


def report(found: list[dict]) -> str:
    lines = []
    for name in dict.fromkeys(r["row"] for r in found):
        mine = [r for r in found if r["row"] == name]
        accuracy = mean(float(r["accuracy"]) for r in mine)
        lines.append([name, len(mine), f"{accuracy:.2f}", int(mine[0]["bytes"])])
    return render(["row", "seeds", "accuracy", "bytes"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("scripts/results/fashion_int8.csv"))
    parser.add_argument("--work", type=Path, default=Path("lowbit-int8"))
    given = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    for seed in range(given.seeds):
        done = {r["row"] for r in read(given.out) if int(r["seed"]) == seed}
        for found in rows(given.work, seed, done):
            append(given.out, found)
            print(f"{found['row']}: {found['accuracy']} %", flush=True)
    print(report(read(given.out)))


if __name__ == "__main__":
    main()

"""A CNN trained on Fashion-MNIST, its 8-bit logits here and in TensorFlow Lite's runtimes.

    python scripts/tflite_agreement.py --out scripts/results/tflite_agreement.csv

Trains an epoch, calibrates on 100 training images, writes form D and form F as flatbuffers, and
compares every logit of the 10,000 test images with tflite-micro (D) and LiteRT with XNNPACK (F).
The trained weights are kept beside the other downloads and used again. Status 1 if a bit differs.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import platformdirs
import torch
from torch import Tensor, nn

import lowbit
from lowbit.data import load_fashion_mnist
from lowbit.interchange import peers, to_tflite
from lowbit.ir import Graph
from lowbit.runtime import Network

BATCH = 250
RUNTIMES = {"D": ("tflite-micro", peers.tflite_micro), "F": ("LiteRT XNNPACK", peers.litert)}
FIELDS = ("form", "runtime", "images", "logits", "mismatches", "largest", "accuracy", "float")


def network() -> nn.Module:
    def block(ins: int, outs: int, *layers: nn.Module) -> tuple[nn.Module, ...]:
        return (nn.Conv2d(ins, outs, 3, padding=1), nn.BatchNorm2d(outs), nn.ReLU(), *layers)

    return nn.Sequential(
        *block(1, 16, nn.MaxPool2d(2)),
        *block(16, 32, nn.MaxPool2d(2)),
        nn.Conv2d(32, 32, 3, padding=1, groups=32),
        nn.ReLU6(),
        *block(32, 48),
        nn.AvgPool2d(7),
        nn.Flatten(),
        nn.Linear(48, 10),
    )


def pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images.reshape(-1, 1, 28, 28).astype(np.float32) / 255)


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int) -> None:
    steps = epochs * len(x) // 64
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(x), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}", flush=True)


def trained(data, epochs: int) -> nn.Module:
    torch.manual_seed(0)
    model = network()
    cache = Path(platformdirs.user_cache_dir("lowbit")) / f"tflite_agreement_{epochs}.pt"
    if cache.exists():
        model.load_state_dict(torch.load(cache, weights_only=True))
    else:
        train(
            model,
            pixels(data.train_images),
            torch.tensor(data.train_labels.astype(np.int64)),
            epochs,
        )
        cache.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model.state_dict(), cache)
    return model.eval()


def accuracy(logits: np.ndarray, labels: np.ndarray) -> str:
    return f"{100 * (logits.argmax(1) == labels).mean():.2f}"


def compared(graph: Graph, form: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our logits, and the other runtime's."""
    name, run = RUNTIMES[form]
    model, ours = to_tflite(graph, BATCH), Network(graph, BATCH)
    parts = [x[i : i + BATCH] for i in range(0, len(x), BATCH)]
    print(f"form {form}: {len(model):,} bytes of TensorFlow Lite, {len(parts)} batches in {name}")
    theirs = np.concatenate([run(model, part) for part in parts])
    return ours(x), theirs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    data = load_fashion_mnist()
    model = trained(data, options.epochs)
    x, labels = pixels(data.test_images[: options.images]), data.test_labels[: options.images]
    with torch.no_grad():
        plain = accuracy(model(x).numpy(), labels)
    rows = []
    for form, (name, _) in RUNTIMES.items():
        graph = lowbit.ptq(model, [pixels(data.train_images[:100])], form=form)
        ours, theirs = compared(graph, form, x.numpy())
        wrong, largest = int((ours != theirs).sum()), float(abs(ours - theirs).max())
        row = (form, name, len(x), ours.size, wrong, largest, accuracy(ours, labels), plain)
        rows.append(row)
        print(*(f"{k}={v}" for k, v in zip(FIELDS, row, strict=True)))
    if options.out:
        with options.out.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])
    sys.exit(any(row[4] for row in rows))


if __name__ == "__main__":
    main()

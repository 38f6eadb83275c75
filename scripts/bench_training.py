"""What a binary network's training step costs beside its float twin's, eagerly.

Steps of the two are interleaved, so that what else the machine does falls on both.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

import lowbit.nn as lnn

WIDTHS = (128, 128, 256, 256)


def block(inputs: int, outputs: int, binary: dict | None, pool: bool) -> list[nn.Module]:
    """Convolution, pooling on every second one, batch norm; the float twin adds a ReLU."""
    conv = (
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        if binary is None
        else lnn.Conv2d(inputs, outputs, 3, padding=1, bias=False, **binary)
    )
    norm = nn.BatchNorm2d(outputs) if binary is None else lnn.BatchNorm2d(outputs)
    pooling = [nn.MaxPool2d(2)] if pool else []
    return [conv, *pooling, norm, *([nn.ReLU()] if binary is None else [])]


def vgg(binary: dict | None) -> nn.Sequential:
    """A VGG-small for 32 by 32 images with a float first and last layer."""
    layers = [nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0])]
    for i, outputs in enumerate(WIDTHS):
        layers += block(WIDTHS[max(i - 1, 0)], outputs, binary, pool=i % 2 == 1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * 64, 10))


def step(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def run() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return run


def interleaved(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each step in each round, the first round left out."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds + 1):
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: taken[1:] for name, taken in seconds.items()}


def measure(weight: str, input: str, batch: int, rounds: int) -> dict:
    torch.manual_seed(0)
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    models = {"float": vgg(None), "binary": vgg({"weight": weight, "input": input})}
    taken = interleaved({n: step(m, images, labels) for n, m in models.items()}, rounds)
    pairs = zip(taken["binary"], taken["float"], strict=True)
    return {
        "weight": weight,
        "input": input,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "float_ms": 1e3 * statistics.median(taken["float"]),
        "binary_ms": 1e3 * statistics.median(taken["binary"]),
        "ratio": statistics.median(b / f for b, f in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weight", default="ste_sign")
    parser.add_argument("--input", default="ste_sign")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a line")
    arguments = parser.parse_args()
    options = (arguments.weight, arguments.input, arguments.batch, arguments.rounds)
    result = measure(*options)
    line = "{weight} x {input}: {binary_ms:.0f} ms, float {float_ms:.0f} ms, ratio {ratio:.2f}"
    print(json.dumps(result) if arguments.json else line.format(**result))


if __name__ == "__main__":
    main()

"""The main job from end to end: train, export, verify, time, and show it in one table.

A binary and a two-bit network and their float twin (Larq's tutorial shape with a wider dense
layer) are trained on Fashion-MNIST. Each epoch is checkpointed, so that an interrupted run goes on
where it was; the order of samples is a pure function of (seed, epoch).
"""

import json
import logging
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from rich.console import Console
from torch import nn

import lowbit
from lowbit import atomic
from lowbit.data import FashionMNIST
from lowbit.picture import draw
from lowbit.tables import table
from lowbit.timing import cpu_model, interleaved
from lowbit.train import Classifier, ClipLatentWeights, FashionMNISTData
from lowbit.train.progress import FitBar
from lowbit.zoo.larq_cnn import larq_cnn

SCHEMES = {"w1a1": ("ste_sign", "ste_sign"), "w2a2": ("dorefa:2", "dorefa:2")}
DENSE = 256
ROUNDS = 300
LR = 2e-3
BATCH = 128


@dataclass(frozen=True)
class Result:
    """One network. `agreement` is the share of test images whose logits are equal to the last bit;
    `torch_accuracy` is the same network's in torch; times are medians for one image on one thread,
    torch's that of the float twin."""

    name: str
    scheme: str
    accuracy: float
    torch_accuracy: float
    agreement: float
    file_bytes: int
    float_bytes: int
    runtime_ms: float
    torch_ms: float


def main(folder: Path, epochs: int | None, as_json: bool) -> None:
    """Runs the whole and prints a table, or one JSON object; leaves files and a picture behind.

    Without `epochs` there are 3 of the full training set, and 15 of the embedded tenth of it.
    """
    say = Console(stderr=as_json)
    folder.mkdir(parents=True, exist_ok=True)
    data = FashionMNISTData(batch_size=BATCH).load()
    say.print(f"Fashion-MNIST from {data.source}: {len(data.train_images):,} images to train on")
    full = len(data.train_images) == 60_000
    epochs = epochs or (3 if full else 15)
    twin = trained("float", (None, None), folder, data, epochs, say)
    networks = {
        name: trained(name, quantizers, folder, data, epochs, say)
        for name, quantizers in SCHEMES.items()
    }
    results = [measure(name, m, twin, folder, data, say) for name, m in networks.items()]
    float_accuracy = accuracy(logits(twin, data), data)
    report = {
        "data": "full" if full else "embedded",
        "cpu": cpu_model(),
        "epochs": epochs,
        "float_accuracy": float_accuracy,
        "networks": [asdict(r) for r in results],
    }
    atomic.write(folder / "results.json", json.dumps(report, indent=1))
    picture(results, float_accuracy, folder / "quickstart.png")
    if as_json:
        print(json.dumps(report))
    else:
        show(results, float_accuracy, folder, say)


def trained(
    name: str,
    quantizers: tuple[str | None, str | None],
    folder: Path,
    data: FashionMNIST,
    epochs: int,
    say: Console,
) -> nn.Module:
    """The network after `epochs`, taken up from its checkpoint if there is one."""
    torch.manual_seed(0)
    model = larq_cnn(*quantizers, dense=DENSE)
    source = FashionMNISTData(batch_size=BATCH)
    source.data = data
    stem = f"{name}-{len(data.train_images)}x{epochs}"
    checkpoint = ModelCheckpoint(folder, stem, enable_version_counter=False)
    quiet()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        callbacks=[checkpoint, FitBar(name, say), ClipLatentWeights()],
    )
    done = folder / f"{stem}.ckpt"
    task = Classifier(model, lr=LR)
    trainer.fit(task, source, ckpt_path=done if done.exists() else None, weights_only=True)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return task.model.eval()


def quiet() -> None:
    """Lightning's advice on loaders and devices means nothing to someone who looks on."""
    for logger in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")


def measure(
    name: str, model: nn.Module, twin: nn.Module, folder: Path, data: FashionMNIST, say: Console
) -> Result:
    say.print(f"[bold]{name}[/]: exporting, and comparing every logit of the test set with torch's")
    images = pixels(data)
    file = folder / f"{name}.safetensors"
    lowbit.export(model, images[:1]).save(file)
    report = lowbit.verify(model, file, images.split(500))
    network = lowbit.load(file, batch=100)
    found = np.asarray(network(images.numpy()))
    return Result(
        name=name,
        scheme=name,
        accuracy=accuracy(found, data),
        torch_accuracy=accuracy(logits(model, data), data),
        agreement=report.equal_samples / report.samples,
        file_bytes=file.stat().st_size,
        float_bytes=sum(t.numel() * t.element_size() for t in twin.state_dict().values()),
        **timed(network, twin, images[:1]),
    )


def timed(network, twin: nn.Module, image: torch.Tensor) -> dict[str, float]:
    """One image at a time, one thread each, in turn."""
    threads, array = torch.get_num_threads(), image.numpy()
    torch.set_num_threads(1)
    with torch.inference_mode():
        times = interleaved(
            {"runtime_ms": lambda: network(array), "torch_ms": lambda: twin(image)}, ROUNDS
        )
    torch.set_num_threads(threads)
    return times


def pixels(data: FashionMNIST) -> torch.Tensor:
    return torch.from_numpy(data.test_images[:, None].astype(np.float32) / np.float32(255))


def logits(model: nn.Module, data: FashionMNIST) -> np.ndarray:
    with torch.inference_mode():
        return torch.cat([model(part) for part in pixels(data).split(500)]).numpy()


def accuracy(scores: np.ndarray, data: FashionMNIST) -> float:
    return float((scores.argmax(1) == data.test_labels).mean())


def picture(results: list[Result], float_accuracy: float, path: Path) -> None:
    first = results[0]
    twin = replace(first, name="float", accuracy=float_accuracy, file_bytes=first.float_bytes)
    points = [(r.name, r.accuracy, r.file_bytes, r.runtime_ms) for r in results]
    draw([("float", twin.accuracy, twin.file_bytes, first.torch_ms), *points], path)


def show(results: list[Result], float_accuracy: float, folder: Path, say: Console) -> None:
    first = results[0]
    headers = ["network", "accuracy", "bytes", "smaller", "ms/image", "faster", "equal"]
    rows = [
        [
            "float",
            f"{float_accuracy:.2%}",
            first.float_bytes,
            "",
            f"{first.torch_ms:.3f}",
            "",
            "",
        ]
    ]
    for r in results:
        rows.append(
            [
                r.name,
                f"{r.accuracy:.2%}",
                r.file_bytes,
                f"{r.float_bytes / r.file_bytes:.1f}x",
                f"{r.runtime_ms:.3f}",
                f"{r.torch_ms / r.runtime_ms:.1f}x",
                f"{r.agreement:.2%}",
            ]
        )
    say.print(table(headers, rows, f"Fashion-MNIST test set, one thread of {cpu_model()}"))
    say.print("equal: the share of test images whose logits are torch's own to the last bit")
    say.print(f"Files, results.json and quickstart.png are in {folder}. Next, without torch:")
    say.print(f"  lowbit run {folder / 'w1a1.safetensors'} --fashion-mnist", highlight=False)

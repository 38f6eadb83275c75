"""One trial: train or calibrate, export, verify, and measure all that the report shows."""

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import lowbit
from lowbit.data import FashionMNIST
from lowbit.ir import Graph
from lowbit.plain import plain
from lowbit.sweep import data as datasets
from lowbit.sweep import latency, memory
from lowbit.sweep.config import Config
from lowbit.sweep.executors.attempt import Found, Tell
from lowbit.sweep.machine import load, machine
from lowbit.sweep.models import Factory as Model
from lowbit.sweep.models import float_twin
from lowbit.sweep.quality import against_definitions, against_torch, quality, widths
from lowbit.sweep.recipe import Recipe, recipe
from lowbit.sweep.schemes import Scheme
from lowbit.sweep.train import first_batches, trained


def run(config: Config, scratch: Path, tell: Tell) -> Found:
    torch.set_num_threads(1)
    memory.forget()
    begun = time.perf_counter()
    data = datasets.same(config["data"])
    found = config["model"]
    factory = Model(found["module"], found["name"], found["arguments"])
    scheme, how, seed = Scheme(**config["scheme"]), recipe(config["recipe"]), config["seed"]
    model, seconds = trained(factory, scheme, how, seed, data, scratch, tell)
    tell(0.9, "exporting")
    images = pixels(data)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.safetensors"
        graph = exported(model, scheme, how, seed, data)
        graph.save(file)
        tell(0.92, "verifying")
        check = against_definitions if scheme.calibrated else against_torch
        result = {**check(model, file, images), "bits": widths(scheme)}
        tell(0.95, "running")
        result |= quality(model, graph, file, images, data)
        tell(0.97, "timing")
        twin = plain(float_twin(factory))
        times = latency.measured(file, twin, images, **config["measure"])
        network = file.read_bytes()
    shutil.rmtree(scratch, ignore_errors=True)
    measured = {
        "train_seconds": seconds,
        "trial_seconds": time.perf_counter() - begun,
        "peak_memory": memory.peak(),
        "latency": times,
        "load": load(),
        "machine": machine(),
    }
    return Found(result, measured, network)


def pixels(data: FashionMNIST) -> Tensor:
    return torch.from_numpy(data.test_images[:, None].astype(np.float32) / np.float32(255))


def exported(model: nn.Module, scheme: Scheme, how: Recipe, seed: int, data: FashionMNIST) -> Graph:
    if scheme.calibrated:
        batches = first_batches(how, seed, data, max(1, how.recalibrate))
        return lowbit.ptq(plain(model), batches, how.calibration, weight_bits=scheme.widths[0])
    return lowbit.export(model, pixels(data)[:2])

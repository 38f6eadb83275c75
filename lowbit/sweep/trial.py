"""One trial: train or calibrate, export, verify, and measure all that the report shows."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import lowbit
from lowbit.data import FashionMNIST
from lowbit.factory import Factory
from lowbit.ir import Graph
from lowbit.plain import plain
from lowbit.sweep import data as datasets
from lowbit.sweep import latency, memory
from lowbit.sweep.config import Config
from lowbit.sweep.executors.attempt import Found, Site, Tell
from lowbit.sweep.machine import device, load, machine
from lowbit.sweep.models import float_twin
from lowbit.sweep.quality import against_definitions, against_torch, quality, widths
from lowbit.sweep.recipe import Recipe, recipe
from lowbit.sweep.schemes import Scheme
from lowbit.sweep.start import is_start
from lowbit.sweep.train import first_batches, float_network, trained
from lowbit.sweep.turns import Follower, Turns


def run(config: Config, site: Site, tell: Tell) -> Found:
    torch.set_num_threads(1)
    with Follower() if site.team.rank else Turns() as turns:
        found = (start if is_start(config) else trial)(config, site, tell, turns)
    if not site.team.rank:
        shutil.rmtree(site.scratch, ignore_errors=True)
    return found


def start(config: Config, site: Site, tell: Tell, turns: Turns) -> Found:
    """The float network of other trials."""
    data, how = datasets.same(config["data"]), recipe(config["recipe"])
    network = float_network(model_of(config), how, config["seed"], data, site, tell, turns)
    return Found({}, {}, network)


def trial(config: Config, site: Site, tell: Tell, turns: Turns) -> Found:
    memory.forget()
    begun = time.perf_counter()
    data, factory = datasets.same(config["data"]), model_of(config)
    scheme, how, seed = Scheme(**config["scheme"]), recipe(config["recipe"]), config["seed"]
    model, seconds = trained(factory, scheme, how, seed, data, site, tell, turns)
    if site.team.rank:
        return Found({}, {})
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
        times = timed(file, factory, images, config, turns, tell) if site.timed else []
        network = file.read_bytes()
    measured = {
        "train_seconds": seconds,
        "trial_seconds": time.perf_counter() - begun,
        "peak_memory": memory.peak(),
        "latency": times,
        "load": load(),
        "device": device(site.device),
        "machine": machine(),
    }
    return Found(result, measured, network)


def timed(
    file: Path, factory: Factory, images: Tensor, config: Config, turns: Turns, tell: Tell
) -> list[dict[str, Any]]:
    tell(0.97, "timing")
    twin = plain(float_twin(factory))
    with turns.measuring():
        return latency.measured(file, twin, images, **config["measure"])


def model_of(config: Config) -> Factory:
    found = config["model"]
    return Factory(found["module"], found["name"], found["arguments"])


def pixels(data: FashionMNIST) -> Tensor:
    return torch.from_numpy(data.test_images[:, None].astype(np.float32) / np.float32(255))


def exported(model: nn.Module, scheme: Scheme, how: Recipe, seed: int, data: FashionMNIST) -> Graph:
    if scheme.calibrated:
        batches = first_batches(how, seed, data, max(1, how.recalibrate))
        return lowbit.ptq(plain(model), batches, how.calibration, weight_bits=scheme.widths[0])
    return lowbit.export(model, pixels(data)[:2])

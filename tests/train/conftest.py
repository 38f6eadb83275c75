"""A tiny network, a quiet trainer, and the two warnings that these tests expect of Lightning."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn

import lowbit
from lowbit import nn as lnn
from lowbit.train import Batches

EXPECTED = (
    r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 under torch 2.13
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)
torch.set_num_threads(1)  # the networks are tiny, and two threads wait for busy cores
QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


def pytest_configure(config):
    for line in EXPECTED:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture
def trainer():
    """Makes a Trainer that prints and writes nothing, with what the test asks for."""
    return lambda **asked: L.Trainer(**{**QUIET, **asked})


@pytest.fixture
def tiny():
    """Makes a two-layer network for (N, 1, 4, 4) images and two classes."""

    def make(weight="ste_sign", input="ste_sign"):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Flatten(),
            lnn.Linear(16, 8, bias=False, weight=weight, input="image8"),
            lnn.BatchNorm1d(8),
            lnn.Linear(8, 2, bias=False, weight=weight, input=input),
            lnn.BatchNorm1d(2),
        )

    return make


@pytest.fixture
def pictures():
    """A loader of 64 random 4 x 4 images; the class is which half is brighter."""
    images = np.random.default_rng(0).integers(0, 256, (64, 4, 4), np.uint8)
    labels = (images[:, :2].sum((1, 2), int) > images[:, 2:].sum((1, 2), int)).astype(np.uint8)
    return Batches(images, labels, 16, seed=0)


@pytest.fixture
def child():
    """Runs a script beside this file in a process group of its own, which dies with it."""

    def run(script, *args, timeout=120):
        command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, args)]
        env = {**os.environ, "PYTHONPATH": str(Path(lowbit.__file__).parents[1])}
        env["OMP_NUM_THREADS"] = "1"
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, env=env, start_new_session=True
        ) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                with suppress(ProcessLookupError):  # all of them have ended
                    os.killpg(process.pid, signal.SIGKILL)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return run

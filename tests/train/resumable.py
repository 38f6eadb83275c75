"""A short demanding fit that can kill itself: run as a script by the test of resuming.

    python resumable.py FOLDER KILL_AT

It writes a checkpoint every third step to FOLDER/step.ckpt and has everything that could depend
on the past: shuffling, shifts and flips, Bop beside Adam, a cosine, a warm-up with falling bits.
"""

import os
import signal
import sys
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lowbit import nn as lnn
from lowbit.train import Classifier, FashionMNISTData, QuantizationSchedule


class KilledAt(L.Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.MaxPool2d(4),
        nn.Flatten(),
        lnn.Linear(49, 16, bias=False, weight="ste_sign", input="image8"),
        lnn.BatchNorm1d(16),
        lnn.Linear(16, 10, bias=False, weight="dorefa:2", input="dorefa:2"),
        lnn.BatchNorm1d(10),
    )


def fit(folder, kill_at=None, resume=None):
    """Three epochs of five batches; the model in the end."""
    module = Classifier(network(), lr=0.01, optimizer="bop", gamma=0.01)
    data = FashionMNISTData(batch_size=64, seed=5, shift=1, flip=True, subset=True)
    callbacks = [
        QuantizationSchedule(0.2, 0.4, [(0.0, 4), (0.5, 2)]),
        ModelCheckpoint(folder, "step", every_n_train_steps=3, enable_version_counter=False),
        *([KilledAt(kill_at)] if kill_at is not None else []),
    ]
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=3,
        limit_train_batches=5,
        limit_val_batches=2,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return module.model


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    fit(Path(sys.argv[1]), int(sys.argv[2]))

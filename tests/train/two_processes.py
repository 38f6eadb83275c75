"""A fit on two processes: each rank reports the samples it saw and the weights it ended with.

python two_processes.py FOLDER
"""

import hashlib
import sys
import types
import warnings
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import nn

import lowbit
from lowbit import nn as lnn
from lowbit.train import Classifier, ExportAtEnd, FashionMNISTData, FlipRateMonitor


class Record(L.Callback):
    """Writes seen images, final weights and validation results to FOLDER/<rank>.npz."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append([hashlib.sha256(x.numpy().tobytes()).hexdigest() for x in batch[0]])

    def on_fit_end(self, trainer, pl_module):
        state = pl_module.model.state_dict()
        np.savez(
            self.folder / f"{trainer.global_rank}.npz",
            seen=np.array(self.seen),
            weights=torch.cat([t.flatten().double() for t in state.values()]).numpy(),
            val_acc=trainer.callback_metrics["val_acc"].numpy(),
        )


def exported(model, example):
    return types.SimpleNamespace(save=lambda path: path.write_text(str(tuple(example.shape))))


def main(folder):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.MaxPool2d(4),
        nn.Flatten(),
        lnn.Linear(49, 10, bias=False, weight="ste_sign", input="image8"),
        lnn.BatchNorm1d(10),
    )
    lowbit.export = exported
    trainer = L.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=2,
        limit_train_batches=4,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[Record(folder), FlipRateMonitor(2), ExportAtEnd(str(folder / "net"))],
    )
    data = FashionMNISTData(batch_size=32, seed=3, subset=True)
    trainer.fit(Classifier(model, lr=0.01), data)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))

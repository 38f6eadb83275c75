"""Accuracy of Larq's tutorial network under Larq's tutorial recipe, over seeds.

    python scripts/accuracy_larq_recipe.py --seeds 3 --out scripts/results/larq_recipe.csv

conv32-conv64-conv64-dense64-dense10, Adam 1e-3, batch 64, no augmentation, latent weights started
as Keras does and clipped to [-1, 1], 6 epochs of Fashion-MNIST; the float twin starts as torch
does. Quoted is the best test accuracy of any epoch, as the figures to compare with are. A finished
(scheme, seed) is not run again: the file is the record.
"""

import argparse
import logging
import warnings
from pathlib import Path
from statistics import mean, stdev

import lightning as L
import torch
from results_csv import append, read

from lowbit.tables import render
from lowbit.train import Classifier, ClipLatentWeights, FashionMNISTData
from lowbit.zoo.larq_cnn import larq_cnn

SCHEMES = {
    "float": (None, None),
    "w1a1": ("ste_sign", "ste_sign"),
    "tern_a1": ("ste_tern", "ste_sign"),
    "w2a2": ("dorefa:2", "dorefa:2"),
    "w4a4": ("dorefa:4", "dorefa:4"),
}


class BestOfEpochs(L.Callback):
    def __init__(self) -> None:
        self.accuracies: list[float] = []

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        if not trainer.sanity_checking:
            self.accuracies.append(100 * float(trainer.callback_metrics["val_acc"]))


def train(scheme: str, seed: int, epochs: int) -> dict:
    L.seed_everything(seed, verbose=False)
    history = BestOfEpochs()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[history, ClipLatentWeights()],
    )
    model = larq_cnn(*SCHEMES[scheme])
    data = FashionMNISTData(batch_size=64, seed=seed)
    trainer.fit(Classifier(model, lr=1e-3, schedule="constant"), data)
    best, last = (f"{a:.2f}" for a in (max(history.accuracies), history.accuracies[-1]))
    return {"scheme": scheme, "seed": seed, "epochs": epochs, "best": best, "last": last}


def report(rows: list[dict]) -> str:
    lines = []
    for scheme in SCHEMES:
        best = [float(r["best"]) for r in rows if r["scheme"] == scheme]
        if best:
            spread = f"{stdev(best):.2f}" if len(best) > 1 else ""
            lines.append([scheme, len(best), f"{mean(best):.2f}", spread])
    return render(["scheme", "seeds", "mean of best", "sd"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--schemes", nargs="+", default=list(SCHEMES), choices=SCHEMES)
    parser.add_argument("--out", type=Path, default=Path("scripts/results/larq_recipe.csv"))
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    for seed in range(given.seeds):
        for scheme in given.schemes:
            done = {(r["scheme"], r["seed"]) for r in read(given.out)}
            if (scheme, str(seed)) not in done:
                append(given.out, train(scheme, seed, given.epochs))
    print(report(read(given.out)))


if __name__ == "__main__":
    main()

"""Trains a small binary network for a moment and writes what torch computes with it."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from lowbit.data import load_fashion_mnist_subset
from lowbit.zoo.larq_cnn import larq_cnn

STEPS, BATCH = 50, 64


def images(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array[:, None].astype(np.float32) / np.float32(255))


def main(folder: Path) -> None:
    torch.manual_seed(0)
    data, model = load_fashion_mnist_subset(), larq_cnn()
    x, y = images(data.train_images), torch.tensor(data.train_labels.tolist())
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for chosen in torch.randint(0, len(x), (STEPS, BATCH)):
        optimizer.zero_grad()
        cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    torch.save(model.state_dict(), folder / "weights.pt")
    with torch.no_grad():
        logits = model.eval()(images(data.test_images)).numpy()
    np.save(folder / "torch_logits.npy", logits)
    correct = int((logits.argmax(1) == data.test_labels).sum())
    (folder / "torch.json").write_text(json.dumps({"correct": correct, "images": len(logits)}))


main(Path(sys.argv[1]))

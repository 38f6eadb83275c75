"""The classifier: its loss by hand, its checkpoint plain, its schedule ending at zero."""

import copy

import lightning as L
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from lowbit.train import Classifier
from lowbit.train.batches import Batches
from lowbit.train.classifier import cosine, distillation


def test_it_learns(tiny, pictures, trainer):
    module = Classifier(tiny(), lr=0.02)
    run = trainer(max_epochs=25)
    run.fit(module, pictures)
    (result,) = run.validate(module, pictures, verbose=False)
    assert result["val_acc"] > 0.8


def test_bop_learns(tiny, pictures, trainer):
    module = Classifier(tiny(), lr=0.02, optimizer="bop", gamma=0.02)
    run = trainer(max_epochs=25)
    run.fit(module, pictures)
    assert module.model[1].weight.abs().eq(1).all()
    (result,) = run.validate(module, pictures, verbose=False)
    assert result["val_acc"] > 0.7


class Table(nn.Embedding):
    def forward(self, input):
        return super().forward(input.long())


def test_it_learns_the_byte_that_follows(trainer):
    """Text: every place of a window is an example."""
    text = (np.arange(8 * 33) % 7).astype(np.uint8).reshape(8, 33)
    batches = Batches(text[:, :-1], text[:, 1:], size=4, seed=0)
    module = Classifier(Table(7, 7), lr=0.1)
    trainer(max_epochs=30).fit(module, batches)
    words = torch.arange(7)[None]
    assert torch.equal(module(words).argmax(-1), (words + 1) % 7)


def test_distillation_is_hintons():
    logits, target = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    p, q = (F.softmax(x / 4.0, 1) for x in (target, logits))
    want = 16 * (p * (p.log() - q.log())).sum(1).mean()
    torch.testing.assert_close(distillation(logits, target, 4.0), want)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_loss_mixes_labels_and_teacher(tiny, pictures, share):
    teacher = tiny()
    module = Classifier(tiny(), teacher=teacher, distill=share, temperature=2.0).eval()
    x, y = next(iter(pictures))
    got = module._loss(x, module(x), y)
    hard, soft = F.cross_entropy(module(x), y), distillation(module(x), teacher(x), 2.0)
    torch.testing.assert_close(got, (1 - share) * hard + share * soft)


def test_the_teacher_is_neither_saved_nor_trained(tiny, pictures, trainer):
    teacher = tiny()
    before = copy.deepcopy(teacher.state_dict())
    module = Classifier(tiny(), teacher=teacher)
    assert not any("teacher" in key for key in module.state_dict())
    trainer(max_steps=3).fit(module, pictures)
    assert all(torch.equal(before[k], v) for k, v in teacher.state_dict().items())
    assert not teacher.training


def test_a_checkpoint_loads_with_weights_only(tiny, pictures, trainer, tmp_path):
    module = Classifier(tiny(), lr=0.01, optimizer="bop", teacher=tiny())
    keep = ModelCheckpoint(tmp_path, filename="net")
    trainer(max_epochs=1, enable_checkpointing=True, callbacks=[keep]).fit(module, pictures)
    path = tmp_path / "net.ckpt"
    raw = torch.load(path, weights_only=True)
    assert raw["hyper_parameters"]["lr"] == 0.01
    back = Classifier.load_from_checkpoint(path, model=tiny(), weights_only=True)
    assert back.hparams == module.hparams
    ours, theirs = module.state_dict(), back.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_cosine_starts_at_one_and_ends_at_zero():
    factor = cosine(10)
    assert [factor(0), factor(5), factor(10), factor(11)] == pytest.approx([1, 0.5, 0, 0])


@pytest.mark.parametrize(("schedule", "last"), [("cosine", 0.0), ("constant", 0.01)])
def test_the_schedule_reaches_its_end(tiny, pictures, trainer, schedule, last):
    module = Classifier(tiny(), lr=0.01, schedule=schedule)
    run = trainer(max_epochs=2)
    run.fit(module, pictures)
    assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(last)


def test_cosine_without_an_end_is_refused(tiny, pictures, trainer):
    with pytest.raises(ValueError, match="needs an end"):
        trainer(max_epochs=-1).fit(Classifier(tiny()), pictures)


def test_any_module_will_do(pictures, trainer):
    module = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)))
    run: L.Trainer = trainer(max_steps=1)
    run.fit(module, pictures)
    assert {"train_loss", "train_acc"} <= run.callback_metrics.keys()

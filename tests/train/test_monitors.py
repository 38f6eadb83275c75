"""Monitors: the logged fractions are those counted by hand, and the training is untouched."""

import pytest
import torch
from torch import nn

from lowbit import nn as lnn
from lowbit.train import Classifier, FlipRateMonitor, SaturationMonitor
from lowbit.train.monitors import saturation, weight_codes


def test_flip_rate_counts_changed_signs(tiny, pictures, trainer):
    module = Classifier(tiny(), lr=0.1, schedule="constant")
    run = trainer(max_steps=1, callbacks=[FlipRateMonitor(every_n_steps=1)])
    before = {i: module.model[i].weight.detach().clone() >= 0 for i in (1, 3)}
    run.fit(module, pictures)
    flips = {i: (module.model[i].weight >= 0) != before[i] for i in before}
    for i, flipped in flips.items():
        want = flipped.float().mean()
        assert run.callback_metrics[f"flip_rate/model.{i}"] == want
    every = torch.cat([flipped.flatten() for flipped in flips.values()])
    assert every.any()
    assert run.callback_metrics["flip_rate"] == every.float().mean()


@pytest.mark.parametrize("monitor", [FlipRateMonitor, SaturationMonitor])
def test_only_due_steps_are_looked_at(tiny, pictures, trainer, monitor):
    run = trainer(max_steps=3, callbacks=[monitor(every_n_steps=4)])
    run.fit(Classifier(tiny()), pictures)
    assert not any(name.startswith(("flip", "sat")) for name in run.callback_metrics)


def test_monitors_change_no_bit_of_training(tiny, pictures, trainer):
    plain, watched = Classifier(tiny()), Classifier(tiny())
    trainer(max_epochs=2).fit(plain, pictures)
    monitors = [FlipRateMonitor(1), SaturationMonitor(1)]
    trainer(max_epochs=2, callbacks=monitors).fit(watched, pictures)
    ours, theirs = plain.state_dict(), watched.state_dict()
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert not any(m._forward_pre_hooks for m in watched.modules())


def test_saturation_is_the_share_outside_of_the_window():
    quantizer = lnn.Linear(1, 1, input="ste_sign").input_quantizer
    x = torch.tensor([-1.5, -1.0, 0.0, 0.5, 1.0, 1.0001, 3.0, -9.0])
    assert saturation(quantizer, x) == 0.5
    clipped = lnn.Linear(1, 1, input="dorefa:2").input_quantizer
    assert saturation(clipped, torch.tensor([-0.1, 0.0, 0.5, 1.0])) == 0.25


def test_saturation_is_logged_a_layer(tiny, pictures, trainer):
    run = trainer(max_steps=1, callbacks=[SaturationMonitor(every_n_steps=1)])
    run.fit(Classifier(tiny()), pictures)
    assert run.callback_metrics["saturation/model.1"] == 0
    assert 0 < run.callback_metrics["saturation/model.3"] < 1


def test_float_layers_are_not_monitored():
    model = nn.Sequential(nn.Linear(2, 2), lnn.Linear(2, 2), lnn.Linear(2, 2, weight="ste_sign"))
    assert list(weight_codes(model)) == ["2"]
    model[2].weight_quantizer.set_enabled(False)
    assert weight_codes(model) == {}

"""Schedules: the right buffers at the right time, nothing remembered, nothing restructured."""

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn

from lowbit.quant.gradient import ErrorDecay
from lowbit.train import Classifier, QuantizationSchedule
from lowbit.train.layers import quantizers


def enabled(model, role):
    return [q.enabled for _, _, q in quantizers(model, role)]


@pytest.mark.parametrize(
    ("time", "inputs", "weights"),
    [(0.0, False, False), (0.2, True, False), (0.49, True, False), (0.5, True, True)],
)
def test_inputs_come_before_weights(tiny, time, inputs, weights):
    model = tiny()
    QuantizationSchedule(inputs_from=0.2, weights_from=0.5).apply(model, time)
    assert enabled(model, "input_quantizer") == [inputs] * 2
    assert enabled(model, "weight_quantizer") == [weights] * 2


@pytest.mark.parametrize(("time", "bits"), [(0.0, 8), (0.3, 4), (0.59, 4), (0.6, 2), (1.0, 2)])
def test_bits_fall_at_their_times(tiny, time, bits):
    model = tiny("dorefa:2", "dorefa:2")
    QuantizationSchedule(input_bits=[(0.6, 2), (0.0, 8), (0.3, 4)]).apply(model, time)
    first, second = (q for _, _, q in quantizers(model, "input_quantizer"))
    assert first.spec.bits == 8  # the image's codes do not change
    assert second.spec.bits == int(second.bits_now) == bits


def test_weights_fall_apart_from_inputs(tiny):
    model = tiny("dorefa:2", "dorefa:2")
    QuantizationSchedule(weight_bits=[(0.0, 4), (0.5, 2)]).apply(model, 0.1)
    assert [q.spec.bits for _, _, q in quantizers(model, "weight_quantizer")] == [4, 4]
    assert model[3].input_quantizer.spec.bits == 2


def test_gradients_are_told_the_fraction(tiny):
    model = tiny()
    model[3].weight_quantizer.gradient = ErrorDecay()
    QuantizationSchedule().apply(model, 0.25)
    assert model[3].weight_quantizer.gradient.progress.item() == 0.25


def test_only_named_layers_are_scheduled(tiny):
    model = tiny()
    QuantizationSchedule(inputs_from=1.0, weights_from=1.0, layers="3").apply(model, 0.0)
    assert enabled(model, "weight_quantizer") == [True, False]


def test_applying_twice_changes_nothing(tiny):
    model = tiny("dorefa:2", "dorefa:2")
    schedule = QuantizationSchedule(0.2, 0.5, [(0.0, 4)])
    schedule.apply(model, 0.3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    schedule.apply(model, 0.3)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_fit_ends_quantized_and_loads_into_a_new_model(tiny, pictures, trainer):
    module = Classifier(tiny("dorefa:2", "dorefa:2"))
    schedule = QuantizationSchedule(0.5, 1.0, [(0.0, 8), (0.5, 2)])
    keys = list(module.state_dict())
    trainer(max_epochs=2, callbacks=[schedule]).fit(module, pictures)
    assert list(module.state_dict()) == keys
    assert all(enabled(module, "input_quantizer") + enabled(module, "weight_quantizer"))
    fresh = Classifier(tiny("dorefa:2", "dorefa:2"))
    fresh.load_state_dict(module.state_dict())
    x, _ = next(iter(pictures))
    assert torch.equal(module.eval()(x), fresh.eval()(x))


def test_warm_up_is_float_training(tiny, pictures, trainer):
    module = Classifier(tiny())
    schedule = QuantizationSchedule(1.0, 1.0)
    seen = []
    module.model[3].register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    schedule.apply(module, 0.0)
    x, _ = next(iter(pictures))
    y = module(x)
    want = module.model[4](nn.functional.linear(seen[0], module.model[3].weight))
    assert torch.equal(y, want)


def test_an_endless_fit_is_refused(tiny, pictures, trainer):
    module = Classifier(tiny(), schedule="constant")
    endless = trainer(max_epochs=-1, callbacks=[QuantizationSchedule()])
    with pytest.raises(ValueError, match="needs an end"):
        endless.fit(module, pictures)


def test_times_outside_of_training_are_refused():
    with pytest.raises(ValueError, match="fractions of training"):
        QuantizationSchedule(weights_from=3)


def test_averaged_bits_are_refused(tiny, pictures, trainer):
    callbacks = [QuantizationSchedule(input_bits=[(0.0, 4), (0.5, 2)]), EMAWeightAveraging()]
    with pytest.raises(ValueError, match="use_buffers=False"):
        trainer(max_epochs=1, callbacks=callbacks).fit(Classifier(tiny()), pictures)

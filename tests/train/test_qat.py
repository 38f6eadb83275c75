"""The callback of quantization-aware training flips buffers on time, and nothing else."""

import pytest
import torch
from torch import nn

from lowbit import pack
from lowbit.qat import QuantizedTraining
from lowbit.train import Classifier, ExportAtEnd, QuantizationAwareTraining


def float_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


@pytest.fixture
def quantized() -> QuantizedTraining:
    return QuantizedTraining(float_model().eval(), [torch.rand(8, 1, 4, 4)])


FLAGS = {"quantizing", "observing", "frozen"}


def flags(model: QuantizedTraining) -> tuple[bool, ...]:
    return tuple(bool(f) for f in (model.quantizing, model.observing, model.frozen))


@pytest.mark.parametrize(
    ("time", "wanted"),
    [
        (0.0, (False, True, False)),
        (0.2, (True, True, False)),
        (0.5, (True, True, True)),
        (0.9, (True, False, True)),
    ],
)
def test_each_buffer_flips_at_its_time(quantized, time, wanted):
    callback = QuantizationAwareTraining(quantize_from=0.2, ranges_until=0.8, statistics_until=0.5)
    before = {k: v.clone() for k, v in quantized.state_dict().items()}
    modules = [type(m) for m in quantized.modules()]
    for _ in range(2):
        callback.apply(quantized, time)
        assert flags(quantized) == wanted
    after = quantized.state_dict()
    assert [*after] == [*before]
    assert {k for k in after if not torch.equal(after[k], before[k])} <= FLAGS
    assert [type(m) for m in quantized.modules()] == modules


def test_a_fit_ends_with_a_file_that_is_its_evaluation(quantized, pictures, trainer, tmp_path):
    module = Classifier(quantized, lr=1e-3)
    path = tmp_path / "net.safetensors"
    callbacks = [QuantizationAwareTraining(0.25), ExportAtEnd(str(path))]
    trainer(max_steps=4, callbacks=callbacks).fit(module, pictures)
    assert flags(quantized) == (True, False, True)
    assert path.read_bytes() == pack.serialize(quantized.graph())


def test_a_model_without_anything_to_quantize_is_refused(pictures, trainer):
    run = trainer(max_steps=1, callbacks=[QuantizationAwareTraining()])
    with pytest.raises(ValueError, match="QuantizedTraining"):
        run.fit(Classifier(float_model()), pictures)


def test_times_are_fractions():
    with pytest.raises(ValueError, match="fractions of training"):
        QuantizationAwareTraining(quantize_from=2)

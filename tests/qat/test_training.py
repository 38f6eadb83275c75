"""Quantization-aware training: what it learns, what evaluation computes, what may change it."""

from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit import pack
from lowbit.int8 import CalibrationError, ptq
from lowbit.ir import evaluate
from lowbit.qat import QuantizedTraining
from lowbit.qat.layers import quantized
from lowbit.qat.ranges import Learned, MovingAverage, fake
from lowbit.spec import INT8


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.ReLU6(),
        nn.Flatten(), nn.Linear(8 * 3 * 3, 10),
    )  # fmt: skip


def mixed() -> nn.Module:
    """8 bits at the ends and a binary body, as in Larq's and Bi-Real Net's networks."""
    signs = {"weight": "magnitude_aware_sign", "input": "approx_sign", "bias": False}
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, bias=False), lnn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        lnn.BatchNorm2d(8), lnn.Conv2d(8, 16, 3, **signs), lnn.BatchNorm2d(16), nn.PReLU(16),
        nn.Flatten(), nn.Linear(16 * 9, 10),
    )  # fmt: skip


def ternary() -> nn.Module:
    body = {"weight": "twn", "input": "ste_tern", "bias": False}
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), lnn.BatchNorm2d(8), lnn.Conv2d(8, 8, 3, padding=1, **body),
        lnn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(800, 10),
    )  # fmt: skip


MODELS = {"plain": plain, "mixed": mixed, "ternary": ternary}


def data() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    x = torch.rand(32, 1, 12, 12)
    return x, (x[:, 0, :6].sum((1, 2)) > x[:, 0, 6:].sum((1, 2))).long()


def prepared(make, **choices) -> QuantizedTraining:
    torch.manual_seed(0)
    return QuantizedTraining(make().eval(), [data()[0]], **choices).train()


def fit(q: QuantizedTraining, steps: int = 12) -> list[float]:
    x, labels = data()
    optimizer, losses = torch.optim.Adam(q.parameters(), 1e-2), []
    for step in range(steps):
        if step == 2 * steps // 3:
            q.frozen.fill_(True)
        loss = F.cross_entropy(q(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


SCALES: dict[str, dict[str, bool]] = {
    "observed": {},
    "learned ranges": {"learned_ranges": True},
    "learned steps": {"learned_steps": True},
    "both learned": {"learned_ranges": True, "learned_steps": True},
}
scales = pytest.mark.parametrize("learned", SCALES.values(), ids=SCALES)


@scales
@pytest.mark.parametrize("name", MODELS)
def test_it_learns_and_its_evaluation_is_its_graph(name, learned):
    q = prepared(MODELS[name], **learned)
    losses = fit(q)
    assert losses[-1] < losses[0]
    assert all(p.grad is not None for p in q.parameters())
    x, _ = data()
    want = evaluate(pack.parse(pack.serialize(q.graph())), x.numpy())[0]
    np.testing.assert_array_equal(q.eval()(x).numpy(), want)


@pytest.mark.parametrize("choices", [{"form": "D"}, {"form": "F"}, SCALES["both learned"]])
def test_training_sees_what_the_graph_computes(choices):
    """To a unit of the output's code, for float sums are rounded and biases are not yet codes."""
    q = prepared(plain, **choices)
    fit(q)
    q.observing.fill_(False)
    x, _ = data()
    with torch.no_grad():
        seen = q(x)
        gap = (seen - q.eval()(x)).abs() / q.ranges["linear"].parameters_now().scale
    assert gap.max() <= 2.001
    assert gap.mean() < 0.2


def test_without_training_it_is_post_training_quantization():
    torch.manual_seed(0)
    model, x = plain().eval(), data()[0]
    q = QuantizedTraining(model, [x])
    assert pack.serialize(q.graph()) == pack.serialize(ptq(model, [x]))
    inner = pack.serialize(ptq(model, [x], integer_only=True))
    assert pack.serialize(q.graph(integer_only=True)) == inner


def test_the_model_given_is_not_changed_and_its_keys_stay():
    model = plain().eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    q = QuantizedTraining(model, [data()[0]]).train()
    fit(q, 2)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    own = {k.removeprefix("model.") for k in q.state_dict() if k.startswith("model.")}
    assert own == set(before)


def test_a_delay_trains_floats():
    q = prepared(plain)
    q.quantizing.fill_(False)
    x, _ = data()
    twin = deepcopy(q.model).train()
    torch.testing.assert_close(q(x), twin(x), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(q.model[1].running_mean, twin[1].running_mean)
    torch.testing.assert_close(q.eval()(x), q.model.eval()(x))


def test_frozen_statistics_stay():
    q = prepared(plain)
    q.frozen.fill_(True)
    before = q.model[1].running_var.clone()
    q(data()[0])
    assert torch.equal(q.model[1].running_var, before)
    q.frozen.fill_(False)
    q(data()[0])
    assert not torch.equal(q.model[1].running_var, before)


def test_ranges_follow_the_data_until_they_are_fixed():
    q = prepared(plain)
    x = 3 * data()[0]
    before = q.ranges["input"].hi.clone()
    q(x)
    torch.testing.assert_close(q.ranges["input"].hi, before.lerp(x.max(), 0.01))
    q.observing.fill_(False)
    after = q.ranges["input"].hi.clone()
    q(x)
    assert torch.equal(q.ranges["input"].hi, after)


@scales
def test_a_checkpoint_gives_the_same_graph(learned):
    q = prepared(mixed, **learned)
    fit(q, 6)
    other = prepared(mixed, **learned)
    other.load_state_dict(q.state_dict())
    assert pack.serialize(other.graph()) == pack.serialize(q.graph())
    assert pack.serialize(deepcopy(q).graph()) == pack.serialize(q.graph())


def test_evaluation_follows_the_weights():
    q, x = prepared(plain), data()[0]
    before = q.eval()(x)
    with torch.no_grad():
        q.model[8].bias += 1
    assert not torch.equal(q(x), before)


def test_a_learned_scale_has_lsqs_gradient():
    """Esser et al., eq. (3): round(x / s) - x / s inside, the end's code outside."""
    found = Learned(0.0, 2.55)  # s = 0.01, z = -128
    x = torch.tensor([[0.123, 0.127, 9.0, -1.0]], requires_grad=True)
    y = found(x)
    torch.testing.assert_close(y, torch.tensor([[0.12, 0.13, 2.55, 0.0]]))
    y.sum().backward()
    inside = (12 - 12.3) + (13 - 12.7)
    scaled = (inside + 255 + 0) / np.sqrt(4 * 127)
    assert found.scale.grad.item() == pytest.approx(scaled, rel=1e-4)
    assert x.grad.tolist() == [[1, 1, 0, 0]]


def test_a_tensor_rounded_twice_is_rounded_once():
    found = MovingAverage(-1.0, 3.0)
    y = found(torch.linspace(-2, 4, 101))
    assert torch.equal(found(y), y)
    scale, zero = found.parameters_now()
    codes = y / scale + zero
    assert codes.min() == INT8.lo
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-4)


def test_weights_are_rounded_as_they_will_be_coded():
    w = torch.tensor([[1.27, -0.634, 0.0], [0.0127, 0.004, -0.0127]])
    want = torch.tensor([[1.27, -0.63, 0.0], [0.0127, 0.004, -0.0127]])
    torch.testing.assert_close(quantized(w, 8, True), want)
    assert quantized(w, 8, False)[1].tolist() == pytest.approx([0.01, 0.0, -0.01])
    x = torch.tensor([0.4], requires_grad=True)
    fake(x, torch.tensor(1.0), 0, INT8).backward()
    assert x.grad.item() == 1


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "is empty"),
        ([torch.zeros(4, 1, 12, 12)], "is always 0.0"),
        ([torch.full((4, 1, 12, 12), float("nan"))], "not finite"),
        ([torch.rand(4, 1, 12, 12), torch.rand(4, 1, 9, 9)], r"batch 2: .*\(batch, 1, 12, 12\)"),
    ],
)
def test_bad_data_is_refused(batches, message):
    with pytest.raises(CalibrationError, match=message):
        QuantizedTraining(plain().eval(), batches)


def test_unknown_choices_are_named():
    with pytest.raises(ValueError, match="2 to 8"):
        QuantizedTraining(plain().eval(), [data()[0]], weight_bits=1)
    with pytest.raises(ValueError, match="no method"):
        QuantizedTraining(plain().eval(), [data()[0]], "magic")

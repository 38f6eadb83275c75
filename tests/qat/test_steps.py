"""Learned steps of weights: where they start, what they learn, and what export makes of them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lowbit.ir import ops
from lowbit.qat import QuantizedTraining
from lowbit.qat.layers import quantized
from lowbit.qat.steps import Steps


def steps(w: Tensor, bits: int, scale: list[float], per_channel: bool = True) -> Steps:
    found = Steps(w, bits, per_channel)
    found.scale.data = torch.tensor(scale)
    return found


def test_a_step_has_lsqs_gradient():
    """Esser et al., eqs. (3) and (5): round(w / s) - w / s inside, the end's code outside, times
    1 / sqrt(N n) with n = 7 for 4 bits; weights outside have none."""
    w = torch.tensor([[0.123, 0.127, 0.9, -0.9], [2.0, 5.0, 0.0, 0.0]], requires_grad=True)
    found = steps(w, 4, [0.1, 1.0])
    y = found(w)
    torch.testing.assert_close(y, torch.tensor([[0.1, 0.1, 0.7, -0.7], [2.0, 5.0, 0.0, 0.0]]))
    y.sum().backward()
    scaled = ((1 - 1.23) + (1 - 1.27) + 7 - 7) / np.sqrt(4 * 7)
    assert found.scale.grad.tolist() == pytest.approx([scaled, 0.0], rel=1e-4)
    assert w.grad.tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_step_starts_where_the_error_is_no_larger_than_the_largest_weights(bits, per_channel):
    torch.manual_seed(0)
    w = torch.randn(6, 3, 3, 3) * torch.logspace(-2, 0, 6).reshape(-1, 1, 1, 1)
    found = Steps(w, bits, per_channel)
    assert found.scale.shape == (6 if per_channel else 1,)
    ours, plain = (
        (f(w) - w).square().sum() for f in (found, lambda w: quantized(w, bits, per_channel))
    )
    assert ours <= plain
    assert bits == 8 or ours < 0.9 * plain


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 3, 3)])
def test_export_gives_the_codes_that_training_saw(shape):
    torch.manual_seed(0)
    w = torch.randn(shape)
    found = Steps(w, 4, True)
    codes, scales = found.coded(w.numpy())
    rows = scales.reshape(-1, *[1] * (w.ndim - 1))
    np.testing.assert_array_equal((codes * rows).astype(np.float32), found(w).detach().numpy())


def test_dead_weights_have_a_step_that_divides():
    found = Steps(torch.zeros(2, 3), 8, True)
    assert torch.equal(found(torch.zeros(2, 3)), torch.zeros(2, 3))
    found.scale.data.fill_(0)
    assert torch.isfinite(found(torch.ones(2, 3))).all()


@pytest.mark.parametrize("per_channel", [True, False])
def test_two_bits_learn_more_with_steps_of_their_own(per_channel):
    """A linear layer that is to give another's outputs."""
    torch.manual_seed(0)
    x, target = torch.randn(256, 16), torch.randn(8, 16)
    losses = []
    for learned in (False, True):
        model = nn.Linear(16, 8, bias=False)
        model.weight.data = target.clone()
        choices = {"weight_bits": 2, "per_channel": per_channel, "learned_steps": learned}
        q = QuantizedTraining(model.eval(), [x], **choices)
        optimizer = torch.optim.Adam(q.parameters(), 1e-2)
        for _ in range(60):
            loss = (q(x) - x @ target.T).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append((q.eval()(x) - x @ target.T).square().mean().item())
        linear = next(n for n in q.graph().nodes if isinstance(n.op, ops.Linear))
        assert set(np.unique(q.graph().constant(linear.inputs[1]))) <= {-1, 0, 1}
    assert losses[1] < 0.9 * losses[0]

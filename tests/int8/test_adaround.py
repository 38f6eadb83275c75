"""AdaRound: its moments are the data's, its flips are the definition's, and it pays at few bits."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lowbit.int8 import ptq
from lowbit.int8.adaround import cost, nearest, rounded
from lowbit.int8.grams import grams
from lowbit.int8.parameters import weight_spec
from lowbit.int8.quantize import prepare
from lowbit.ir import evaluate

LAYERS = [
    (nn.Linear(6, 5), (6,)),
    (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (4, 9)),
    (nn.Conv2d(3, 4, (3, 2), padding=(1, 0), dilation=(1, 2)), (3, 7, 8)),
    (nn.Conv2d(4, 4, 3, padding="same", groups=4), (4, 6, 6)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_the_quadratic_form_is_the_mean_squared_error_of_the_outputs(layer, shape):
    torch.manual_seed(0)
    batches = [torch.randn(n, *shape) for n in (3, 5)]
    captured, _ = prepare(nn.Sequential(layer).eval(), batches)
    ((node, gram),) = grams(captured, batches).items()
    e = torch.randn_like(layer.weight)
    rows = e.reshape(len(gram), -1, gram.shape[-1])
    y = torch.cat([node.target(x, e, None, *node.args[3:]) for x in batches])
    axis = 1 if y.ndim > 2 else y.ndim - 1
    want = (y**2).transpose(0, axis).flatten(1).mean(1)
    torch.testing.assert_close(((rows @ gram) * rows).sum(2).reshape(-1), want)


def problem(depth: int, bits: int):
    torch.manual_seed(depth)
    x = torch.randn(500, depth) @ torch.randn(depth, depth) + 1
    rows = torch.randn(1, 8, depth)
    spec = weight_spec(bits)
    s = rows.abs().amax(2, keepdim=True) / spec.hi
    return rows, s, (x.T @ x / len(x))[None], spec


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_every_weight_goes_up_or_down_and_no_flip_is_left_that_pays(bits):
    rows, s, gram, spec = problem(20, bits)
    codes = rounded(rows, s, gram, spec)
    below = (rows / s).floor()
    up, down = (below + 1).clamp(spec.lo, spec.hi), below.clamp(spec.lo, spec.hi)
    assert ((codes == up) | (codes == down)).all()
    best = cost(rows, codes, s, gram)
    assert (best <= cost(rows, nearest(rows, s, spec), s, gram)).all()
    for k in range(rows.shape[2]):
        other = codes.clone()
        other[..., k] = up[..., k] + down[..., k] - codes[..., k]
        assert (cost(rows, other, s, gram) >= best * (1 - 1e-4)).all()


def test_small_problems_come_near_the_best_of_all_choices():
    rows, s, gram, spec = problem(8, 3)
    below = (rows / s).floor()
    every = [
        cost(rows, (below + torch.tensor(c)).clamp(spec.lo, spec.hi), s, gram)
        for c in itertools.product((0, 1), repeat=8)
    ]
    best = torch.stack(every).amin(0).sum()
    plain = cost(rows, nearest(rows, s, spec), s, gram).sum()
    assert cost(rows, rounded(rows, s, gram, spec), s, gram).sum() - best < 0.3 * (plain - best)


def test_inputs_that_go_their_own_ways_leave_the_nearest_codes():
    rows, s, _, spec = problem(10, 4)
    assert torch.equal(rounded(rows, s, torch.eye(10)[None], spec), nearest(rows, s, spec))


@pytest.mark.parametrize("per_channel", [True, False])
def test_four_bits_keep_more_of_the_outputs(per_channel):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 16)).eval()
    mix = torch.randn(8, 32)
    batches = [F.relu(torch.randn(200, 8) @ mix) for _ in range(2)]
    want = model(batches[0]).detach().numpy()

    def error(adaptive: bool) -> float:
        choices = {"weight_bits": 4, "per_channel": per_channel, "adaptive": adaptive}
        graph = ptq(model, batches, **choices)
        return float(((evaluate(graph, batches[0].numpy())[0] - want) ** 2).mean())

    assert error(True) < 0.5 * error(False)


def test_dead_channels_and_large_biases_take_the_scales_they_need():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 4))
    with torch.no_grad():
        model[0].weight[1] = 0
        model[0].weight[2] *= 1e-12
        model[0].bias[2] = 1.0
    batches = [torch.rand(64, 8)]
    got = evaluate(ptq(model.eval(), batches, adaptive=True), batches[0].numpy())[0]
    np.testing.assert_allclose(got, model(batches[0]).detach().numpy(), atol=0.02)

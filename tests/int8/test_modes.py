"""Weight-only, dynamic-range and half-precision graphs: what they compute, store and report."""

import numpy as np
import pytest
import torch
from torch import nn

from lowbit import pack
from lowbit.int8.modes import DynamicRange, Float16, WeightOnly
from lowbit.ir import evaluate
from lowbit.runtime import Network

MODES = [WeightOnly(), WeightOnly(4), WeightOnly(8, per_channel=False), DynamicRange(), Float16()]
modes = pytest.mark.parametrize("mode", MODES, ids=str)


def heard(want: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10((want**2).sum() / ((want - got) ** 2).sum()))


@modes
def test_what_is_saved_runs_as_defined_and_is_near_its_floats(plain_case, mode):
    model, batches = plain_case
    x = batches[0]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    data = pack.serialize(mode.graph(model, x))
    assert data == pack.serialize(pack.parse(data))
    want, got = model(x).detach().numpy(), evaluate(pack.parse(data), x.numpy())[0]
    assert heard(want, got) > (15 if mode == WeightOnly(4) else 30)
    np.testing.assert_array_equal(Network(pack.parse(data), batch=5)(x.numpy()), got)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def linear() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 8)).eval(), torch.randn(5, 16)


def test_weight_only_is_codes_times_scales():
    model, x = linear()
    w, b = (p.detach().double() for p in model.parameters())
    s = (w.abs().amax(1, keepdim=True) / 7).float().double()
    want = x.double() @ (torch.round(w / s) * s).T + b
    got = evaluate(WeightOnly(4).graph(model, x), x.numpy())[0]
    np.testing.assert_allclose(got, want.numpy(), atol=1e-5)


def test_dynamic_range_is_a_product_of_integers_with_a_scale_a_row():
    model, x = linear()
    w, b = (p.detach().double() for p in model.parameters())
    s = (w.abs().amax(1, keepdim=True) / 127).float().double()
    t = (x.abs().amax(1, keepdim=True) / 127).double()
    codes = torch.round(x / t.float()).double()
    want = (codes @ torch.round(w / s).T) * t * s.T + b
    graph = DynamicRange().graph(model, x)
    np.testing.assert_allclose(evaluate(graph, x.numpy())[0], want.numpy(), atol=1e-5)
    assert graph.notes == ()
    rows = evaluate(graph, x.numpy() * np.float32(2.0) ** np.arange(5)[:, None].astype(np.float32))
    plain = evaluate(graph, x.numpy())[0] - model[0].bias.detach().numpy()
    np.testing.assert_allclose(rows[0][3] - model[0].bias.detach().numpy(), 8 * plain[3], rtol=1e-4)


def test_an_input_of_zeros_is_no_division_by_zero():
    model, _ = linear()
    x = np.zeros((2, 16), np.float32)
    got = evaluate(DynamicRange().graph(model, torch.randn(2, 16)), x)[0]
    np.testing.assert_array_equal(got, np.broadcast_to(model[0].bias.detach().numpy(), (2, 8)))


def test_half_precision_takes_half_the_bytes():
    model = nn.Sequential(nn.Linear(64, 64)).eval()
    x = torch.randn(2, 64)
    graph = Float16().graph(model, x)
    (weight,) = (t for t in graph.constants.values() if t.shape == (64, 64))
    want = model[0].weight.detach().half().float().numpy()
    np.testing.assert_array_equal(weight.value, want)
    assert pack.payload_bytes(weight) == 64 * 64 * 2
    whole = pack.serialize(WeightOnly(8).graph(model, x))
    assert 64 * 64 * 2 < len(pack.serialize(graph)) < 64 * 64 * 2 + len(whole) - 64 * 64


def test_the_report_lists_what_stays_float(plain_case):
    model, batches = plain_case
    notes = DynamicRange().graph(model, batches[0]).notes
    assert any("relu" in n and "stays float" in n for n in notes)
    assert not any("conv2d" in n and "stays float" in n for n in notes)
    assert any(
        "conv2d" in n and "stays float" in n for n in WeightOnly().graph(*of(plain_case)).notes
    )


def of(case):
    return case[0], case[1][0]


def test_what_cannot_be_is_refused():
    model, x = linear()
    with pytest.raises(ValueError, match="2 to 8 bits"):
        WeightOnly(9).graph(model, x)
    with torch.no_grad():
        model[0].weight[0, 0] = 1e6
    with pytest.raises(ValueError, match="beyond half precision"):
        Float16().graph(model, x)

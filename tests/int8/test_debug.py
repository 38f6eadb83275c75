"""The debugger tells layer by layer what quantization costs, of 8-bit and of low-bit models."""

import pytest
import torch
from torch import nn

from lowbit import nn as lnn
from lowbit.int8.debug import compare_layers, table
from lowbit.int8.low_bit import compare_quantizers
from lowbit.int8.lower import Settings
from lowbit.int8.sensitivity import one_at_a_time, one_switched_off, ranked


def test_fewer_bits_are_heard_in_every_layer(plain_case):
    model, batches = plain_case
    fine = compare_layers(model, batches)
    coarse = compare_layers(model, batches, settings=Settings(weight_bits=3))
    assert [r.name for r in fine] == [r.name for r in coarse]
    assert fine[-1].decibels > 25 > coarse[-1].decibels
    assert all(0.9 < r.cosine <= 1.000001 and 0 < r.codes_used <= 1 for r in fine)
    assert all(r.name in table(fine) for r in fine)


def test_the_layer_that_loses_most_is_named():
    torch.manual_seed(0)
    model = nn.Sequential(*(m for _ in range(4) for m in (nn.Linear(16, 16), nn.ReLU()))).eval()
    batches = [torch.randn(64, 16)]
    with torch.no_grad():
        model[4].weight[0, 0] = 40.0  # a weight that leaves no codes for the others
    before = model[4].weight.clone()
    found = one_at_a_time(model, batches, settings=Settings(per_channel=False))
    assert len(found) == 4
    assert ranked(found)[0][0] == [*found][2]
    assert torch.equal(model[4].weight, before)
    again = one_at_a_time(model, batches, settings=Settings(per_channel=False))
    assert found == again


def low_bit() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        lnn.Linear(16, 32, weight="lsq:4", input="lsq_plus:8"),
        lnn.BatchNorm1d(32),
        lnn.Linear(32, 32, weight="ste_sign", input="ste_sign"),
        lnn.BatchNorm1d(32),
        lnn.Linear(32, 4, weight="twn", input="dorefa:2"),
    )


def test_low_bit_layers_are_debugged_too():
    model, x = low_bit(), torch.randn(64, 16)
    model(x)
    rows = {r.name: r for r in compare_quantizers(model.eval(), x)}
    assert set(rows) == {f"{i}.{role}" for i in (0, 2, 4) for role in ("input", "weight")}
    assert rows["0.input"].decibels > rows["0.weight"].decibels > rows["2.weight"].decibels
    assert rows["2.input"].codes_used == 1
    assert not any(layer._forward_pre_hooks for layer in model)


def test_low_bit_layers_are_switched_off_one_at_a_time():
    model, x = low_bit(), torch.randn(64, 16)
    model(x)
    want = model.eval()(x)
    found = one_switched_off(model, x)
    assert set(found) == {"0", "2", "4"}
    assert found["0"] > max(found["2"], found["4"])  # 8 bits and 4 are nearest to floats
    assert torch.equal(model(x), want)


def test_the_picture(plain_case, tmp_path):
    pytest.importorskip("matplotlib")
    from lowbit.int8.picture import draw

    rows = compare_layers(*plain_case)
    draw(rows, {"a": 20.0, "b": 30.0}, tmp_path / "both.png")
    draw(rows, {}, tmp_path / "one.png")
    for name in ("both.png", "one.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2

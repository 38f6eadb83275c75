"""Calibration methods side by side, and the best of each tensor."""

import pytest
import torch
from torch import nn

from lowbit import pack
from lowbit.int8 import ptq
from lowbit.int8.compare import HEADERS, OUTPUT, best, best_methods, cells, compare_methods
from lowbit.int8.debug import compare_layers
from lowbit.int8.lower import Settings
from lowbit.int8.methods import METHODS


def test_every_method_is_compared_on_every_tensor(plain_case):
    heard = compare_methods(*plain_case)
    assert all([*found] == [*METHODS] for found in heard.values())
    assert min(heard[OUTPUT].values()) > 15
    for method in METHODS:
        rows = compare_layers(*plain_case, method)
        assert [*heard] == [*(r.name for r in rows), OUTPUT]
        assert [heard[r.name][method] for r in rows] == [r.decibels for r in rows]


def test_the_table_shows_them_side_by_side(plain_case):
    heard = compare_methods(*plain_case, Settings(weight_bits=4))
    lines = cells(heard)
    assert len(lines) == len(heard)
    assert all(len(line) == len(HEADERS) and line[-1] in METHODS for line in lines)
    assert {line[0]: line[-1] for line in lines[:-1]} == best(heard)


def test_each_tensor_may_have_the_method_that_keeps_most_of_it(plain_case):
    chosen = best_methods(*plain_case)
    assert set(chosen.values()) <= set(METHODS)
    first = compare_layers(*plain_case, chosen)[0]
    assert first.decibels >= compare_layers(*plain_case, "minmax")[0].decibels - 1e-9
    assert pack.serialize(ptq(*plain_case, chosen))
    with pytest.raises(ValueError, match="no method"):
        ptq(*plain_case, {"linear": "magic"})


def test_an_outlier_is_what_methods_differ_on():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)).eval()
    x = torch.randn(512, 8)
    rare = torch.cat([x, torch.full((1, 8), 100.0)])
    heard = compare_methods(model, [x, rare])  # the first batch has none
    for name in ("relu", OUTPUT):
        assert (
            min(heard[name][m] for m in ("entropy", "moving_average")) > heard[name]["minmax"] + 10
        )
    assert set(best(heard).values()) <= {"entropy", "moving_average"}

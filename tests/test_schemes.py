"""Float models made low-bit: what is replaced, what stays, and what is refused."""

import pytest
import torch
from torch import nn

import lowbit.nn as lnn
from lowbit.schemes import EDGES, SCHEMES, Scheme, quantize


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.shortcut = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.norm(self.stem(x))
        x = self.body(x) + self.shortcut(x)
        return self.head(x.relu().mean((2, 3)))


def choices(layer):
    return layer.weight_quantizer, layer.input_quantizer


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_trains_evaluates_and_exports(scheme):
    torch.manual_seed(0)
    model, x = quantize(Residual(), scheme), torch.rand(4, 3, 6, 6)
    model(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    exported = torch.export.export(model, (x,))
    assert torch.equal(exported.module()(x), model(x))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_keys_and_weights_are_the_float_models(scheme):
    model = Residual()
    low_bit = quantize(model, scheme)
    assert set(model.state_dict()) <= set(low_bit.state_dict())
    for name, value in model.state_dict().items():
        assert torch.equal(low_bit.state_dict()[name], value)
    assert not low_bit.load_state_dict(Residual().state_dict()).missing_keys


def test_the_float_model_is_not_touched():
    model = Residual()
    kinds = [type(m) for m in model.modules()]
    quantize(model, "w1a1").stem.weight.data.zero_()
    assert [type(m) for m in model.modules()] == kinds
    assert model.stem.weight.any()


def test_first_and_last_layers_follow_the_scheme():
    binary, lsq = quantize(Residual(), "w1a1"), quantize(Residual(), "w4a4")
    assert choices(binary.stem) == choices(binary.head) == (None, None)
    assert [str(q.spec) for q in choices(lsq.stem)] == ["{-128..127}", "{0..255}"]
    assert [str(q.spec) for q in choices(lsq.shortcut)] == ["{-8..7}", "{0..15}"]
    assert all(choices(binary.body[0]))


@pytest.mark.parametrize("edge", [*EDGES, None])
def test_the_edges_can_be_chosen(edge):
    model = quantize(Residual(), Scheme("twn", "ste_sign", first=edge))
    pair = EDGES[edge] if edge else Scheme("twn", "ste_sign").pair("middle")
    assert [q is None for q in choices(model.stem)] == [pair.weight is None, pair.input is None]


@pytest.mark.parametrize(
    "skip", ["shortcut", ["short*"], lambda name, layer: layer.kernel_size == (1, 1)]
)
def test_skipped_layers_stay_float(skip):
    def only_convs(name, layer):
        return isinstance(layer, nn.Conv2d) and skip(name, layer)

    model = quantize(Residual(), "w2a2", skip=only_convs if callable(skip) else skip)
    assert choices(model.shortcut) == (None, None)
    assert all(choices(model.body[0]))


def test_norms_become_the_explicit_ones():
    model = quantize(Residual(), "w1a1")
    assert type(model.norm) is type(model.body[1]) is lnn.BatchNorm2d


def test_a_model_that_is_one_layer_is_both_first_and_last():
    assert isinstance(quantize(nn.Linear(3, 2), "w1a1"), lnn.Linear)
    assert choices(quantize(nn.Linear(3, 2), "w1a1")) == (None, None)
    assert isinstance(quantize(nn.ReLU(), "w1a1"), nn.ReLU)


def test_shared_layers_stay_shared():
    shared = nn.Linear(4, 4)
    model = quantize(nn.ModuleList([nn.Linear(4, 4), shared, shared, nn.Linear(4, 4)]), "w1a1")
    assert model[1] is model[2]
    assert all(choices(model[1]))


def test_modes_and_frozen_parameters_are_kept():
    model = Residual().eval()
    model.shortcut.weight.requires_grad_(False)
    low_bit = quantize(model, "w2a2")
    assert not any(m.training for m in low_bit.modules())
    assert not low_bit.shortcut.weight.requires_grad


class Odd(nn.Linear):
    """A user's own layer, which uses its weight in its own way."""


def test_subclasses_of_torchs_layers_are_left_alone():
    model = quantize(nn.Sequential(nn.Linear(3, 3), Odd(3, 3), nn.Linear(3, 3)), "w1a1")
    assert type(model[1]) is Odd


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheme": "w1a11"}, "no scheme 'w1a11': did you mean 'w1a1'"),
        ({"scheme": "binary"}, "no scheme 'binary': choose from tern, w1a1"),
        ({"scheme": Scheme("ste_sing", "ste_sign")}, "layer 'body.0': .*did you mean 'ste_sign'"),
        ({"scheme": Scheme("twn", "lsq:2", first="image")}, "no edge 'image': did you .*'image8'"),
        ({"scheme": "w1a1", "skip": ["shortcutt"]}, "matches no layer: did you mean 'shortcut'"),
    ],
)
def test_mistakes_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        quantize(Residual(), **change)


def test_a_layer_that_cannot_be_low_bit_is_named():
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.Linear(3, 3))
    with pytest.raises(ValueError, match="layer '0': padding_mode is 'zeros', not 'reflect'"):
        quantize(model, "w1a1")

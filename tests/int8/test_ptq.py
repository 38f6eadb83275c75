"""Post-training quantization: quality, exactness of what runs, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from lowbit import pack
from lowbit.exporter import ExportError
from lowbit.int8 import CalibrationError, ptq
from lowbit.int8.methods import METHODS
from lowbit.interchange.parameters import worths
from lowbit.ir import evaluate, ops, verify
from lowbit.runtime import Network
from lowbit.spec import INT8

forms = pytest.mark.parametrize("form", ["D", "F"])


def decibels(want: np.ndarray, got: np.ndarray) -> float:
    return float(10 * np.log10((want**2).sum() / ((want - got) ** 2).sum()))


@forms
def test_quantized_models_are_near_their_floats(case, form):
    model, batches = case
    before = {k: v.clone() for k, v in model.state_dict().items()}
    graph = ptq(model, batches, form=form)
    assert not [note for note in graph.notes if "stays float" in note]
    want, got = model(batches[0]).detach().numpy(), evaluate(graph, batches[0].numpy())[0]
    assert decibels(want, got) > 25
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@forms
@pytest.mark.parametrize("integer_only", [False, True])
def test_what_is_saved_loads_and_runs_as_defined(case, form, integer_only):
    model, batches = case
    graph = ptq(model, batches, form=form, integer_only=integer_only)
    data = pack.serialize(graph)
    assert pack.serialize(ptq(model, batches, form=form, integer_only=integer_only)) == data
    x = batches[0].numpy()
    if integer_only:
        x = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
        assert all(t.spec is not None for t in verify(graph).values() if t.value is None)
    (want,) = evaluate(graph, x)
    np.testing.assert_array_equal(Network(pack.parse(data), batch=5)(x), want)


def test_integers_alone_say_the_same_as_floats_at_the_ends(plain_case):
    model, batches = plain_case
    outer = ptq(model, batches)
    inner = ptq(model, batches, integer_only=True)
    quantize = next(n.op for n in outer.nodes if isinstance(n.op, ops.QuantizeD))
    codes = quantize.evaluate(batches[0].numpy()).astype(np.int8)
    (logits,) = evaluate(outer, batches[0].numpy())
    last = inner.nodes[-1].op.to
    got = (evaluate(inner, codes)[0] - np.float32(last.zero_point)) * np.float32(last.scale)
    np.testing.assert_array_equal(got, logits)


def test_ends_of_uint8_are_those_of_int8_moved(plain_case):
    model, batches = plain_case
    inner = ptq(model, batches, integer_only=True)
    outer = ptq(model, batches, integer_only=True, unsigned_ends=True)
    x = np.random.default_rng(0).integers(-128, 128, batches[0].shape)
    (want,), (got,) = (
        evaluate(inner, x.astype(np.int8)),
        evaluate(outer, (x + 128).astype(np.uint8)),
    )
    assert [t.dtype for t in outer.inputs.values()] == [got.dtype] == [np.uint8]
    np.testing.assert_array_equal(got.astype(int) - 128, want)
    np.testing.assert_array_equal(Network(outer, 5)((x + 128).astype(np.uint8)), got)
    with pytest.raises(ValueError, match="with integer_only"):
        ptq(model, batches, unsigned_ends=True)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_usable_network(plain_case, method):
    model, batches = plain_case
    want = model(batches[0]).detach().numpy()
    assert decibels(want, evaluate(ptq(model, batches, method), batches[0].numpy())[0]) > 15


def test_fewer_bits_cost_more(plain_case):
    model, batches = plain_case
    want = model(batches[0]).detach().numpy()
    heard = [
        decibels(want, evaluate(ptq(model, batches, weight_bits=b), batches[0].numpy())[0])
        for b in (8, 4, 3)
    ]
    assert heard == sorted(heard, reverse=True)


def test_bytes_enter_as_they_are():
    torch.manual_seed(0)
    model = nn.Sequential(ToFloat(), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    batches = [torch.randint(0, 256, (8, 1, 8, 8), dtype=torch.uint8)]
    graph = ptq(model.eval(), batches, integer_only=True)
    assert [str(t) for t in graph.inputs.values()] == ["{0..255}[1x8x8]"]
    want, x = model(batches[0]).detach().numpy(), batches[0].numpy()
    last = graph.nodes[-1].op.to
    got = (evaluate(graph, x)[0] - np.float32(last.zero_point)) * np.float32(last.scale)
    assert decibels(want, got) > 30


class ToFloat(nn.Module):
    def forward(self, x):
        return x.float() / 255


def test_what_has_no_8_bit_rule_stays_float_and_is_reported():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LayerNorm(6)).eval()
    batches = [torch.randn(4, 1, 8, 8)]
    graph = ptq(model, batches)
    assert "aten.layer_norm.default in '1' stays float" in graph.notes
    want = model(batches[0]).detach().numpy()
    assert decibels(want, evaluate(graph, batches[0].numpy())[0]) > 30
    with pytest.raises(ExportError, match=r"would stay float: aten.layer_norm.default in '1'"):
        ptq(model, batches, integer_only=True)


def test_integer_only_names_every_operation_that_has_no_rule():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4), nn.GroupNorm(2, 4)
    ).eval()
    with pytest.raises(
        ExportError, match=r"layer_norm.default in '1', aten.group_norm.default in '3'"
    ):
        ptq(model.eval(), [torch.randn(4, 4)], integer_only=True)


def test_folding_keeps_the_model(plain_case):
    from lowbit.int8.calibrate import interpret
    from lowbit.int8.quantize import prepare

    model, batches = plain_case
    captured, _ = prepare(model, batches)
    assert not any("batch_norm" in str(n.target) for n in captured.operations)
    (got,) = interpret(captured, (batches[0],), lambda node, x: None)
    torch.testing.assert_close(got, model(batches[0]), rtol=1e-4, atol=1e-4)


def nan_in(batches):
    batches[1][2, 0, 3, 3] = float("nan")
    return batches


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda b: [], "is empty"),
        (lambda b: [torch.zeros_like(x) for x in b], "is always 0.0"),
        (lambda b: [torch.full_like(x, 3.0) for x in b], "is always 3.0"),
        (nan_in, "batch 2: .* not finite"),
        (lambda b: [*b, torch.randn(2, 1, 9, 9)], r"batch 4: .*\(batch, 1, 12, 12\), not"),
        (lambda b: [*b, torch.randn(0, 1, 12, 12)], "batch 4"),
        (lambda b: [*b, "pictures"], "batch 4: a tensor"),
        (lambda b: [b[0].double()], "float"),
    ],
)
def test_bad_data_is_refused(plain_case, spoil, message):
    model, batches = plain_case
    with pytest.raises((CalibrationError, ExportError), match=message):
        ptq(model, spoil(batches))


class OfTwo(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x).reshape(2, 4)


def test_a_model_that_fixes_its_batch_is_refused_in_a_line():
    with pytest.raises(CalibrationError, match=r"batch 1: the model cannot run it: shape"):
        ptq(OfTwo().eval(), [torch.randn(3, 4)])


def test_a_data_loader_with_labels_will_do(plain_case):
    model, batches = plain_case
    loader = ((x, torch.zeros(len(x))) for x in batches)
    assert pack.serialize(ptq(model, loader)) == pack.serialize(ptq(model, batches))


def test_training_mode_is_refused(plain_case):
    model, batches = plain_case
    with pytest.raises(ExportError, match="training mode"):
        ptq(model.train(), batches)


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"method": "magic"}, "no method"), ({"form": "G"}, "form"), ({"weight_bits": 9}, "2 to 8")],
)
def test_unknown_choices_are_named(plain_case, choice, message):
    with pytest.raises(ValueError, match=message):
        ptq(*plain_case, **choice)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)
        nn.init.normal_(self.b.weight, std=4)

    def forward(self, x):
        y = torch.cat([self.a(x), self.b(x)], 1)
        y = nn.functional.avg_pool2d(nn.functional.max_pool2d(y, 2), 2)
        return nn.functional.pad(y, (1, 1)).flatten(1)


@pytest.mark.parametrize("form", ["D", "F"])
def test_what_moves_pools_or_joins_shares_parameters(form):
    """As in TensorFlow Lite: codes are made by what computes, and pass through the rest."""
    torch.manual_seed(0)
    graph = ptq(Shared().eval(), [torch.randn(8, 1, 10, 10)], form=form, integer_only=True)
    kinds = [type(n.op) for n in graph.nodes if not isinstance(n.op, ops.Transpose)]
    moving = kinds[kinds.index(ops.Concat) :]
    assert moving == [ops.Concat, ops.MaxPool, ops.MeanCodes, ops.Pad, ops.Reshape]
    types, worth = verify(graph), worths(graph)
    (concat,) = (n for n in graph.nodes if isinstance(n.op, ops.Concat))
    a, b = (worth[name] for name in concat.inputs)
    assert a == b == worth[graph.outputs[0]]
    assert {types[name].spec for name in concat.inputs} == {INT8}

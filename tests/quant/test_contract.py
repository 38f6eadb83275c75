"""What every registered quantizer must satisfy. A new one is tested the moment it is named."""

import copy
import inspect
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import lowbit.nn as lnn
from lowbit.quant import INPUTS, WEIGHTS, NonFiniteInput, build

TABLES = {"weight": WEIGHTS, "input": INPUTS}
CHANNELS = 3


def spellings(table, bits):
    for name, factory in table.items():
        takes_bits = "bits" in inspect.signature(factory).parameters
        yield from (f"{name}:{b}" for b in bits) if takes_bits else [name]


PRESETS = [(role, choice) for role in TABLES for choice in spellings(TABLES[role], (2, 4, 8))]
every = pytest.mark.parametrize(("role", "choice"), PRESETS, ids=[f"{r}-{c}" for r, c in PRESETS])


def quantizer(role, choice):
    return build(choice, TABLES[role], CHANNELS, axis=0 if role == "weight" else 1)


def sample(seed=0, shape=(CHANNELS, CHANNELS, 4, 4)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


tensors = hnp.arrays(
    np.float32, (CHANNELS, CHANNELS, 2, 2), elements=st.floats(-4, 4, width=32)
).map(torch.from_numpy)


@every
@settings(max_examples=25, deadline=None)
@given(x=tensors)
def test_values_are_codes_times_scales(role, choice, x):
    q = quantizer(role, choice)
    q(sample())
    q.eval()
    terms = q.terms(x)
    want = terms[0].value
    for term in terms[1:]:
        want = want + term.value
    assert torch.equal(q(x), want)


@every
@settings(max_examples=25, deadline=None)
@given(x=tensors, training=st.booleans())
def test_codes_stay_in_the_alphabet(role, choice, x, training):
    q = quantizer(role, choice).train(training)
    for term, spec in zip(q.terms(x), q.specs, strict=True):
        codes = term.codes.unique().tolist()
        assert all(code.is_integer() and int(code) in spec for code in codes)


@every
def test_codes_are_codes_of_themselves(role, choice):
    """So that a snap of parameters may be exported as the codes that it gave."""
    q = quantizer(role, choice)
    for term, spec in zip(q.terms(sample()), q.specs, strict=True):
        again = torch.ops.lowbit.snap(term.codes.detach(), spec.lo, spec.hi, spec.step)
        assert torch.equal(again, term.codes)


@every
def test_gradients_reach_everything_that_is_learned(role, choice):
    q, x = quantizer(role, choice), (12 * sample()).requires_grad_()
    (q(x) * sample(1)).sum().backward()
    learned = [x, *q.parameters()]
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in learned)


@every
def test_a_tensor_of_zeros_gives_finite_values_and_gradients(role, choice):
    q, x = quantizer(role, choice), torch.zeros(CHANNELS, CHANNELS, 2, 2, requires_grad=True)
    y = q(x)
    y.sum().backward()
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


@every
def test_state_survives_saving_copying_and_pickling(role, choice):
    q, x = quantizer(role, choice), sample()
    q(x)
    q.set_enabled(False)
    q.set_enabled(True)
    loaded = quantizer(role, choice)
    loaded.load_state_dict(q.state_dict())
    for other in (loaded, copy.deepcopy(q), pickle.loads(pickle.dumps(q))):
        assert torch.equal(other.eval()(x + 0.1), q.eval()(x + 0.1))


@every
def test_disabled_is_a_float_pass_through_and_checkpoints_say_so(role, choice):
    q, x = quantizer(role, choice), sample()
    q.set_enabled(False)
    assert q(x) is x
    other = quantizer(role, choice)
    other.load_state_dict(q.state_dict())
    assert not other.enabled


@every
def test_a_float_checkpoint_loads(role, choice):
    layer = lnn.Conv2d(4, CHANNELS, 3, **{role: choice})
    float_layer = torch.nn.Conv2d(4, CHANNELS, 3)
    layer.load_state_dict(float_layer.state_dict())
    assert torch.equal(layer.weight, float_layer.weight)


@every
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(role, choice, bad):
    x = sample()
    x[0, 0, 0, 0] = bad
    with pytest.raises(NonFiniteInput, match=r"NaN or infinite \(shape .*lower the learning rate"):
        quantizer(role, choice)(x)


@every
def test_float64_stays_float64(role, choice):
    q = quantizer(role, choice).double()
    assert q(sample().double()).dtype == torch.float64


@every
def test_autocast_changes_no_code(role, choice):
    q, x = quantizer(role, choice), sample()
    q(x)
    q.eval()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = q(x)
    assert torch.equal(lowered, q(x))


@every
def test_export_has_one_snap_a_term_and_equals_eager(role, choice):
    torch.manual_seed(0)
    layer = lnn.Conv2d(4, CHANNELS, 3, padding=1, **{role: choice})
    x = torch.rand(2, 4, 5, 5)
    layer(x)
    layer.eval()
    exported = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    snaps = [n for n in exported.graph.nodes if n.target == torch.ops.lowbit.snap.default]
    q = getattr(layer, f"{role}_quantizer")
    assert [n.args[1:] for n in snaps] == [(s.lo, s.hi, s.step) for s in q.specs]
    more = torch.randn(3, 4, 5, 5)
    assert torch.equal(exported.module()(more), layer(more))


@pytest.mark.parametrize(
    ("role", "choice", "words"),
    [
        ("weight", "ste_sing", "did you mean 'ste_sign'"),
        ("input", "image", "did you mean 'image8'"),
        ("input", "ttq", "no quantizer 'ttq': choose from"),
        ("weight", "dorefa", "'dorefa' is spelled 'dorefa:BITS'"),
        ("weight", "twn:2", "'twn:2' is spelled 'twn'"),
        ("weight", "dorefa:x", "is spelled 'dorefa:BITS'"),
        ("weight", "dorefa:9", "dorefa has 1 to 8 bits, not 9"),
        ("weight", "lsq:1", "lsq for weights has 2 to 8 bits, not 1"),
        ("input", "pact:0", "pact has 1 to 8 bits, not 0"),
    ],
)
def test_a_wrong_spelling_is_answered_with_the_right_one(role, choice, words):
    with pytest.raises(ValueError, match=words):
        quantizer(role, choice)


@pytest.mark.parametrize("choice", [*spellings(WEIGHTS, (2,))])
def test_a_large_weight_has_the_same_terms_for_any_number_of_threads(choice):
    """torch splits a sum over more than 2^15 values between threads, and rounds otherwise."""
    w, threads, found = sample(shape=(128, 512, 1, 1)), torch.get_num_threads(), []
    q = build(choice, WEIGHTS, 128, axis=0)
    q(w)  # what is learned takes its start
    q.eval()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append([t for term in q.terms(w) for t in (term.codes, term.scale)])
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert (a is None and b is None) or torch.equal(a, b)

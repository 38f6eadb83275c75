"""snap, as a function with a pretended gradient and as the operator that exports record."""

import pytest
import torch

from lowbit.quant import NonFiniteInput, set_progress, snap
from lowbit.quant.gradient import Clipped, ErrorDecay, Identity, OpenClipped, QuantileClipped
from lowbit.quant.snap import nearest
from lowbit.spec import BINARY, INT8, TERNARY, QuantSpec, odd, unsigned

SPECS = [BINARY, TERNARY, INT8, odd(2), odd(8), unsigned(1), unsigned(8), QuantSpec(1, 1)]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_operator_passes_torchs_own_checks(spec, dtype):
    x = torch.randn(3, 4, dtype=dtype)
    torch.library.opcheck(torch.ops.lowbit.snap.default, (x, spec.lo, spec.hi, spec.step))


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_snapping_leaves_codes_alone_and_clips(spec):
    codes = torch.arange(spec.lo, spec.hi + 1, spec.step, dtype=torch.float32)
    assert torch.equal(nearest(codes, spec), codes)
    ends = torch.tensor([spec.lo - 1e6, spec.hi + 1e6])
    assert nearest(ends, spec).tolist() == [spec.lo, spec.hi]


@pytest.mark.parametrize(
    ("spec", "ties", "codes"),
    [
        (BINARY, [-0.0, 0.0], [1, 1]),
        (TERNARY, [-0.5, 0.5], [0, 0]),
        (INT8, [-1.5, -0.5, 0.5, 1.5, 2.5], [-2, 0, 0, 2, 2]),
        (odd(2), [-2.0, 0.0, 2.0], [-3, 1, 1]),  # indices 0.5, 1.5 and 2.5 go to 0, 2 and 2
    ],
    ids=str,
)
def test_ties_go_to_the_even_index(spec, ties, codes):
    assert nearest(torch.tensor(ties), spec).tolist() == codes


def test_a_sum_that_overflows_is_not_taken_for_an_infinity():
    x = torch.full((8,), 3e38)
    assert snap(x, BINARY, Identity()).tolist() == [1] * 8
    with pytest.raises(NonFiniteInput, match=r"1 of 8 values .* \(shape \(8,\)\)"):
        snap(x * torch.tensor([2] + [1] * 7), BINARY, Identity())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_windows_are_closed_or_open_to_the_last_bit(dtype):
    one, inf = torch.tensor([1.0], dtype=dtype), torch.tensor([float("inf")], dtype=dtype)
    past = torch.nextafter(one, inf)
    before = torch.nextafter(one, -inf)
    u = torch.cat([-past, -one, -before, before, one, past])
    g = torch.ones_like(u)
    assert Clipped()(g, u).tolist() == [0, 1, 1, 1, 1, 0]
    assert OpenClipped(-1, 1)(g, u).tolist() == [0, 0, 1, 1, 0, 0]


def test_progress_reaches_every_gradient_that_sharpens():
    model = torch.nn.ModuleList([ErrorDecay(), QuantileClipped(), Clipped()])
    set_progress(model, 0.25)
    assert [m.progress.item() for m in model[:2]] == [0.25, 0.25]
    with pytest.raises(ValueError, match=r"from 0 to 1, not 1\.5"):
        set_progress(model, 1.5)

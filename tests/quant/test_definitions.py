"""Each quantizer against its paper's formula, written here again in numpy, and at the points
where a slip would show: ties, zeros, edges of windows."""

import numpy as np
import pytest
import torch

from lowbit.quant import INPUTS, WEIGHTS, build
from lowbit.quant.binary_connect import StochasticSign
from lowbit.quant.latent import centre_and_clip
from lowbit.quant.step import divided

TINY = np.finfo(np.float32).smallest_subnormal
BINARY_INPUTS = ["ste_sign", "approx_sign", "swish_sign", "irnet", "rsign"]
BINARY_WEIGHTS = ["ste_sign", "binary_connect", "xnor", "magnitude_aware_sign", "dorefa:1"]


def weight(choice, channels=4):
    return build(choice, WEIGHTS, channels, axis=0)


def input_(choice, channels=1):
    return build(choice, INPUTS, channels)


def value_and_gradient(q, x, g=None):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = q.double()(x)
    y.backward(torch.ones_like(y) if g is None else torch.tensor(g))
    return y.detach().numpy(), x.grad.numpy()


def filters(seed=0, shape=(4, 3, 3, 3)):
    return np.random.default_rng(seed).normal(0, 0.8, shape)


def per_filter(function, w):
    return function(w, axis=(1, 2, 3), keepdims=True)


def sign(x):
    return np.where(x >= 0, 1.0, -1.0)


@pytest.mark.parametrize("choice", BINARY_INPUTS)
def test_zero_of_either_sign_is_plus_one(choice):
    x = torch.tensor([-TINY, -0.0, 0.0, TINY]).view(4, 1, 1)
    assert input_(choice)(x).flatten().tolist() == [-1, 1, 1, 1]


@pytest.mark.parametrize("choice", BINARY_WEIGHTS)
def test_zero_weights_are_plus_one_times_the_scale(choice):
    (term,) = weight(choice, 1).terms(torch.tensor([[-TINY, -0.0, 0.0, 5.0]]))
    assert term.codes.tolist() == [[-1, 1, 1, 1]]


ULP = 2.0**-52
AROUND_ONE = np.array([-1.5, -1 - ULP, -1, -0.5, 0, 0.5, 1, 1 + 2 * ULP, 1.5])


def swish_slope(x, beta=5):
    z = beta * x
    return beta * (2 - z * np.tanh(z / 2)) / (1 + np.cosh(z))


@pytest.mark.parametrize(
    ("choice", "slope"),
    [
        ("ste_sign", lambda x: np.abs(x) <= 1),
        ("approx_sign", lambda x: np.where(np.abs(x) <= 1, 2 - 2 * np.abs(x), 0)),
        ("swish_sign", swish_slope),
        ("ste_tern", lambda x: np.abs(x) <= 1),
    ],
)
def test_gradients_of_signs(choice, slope):
    _, gradient = value_and_gradient(input_(choice), AROUND_ONE)
    np.testing.assert_allclose(gradient, slope(AROUND_ONE), rtol=1e-12)


def test_the_clip_keeps_one_itself_in_float32_too():
    x = torch.tensor([1.0, np.nextafter(np.float32(1), np.float32(2))], requires_grad=True)
    input_("ste_sign")(x).sum().backward()
    assert x.grad.tolist() == [1, 0]


def test_swish_gradient_vanishes_far_out_and_stays_finite():
    x = torch.tensor([-1e38, -100.0, 100.0, 1e38], requires_grad=True)
    input_("swish_sign")(x).sum().backward()
    assert x.grad.abs().max() < 1e-25


@pytest.mark.parametrize(("progress", "t"), [(0.0, 0.1), (0.5, 1.0), (1.0, 10.0)])
def test_ede_sharpens_with_progress(progress, t):
    q = input_("irnet").double()
    q.gradient.set_progress(progress)
    x = np.linspace(-2, 2, 9)
    _, gradient = value_and_gradient(q, x)
    want = max(1 / t, 1) * t * (1 - np.tanh(t * x) ** 2)
    np.testing.assert_allclose(gradient, want, rtol=1e-5)  # progress is a float32 buffer


def test_rsign_learns_where_the_sign_turns():
    q = input_("rsign", channels=2)
    with torch.no_grad():
        q.shift.copy_(torch.tensor([0.5, -0.5]))
    x = torch.tensor([[0.4, -0.4], [0.5, -0.5], [0.6, -0.6]], requires_grad=True)
    y = q(x)
    y.sum().backward()
    assert y.tolist() == [[-1, 1], [1, 1], [1, -1]]
    torch.testing.assert_close(q.shift.grad, -x.grad.sum(0))
    torch.testing.assert_close(x.grad, torch.tensor([[1.8, 1.8], [2, 2], [1.8, 1.8]]))


def test_xnor_gradient_is_the_derivative_of_scale_times_sign():
    w, g = filters(), filters(1)
    q, got = value_and_gradient(weight("xnor"), w, g)
    alpha = per_filter(np.mean, np.abs(w))
    np.testing.assert_allclose(q, alpha * sign(w), rtol=1e-12)
    n = w[0].size
    want = alpha * (np.abs(w) <= 1) * g + sign(w) / n * per_filter(np.sum, g * sign(w))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_magnitude_aware_sign_holds_its_scale_constant():
    w, g = filters(), filters(1)
    q, got = value_and_gradient(weight("magnitude_aware_sign"), w, g)
    alpha = per_filter(np.mean, np.abs(w))
    np.testing.assert_allclose(q, alpha * sign(w), rtol=1e-12)
    np.testing.assert_allclose(got, alpha * (np.abs(w) <= 1) * g, rtol=1e-12)


def test_binary_connect_has_gradient_one_everywhere():
    w, g = 3 * filters(), filters(1)
    q, got = value_and_gradient(weight("binary_connect"), w, g)
    np.testing.assert_array_equal(q, sign(w))
    np.testing.assert_array_equal(got, g)


def test_stochastic_signs_have_the_papers_probability():
    q = StochasticSign(height=2.0, generator=torch.Generator().manual_seed(0))
    w = torch.tensor([-2.5, -2.0, -1.0, 0.0, 1.0, 2.0, 2.5])
    drawn = torch.stack([q(w) for _ in range(4000)])
    assert set(drawn.unique().tolist()) == {-2.0, 2.0}
    chance = (drawn > 0).double().mean(0)
    want = torch.tensor([0, 0, 0.25, 0.5, 0.75, 1, 1]).double()
    torch.testing.assert_close(chance, want, rtol=0, atol=0.04)


def test_stochastic_signs_repeat_with_their_generator():
    def draw():
        return StochasticSign(generator=torch.Generator().manual_seed(7))(torch.zeros(64))

    assert torch.equal(draw(), draw())


def test_stochastic_signs_evaluate_by_sign_or_by_the_real_weight():
    w = torch.tensor([-0.3, 0.3])
    assert StochasticSign().eval()(w).tolist() == [-1, 1]
    assert torch.equal(StochasticSign(real_evaluation=True).eval()(w), w)


def test_libra_signs_are_balanced_and_shifted():
    w = filters() + 5
    v = (w - per_filter(np.mean, w)) / w.std(axis=(1, 2, 3), ddof=1, keepdims=True)
    scale = 2 ** np.round(np.log2(per_filter(np.mean, np.abs(v))))
    q, _ = value_and_gradient(weight("irnet"), w)
    np.testing.assert_array_equal(q, sign(v) * scale)


def test_libra_gradient_passes_through_the_standardization():
    w, g = torch.tensor(filters(), requires_grad=True), torch.tensor(filters(1))
    q = weight("irnet").double()
    q.gradient.set_progress(0.5)  # t = k = 1
    q(w).backward(g)
    again = w.detach().clone().requires_grad_()
    v = (again - again.mean((1, 2, 3), keepdim=True)) / again.std((1, 2, 3), keepdim=True)
    scale = 2 ** v.abs().mean((1, 2, 3), keepdim=True).log2().round().detach()
    (v.tanh() * scale).backward(g)
    torch.testing.assert_close(w.grad, again.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("progress", "tau"), [(0.0, 0.85), (1.0, 0.99)])
def test_recu_holds_back_outliers_only(progress, tau):
    q = weight("recu").double()
    q.gradient.set_progress(progress)
    w, g = torch.tensor(filters(), requires_grad=True), torch.tensor(filters(1))
    y = q(w)
    y.backward(g)
    again = w.detach().clone().requires_grad_()
    axes = (1, 2, 3)
    v = (again - again.mean(axes, keepdim=True)) / again.std(axes, keepdim=True) * 8**0.5
    edge = (-v.abs().mean() * np.log(2 - 2 * tau)).item()
    v.clamp(-edge, edge).backward(g)
    np.testing.assert_array_equal(y.detach(), sign(v.detach().numpy()))
    torch.testing.assert_close(w.grad, again.grad, rtol=1e-6, atol=1e-9)


def test_ste_tern_includes_its_threshold():
    d = np.float32(0.05)
    x = torch.tensor([-d, np.nextafter(-d, np.float32(0)), 0, np.nextafter(d, np.float32(0)), d])
    assert input_("ste_tern")(x).tolist() == [-1, 0, 0, 0, 1]


@pytest.mark.parametrize(("choice", "axes"), [("twn", None), ("twn_per_filter", (1, 2, 3))])
def test_twn_keeps_what_is_above_its_threshold(choice, axes):
    w, g = filters(), filters(1)
    q, got = value_and_gradient(weight(choice), w, g)
    delta = 0.7 * np.abs(w).mean(axis=axes, keepdims=True)
    kept = np.abs(w) > delta
    alpha = (np.abs(w) * kept).sum(axis=axes, keepdims=True) / kept.sum(axis=axes, keepdims=True)
    np.testing.assert_allclose(q, alpha * np.sign(w) * kept, rtol=1e-12)
    np.testing.assert_allclose(got, g, rtol=1e-12)


def test_twn_excludes_its_threshold():
    w = torch.tensor([[0.0, 0.0, 0.0, 1.0]])  # mean 1/4: nothing else than 1 is above
    assert weight("twn", 1)(w).tolist() == [[0, 0, 0, 1]]
    assert weight("twn", 1)(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


def test_ttq_gradients_by_region():
    q = weight("ttq").double()
    with torch.no_grad():
        q.positive.fill_(0.8)
        q.negative.fill_(0.3)
    w = np.array([[2.0, 0.11, 0.1, 0.05, 0.0, -0.1, -0.11, -1.0]])  # 0.05 * 2 = 0.1 exclusive
    g = np.arange(1.0, 9.0)[None]
    y, got = value_and_gradient(q, w, g)
    np.testing.assert_allclose(y, [[0.8, 0.8, 0, 0, 0, 0, -0.3, -0.3]])
    np.testing.assert_allclose(got, g * [[0.8, 0.8, 1, 1, 1, 1, 0.3, 0.3]])
    assert q.positive.grad.item() == 1 + 2
    assert q.negative.grad.item() == -(7 + 8)  # the output is -W_n: minus the paper's print


def test_absmean_rounds_half_to_even():
    w = np.array([[0.5, -0.5, 0.51, -1.5, 1.0, 1.99]])
    w *= 1 / np.abs(w).mean()
    q, got = value_and_gradient(weight("absmean", 1), w)
    gamma = np.abs(w).mean()
    np.testing.assert_allclose(q, np.clip(np.round(w / gamma), -1, 1) * gamma)
    np.testing.assert_allclose(got, 1)
    assert weight("absmean", 1)(torch.tensor([[0.5, 1.5]])).tolist() == [[0, 1]]


def test_absmax_scales_each_token():
    x = filters(shape=(2, 5, 8))
    q, got = value_and_gradient(build("absmax:8", INPUTS, 8, axis=-1), x)
    s = 127 / np.abs(x).max(-1, keepdims=True)
    np.testing.assert_allclose(q, np.round(x * s).clip(-128, 127) / s, rtol=1e-12)
    np.testing.assert_allclose(got, 1, rtol=1e-12)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_dorefa_weight_is_equation_9(bits):
    w = filters()
    n = 2**bits - 1
    t = np.tanh(w) / (2 * np.abs(np.tanh(w)).max()) + 0.5
    q, _ = value_and_gradient(weight(f"dorefa:{bits}"), w)
    np.testing.assert_allclose(q, 2 * np.round(n * t) / n - 1, rtol=0, atol=1e-15)


def test_dorefa_weight_gradient_goes_through_tanh_and_its_maximum():
    w, g = torch.tensor(filters(), requires_grad=True), torch.tensor(filters(1))
    weight("dorefa:3").double()(w).backward(g)
    again = w.detach().clone().requires_grad_()
    (again.tanh() / again.tanh().abs().max()).backward(g)
    torch.testing.assert_close(w.grad, again.grad, rtol=1e-9, atol=1e-12)


def test_dorefa_one_bit_weight_is_equation_7():
    w, g = filters(), filters(1)
    q, got = value_and_gradient(weight("dorefa:1"), w, g)
    np.testing.assert_allclose(q, sign(w) * np.abs(w).mean(), rtol=1e-12)
    np.testing.assert_allclose(got, g, rtol=1e-12)


@pytest.mark.parametrize("bits", range(1, 9))
def test_dorefa_input_clips_value_and_gradient(bits):
    n = 2**bits - 1
    x = np.concatenate([np.linspace(-0.5, 1.5, 41), (np.arange(n) + 0.5) / n])
    q, got = value_and_gradient(input_(f"dorefa:{bits}"), x)
    np.testing.assert_allclose(q, np.round(n * np.clip(x, 0, 1)) / n, atol=1e-15)
    np.testing.assert_allclose(got, (x >= 0) & (x <= 1))


@pytest.mark.parametrize(("role", "wide"), [("weight", 8), ("input", 8)])
def test_dorefa_bits_can_be_annealed_and_are_saved(role, wide):
    tables = {"weight": WEIGHTS, "input": INPUTS}
    q, x = build(f"dorefa:{wide}", tables[role], 4), torch.tensor(filters()).float()
    for bits in (4, 2, 1):
        q.set_bits(bits)
        fresh = build(f"dorefa:{bits}", tables[role], 4)
        assert torch.equal(q(x), fresh(x))
        loaded = build(f"dorefa:{wide}", tables[role], 4)
        loaded.load_state_dict(q.state_dict())
        assert loaded.spec == q.spec
        assert torch.equal(loaded(x), q(x))


@pytest.mark.parametrize("kind", [WEIGHTS, INPUTS])
def test_loading_other_bits_leaves_an_evaluated_quantizer_evaluated(kind):
    q = build("dorefa:2", kind, 4).eval()
    q.load_state_dict(build("dorefa:4", kind, 4).state_dict())
    assert q.spec.magnitude == build("dorefa:4", kind, 4).spec.magnitude
    assert not any(module.training for module in q.modules())


def test_pact_is_equations_1_to_3():
    q = input_("pact:2").double()
    with torch.no_grad():
        q.bound.fill_(1.5)
    x = np.array([-1.0, 0.0, 0.2, 0.3, 0.75, 1.49, 1.5, 1.6, 9.0])
    g = np.arange(1.0, 10.0)
    y, got = value_and_gradient(q, x, g)
    np.testing.assert_allclose(y, np.round(np.clip(x, 0, 1.5) * 3 / 1.5) * 1.5 / 3)
    np.testing.assert_allclose(got, g * ((x >= 0) & (x < 1.5)))
    np.testing.assert_allclose(q.bound.grad, g[x >= 1.5].sum())


def lsq_reference(v, s, lo, hi, g, count):
    inside = (lo < v / s) & (v / s < hi)
    ds = np.where(inside, np.round(v / s) - v / s, np.clip(v / s, lo, hi))
    return np.round(np.clip(v / s, lo, hi)) * s, g * inside, (g * ds).sum() / np.sqrt(count * hi)


@pytest.mark.parametrize(
    ("role", "bits", "lo", "hi"), [("weight", 2, -2, 1), ("weight", 4, -8, 7), ("input", 3, 0, 7)]
)
def test_lsq_is_equations_3_and_5(role, bits, lo, hi):
    v, g = filters(), filters(1)
    q = (weight if role == "weight" else input_)(f"lsq:{bits}").double()
    y, got = value_and_gradient(q, v, g)
    s = 2 * np.abs(v).mean() / np.sqrt(hi)
    np.testing.assert_allclose(q.step.value.item(), s)
    want = lsq_reference(v, s, lo, hi, g, v.size if role == "weight" else v[0].size)
    for a, b in zip((y, got, q.step.value.grad), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_lsq_window_is_open():
    q = weight("lsq:2", 1).double()
    q.step.set(torch.tensor(1.0))
    _, got = value_and_gradient(q, np.array([[-2.0, -1.99, 0.99, 1.0]]))
    assert got.tolist() == [[0, 1, 1, 0]]


def test_lsq_starts_once_in_training_and_never_in_evaluation():
    q, x = input_("lsq:4").eval(), torch.rand(2, 3)
    q(x)
    assert not q.step.started
    q.train()(x)
    first = q.step.value.item()
    q(5 * x)
    assert q.step.value.item() == first


def test_lsq_input_without_a_start_cannot_be_exported():
    class Alone(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.q = input_("lsq:4")

        def forward(self, x):
            return self.q(x)

    with pytest.raises(ValueError, match="has seen no data: run the model on one batch"):
        torch.export.export(Alone().eval(), (torch.rand(2, 3),))


def test_lsq_plus_is_its_equations():
    x, g = filters() + 1, filters(1)
    q = input_("lsq_plus:2").double()
    y, got = value_and_gradient(q, x, g)
    s, b = q.step.value.item(), q.offset.value.item()
    u = (x - b) / s
    inside = (u > 0) & (u < 3)
    factor = 1 / np.sqrt(x[0].size * 3)
    ds = np.where(inside, np.round(u) - u, np.clip(u, 0, 3))
    np.testing.assert_allclose(y, np.round(np.clip(u, 0, 3)) * s + b)
    np.testing.assert_allclose(got, g * inside, atol=1e-12)
    np.testing.assert_allclose(q.step.value.grad, (g * ds).sum() * factor)
    np.testing.assert_allclose(q.offset.value.grad, (g * ~inside).sum() * factor)


@pytest.mark.parametrize("bits", [2, 4])
def test_lsq_plus_starts_near_the_least_error(bits):
    x = torch.tensor(filters(shape=(64, 8, 4, 4)) - 3)
    plus, plain = input_(f"lsq_plus:{bits}").double(), input_(f"lsq:{bits}").double()
    spread = (x.max() - x.min()) / (2**bits - 1)
    whole = ((x - x.min()) / spread).round() * spread + x.min()
    error = (plus(x) - x).square().mean()
    assert error <= (whole - x).square().mean()
    assert error < 0.2 * (plain(x) - x).square().mean()


def test_lsq_plus_weights_start_at_three_sigma():
    w = filters() + 0.5
    q = weight("lsq_plus:4").double()
    q(torch.tensor(w))
    want = max(abs(w.mean() - 3 * w.std()), abs(w.mean() + 3 * w.std())) / 8
    np.testing.assert_allclose(q.step.value.item(), want)


def test_image8_takes_bytes_and_pixels_alike():
    pixels = torch.arange(256, dtype=torch.uint8)
    q = input_("image8")
    assert torch.equal(q.terms(pixels)[0].codes, q.terms(pixels / 255)[0].codes)


def test_centre_and_clip():
    w = torch.tensor(3 * filters())
    want = (w - w.mean(1, keepdim=True)).clamp(-1, 1)
    centre_and_clip(w)
    torch.testing.assert_close(w, want)


def test_the_quotient_of_a_learned_step_has_the_gradients_of_a_division():
    torch.manual_seed(0)
    x = torch.randn(5, 7, dtype=torch.float64, requires_grad=True)
    s = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    g = torch.randn(5, 7, dtype=torch.float64)
    ours, theirs = divided(x, s), x / s
    assert torch.equal(ours, theirs)
    found, wanted = (torch.autograd.grad(y, (x, s), g) for y in (ours, theirs))
    assert torch.equal(found[0], wanted[0])
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-13, atol=0)

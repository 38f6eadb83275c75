"""A BitNet block, with everything that depends on the data, is the same everywhere to the bit."""

import numpy as np
import pytest
import torch
from torch import nn

import lowbit.nn as lnn
from lowbit.exporter import ExportError, export
from lowbit.ir import evaluate
from lowbit.runtime import Network

WIDTH, HEADS, TOKENS, WORDS = 16, 2, 6, 300


def ternary(ins, outs):
    return lnn.Linear(ins, outs, bias=False, weight="absmean", input="absmax:8")


class Block(nn.Module):
    """RMS norm, rotary attention with a causal mask, and a gated layer of squared ReLUs."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH)
        self.norms = nn.ModuleList(lnn.RMSNorm(WIDTH) for _ in range(2))
        self.qkv, self.out = ternary(WIDTH, 3 * WIDTH), ternary(WIDTH, WIDTH)
        self.gate, self.up, self.down = ternary(WIDTH, 24), ternary(WIDTH, 24), ternary(24, WIDTH)
        self.product, self.softmax = lnn.MatMul(), lnn.Softmax()
        self.act, self.silu = lnn.SquaredReLU(), lnn.SiLU()
        angle = torch.outer(torch.arange(TOKENS).float(), 0.1 ** torch.arange(WIDTH // HEADS // 2))
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("mask", torch.full((TOKENS, TOKENS), -1e4).triu(1))

    def rotary(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat([-b, a], -1) * self.sin

    def attend(self, x):
        q, k, v = (
            t.view(x.shape[0], TOKENS, HEADS, WIDTH // HEADS).transpose(1, 2)
            for t in self.qkv(x).split(WIDTH, -1)
        )
        scores = self.product(self.rotary(q), self.rotary(k).transpose(-1, -2)) / 8**0.5
        mixed = self.product(self.softmax(scores + self.mask), v)
        return self.out(mixed.transpose(1, 2).reshape(x.shape))

    def forward(self, tokens):
        x = self.table(tokens.long())
        x = x + self.attend(self.norms[0](x))
        y = self.norms[1](x)
        return x + self.down(self.act(self.gate(y)) * self.up(y) + self.silu(self.up(y)))


@pytest.fixture(scope="module")
def block():
    torch.manual_seed(0)
    return Block().eval()


def test_every_bit_agrees(block):
    tokens = torch.randint(0, 256, (3, TOKENS), dtype=torch.uint8)
    graph = export(block, tokens)
    assert graph.notes == ()
    with torch.no_grad():
        want = block(tokens).numpy()
    np.testing.assert_array_equal(evaluate(graph, tokens.numpy())[0], want)
    np.testing.assert_array_equal(Network(graph, batch=2)(tokens.numpy()), want)


def test_words_beyond_a_byte_are_integers(block):
    tokens = torch.randint(0, WORDS, (3, TOKENS))
    graph = export(block, tokens)
    (type_,) = graph.inputs.values()
    assert type_.spec.hi == WORDS - 1
    with torch.no_grad():
        want = block(tokens).numpy()
    np.testing.assert_array_equal(evaluate(graph, tokens.numpy())[0], want)


def test_training_and_evaluation_agree_closely(block):
    tokens = torch.randint(0, WORDS, (3, TOKENS))
    with torch.no_grad():
        evaluated = block(tokens)
        trained = block.train()(tokens)
    block.eval()
    assert (evaluated - trained).abs().mean() < 1e-2  # a token's code may fall the other way


@pytest.mark.parametrize(
    "layer", [lnn.Sigmoid(), lnn.SiLU(), lnn.Tanh(), lnn.Softmax(), lnn.RMSNorm(7)]
)
def test_gradients_of_evaluation_are_those_of_training(layer):
    x = torch.linspace(-3, 3, 21).view(3, 7).requires_grad_()
    weights = torch.arange(21.0).view(3, 7)
    (want,) = torch.autograd.grad((layer.train()(x) * weights).sum(), x)
    (got,) = torch.autograd.grad((layer.eval()(x) * weights).sum(), x)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_absmax_of_a_convolution_scales_each_sample():
    model = lnn.Conv2d(3, 4, 3, padding=1, weight="ste_sign", input="absmax:8").eval()
    x = torch.randn(3, 3, 5, 5)
    graph = export(model, x)
    with torch.no_grad():
        want = model(x).numpy()
    np.testing.assert_array_equal(Network(graph)(x.numpy()), want)


CLOSE = {
    "sigmoid": nn.Sigmoid(),
    "silu": nn.SiLU(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "gelu by tanh": nn.GELU("tanh"),
    "softmax": nn.Softmax(-1),
    "softmax of channels": nn.Softmax(1),
    "layer norm": nn.LayerNorm(6),
}


@pytest.mark.parametrize("layer", CLOSE.values(), ids=CLOSE)
def test_torchs_own_functions_say_that_equality_ends(layer):
    x = torch.randn(3, 4, 6) * 3
    graph = export(nn.Sequential(layer).eval(), x)
    assert any("differs from torch's" in note for note in graph.notes)
    with torch.no_grad():
        want = layer(x).numpy()
    np.testing.assert_allclose(evaluate(graph, x.numpy())[0], want, rtol=2e-6, atol=1e-6)


EXACT = {
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "pad": nn.ZeroPad2d((1, 2, 0, 1)),
    "nearest": nn.Upsample(scale_factor=2),
    "nearest size": nn.Upsample(size=(7, 9)),
}


@pytest.mark.parametrize("layer", EXACT.values(), ids=EXACT)
def test_exact_ones(layer):
    x = torch.randn(3, 4, 5, 6) * 3
    graph = export(nn.Sequential(layer).eval(), x)
    with torch.no_grad():
        want = layer(x).numpy()
    np.testing.assert_array_equal(evaluate(graph, x.numpy())[0], want)
    assert graph.notes == ()


@pytest.mark.parametrize("corners", [False, True])
def test_bilinear(corners):
    layer = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=corners)
    x = torch.randn(3, 4, 5, 6)
    graph = export(nn.Sequential(layer).eval(), x)
    np.testing.assert_allclose(evaluate(graph, x.numpy())[0], layer(x).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("stride", "padding", "extra", "groups", "dilation"),
    [(1, 0, 0, 1, 1), (2, 1, 1, 1, 1), ((2, 3), (1, 0), (0, 2), 2, 1), (2, 2, 0, 4, 2)],
)
def test_transposed_convolution(stride, padding, extra, groups, dilation):
    layer = nn.ConvTranspose2d(4, 8, 3, stride, padding, extra, groups, dilation=dilation)
    x = torch.randn(3, 4, 5, 6)
    graph = export(nn.Sequential(layer).eval(), x)
    with torch.no_grad():
        want = layer(x).numpy()
    np.testing.assert_allclose(evaluate(graph, x.numpy())[0], want, atol=1e-5)


def test_parts():
    x = torch.randn(3, 4, 1, 2)
    model = nn.Sequential(Slices()).eval()
    graph = export(model, x)
    np.testing.assert_array_equal(evaluate(graph, x.numpy())[0], model(x).numpy())


class Slices(nn.Module):
    def forward(self, x):
        a, b, c = x.split([1, 2, 1], 1)
        u, v = x.unbind(-1)
        d, e = x[:, ::2].chunk(2, 1)
        return torch.cat([a + c, b, d, e], 1)[..., -1] + (u - v)[:, 1:2]


class TakesSamples(nn.Module):
    def forward(self, x):
        return x[1:]


class CountsSamples(nn.Module):
    def forward(self, x):
        return x.view(len(x), 2, 2)


@pytest.mark.parametrize(
    ("model", "words"), [(TakesSamples(), "part of the batch"), (CountsSamples(), "not len")]
)
def test_what_counts_on_the_batch_is_refused(model, words):
    with pytest.raises(ExportError, match=words):
        export(model.eval(), torch.randn(3, 4))

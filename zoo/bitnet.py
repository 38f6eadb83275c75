"""BitNet b1.58: a transformer whose linear layers have ternary weights and 8-bit tokens.

Ma et al., "The Era of 1-bit LLMs", 2024 [2402.17764], in the form of Microsoft's BitNet b1.58 2B4T,
2025 [2504.12285]: RMS norms in front of the projections and once more behind attention and gate
("sub-norms"), rotary positions, grouped queries, squared ReLU. Parameters are named as Hugging
Face's, without `model.` in front. Attention and norms are floats in a stated order, so that every
runtime gives the same bits.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lowbit import nn as lnn
from lowbit.zoo.architecture import architecture
from lowbit.zoo.bits import Bits, linear

TERNARY = Bits("absmean", "absmax:8")
MASKED = -1e4
START = 0.02  # standard deviation of the weights at the start


class Attention(nn.Module):
    def __init__(self, bits: Bits, width: int, heads: int, shared: int) -> None:
        super().__init__()
        body, self.head = bits.at("body"), width // heads
        self.times = heads // shared
        self.q_proj = linear(body, width, width)
        self.k_proj = linear(body, width, shared * self.head)
        self.v_proj = linear(body, width, shared * self.head)
        self.o_proj = linear(body, width, width)
        self.attn_sub_norm = lnn.RMSNorm(width)
        self.product, self.softmax = lnn.MatMul(), lnn.Softmax()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        q = rotated(self.heads(self.q_proj(x)), cos, sin)
        k = self.repeated(rotated(self.heads(self.k_proj(x)), cos, sin))
        v = self.repeated(self.heads(self.v_proj(x)))
        scores = self.product(q, k.transpose(2, 3)) * self.head**-0.5
        mixed = self.product(self.softmax(scores + mask), v)
        return self.o_proj(self.attn_sub_norm(mixed.transpose(1, 2).flatten(2)))

    def heads(self, x: Tensor) -> Tensor:
        """(N, T, heads * D) to (N, heads, T, D)"""
        return x.view(*x.shape[:2], x.shape[2] // self.head, self.head).transpose(1, 2)

    def repeated(self, x: Tensor) -> Tensor:
        """Each head of keys or values as often as queries share it."""
        if self.times == 1:
            return x
        return torch.cat([part for part in x.split(1, 1) for _ in range(self.times)], 1)


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Su et al., "RoFormer", 2021 [2104.09864], halves instead of neighbours."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Gated(nn.Module):
    def __init__(self, bits: Bits, width: int, inner: int) -> None:
        super().__init__()
        body = bits.at("body")
        self.gate_proj = linear(body, width, inner)
        self.up_proj = linear(body, width, inner)
        self.down_proj = linear(body, inner, width)
        self.ffn_sub_norm = lnn.RMSNorm(inner)
        self.act = lnn.SquaredReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(self.ffn_sub_norm(self.act(self.gate_proj(x)) * self.up_proj(x)))


class Layer(nn.Module):
    def __init__(self, bits: Bits, width: int, inner: int, heads: int, shared: int) -> None:
        super().__init__()
        self.self_attn = Attention(bits, width, heads, shared)
        self.mlp = Gated(bits, width, inner)
        self.input_layernorm = lnn.RMSNorm(width)
        self.post_attention_layernorm = lnn.RMSNorm(width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class BitNet(nn.Module):
    """Words (N, T), T up to `context`, to logits (N, T, words) of the word that follows each.

    `tied`: the classifier has the weights of the table of words, as floats. Otherwise it is a layer
    of its own, as `bits` has the last one.
    """

    cos: Tensor
    sin: Tensor
    mask: Tensor

    def __init__(
        self,
        bits: Bits,
        words: int,
        context: int,
        width: int,
        inner: int,
        heads: int,
        shared: int,
        depth: int,
        base: float = 10_000.0,
        tied: bool = False,
    ) -> None:
        super().__init__()
        self.tied = tied
        self.embed_tokens = nn.Embedding(words, width)
        self.layers = nn.ModuleList(Layer(bits, width, inner, heads, shared) for _ in range(depth))
        self.norm = lnn.RMSNorm(width)
        self.lm_head = None if tied else linear(bits.at("last"), width, words)
        cos, sin = turns(context, width // heads, base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        mask = torch.full((context, context), MASKED).triu(1)
        self.register_buffer("mask", mask, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=START)

    def forward(self, tokens: Tensor) -> Tensor:
        x, count = self.embed_tokens(tokens.long()), tokens.shape[1]
        cos, sin, mask = self.cos[:count], self.sin[:count], self.mask[:count, :count]
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        x = self.norm(x)
        return F.linear(x, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(x)


def turns(context: int, width: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine (context, width) of each place times each frequency."""
    frequencies = 1 / base ** (torch.arange(0, width, 2).float() / width)
    angles = torch.outer(torch.arange(context).float(), frequencies)
    angles = torch.cat([angles, angles], 1)
    return angles.cos(), angles.sin()


@architecture(paper="2504.12285", input=(4096,), classes=128_256, bits="w1.58a8")
def bitnet_2b(shape: tuple[int, ...], classes: int, bits: Bits = TERNARY) -> nn.Module:
    """BitNet b1.58 2B4T: 30 layers of 2560, 20 heads over 5 of keys. 9.7 GB of float32 to train."""
    (context,) = shape
    return BitNet(bits, classes, context, 2560, 6912, 20, 5, 30, 500_000.0, tied=True)


@architecture(paper="2402.17764", input=(64,), classes=256, bits="w1.58a8")
def bitnet_mini(shape: tuple[int, ...], classes: int, bits: Bits = TERNARY) -> nn.Module:
    """Four layers of 128 over bytes, for a few minutes of training: ours, no paper's shape."""
    (context,) = shape
    return BitNet(bits, classes, context, 128, 384, 4, 2, 4)

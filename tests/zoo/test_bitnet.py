"""BitNet b1.58: sized as published, causal, and the same bits with torch and without."""

import numpy as np
import pytest
import torch
from torch import nn

import lowbit
from lowbit import zoo
from lowbit.runtime import Network
from lowbit.zoo import bitnet
from lowbit.zoo.data import windows

# Microsoft's BitNet b1.58 2B4T: 30 layers of 2560, of which 2.08 billion weights are ternary.
PUBLISHED, TERNARY = 2_412_820_480, 2_084_044_800


@pytest.mark.slow
def test_parameters_of_the_published_shape():
    with torch.device("meta"):
        model = zoo.create_model("bitnet_2b")
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED
    layers = [m for m in model.modules() if getattr(m, "weight_quantizer", None)]
    assert sum(m.weight.numel() for m in layers) == TERNARY
    assert len(layers) == 30 * 7


@pytest.fixture(scope="module")
def tiny() -> nn.Module:
    torch.manual_seed(0)
    model = bitnet.BitNet(bitnet.TERNARY.exact(), 256, 8, 16, 24, 4, 2, 2)
    words = torch.randint(0, 256, (4, 8))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    before = loss = nn.functional.cross_entropy(model(words).flatten(0, 1), words.flatten())
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(words).flatten(0, 1), words.flatten())
        loss.backward()
        optimizer.step()
    assert loss < before
    return model.eval()


@pytest.mark.slow
def test_the_exported_network_agrees_with_torch(tiny):
    words = torch.randint(0, 256, (3, 8), dtype=torch.uint8)
    graph = lowbit.export(tiny, words)
    assert graph.notes == ()
    with torch.no_grad():
        expected = tiny(words).numpy()
    np.testing.assert_array_equal(Network(graph, batch=2)(words.numpy()), expected)


def test_no_word_sees_what_follows(tiny):
    words = torch.randint(0, 256, (1, 8))
    changed = words.clone()
    changed[0, 5:] = 255 - changed[0, 5:]
    with torch.no_grad():
        a, b = tiny(words), tiny(changed)
    assert torch.equal(a[0, :5], b[0, :5])
    assert not torch.equal(a[0, 5:], b[0, 5:])


def test_a_text_is_cut_into_windows_and_what_follows():
    x, y = windows(b"abcdefg", 3)
    assert x.tolist() == [[97, 98, 99], [100, 101, 102]]
    assert y.tolist() == [[98, 99, 100], [101, 102, 103]]

"""Eager torch, the definitions, the reference kernels and the fast ones: the same bits."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from lowbit import pack
from lowbit.exporter import export
from lowbit.ir import evaluate
from lowbit.runtime import Network

# pytest's importlib mode has no sibling imports.
spec = importlib.util.spec_from_file_location(
    "random_networks", Path(__file__).with_name("random_networks.py")
)
assert spec is not None
assert spec.loader is not None
random_networks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(random_networks)

NIGHTLY = 400


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    "seed",
    [*range(12), *(pytest.param(s, marks=pytest.mark.slow) for s in range(12, NIGHTLY))],
)
def test_four_implementations_agree(seed):
    model, x = random_networks.random_network(seed)
    with torch.no_grad():
        eager = model(x).numpy()
    assert np.isfinite(eager).all()
    graph = export(model, x)
    pixels = x.numpy()
    np.testing.assert_array_equal(evaluate(graph, pixels)[0], eager, err_msg="definitions")
    loaded = pack.parse(pack.serialize(graph))
    np.testing.assert_array_equal(Network(loaded, batch=4)(pixels), eager, err_msg="fast kernels")
    slow = Network(loaded, kernel="reference")
    np.testing.assert_array_equal(slow(pixels[:2]), eager[:2], err_msg="reference kernels")


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_the_generator_reaches_everything():
    """Over the nightly seeds, each quantizer and each kind of layer occurs."""
    from lowbit.quant import INPUTS, WEIGHTS

    seen = set()
    original = random_networks.spelled

    def spy(rng, table, name):
        seen.add((table is WEIGHTS, name))
        return original(rng, table, name)

    random_networks.spelled = spy
    try:
        for seed in range(60):
            random_networks.random_network(seed)
    finally:
        random_networks.spelled = original
    missing = {(True, n) for n in WEIGHTS} | {(False, n) for n in INPUTS}
    missing -= seen | {(False, "image8"), (False, "absmax")}
    assert not missing

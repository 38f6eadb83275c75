"""What a network says to inputs and to names that it cannot take."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.runtime import Network
from lowbit.spec import BINARY, QuantSpec, odd


def relu(spec=None) -> Graph:
    nodes = (Node(ops.Relu(), ("x",), "y"),)
    return Graph({"x": TensorType((2, 3), spec)}, {}, nodes, ("y",))


@pytest.mark.parametrize(
    ("spec", "x", "message"),
    [
        (
            None,
            np.zeros((1, 3, 2), np.float32),
            r"input x is \(images, \(2, 3\)\), not \(1, 3, 2\)",
        ),
        (None, np.zeros((2, 3), np.float32), "input x is"),
        (None, np.zeros((1, 2, 3)), "input x is float32, not float64"),
        (None, np.full((1, 2, 3), np.nan, np.float32), "not finite"),
        (None, np.full((1, 2, 3), np.inf, np.float32), "not finite"),
        (
            BINARY,
            np.ones((1, 2, 3), np.float32),
            r"input x is codes in \{-1..1 by 2\}, not float32",
        ),
        (BINARY, np.full((1, 2, 3), 3), "input x leaves"),
        (BINARY, np.zeros((1, 2, 3), np.int8), "input x leaves"),
    ],
)
def test_an_input_that_is_not_the_graphs_is_refused(spec, x, message):
    with pytest.raises(ValueError, match=message):
        Network(relu(spec))(x)


def test_the_number_of_inputs():
    with pytest.raises(ValueError, match="1 inputs are needed"):
        Network(relu())()


def test_a_batch_of_none():
    with pytest.raises(ValueError, match="batch is at least 1"):
        Network(relu(), batch=0)


@pytest.mark.parametrize("images", [0, 1, 2, 3, 7])
def test_any_number_of_images(images):
    x = np.random.default_rng(0).normal(size=(images, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(Network(relu(), batch=3)(x), np.maximum(x, 0))


def test_an_unknown_kernel_is_named(monkeypatch):
    with pytest.raises(LookupError, match="no kernel is called 'quick'"):
        Network(relu(), kernel="quick")
    monkeypatch.setenv("LOWBIT_KERNEL", "quick")
    with pytest.raises(LookupError, match="no kernel is called 'quick'"):
        Network(relu())


def test_a_kernel_named_by_the_environment_runs(monkeypatch):
    monkeypatch.setenv("LOWBIT_KERNEL", "reference")
    (row,) = Network(relu()).explain().rows
    assert row.kernel == "elementwise_reference"
    assert row.flags == ("REFERENCE",)


def linear(w_spec) -> Graph:
    w = np.ones((4, 128), np.float32)
    w = TensorType(w.shape, w_spec, w.astype(TensorType((), w_spec).dtype))
    nodes = (Node(ops.Linear(), ("x", "w"), "y"),)
    return Graph({"x": TensorType((128,), BINARY)}, {"w": w}, nodes, ("y",))


@pytest.mark.parametrize(
    ("spec", "kernel", "flags"),
    [
        (BINARY, "xnor_conv", ()),
        (odd(2), "plane_conv", ()),
        (odd(8), "int_conv_widened16", ()),
        (QuantSpec(-(2**20), 2**20), "int_conv_words", ("SLOW",)),
        (None, "float_conv", ("FLOAT",)),
    ],
)
def test_explain_tells_the_kernel_and_flags_floats_and_slow_ones(spec, kernel, flags):
    explained = Network(linear(spec)).explain()
    assert explained.rows[-1].kernel.startswith(kernel)
    assert explained.rows[-1].flags == flags
    assert kernel in str(explained)


def test_one_network_called_from_several_threads():
    from concurrent.futures import ThreadPoolExecutor

    network = Network(linear(BINARY), batch=2)
    x = np.random.default_rng(0).choice(np.array([-1, 1], np.int8), (8, 20, 128))
    with ThreadPoolExecutor(4) as pool:
        for got, signs in zip(pool.map(network, x), x, strict=True):
            np.testing.assert_array_equal(got[:, 0], signs.sum(1))

"""What plans promise: chains fused, tensors packed once, bytes shared, results unchanged."""

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.runtime import Network, arena, product
from lowbit.runtime.step import Buffer
from lowbit.spec import BINARY, odd, unsigned

SAME = ((1, 1), (1, 1))


def constant(value, spec=None) -> TensorType:
    value = np.asarray(value)
    type_ = TensorType(value.shape, spec)
    return TensorType(value.shape, spec, np.ascontiguousarray(value, type_.dtype))


def residual(blocks: int) -> Graph:
    """Bi-Real blocks: sign, binary convolution, scale, shortcut."""
    rng = np.random.default_rng(0)
    constants = {
        "zero": constant(np.zeros((1, 1)), None),
        "rising": constant([0], unsigned(1)),
    }
    nodes, x = [], "x"
    for i in range(blocks):
        constants[f"w{i}"] = constant(rng.choice([-1, 1], (64, 3, 3, 64)), BINARY)
        constants[f"s{i}"] = constant(rng.uniform(0.01, 0.1, 64))
        nodes += [
            Node(ops.Threshold(-1, 1, 2), (x, "zero", "rising"), f"b{i}"),
            Node(ops.Conv((1, 1), SAME, (1, 1)), (f"b{i}", f"w{i}"), f"c{i}"),
            Node(ops.Mul(), (f"c{i}", f"s{i}"), f"m{i}"),
            Node(ops.Add(), (f"m{i}", x), f"y{i}"),
        ]
        x = f"y{i}"
    return Graph({"x": TensorType((8, 8, 64))}, constants, tuple(nodes), (x,))


def test_a_block_is_one_step():
    rows = Network(residual(3)).explain().rows
    assert [r.nodes for r in rows] == [
        ("b0",),
        ("c0", "m0", "y0", "b1"),
        ("c1", "m1", "y1", "b2"),
        ("c2", "m2", "y2"),
    ]
    assert rows[1].epilogue == "to_float mul add store_word threshold_float store_planes"


def test_memory_does_not_grow_with_depth():
    assert Network(residual(8)).bytes == Network(residual(4)).bytes


@pytest.mark.parametrize("seed", range(20))
def test_buffers_that_live_together_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    buffers = []
    for i in range(30):
        first = int(rng.integers(0, 20))
        last = first + int(rng.integers(0, 6))
        buffers.append(Buffer(str(i), int(rng.integers(1, 5000)), None, first, last))
    batch = int(rng.integers(1, 4))
    total = arena.place(buffers, batch)
    for a in buffers:
        assert 0 <= a.offset <= total - a.size * batch - arena.SLACK
        for b in buffers:
            if a is not b and a.first <= b.last and b.first <= a.last:
                assert (
                    a.offset + a.size * batch <= b.offset or b.offset + b.size * batch <= a.offset
                )


@pytest.mark.parametrize(
    ("features", "tables"),
    [
        ({"avx512f", "avx512vpopcntdq"}, ["xnor_conv", "plane_conv", "plane_conv", "int_conv"]),
        ({"avx2"}, ["xnor_conv", "plane_conv", "int_conv", "int_conv"]),
    ],
)
def test_planes_where_counting_their_bits_costs_less_than_bytes(monkeypatch, features, tables):
    monkeypatch.setattr(product.cpu, "features", lambda: frozenset(features))
    pairs = [(BINARY, BINARY), (unsigned(2), BINARY), (unsigned(2), odd(2)), (unsigned(4), odd(4))]
    types = [(TensorType((128,), x), TensorType((8, 128), w)) for x, w in pairs]
    assert [product.table_of(x, w, 1) for x, w in types] == tables

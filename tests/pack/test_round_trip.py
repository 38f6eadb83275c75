"""What is written is what is read, in as few bits as the alphabet needs."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowbit import pack
from lowbit.ir import Graph, InvalidGraph, Node, TensorType, ops
from lowbit.spec import BINARY, INT8, TERNARY, QuantSpec, odd, unsigned

SPECS = st.one_of(
    st.sampled_from([BINARY, TERNARY, INT8, odd(2), odd(3), unsigned(4), unsigned(1)]),
    st.builds(
        lambda lo, levels, step: QuantSpec(lo, lo + step * (levels - 1), step),
        st.integers(-(2**31), 2**30),
        st.integers(1, 2**20),
        st.integers(1, 2**10),
    ),
)
SHAPES = st.lists(st.integers(1, 5), max_size=4).map(tuple)
SEEDS = st.integers(0, 2**32 - 1)


def lone_constant(type_: TensorType) -> Graph:
    return Graph({}, {"c": type_}, (), ("c",))


def random_constant(spec: QuantSpec | None, shape: tuple[int, ...], seed: int) -> TensorType:
    rng = np.random.default_rng(seed)
    if spec is None:
        return TensorType(shape, None, np.array(rng.normal(size=shape), np.float32))
    codes = spec.lo + spec.step * rng.integers(0, spec.levels, shape)
    return TensorType(shape, spec, np.array(codes, TensorType(shape, spec).dtype))


def same(a: TensorType, b: TensorType) -> bool:
    return a == b and a.dtype == b.dtype and a.value.tobytes() == b.value.tobytes()


@given(st.one_of(st.none(), SPECS), SHAPES, SEEDS)
def test_a_constant_comes_back(spec, shape, seed):
    written = random_constant(spec, shape, seed)
    read = pack.parse(pack.serialize(lone_constant(written))).constants["c"]
    assert same(written, read)


@given(SPECS, SHAPES)
def test_codes_take_the_bits_of_their_alphabet(spec, shape):
    bits = max(1, math.ceil(math.log2(spec.levels)))
    assert pack.payload_bytes(TensorType(shape, spec)) == math.ceil(math.prod(shape) * bits / 8)


@pytest.mark.parametrize(
    ("spec", "size"), [(BINARY, 125), (TERNARY, 250), (odd(3), 375), (INT8, 1000), (None, 4000)]
)
def test_the_file_holds_the_payload_and_a_header(spec, size):
    data = pack.serialize(lone_constant(random_constant(spec, (1000,), 0)))
    assert len(data) == 8 + int.from_bytes(data[:8], "little") + size


def test_a_graph_comes_back(graph, data):
    read = pack.parse(data)
    assert (read.inputs, read.nodes, read.outputs, read.notes) == (
        graph.inputs,
        graph.nodes,
        graph.outputs,
        graph.notes,
    )
    assert all(same(graph.constants[name], read.constants[name]) for name in graph.constants)


def test_writing_again_gives_the_same_bytes(graph, data):
    assert pack.serialize(graph) == data == pack.serialize(pack.parse(data))


def test_the_order_in_which_constants_were_made_does_not_matter(graph, data):
    backwards = replace(graph, constants=dict(reversed(graph.constants.items())))
    assert pack.serialize(backwards) == data


def test_an_integer_given_for_a_float_attribute_is_written_as_a_float(graph, data):
    whole = (*graph.nodes[:-1], replace(graph.nodes[-1], op=ops.Clamp(-8, 8)))
    assert pack.serialize(replace(graph, nodes=whole)) == data


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"outputs": ("nowhere",)}, InvalidGraph, "nowhere is never assigned"),
        ({"notes": ("\x1b[2J",)}, pack.FormatError, "notes is a list of printable text"),
        (
            {"nodes": (Node(ops.Clamp(0.0, math.inf), ("image",), "logits"),)},
            pack.FormatError,
            "clamp.hi is a finite float32 number",
        ),
    ],
)
def test_what_could_not_be_read_is_not_written(graph, change, error, message):
    with pytest.raises(error, match=message):
        pack.serialize(replace(graph, **change))

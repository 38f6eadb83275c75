"""Every architecture trains a step; exported, it agrees with torch to the last bit of its logits.

Sides are small here; the papers' own sizes, and the deeper networks of a family, are in the slow
tier: recording a deep network takes torch.export longer than all the rest.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import lowbit
from lowbit import zoo
from lowbit.ir import Graph, TensorType, ops, verify
from lowbit.runtime import Network
from lowbit.schemes import Scheme
from lowbit.spec import BINARY, QuantSpec
from lowbit.zoo import real_to_binary

SIDE = {224: 33}  # odd sides all the way down; AlexNets have none left to pool below 64
SIDES = {"binary_alexnet": 64, "xnor_alexnet": 64, "dorefanet": 64}
SHALLOW = (
    *("tfc", "cnv", "larq_tutorial", "lenet5", "lenet5_twn", "vgg_mini", "irnet_resnet20"),
    *("birealnet_mini", "reactnet18", "quicknet_small"),
)
ALL = [n for n in zoo.list_models() if len(zoo.architecture(n).input) == 3]  # of images
EXPORTED = [name for name in ALL if "." not in name]


def made(name: str, side: int = 0, images: int = 4) -> tuple[nn.Module, Tensor]:
    """A network with exact edges and pixels for it, both from a seed."""
    torch.manual_seed(0)
    channels, height, _ = zoo.architecture(name).input
    side = side or SIDES.get(name) or SIDE.get(height, height)
    shape = (channels, side, side)
    model = zoo.create_model(name, input_shape=shape, classes=10, exact=True)
    return model, torch.randint(0, 256, (images, *shape)) / 255


def step(model: nn.Module, x: Tensor) -> float:
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loss = nn.functional.cross_entropy(model(x), torch.arange(len(x)))
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("name", [n for n in ALL if "." not in n])
def test_it_trains_a_step(name):
    model, x = made(name)
    before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    assert torch.tensor(step(model, x)).isfinite()
    after = [p for p in model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


def agrees(name: str, side: int = 0, images: int = 4) -> None:
    model, x = made(name, side, images)
    step(model, x)
    graph = lowbit.export(model.eval(), x)
    assert graph.notes == ()
    with torch.no_grad():
        expected = model(x[:2])
    found = torch.from_numpy(Network(graph)(x[:2].numpy()))
    assert torch.equal(found, expected)
    no_layer_falls_back_to_float(graph)
    assert binary_products(graph) == binary_layers(model)


def products(graph: Graph) -> list[tuple[TensorType, TensorType]]:
    types = verify(graph)
    kinds = (ops.Conv, ops.Linear)
    return [
        tuple(types[name] for name in node.inputs)  # type: ignore[misc]
        for node in graph.nodes
        if isinstance(node.op, kinds)
    ]


def no_layer_falls_back_to_float(graph: Graph) -> None:
    assert integer_products(graph) == len(products(graph))


def integer_products(graph: Graph) -> int:
    return sum(x.spec is not None and w.spec is not None for x, w in products(graph))


def binary_products(graph: Graph) -> int:
    return sum(x.spec == w.spec == BINARY for x, w in products(graph))


def alphabets(model: nn.Module) -> list[tuple[QuantSpec, QuantSpec]]:
    """Of the layers with both operands quantized."""
    return [
        (m.weight_quantizer.spec, m.input_quantizer.spec)
        for m in model.modules()
        if getattr(m, "weight_quantizer", None) and getattr(m, "input_quantizer", None)
    ]


def low_bit_layers(model: nn.Module) -> int:
    return len(alphabets(model))


def binary_layers(model: nn.Module) -> int:
    return alphabets(model).count((BINARY, BINARY))


@pytest.mark.parametrize("name", SHALLOW)
def test_the_exported_network_agrees_with_torch(name):
    agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXPORTED if n not in SHALLOW])
def test_the_deeper_ones_agree_as_well(name):
    agrees(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXPORTED if zoo.architecture(n).input[1] == 224])
def test_it_agrees_at_the_size_of_the_paper(name):
    agrees(name, 224, images=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPORTED)
def test_as_published_what_is_low_bit_stays_so(name):
    """The paper's own input, classes and float layers, which torch sums in an order of its own."""
    torch.manual_seed(0)
    known, model = zoo.architecture(name), zoo.create_model(name)
    x = torch.randint(0, 256, (2, *known.input)) / 255
    step(model, x)
    graph = lowbit.export(model.eval(), x)
    found = Network(graph)(x[:1].numpy())
    assert found.shape == (1, known.classes)
    assert np.isfinite(found).all()
    assert binary_products(graph) == binary_layers(model)
    assert integer_products(graph) == low_bit_layers(model)


def test_the_gates_of_real_to_binary_agree_with_torch():
    """Floats as they are: the sum of a float linear layer has torch's own order, a gate of few
    channels a sum of one term."""
    model = real_to_binary.block(real_to_binary.SIGNS, 8, 8, 1).eval()
    x = torch.rand(2, 8, 4, 4)
    graph = lowbit.export(model, x)
    with torch.no_grad():
        torch.testing.assert_close(
            torch.from_numpy(Network(graph)(x.numpy())), model(x), rtol=1e-6, atol=1e-6
        )


BODIES = {
    **{name: name for name in ("w1a1", "w1a2", "tern", "w2a2", "w4a4", "w8a8")},
    "twn": Scheme("twn", "lsq:8"),
    "ttq": Scheme("ttq", None),
    "dorefa": Scheme("dorefa:3", "dorefa:3"),
}


@pytest.mark.parametrize("scheme", BODIES.values(), ids=BODIES)
def test_a_body_takes_any_scheme(scheme):
    model = zoo.create_model("resnet20", input_shape=(1, 9, 9), scheme=scheme, exact=True)
    model.load_state_dict(model.state_dict())
    x = torch.rand(4, 1, 9, 9)
    step(model, x)
    assert model.eval()(x).shape == (4, 10)

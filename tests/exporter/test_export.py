"""Models to graphs: what folds, what stays float and says so, what is refused and how."""

import numpy as np
import pytest
import torch
from torch import nn

import lowbit.nn as lnn
from lowbit import pack
from lowbit.exporter import ExportError, export
from lowbit.ir import evaluate, ops


def image_net(*middle, channels=4):
    first = lnn.Conv2d(1, channels, 3, padding=1, weight="ste_sign", input="image8")
    return nn.Sequential(first, lnn.BatchNorm2d(channels), *middle).eval()


def pixels(n=3, size=6):
    return torch.randint(0, 256, (n, 1, size, size)).float() / 255


def agree(model, x):
    graph = export(model, x)
    with torch.no_grad():
        want = model(x).numpy()
    np.testing.assert_array_equal(evaluate(graph, x.numpy())[0], want)
    return graph


def kinds(graph):
    return [type(n.op) for n in graph.nodes]


def test_the_whole_chain_becomes_thresholds():
    """Scale, bias, norm, ReLU and quantizer fold into one step on the accumulator."""
    model = image_net(
        nn.ReLU(), lnn.Conv2d(4, 5, 3, weight="ste_sign", input="dorefa:2", bias=True)
    )
    graph = agree(model, pixels())
    assert kinds(graph).count(ops.Threshold) == 2
    body = kinds(graph)[: kinds(graph)[::-1].index(ops.Conv) * -1]  # up to the logits' own scale
    assert not {ops.Relu, ops.Mul, ops.Add} & set(body)
    assert graph.notes == ()


def test_torch_batch_norm_folds_exactly_in_front_of_a_quantizer():
    model = image_net(lnn.Conv2d(4, 8, 3, weight="ste_sign", input="ste_sign"))
    norm = nn.BatchNorm2d(8)
    norm.running_mean.normal_(0, 3)
    norm.running_var.uniform_(0.5, 4)
    nn.init.normal_(norm.weight)
    last = lnn.Conv2d(8, 3, 1, weight="ste_sign", input="ste_sign", bias=False)
    graph = agree(nn.Sequential(model, norm, last).eval(), pixels())
    assert graph.notes == ()


def test_torch_batch_norm_among_floats_is_noted():
    graph = export(image_net(nn.BatchNorm2d(4)), pixels())
    assert any("torch may fuse its multiply and add" in n for n in graph.notes)


def test_gamma_zero_is_a_constant_channel():
    model = image_net(lnn.Conv2d(4, 2, 1, weight="ste_sign", input="ste_sign"))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.0, -1.0, 1.0, 0.0]))
        model[1].bias.copy_(torch.tensor([0.5, 0.0, 0.0, -0.5]))
    agree(model, pixels())


def test_a_pool_between_norm_and_sign_with_negative_gamma():
    model = image_net(nn.MaxPool2d(2), lnn.Conv2d(4, 2, 1, weight="ste_sign", input="ste_sign"))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, -1.0, 2.0, -0.5]))
    graph = agree(model, pixels())
    order = kinds(graph)
    assert order.index(ops.Threshold, 1) < order.index(ops.MaxPool)  # pooled as bits


@pytest.mark.parametrize("behind", [nn.Identity(), nn.ReLU(), nn.Flatten(1)], ids=repr)
def test_what_is_pooled_for_a_shortcut_is_not_pooled_again(behind):
    """Nor thresholded at the size that it had before."""

    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool, self.behind = nn.MaxPool2d(2), behind
            self.conv = lnn.Conv2d(4, 4, 1, weight="ste_sign", input="ste_sign")

        def forward(self, x):
            x = self.pool(x)
            y = self.conv(x)
            return self.behind(x) + self.behind(y)

    graph = agree(image_net(Pooled()), pixels())
    assert kinds(graph).count(ops.MaxPool) == 1
    assert kinds(graph).index(ops.MaxPool) < kinds(graph).index(ops.Threshold, 1)


def test_what_is_pooled_for_snaps_alone_is_pooled_as_bits():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.MaxPool2d(2)
            self.a, self.b = (
                lnn.Conv2d(4, 4, 1, weight="ste_sign", input=name)
                for name in ("ste_sign", "dorefa:2")
            )

        def forward(self, x):
            x = self.pool(x)
            return self.a(x) + self.b(x)

    graph = agree(image_net(Twice()), pixels())
    assert kinds(graph).count(ops.MaxPool) == 2
    assert kinds(graph).index(ops.Threshold, 1) < kinds(graph).index(ops.MaxPool)


def test_flatten_costs_no_transpose():
    model = image_net(
        nn.Flatten(), lnn.Linear(4 * 36, 7, weight="ste_sign", input="ste_sign"), lnn.BatchNorm1d(7)
    )
    graph = agree(model, pixels())
    assert kinds(graph).count(ops.Transpose) == 1  # the image's own


def test_non_monotone_activation_on_a_small_range_is_a_table():
    model = nn.Sequential(
        lnn.Conv2d(1, 2, 3, weight="ste_sign", input="image8", bias=False),
        nn.Hardswish(),
        lnn.Conv2d(2, 2, 1, weight="ste_sign", input="ste_tern"),
    ).eval()
    graph = agree(model, pixels())
    assert ops.Lookup in kinds(graph)


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.SiLU(), nn.ELU()])
def test_any_activation_folds_when_every_value_can_be_tried(activation):
    model = image_net(
        activation, lnn.Conv2d(4, 3, 3, weight="dorefa:2", input="dorefa:3"), lnn.BatchNorm2d(3)
    )
    agree(model, pixels())


def test_image_bytes_and_pixels_give_the_same_network():
    model = image_net(lnn.Conv2d(4, 2, 3, weight="ste_sign", input="ste_sign"))
    raw = torch.randint(0, 256, (3, 1, 6, 6), dtype=torch.uint8)
    a = evaluate(export(model, raw), raw.numpy())[0]
    b = evaluate(export(model, raw.float() / 255), (raw.float() / 255).numpy())[0]
    np.testing.assert_array_equal(a, b)


def test_the_model_is_not_changed():
    model = image_net(lnn.Conv2d(4, 2, 1, weight="ste_sign", input="ste_sign"))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    export(model, pixels())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_a_second_export_is_byte_identical():
    model = image_net(nn.Flatten(), lnn.Linear(144, 3, weight="ste_sign", input="ste_sign"))
    assert pack.serialize(export(model, pixels())) == pack.serialize(export(model, pixels(1)))


def test_a_float_first_layer_is_allowed_and_noted():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        lnn.BatchNorm2d(4),
        lnn.Conv2d(4, 2, 1, weight="ste_sign", input="ste_sign"),
    ).eval()
    graph = export(model, pixels())
    assert any("sums floats" in n for n in graph.notes)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = lnn.Conv2d(1, 4, 3, padding=1, weight="ste_sign", input="image8")
        self.norm = lnn.BatchNorm2d(4)
        self.second = lnn.Conv2d(4, 4, 3, padding=1, weight="ste_sign", input="rsign")
        self.linear = lnn.Linear(4, 3, weight="dorefa:8", input="dorefa:8")

    def forward(self, x):
        x = self.norm(self.conv(x))
        y = torch.nn.functional.leaky_relu(self.second(x), 0.1) + x
        y = torch.cat([y, x * 2 - 1], 1).view(x.size(0), 2, 4, -1).permute(0, 2, 1, 3)
        return self.linear(y.flatten(2).transpose(1, 2).relu_())


def test_functional_models_export():
    agree(Functional().eval(), pixels())


class RunningSum(nn.Module):
    def forward(self, x):
        return torch.cumsum(x, 1)


def in_training():
    return image_net().train()


def switched_off():
    model = image_net()
    model[0].weight_quantizer.set_enabled(False)
    return model


def double():
    return image_net().double()


def diverged():
    model = image_net()
    with torch.no_grad():
        model[1].bias[0] = float("inf")
    return model


class Branching(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (in_training, "is in training mode: call model.eval"),
        (switched_off, "0.weight_quantizer is switched off"),
        (double, "export takes float32 models"),
        (diverged, "NaN or infinite: the model has diverged"),
        (
            lambda: image_net(RunningSum()),
            r"aten.cumsum.default in module '2' \(.*test_export.py, line",
        ),
        (lambda: Branching().eval(), "torch.export could not record Branching"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ExportError, match=words):
        export(make(), pixels())


def test_integer_inputs_of_other_types_are_refused():
    with pytest.raises(ExportError, match=r"an input is float32 or uint8, not torch\.int64"):
        export(nn.Flatten().eval(), torch.zeros(2, 1, 3, dtype=torch.int64))


class Adds(nn.Module):
    """A constant of these values to what a layer gives."""

    def __init__(self, values: torch.Tensor, *behind: nn.Module) -> None:
        super().__init__()
        self.body = image_net(*behind)
        self.values = nn.Buffer(values)

    def forward(self, x):
        return self.body(x) + self.values


def kept(model: Adds) -> tuple[int, ...]:
    """The shape of the constant in the graph."""
    graph = agree(model.eval(), pixels())
    assert isinstance(graph.nodes[-1].op, ops.Transpose)
    return graph.constants[graph.nodes[-2].inputs[1]].shape


def test_a_constant_that_is_the_same_at_every_place_is_kept_once():
    per_channel = torch.randn(1, 4, 1, 1)
    assert kept(Adds(per_channel.expand(1, 4, 6, 6).contiguous())) == (4,)
    columns = per_channel + torch.arange(6.0)
    assert kept(Adds(columns.expand(1, 4, 6, 6).contiguous())) == (6, 4)
    rows = per_channel + torch.arange(6.0)[:, None]
    assert kept(Adds(rows.expand(1, 4, 6, 6).contiguous())) == (6, 1, 4)


def test_two_zeros_are_two_numbers():
    zeros = torch.zeros(1, 4, 6, 6)
    zeros[..., 3] = -0.0
    assert kept(Adds(zeros)) == (6, 4)


def test_a_constant_that_makes_a_tensor_larger_keeps_its_sides():
    assert kept(Adds(torch.ones(1, 4, 3, 3), nn.AvgPool2d(6))) == (3, 3, 4)

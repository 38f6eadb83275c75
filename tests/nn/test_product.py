"""The layers against torch.nn's: the same floats without quantizers, exact integers with."""

import copy
import pickle

import pytest
import torch
from torch import nn

import lowbit.nn as lnn
from lowbit.nn.shadow import ShadowPrecisionError
from lowbit.quant.binary import ste_sign

CONV1D = [
    {},
    {"stride": 2, "padding": 1},
    {"dilation": 3, "padding": "same"},
    {"groups": 2},
    {"bias": False},
]
CONV2D = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    {"padding": "same"},
    {"groups": 4},
    {"bias": False, "groups": 2},
]
LAYERS = [
    *[(nn.Conv1d, lnn.Conv1d, (4, 8, 3), o, (2, 4, 11)) for o in CONV1D],
    *[(nn.Conv2d, lnn.Conv2d, (4, 8, 3), o, (2, 4, 9, 7)) for o in CONV2D],
    (nn.Conv2d, lnn.Conv2d, (4, 8, (1, 3)), {}, (2, 4, 9, 7)),
    (nn.Conv2d, lnn.Conv2d, (4, 8, (3, 2)), {"padding": "same"}, (2, 4, 9, 7)),
    (nn.Linear, lnn.Linear, (6, 5), {}, (2, 6)),
    (nn.Linear, lnn.Linear, (6, 5), {"bias": False}, (2, 3, 6)),
]
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
every = pytest.mark.parametrize(
    ("torch_type", "type_", "args", "options", "shape"),
    LAYERS,
    ids=[f"{t.__name__}-{a[2:]}-{o}" for t, _, a, o, _ in LAYERS],
)


def twins(torch_type, type_, args, options, **quantizers):
    """torch's layer, and ours with its state dict."""
    torch.manual_seed(0)
    theirs, ours = torch_type(*args, **options), type_(*args, **options, **quantizers)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@every
@pytest.mark.parametrize("training", [True, False])
def test_without_quantizers_it_is_torchs_layer(torch_type, type_, args, options, shape, training):
    theirs, ours = twins(torch_type, type_, args, options)
    x = torch.randn(shape)
    assert torch.equal(ours.train(training)(x), theirs(x))


def signs(x):
    return torch.where(x >= 0, 1.0, -1.0)


@every
def test_binary_sums_are_exact_integers(torch_type, type_, args, options, shape):
    options = {**options, "bias": False}
    theirs, ours = twins(torch_type, type_, args, options, weight="ste_sign", input="ste_sign")
    x = torch.randn(shape)
    with torch.no_grad():
        theirs.double().weight.copy_(signs(theirs.weight))
        assert torch.equal(ours(x), theirs(signs(x).double()).float())


@every
def test_scales_are_applied_after_the_sum_and_the_bias_last(
    torch_type, type_, args, options, shape
):
    theirs, ours = twins(torch_type, type_, args, options, weight="xnor", input="dorefa:2")
    x = torch.randn(shape)
    (w,), (a,) = ours.weight_quantizer.terms(ours.weight), ours.input_quantizer.terms(x)
    with torch.no_grad():
        theirs.double().weight.copy_(w.codes)
        if theirs.bias is not None:
            theirs.bias.zero_()
        sums = theirs(a.codes.double()).float()
        wide = (1,) * (sums.ndim - 2) if torch_type is not nn.Linear else ()
        want = sums * (a.scale * w.scale.view(-1, *wide))
        if ours.bias is not None:
            want = want + ours.bias.view(-1, *wide)
        assert torch.equal(ours(x), want)


@pytest.mark.parametrize("choice", ["ttq", "lsq:4", "xnor"])
def test_the_sum_over_terms_is_the_product_of_the_values(choice):
    layer = lnn.Conv2d(4, 8, 3, padding=1, weight=choice, input="lsq_plus:4").double()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64)
    y = layer(x)
    value = layer.input_quantizer(x)
    want = nn.functional.conv2d(value, layer.weight_quantizer(layer.weight), layer.bias, padding=1)
    torch.testing.assert_close(y, want, rtol=1e-12, atol=1e-12)
    got = torch.autograd.grad(y.square().sum(), list(layer.parameters()))
    wanted = torch.autograd.grad(want.square().sum(), list(layer.parameters()))
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pad_value", [-1, 0, 1])
@pytest.mark.parametrize("padding", [(1, 2), "same"])
def test_padding_holds_the_code_it_is_told_to(pad_value, padding):
    layer = lnn.Conv2d(
        2, 3, (3, 2), padding=padding, weight="ste_sign", input="ste_sign", pad_value=pad_value
    )
    x = torch.randn(2, 2, 5, 5)
    left, right, top, bottom = layer._reversed_padding_repeated_twice
    canvas = torch.full((2, 2, 5 + top + bottom, 5 + left + right), float(pad_value))
    canvas[:, :, top : top + 5, left : left + 5] = signs(x)
    want = nn.functional.conv2d(canvas, signs(layer.weight)) + layer.bias.view(-1, 1, 1)
    assert torch.equal(layer(x), want)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pad_value": 1}, r"pad_value=1 is not a code of the input quantizer: there is none"),
        ({"pad_value": 2, "input": "ste_sign"}, r"is not a code .*: \{-1\.\.1 by 2\}"),
        ({"pad_value": 1, "input": "lsq_plus:2"}, r"is not a code .*: \{0\.\.3\} \+ \{1\.\.1\}"),
        ({"padding_mode": "reflect"}, "padding_mode is 'zeros', not 'reflect'"),
        ({"weight": "image8"}, "no quantizer 'image8'"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        lnn.Conv2d(2, 3, 3, **options)


CONVERSIONS = [
    lambda m: m.half(),
    lambda m: m.bfloat16(),
    lambda m: m.to(torch.bfloat16),
    lambda m: m.to("cpu", torch.float16),
]


@pytest.mark.parametrize("convert", CONVERSIONS)
@pytest.mark.parametrize("layer", [lnn.Conv1d(2, 3, 3), lnn.Conv2d(2, 3, 3), lnn.Linear(2, 3)])
def test_shadow_weights_are_not_narrowed(convert, layer):
    with pytest.raises(ShadowPrecisionError, match=r"shadow weights stay float32.*bf16-mixed"):
        convert(nn.Sequential(copy.deepcopy(layer)))


def test_nor_built_narrow():
    with pytest.raises(ShadowPrecisionError, match=r"Linear\.weight would be torch\.bfloat16"):
        lnn.Linear(2, 3, dtype=torch.bfloat16)


def test_float64_is_allowed():
    layer = lnn.Linear(4, 3, weight="lsq:4", input="lsq:4").double()
    assert layer(torch.rand(2, 4).double()).dtype == torch.float64


def wide():
    """1001 products of equal signs: bfloat16 has no 1001."""
    layer = lnn.Linear(1001, 2, bias=False, weight="ste_sign", input="ste_sign")
    nn.init.ones_(layer.weight)
    return layer


def test_evaluation_is_exact_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        assert wide().eval()(torch.ones(1, 1001)).tolist() == [[1001, 1001]]


def test_evaluation_takes_what_a_float_layer_hands_on_under_autocast():
    layer = lnn.Linear(4, 3, weight="xnor").eval()
    x = torch.randn(2, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), layer(x.float()))


def test_training_under_autocast_may_use_the_narrow_product():
    with torch.autocast("cpu", torch.bfloat16):
        wide()(torch.ones(1, 1001)).sum().backward()


def test_a_quantizer_may_be_given_as_an_object():
    quantizer = ste_sign()
    assert lnn.Linear(2, 3, weight=quantizer).weight_quantizer is quantizer


def small():
    return nn.Sequential(
        lnn.Conv2d(3, 8, 3, padding=1, weight="lsq:4", input="image8"),
        lnn.BatchNorm2d(8),
        lnn.Conv2d(8, 8, 3, padding=1, pad_value=-1, weight="irnet", input="rsign"),
        lnn.RPReLU(8),
        lnn.GlobalAvgPool2d(),
        lnn.Linear(8, 4, weight="ttq", input="lsq_plus:4"),
    )


def test_models_can_be_copied_and_pickled():
    model, x = small(), torch.rand(2, 3, 6, 6)
    model(x).sum().backward()
    model.eval()
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(x), model(x))


@pytest.mark.filterwarnings("ignore:.*should not be instantiated")  # dynamo's own doing
def test_dynamo_captures_a_training_step_whole():
    model, x = small(), torch.rand(2, 3, 6, 6)
    model(x)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    y = compiled(x)
    y.sum().backward()
    assert torch.equal(y, model(x))
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("weight", ["ste_sign", "dorefa:4", "lsq:2", "twn"])
def test_channels_last_is_kept_from_one_channel_on(weight):
    """One channel is contiguous in both layouts, and a layer that forgets which costs copies."""
    torch.manual_seed(0)
    layer = lnn.Conv2d(1, 8, 3, padding=1, weight=weight, input="image8")
    x = torch.randint(0, 256, (2, 1, 6, 6)) / 255
    wanted = layer(x)
    layer.to(memory_format=torch.channels_last)
    found = layer(x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert not found.is_contiguous()
    assert torch.equal(found, wanted)
    found.sum().backward()
    assert layer.weight.grad.shape == layer.weight.shape

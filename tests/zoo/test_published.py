"""Sizes as published: parameters, multiply-accumulates, and megabytes in Larq Zoo's sense.

Larq Zoo's documentation counts a norm's running mean and variance as parameters in its older
models, and not in its newer ones (QuickNet, MeliusNet); its memory, in units of 2^20 bytes, is one
bit a binary weight and 32 bits for all else, without running statistics in Real-to-Binary too.
"""

from typing import NamedTuple

import pytest
import torch
from torch import nn

from lowbit import zoo


class Published(NamedTuple):
    parameters: int
    megabytes: float
    statistics_counted: bool = True
    statistics_stored: bool = True
    besides: int = 0  # parameters that are Larq's alone


def blurred(*widths: int) -> int:
    """QuickNet's fixed 3x3 blurs, which are weights there; and two values a channel for the norm in
    the stem that has nothing to learn, on a quarter of the first width."""
    return 9 * sum(widths) + 2 * (widths[0] // 4)


# larq/zoo, the docstrings of its models. Binary AlexNet was listed with 7.45 MB before.
LARQ = {
    "birealnet18": Published(11_699_112, 4.03),
    "binary_resnet_e18": Published(11_699_368, 4.03),
    "binary_densenet28": Published(5_150_504, 4.12),
    "binary_densenet37": Published(8_734_120, 5.25),
    "binary_densenet45": Published(13_939_240, 7.54),
    "binary_alexnet": Published(61_859_192, 7.49),
    "xnor_alexnet": Published(62_396_768, 22.81),
    "dorefanet": Published(62_403_912, 22.84),
    "real_to_binary18": Published(11_995_624, 5.13, statistics_stored=False),
    "meliusnet22": Published(6_944_584, 3.88, False, False),
    "quicknet_small": Published(12_655_688, 4.00, False, False, blurred(32, 64, 256)),
    "quicknet": Published(13_234_088, 4.17, False, False, blurred(64, 128, 256)),
    "quicknet_large": Published(23_342_248, 5.40, False, False, blurred(64, 128, 256)),
}


def statistics(model: nn.Module) -> int:
    names = ("running_mean", "running_var")
    return sum(b.numel() for name, b in model.named_buffers() if name.endswith(names))


def learned(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def bits(model: nn.Module) -> int:
    """Of all that is learned: as wide as its alphabet, or 32 bits."""
    total = 32 * learned(model)
    for module in model.modules():
        quantizer = getattr(module, "weight_quantizer", None)
        if quantizer is not None:
            total -= (32 - quantizer.spec.bits) * module.weight.numel()
    return total


@pytest.mark.parametrize("name", LARQ)
def test_parameters_and_megabytes_are_larq_zoos(name):
    published, model = LARQ[name], zoo.create_model(name)
    stored, besides = statistics(model), published.besides
    counted = learned(model) + besides + (stored if published.statistics_counted else 0)
    assert counted == published.parameters
    kept = besides + (stored if published.statistics_stored else 0)
    megabytes = (bits(model) + 32 * kept) / 8 / 2**20
    assert round(megabytes, 2) == published.megabytes


# torchvision's documentation for ResNets and MobileNet v2, timm's for EfficientNet-Lite0; MobileNet
# v1's 4.2 million of table 8; FINN's table for BNN-PYNQ's, whose weights alone are counted there.
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "mobilenet_v1": 4_231_976,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
    "lenet5": 61_706,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_of_float_networks(name):
    assert learned(zoo.create_model(name)) == PARAMETERS[name]


# Multiply-accumulates in millions: of all layers, and of the binary ones. ResNets from
# torchvision's documentation, MobileNets from tables 8 and 4 of their papers, ReActNet and Bi-Real
# Net from table 1 of ReActNet's, whose float operations are 12 and 139 million.
MACS = {
    "resnet18": (1814, 0),
    "resnet34": (3664, 0),
    "resnet50": (4089, 0),
    "mobilenet_v1": (569, 0),
    "mobilenet_v2": (300, 0),
    "reactnet_a": (4820 + 12, 4820),
    "birealnet18": (1680 + 139, 1680),
}


def macs(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    total = {False: 0, True: 0}

    def count(layer, _, output) -> None:
        products = output[0].numel() * layer.weight[0].numel()
        total[layer.weight_quantizer is not None] += products

    for layer in model.modules():
        if hasattr(layer, "weight_quantizer"):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model.eval()(torch.zeros(1, *shape))
    return sum(total.values()), total[True]


@pytest.mark.parametrize("name", MACS)
def test_multiply_accumulates(name):
    found = macs(zoo.create_model(name), zoo.architecture(name).input)
    assert [n / 1e6 for n in found] == pytest.approx(MACS[name], rel=0.005)

"""verify finds agreement where it is, and each kind of difference where it is not."""

import pytest
import torch
from torch import nn

import lowbit
import lowbit.nn as lnn
from lowbit.pack import FormatError


@pytest.fixture
def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        lnn.Conv2d(1, 8, 3, padding=1, weight="ste_sign", input="image8"),
        nn.MaxPool2d(2),
        lnn.BatchNorm2d(8),
        lnn.Conv2d(8, 8, 3, padding=1, weight="ste_sign", input="rsign"),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        lnn.Linear(8 * 9, 4, weight="dorefa:2", input="dorefa:2"),
        lnn.BatchNorm1d(4),
    )
    net(images())  # running statistics
    return net.eval()


def images(n=16):
    return torch.randint(0, 256, (n, 1, 6, 6)).float() / 255


def test_a_faithful_file_agrees_tensor_by_tensor(model, tmp_path):
    file = tmp_path / "net.safetensors"
    lowbit.export(model, images()).save(file)
    report = lowbit.verify(model, file, [(images(), "labels"), images(5)])
    assert report.exact
    assert (report.samples, report.equal_samples) == (21, 21)
    assert len(report.tensors) > 5  # inner tensors too, not the outputs alone
    assert "21 of 21 samples have equal outputs" in str(report)


def test_a_file_of_other_weights_is_found_out(model, tmp_path):
    file = tmp_path / "net.safetensors"
    lowbit.export(model, images()).save(file)
    with torch.no_grad():
        model[0].weight.neg_()
    report = lowbit.verify(model, file, images())
    assert not report.exact
    assert not report.same_graph
    assert report.equal_samples < report.samples
    assert "DIFFERENT graph" in str(report)


def test_a_damaged_file_is_refused(model, tmp_path):
    file = tmp_path / "net.safetensors"
    lowbit.export(model, images()).save(file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(FormatError, match=r"net.safetensors: .*hash"):
        lowbit.verify(model, file, images())


def test_no_data_is_no_agreement(model, tmp_path):
    file = tmp_path / "net.safetensors"
    lowbit.export(model, images()).save(file)
    with pytest.raises(ValueError, match="given no data"):
        lowbit.verify(model, file, [])

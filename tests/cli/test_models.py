"""export, verify and summary on a model of the user's own, in the user's folder."""

import json

import numpy as np
import pytest
import torch

from lowbit import load

MINE = """
import torch
from lowbit import nn as lnn

def model():
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        lnn.Linear(784, 10, bias=False, weight="ste_sign", input="image8"),
        lnn.BatchNorm1d(10),
    )

number = 3
"""


@pytest.fixture
def mine(tmp_path) -> dict[str, torch.Tensor]:
    """The module mine.py, and its weights as weights.pt."""
    (tmp_path / "mine.py").write_text(MINE)
    names: dict = {}
    exec(MINE, names)
    torch.manual_seed(0)
    weights = names["model"]().state_dict()
    torch.save(weights, tmp_path / "weights.pt")
    return weights


def test_export_verify_and_change(lowbit, mine, tmp_path):
    exported = lowbit("export", "mine:model", "weights.pt", "net.safetensors", "--json")
    assert exported.returncode == 0, exported.stderr
    report = json.loads(exported.stdout)
    assert report["bytes"] == (tmp_path / "net.safetensors").stat().st_size

    arguments = ("verify", "mine:model", "changed.pt", "net.safetensors", "--subset", "--json")
    changed = {name: tensor.clone() for name, tensor in mine.items()}
    torch.save(
        {"state_dict": {f"model.{n}": t for n, t in changed.items()}}, tmp_path / arguments[2]
    )
    assert json.loads(lowbit(*arguments).stdout)["exact"] is True

    changed["1.weight"] *= -1
    torch.save(changed, tmp_path / arguments[2])
    verified = lowbit(*arguments)
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["exact"] is False


def test_other_formats(lowbit, mine, tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("ai_edge_litert")
    assert lowbit("export", "mine:model", "weights.pt", "net.safetensors").returncode == 0
    written = lowbit("export", "net.safetensors", "net.onnx", "--to", "qonnx", "--json")
    assert written.returncode == 0, written.stderr
    kinds = {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    assert "BipolarQuant" in kinds

    refused = lowbit("export", "net.safetensors", "net.tflite", "--to", "tflite")
    assert refused.returncode == 1
    assert "TensorFlow Lite" in refused.stderr
    assert not (tmp_path / "net.tflite").exists()


def test_an_onnx_of_integers_becomes_ours_again(lowbit, tmp_path):
    pytest.importorskip("onnx")
    images = np.random.default_rng(0).random((8, 1, 32, 32), np.float32)
    np.save(tmp_path / "images.npy", images)
    calibrated = ("ptq", "lenet5", "images.npy", "net.safetensors", "--form", "F")
    assert lowbit(*calibrated).returncode == 0
    assert lowbit("export", "net.safetensors", "net.onnx", "--to", "onnx").returncode == 0
    read = lowbit("export", "net.onnx", "again.safetensors")
    assert read.returncode == 0, read.stderr
    ours, theirs = (load(tmp_path / f"{name}.safetensors") for name in ("net", "again"))
    np.testing.assert_array_equal(theirs(images), ours(images))


def test_summary_counts(lowbit, mine):
    report = json.loads(lowbit("summary", "mine:model", "--json").stdout)
    assert report["total"]["low_bit_macs"] == 7840


@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        ("gone:model", "weights.pt", "no module 'gone'"),
        ("mine:gone", "weights.pt", "mine has no 'gone'"),
        ("mine:number", "weights.pt", "mine:number is int, neither a torch module"),
        ("mine:model", "gone.pt", "gone.pt: No such file"),
        ("mine:model", "other.pt", "other.pt: not of this model: it lacks ['1."),
        ("mine:model", "mine.py", "mine.py: not a checkpoint of weights alone"),
        ("mine:model", "list.pt", "list.pt: holds no state_dict"),
    ],
)
def test_what_is_wrong_is_said(lowbit, mine, tmp_path, model, weights, message):
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    torch.save([1], tmp_path / "list.pt")
    ran = lowbit("export", model, weights, "net.safetensors")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "net.safetensors").exists()


def test_a_mistaken_command_line(lowbit, mine):
    assert lowbit("summary", "mine:model", "--input-shape", "a,b").returncode == 2


def test_what_is_no_model_is_told_what_is(lowbit):
    ran = lowbit("summary", "nocolon")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: no model 'nocolon': it is module:name")

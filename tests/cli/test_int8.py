"""ptq and debug on a model of the user's own, in the user's folder."""

import json

import numpy as np
import pytest
import torch

from lowbit.int8.methods import METHODS

MINE = """
import torch
from lowbit import nn as lnn

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 8), torch.nn.ReLU(),
                            torch.nn.Linear(8, 3)).eval()
signs = torch.nn.Sequential(lnn.Linear(6, 4, weight="ste_sign", input="ste_sign")).eval()
odd = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.LayerNorm(4)).eval()
"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    names: dict = {}
    exec(MINE, names)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 6)))
    return names


def test_ptq_writes_a_file_that_runs(lowbit, mine, tmp_path):
    torch.save(mine["model"].state_dict(), tmp_path / "w.pt")
    arguments = (
        "ptq",
        "mine:model",
        "fashion_mnist_subset",
        "net.safetensors",
        "--weights",
        "w.pt",
    )
    ran = lowbit(*arguments, "--samples", "40", "--method", "best", "--adaround", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["bytes"] == (tmp_path / "net.safetensors").stat().st_size
    assert report["notes"] == []
    assert lowbit("run", "net.safetensors", "--subset", "--json").returncode == 0
    assert "times smaller" in lowbit(*arguments).stdout


def test_debug_of_floats_and_of_low_bits(lowbit, mine, tmp_path):
    ran = lowbit("debug", "mine:model", "fashion_mnist_subset", "--sensitivity", "--json")
    report = json.loads(ran.stdout)
    assert len(report["sensitivity"]) == 2
    assert {"name", "decibels", "cosine", "largest_error", "codes_used"} == set(
        report["tensors"][0]
    )
    ran = lowbit("debug", "mine:model", "fashion_mnist_subset", "--compare", "--json")
    assert set(json.loads(ran.stdout)["output"]) == {*METHODS}
    pytest.importorskip("matplotlib")
    ran = lowbit("debug", "mine:signs", "x.npy", "--sensitivity", "--picture", "p.png")
    assert ran.returncode == 0, ran.stderr
    assert "0.weight" in ran.stdout
    assert (tmp_path / "p.png").exists()


def test_a_network_of_the_zoo_and_one_in_onnx_are_models_too(lowbit, tmp_path):
    ran = lowbit("ptq", "vgg_mini.float_fmnist", "fashion_mnist_subset", "net.st", "--samples", "5")
    assert ran.returncode == 0, ran.stderr
    ran = lowbit("ptq", "vgg_mni", "fashion_mnist_subset", "none.st")
    assert ran.returncode == 1
    assert "lowbit zoo list" in ran.stderr

    onnx = pytest.importorskip("onnx")
    w = onnx.numpy_helper.from_array(np.ones((3, 6), np.float32), "w")
    ends = [onnx.helper.make_tensor_value_info(n, 1, ["N", s]) for n, s in (("x", 6), ("y", 3))]
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], "dense", transB=1)
    graph = onnx.helper.make_graph([node], "net", ends[:1], ends[1:], [w])
    (tmp_path / "net.onnx").write_bytes(onnx.helper.make_model(graph).SerializeToString())
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 6)))
    assert lowbit("ptq", "net.onnx", "x.npy", "mine.st").returncode == 0
    assert "linear" in lowbit("debug", "net.onnx", "x.npy").stdout


@pytest.mark.parametrize(
    ("model", "data", "more", "said"),
    [
        ("mine:model", "x.npy", (), "could not record"),
        ("mine:odd", "x.npy", ("--integer-only",), "layer_norm"),
        ("mine:odd", "none.npy", (), "none.npy: No such file"),
        ("mine:odd", "mine.py", (), "not a NumPy file"),
        ("mine:odd", "zeros.npy", (), "always 0.0"),
        ("mine:odd", "nan.npy", (), "not finite"),
        ("mine:odd", "ints.npy", (), "float32 or uint8"),
        ("mine:odd", "empty.npy", (), "no examples"),
        ("mine:odd", "wide.npy", (), "could not record"),
        ("mine:signs", "x.npy", ("--method", "magic"), "no method 'magic'"),
        ("none.onnx", "x.npy", (), "none.onnx: No such file"),
        ("bad.onnx", "x.npy", (), "bad.onnx: "),
    ],
)
def test_mistakes_are_one_line(lowbit, mine, tmp_path, model, data, more, said):
    np.save(tmp_path / "zeros.npy", np.zeros((4, 6)))
    np.save(tmp_path / "nan.npy", np.full((4, 6), np.nan))
    np.save(tmp_path / "empty.npy", np.zeros((0, 6)))
    np.save(tmp_path / "wide.npy", np.ones((4, 7)))
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x07 no model")
    np.save(tmp_path / "ints.npy", np.ones((4, 6), np.int32))
    ran = lowbit("ptq", model, data, "net.safetensors", *more)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert said in ran.stderr
    assert not (tmp_path / "net.safetensors").exists()

"""BitNets of Hugging Face: the logits are transformers' own, in each form a checkpoint has.

scripts/golden_bitnet.py wrote them.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lowbit import nn as lnn
from lowbit.zoo import bitnet as family
from lowbit.zoo.checkpoints import bitnet
from lowbit.zoo.checkpoints.errors import CheckpointError
from lowbit.zoo.checkpoints.ternary import Ternary, fill

GOLDEN = Path(__file__).with_name("golden")
FORMS = ["online", "offline", "bitlinear"]


def small() -> nn.Module:
    return family.BitNet(family.TERNARY, 64, 16, 32, 48, 4, 2, 2, 500_000.0, tied=True)


@pytest.mark.parametrize("form", FORMS)
def test_logits_are_transformers(form):
    folder = GOLDEN / f"bitnet_{form}"
    golden = np.load(folder / "logits.npz")
    model = bitnet.load(small(), folder).eval()
    with torch.no_grad():
        found = model(torch.from_numpy(golden["words"])).numpy()
    scale = np.abs(golden["logits"]).max()
    np.testing.assert_allclose(found / scale, golden["logits"] / scale, atol=1e-4)


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_latent_weight_gives_the_codes_and_the_scale_again(form):
    layer = bitnet.load(small(), GOLDEN / f"bitnet_{form}").layers[1].mlp.down_proj
    (term,) = layer.weight_quantizer.terms(layer.weight)
    state = load_file(GOLDEN / f"bitnet_{form}" / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    known = bitnet.unpacked(state[name], state[f"{name}_scale"], divides=form == "bitlinear")
    assert torch.equal(term.codes, known.codes.float())
    assert term.scale.item() == pytest.approx(known.scale, rel=1e-6)


def test_packed_rows_are_a_quarter_apart():
    packed = torch.tensor([[0b10_01_00_10, 0b00_00_01_01]], dtype=torch.uint8)
    found = bitnet.unpacked(packed, torch.tensor([0.5]))
    assert found.codes.tolist() == [[1, 0], [-1, 0], [0, -1], [1, -1]]
    assert found.value.tolist() == [[0.5, 0], [-0.5, 0], [0, -0.5], [0.5, -0.5]]


@pytest.mark.parametrize(
    ("packed", "scale", "words"),
    [
        (torch.full((1, 2), 255, dtype=torch.uint8), torch.ones(1), "no ternary codes"),
        (torch.zeros(1, 2, dtype=torch.uint8), torch.ones(2), "no ternary codes"),
        (torch.zeros(1, 2, dtype=torch.uint8), torch.zeros(1), "positive, not 0.0"),
        (torch.zeros(1, 2, dtype=torch.uint8), torch.tensor(torch.nan), "positive, not nan"),
    ],
)
def test_what_is_no_ternary_matrix_is_refused(packed, scale, words):
    with pytest.raises(CheckpointError, match=words):
        bitnet.unpacked(packed, scale)


@pytest.fixture
def copied(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "bitnet_offline", tmp_path / "copy"))


def changed(folder: Path, **tensors: torch.Tensor | None) -> None:
    path = folder / "model.safetensors"
    state = load_file(path) | {name.replace("__", "."): t for name, t in tensors.items()}
    save_file({name: t for name, t in state.items() if t is not None}, path)


def test_a_tensor_that_is_missing_spare_or_misshapen_is_named(copied):
    changed(copied, model__norm__weight=None, model__other=torch.ones(2))
    with pytest.raises(CheckpointError, match=r"lacks \['norm.weight'\], has \['other'\]"):
        bitnet.load(small(), copied)
    changed(copied, model__norm__weight=torch.ones(5), model__other=None)
    with pytest.raises(CheckpointError, match=r"norm.weight: \(5,\) for \(32,\)"):
        bitnet.load(small(), copied)


def test_files_that_are_damaged_or_of_another_model_are_refused(copied):
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        bitnet.load(small(), copied)
    (copied / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(CheckpointError, match="not that of a BitNet"):
        bitnet.load(small(), copied)


def test_a_matrix_of_zeros_stays_zeros():
    layer = lnn.Linear(3, 2, weight="absmean", input="absmax:8")
    fill(layer, Ternary(torch.zeros(2, 3, dtype=torch.int8), 0.5))
    assert not layer.weight.any()
    with pytest.raises(CheckpointError, match=r"\(4, 3\) for a layer of \(2, 3\)"):
        fill(layer, Ternary(torch.zeros(4, 3, dtype=torch.int8), 0.5))

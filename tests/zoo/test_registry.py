"""Names: listed, suggested, and turned into networks that agree, with torch and without."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lowbit import zoo
from lowbit.schemes import Scheme
from lowbit.zoo.architecture import HERE, architectures
from lowbit.zoo.cards import Preprocessing, from_json

ROOT = Path(__file__).parents[2]


def test_families_are_read_without_importing_them():
    code = "import sys; from lowbit import zoo; print(len(zoo.list_models())); "
    code += "print({'torch', 'numba', 'lightning'} & {*sys.modules})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for blocked in ("", "import sys; sys.modules.update(torch=None, lightning=None); "):
        ran = subprocess.run(
            [sys.executable, "-c", blocked + code], capture_output=True, text=True, env=environment
        )
        count, imported = ran.stdout.splitlines()
        assert int(count) >= len(architectures())
        assert blocked or imported == "set()"


def test_every_architecture_has_its_builder_and_paper():
    assert len(architectures()) > 30
    for entry in architectures().values():
        assert (HERE / f"{entry.module.rsplit('.', 1)[1]}.py").exists()
        assert entry.paper
        assert entry.about.endswith(".")


def test_names_match_patterns(trained):
    assert zoo.list_models("resnet??") == [
        "resnet18",
        "resnet20",
        "resnet32",
        "resnet34",
        "resnet50",
    ]
    assert zoo.list_models("*w1a1*") == [trained.card.name]
    assert zoo.list_models("t*") == ["tfc", trained.card.name]
    assert zoo.list_models("t*", trained=True) == [trained.card.name]


def test_a_wrong_name_suggests_the_nearest(trained):
    with pytest.raises(ValueError, match="no architecture 'quiknet': did you mean 'quicknet'"):
        zoo.create_model("quiknet")
    with pytest.raises(ValueError, match=f"no trained network 'tfc.w2a2': did you mean '{NAME}'"):
        zoo.load("tfc.w2a2")
    with pytest.raises(ValueError, match="no architecture 'tcf'"):
        zoo.create_model("tcf.w1a1_test")


NAME = "tfc.w1a1_test"


def test_with_torch_and_without_the_logits_are_the_same_bits(trained):
    x = np.random.default_rng(0).random((64, 1, 28, 28), np.float32)
    model = zoo.create_model(trained.card.name)
    assert model.training
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_array_equal(zoo.load(trained.card.name, batch=16)(x), expected)


def test_trained_weights_come_as_they_are(trained):
    with pytest.raises(ValueError, match="options are for tfc alone"):
        zoo.create_model(trained.card.name, classes=5)


def test_a_network_without_weights_for_torch_says_how_they_are_made(trained):
    card = replace(trained.card, weights=None, command="python make.py")
    trained.write(card)
    assert zoo.card(card.name) == card
    assert zoo.load(card.name)(np.zeros((1, 1, 28, 28), np.float32)).shape == (1, 10)
    with pytest.raises(ValueError, match=r"for lowbit.zoo.load: .* again: python make\.py"):
        zoo.create_model(card.name)


def test_weights_of_another_model_are_refused(trained):
    trained.write(replace(trained.card, name="tfc.other", scheme=dict(vars_of("lsq:2"))))
    with pytest.raises(ValueError, match="not of this model: lacks"):
        zoo.create_model("tfc.other")


def vars_of(quantizer: str) -> dict[str, str]:
    return {"weight": quantizer, "input": quantizer, "first": "image8", "last": "8bit"}


@pytest.mark.parametrize(
    ("scheme", "bits"), [("w2a2", (2, 2)), (Scheme("twn", "lsq:4", first="image8"), (2, 4))]
)
def test_options_reach_the_layers(scheme, bits):
    model = zoo.create_model("vgg_mini", input_shape=(3, 16, 16), classes=7, scheme=scheme)
    first, *middle, last = (m for m in model if hasattr(m, "weight_quantizer"))
    assert (first.in_channels, last.out_features) == (3, 7)
    assert first.input_quantizer.spec.bits == 8
    for layer in middle:
        assert (layer.weight_quantizer.spec.bits, layer.input_quantizer.spec.bits) == bits


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="no scheme 'w3a3'"):
        zoo.create_model("resnet20", scheme="w3a3")


def test_a_card_is_what_was_written(trained):
    assert from_json(trained.card.to_json()) == trained.card


def test_preprocessing_pads_and_standardizes():
    images = np.full((2, 3, 3), 51, np.uint8)
    pixels = Preprocessing(pad=1, mean=(0.2,), std=(0.5,))(images)
    assert pixels.shape == (2, 1, 5, 5)
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels[:, :, 1:4, 1:4], 0, atol=1e-7)
    np.testing.assert_allclose(pixels[:, :, 0], -0.4)
    assert Preprocessing()(np.zeros((2, 4, 5, 3), np.uint8)).shape == (2, 3, 4, 5)


def test_preprocessing_takes_bytes_alone():
    with pytest.raises(ValueError, match="images are bytes"):
        Preprocessing()(np.zeros((2, 3, 3), np.float32))

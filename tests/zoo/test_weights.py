"""What is kept of trained weights, in which precision, and that it is what the model then has."""

from pathlib import Path

import pytest
import torch

from lowbit.zoo.making.recipe import new_model, recipes
from lowbit.zoo.weights import load_weights, precisions, rounded, save_weights

KNOWN = recipes(Path(__file__).parents[2] / "scripts" / "zoo_recipes.toml")
KEPT = {"w1a1": torch.float8_e5m2, "w2a2": torch.float16, "tern": torch.float16}


def made(bits: str) -> torch.nn.Module:
    return new_model(KNOWN[f"vgg_mini.{bits}_fmnist"])


@pytest.mark.parametrize("bits", KEPT)
def test_signs_are_kept_in_eight_bits_and_other_codes_in_sixteen(bits):
    first, *body, last = precisions(made(bits)).values()
    assert set(body) == {KEPT[bits]}
    assert {first, last} == {torch.float16}


def test_a_float_network_is_kept_in_sixteen_bits_but_for_its_norms():
    kinds = precisions(made("float"))
    assert set(kinds.values()) == {torch.float16}
    assert all(name.endswith(".weight") for name in kinds)
    assert len(kinds) == 7


@pytest.mark.parametrize("bits", ["float", *KEPT])
def test_the_file_holds_what_the_rounded_model_has(bits, tmp_path):
    torch.manual_seed(0)
    model = made(bits)
    state = rounded(model)
    again = rounded(model)
    assert all(torch.equal(state[name].float(), again[name].float()) for name in state)
    save_weights(state, tmp_path / "w.safetensors")
    read = load_weights(made(bits), tmp_path / "w.safetensors")
    own = read.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())

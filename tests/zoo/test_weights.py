"""What is kept of trained weights, in which precision, and that it is what the model then has."""

from pathlib import Path

import pytest
import torch

from lowbit.zoo import create_model
from lowbit.zoo.making.recipe import new_model, recipes
from lowbit.zoo.weights import keep_signs_alone, load_weights, precisions, rounded, save_weights

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


def test_signs_alone_compute_the_same_and_take_a_bit_each(tmp_path):
    torch.manual_seed(0)
    model, file = create_model("tfc").eval(), tmp_path / "w.safetensors"
    x = torch.rand(5, 1, 28, 28)
    with torch.no_grad():
        model[2].weight[0, :3] = torch.tensor([0.0, -0.0, -1e-6])  # a zero's sign is +1
        before = model(x)
    keep_signs_alone(model)
    save_weights(rounded(model), file)
    weights = 28 * 28 * 64 + 2 * 64 * 64 + 64 * 10
    assert weights / 8 < file.stat().st_size < weights / 8 + 7_000
    read = load_weights(create_model("tfc"), file).eval()
    assert torch.equal(read(x), before)
    assert set(read[2].weight.flatten().tolist()) == {-1.0, 1.0}


def test_latent_weights_stay_where_more_than_signs_is_read_of_them():
    model = made("w1a1")  # xnor: signs, and the mean size of a filter's weights
    before = model[3].weight.clone()
    keep_signs_alone(model)
    assert torch.equal(model[3].weight, before)


def test_signs_of_another_shape_are_refused(tmp_path):
    model = create_model("tfc")
    keep_signs_alone(model)
    save_weights(rounded(model), tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"2\.weight is \(6272,\), not \(64, 64\)"):
        load_weights(create_model("tfc", input_shape=(1, 8, 8)), tmp_path / "w.safetensors")


def test_integers_that_are_ones_stay_integers(tmp_path):
    model, ones = torch.nn.Linear(3, 2), torch.ones(4, 4, dtype=torch.int64)
    model.register_buffer("ones", ones)
    save_weights(model.state_dict(), tmp_path / "w.safetensors")
    model.ones.zero_()
    assert torch.equal(load_weights(model, tmp_path / "w.safetensors").ones, ones)

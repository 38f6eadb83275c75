"""Schemes, models, recipes and grids: what is written, what it means, what is refused."""

import json
import shlex

import pytest

from lowbit.factory import factory, fitted
from lowbit.sweep import quality
from lowbit.sweep.config import by_key, key
from lowbit.sweep.grid import Grid, GridError
from lowbit.sweep.models import build, float_twin
from lowbit.sweep.names import SPELLED, command, scheme_name
from lowbit.sweep.presets import PRESETS, QUICK
from lowbit.sweep.recipe import Recipe, recipe
from lowbit.sweep.schemes import FAMILIES, FLOAT, Scheme, scheme
from lowbit.sweep.start import start_of


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("float", FLOAT),
        ("w1a1", Scheme("ste_sign", "ste_sign")),
        ("wta4", Scheme("ste_tern", "dorefa:4")),
        ("w2af", Scheme("dorefa:2", None)),
        ("lsq-wta2", Scheme("twn", "lsq:2")),
        ("xnor/rsign", Scheme("xnor", "rsign")),
        ("lsq:2/float/8bit/float", Scheme("lsq:2", None, "8bit", "float")),
        ("lsq:2/lsq:2/same/8bit", Scheme("lsq:2", "lsq:2", None, "8bit")),
        ("mixed/8.2.f", Scheme("mixed:8.2.f", "mixed:8.2.f")),
    ],
)
def test_a_spelling_means(text, meaning):
    assert scheme(text) == meaning
    assert scheme(str(meaning)) == meaning


@pytest.mark.parametrize("spelling", sorted(SPELLED.values()))
def test_a_name_is_read_as_it_is_written(spelling):
    assert SPELLED[scheme(spelling)] == spelling


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", "no scheme 'nope': write bits"),
        ("pact-w1a1", "no family 'pact', choose from dorefa, lsq"),
        ("w5a1", "dorefa has weights of 1, 2, 3, 4, 8, f, t bits, not of 5"),
        ("lsq-w2a16", "lsq has inputs of"),
        ("mixed/8.5", "mixed widths are 2, 3, 4, 8, f, not 5"),
        ("ptq:8/ste_sign", "calibration is of the whole network"),
        ("ptq:8/ptq:8/8bit/8bit", "calibration is of the whole network"),
        ("lsq:2/lsq:2/10bit/8bit", "'10bit' is none of float, 8bit, image8"),
        ("a/b/c", "no scheme"),
    ],
)
def test_other_spellings_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        scheme(text)


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"ptq"}))
def test_every_quantizer_of_a_family_exists(family):
    from lowbit.quant.registry import INPUTS, WEIGHTS
    from lowbit.quant.registry import build as quantizer

    for table, choices in zip((WEIGHTS, INPUTS), FAMILIES[family], strict=True):
        assert all(quantizer(c, table, 4) is not None for c in choices.values() if c)


def test_the_presets_can_be_built():
    for name, seeds in (("quick", 2), ("full", 3)):
        parts = PRESETS[name]().parts
        configs = PRESETS[name]().configs()
        count = sum(len(part.schemes) * len(part.seeds) for part in parts)
        assert len(by_key(configs)) == len(configs) == count
        first = sum(len(part.schemes) for part in parts)
        assert [config["seed"] for config in configs[:first]] == [0] * first
        assert {config["seed"] for config in configs} == set(range(seeds))
    assert len(QUICK) >= 12


def test_the_full_sweep_has_every_width():
    widths = {
        (bits["weight"], bits["input"])
        for config in PRESETS["full"]().configs()
        for bits in [quality.widths(Scheme(**config["scheme"]))]
    }
    weights = ("1", "ternary", "2", "3", "4", "8", "float")
    assert {(w, a) for w in weights for a in ("1", "2", "4", "8", "float")} == widths


def test_the_help_says_what_the_full_sweep_costs():
    configs = PRESETS["full"]().configs()
    starts = by_key([start for c in configs if (start := start_of(c))]).values()
    epochs = sum(c["recipe"]["epochs"] for c in configs)
    assert epochs + sum(s["recipe"]["float_epochs"] for s in starts) == 198


def test_one_float_network_a_seed_serves_the_full_sweep():
    starts = [start_of(config) for config in PRESETS["full"]().configs()]
    assert None not in starts
    assert len(by_key([start for start in starts if start])) == 3


def test_axes_that_a_preset_is_given_take_the_place_of_its_own():
    recipe = Recipe(epochs=1)
    changed = PRESETS["quick"]().changed(schemes=["w1a1"], recipes=[recipe], seeds=[7])
    (config,) = changed.configs()
    assert (config["seed"], config["recipe"]["epochs"]) == (7, 1)


def test_a_zoo_model_takes_the_shape_of_the_data():
    model = fitted(factory("vgg_mini(exact=True)"), [1, 8, 8], 4)
    assert str(model) == "vgg_mini(shape=[1, 8, 8], classes=4, exact=True)"
    layers = [m for m in build(model, scheme("w1a2")).modules() if hasattr(m, "weight_quantizer")]
    assert layers[-1].out_features == 4
    assert all(layer.weight_quantizer for layer in layers)
    twin = [m for m in float_twin(model).modules() if hasattr(m, "weight_quantizer")]
    assert not any(layer.weight_quantizer for layer in twin)


MINE = """
from torch import nn

def net(width=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, 10))

def text():
    return "net"
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> str:
    """A user's own module in the current folder; its name."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_a_users_float_model_is_quantized(mine):
    layers = build(factory(f"{mine}:net(width=4)"), scheme("lsq:2/lsq:2/8bit/float"))
    assert [
        str(layer.weight_quantizer and layer.weight_quantizer.spec.bits) for layer in layers[1:]
    ]
    assert layers[1].weight_quantizer.spec.bits == 8
    assert layers[2].weight_quantizer is None
    assert layers[1].out_features == 4


def test_a_width_a_layer():
    model = build(factory("larq_cnn(widths=[8, 8, 8])"), scheme("mixed/8.2.4.f.8"))
    layers = [layer for layer in model if hasattr(layer, "weight_quantizer")]
    bits = [layer.weight_quantizer and layer.weight_quantizer.spec.bits for layer in layers]
    assert bits == [8, 2, 4, None, 8]
    with pytest.raises(ValueError, match=r"mixed/8.2: there are 5 layers to give widths to \(0, "):
        build(factory("larq_cnn"), scheme("mixed/8.2"))


def test_every_impossible_combination_is_named(mine):
    models = ["larq_cnn", f"{mine}:text", "lraq"]
    grid = Grid(["w1a1", "nope/ste_sign"], models, data="fashion_mnist_subset")
    with pytest.raises(GridError) as error:
        grid.configs()
    said = str(error.value)
    assert said.startswith("5 of 6 combinations cannot be, and nothing was run")
    assert "no quantizer 'nope'" in said
    assert "makes a str, not a torch module" in said
    assert "no model 'lraq'" in said


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("larq_cnn(dense=x)", "arguments are written"),
        ("larq_cnn(3)", "arguments are written"),
        ("larq_cnn(depth=3)", "unexpected keyword argument 'depth'"),
        ("gone:net", "no module 'gone', neither installed nor in"),
        ("lowbit.zoo.larq_cnn:gone", "has no 'gone'"),
    ],
)
def test_a_model_that_is_not_there_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        Grid(["w1a1"], [model], data="fashion_mnist_subset").configs()


def test_threads_that_cannot_be_are_refused():
    with pytest.raises(GridError, match=r"threads are 1 to 64, not \[0, 65\]"):
        Grid(["w1a1"], threads=[1, 0, 65], data="fashion_mnist_subset").configs()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 1}, "no setting 'epoch', there are epochs, float_epochs"),
        ({"epochs": "1"}, "epochs is int"),
        ({"epochs": True}, "epochs is int"),
        ({"epochs": 0}, "epochs or float_epochs is at least 1"),
        ({"lr": 0}, "lr and batch_size are positive"),
        ({"optimizer": "sgd"}, "optimizer is adam or bop"),
        ({"input_bits": [1]}, "input_bits is pairs"),
    ],
)
def test_a_recipe_with_a_mistake_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        recipe(given)


def test_a_recipe_is_the_same_from_json():
    given = Recipe(epochs=4, lr=1, input_bits=((0, 8), (0.5, 2)))
    assert recipe(json.loads(json.dumps(given.to_json()))).changes() == given.changes()


def configs(**changes):
    return Grid(["w2a2"], data="fashion_mnist_subset", **changes).configs()


def test_whatever_decides_a_result_is_in_the_name(monkeypatch):
    (plain,) = configs()
    others = [
        *configs(seeds=[1]),
        *configs(recipes=[Recipe(epochs=1)]),
        *configs(models=["larq_cnn(dense=32)"]),
        *configs(rounds=7),
        {**plain, "data": {**plain["data"], "sha256": "0"}},
    ]
    monkeypatch.setattr("lowbit.__version__", "0.0.9")
    others += configs()
    monkeypatch.setattr("lowbit.sweep.grid.installed", lambda name: "1.0")
    others += configs()
    names = {key(config) for config in (plain, *others)}
    assert len(names) == 1 + len(others)


def test_the_command_of_a_trial_asks_for_that_trial():
    """By way of the command line's own reading of its options."""
    from lowbit.cli import sweep as cli

    text = "larq_cnn(widths=[8, 8, 8])"
    grid = Grid(
        ["lsq:2/pact:4", "wta2"], [text], [Recipe(lr=0.5)], [3], "fashion_mnist_subset", [1, 2]
    )
    for config in grid.configs():
        words = shlex.split(command(config))[2:]
        said = dict(zip(words[::2], words[1::2], strict=True))
        again = Grid(
            [said["--scheme"]],
            [said["--model"]],
            cli.recipes([said["--recipe"]]),
            [int(said["--seed"])],
            said["--data"],
            batches=cli.numbers(said["--batch"]),
            threads=cli.numbers(said["--threads"]),
            rounds=int(said["--rounds"]),
        )
        assert [key(c) for c in again.configs()] == [key(config)]
        assert scheme(scheme_name(config)) == Scheme(**config["scheme"])


def test_the_command_says_what_trained():
    (config,) = Grid(["w1a1"], ["larq_cnn"], data="fashion_mnist_subset").configs()
    assert "--device" not in command(config)
    assert "--device auto" in command({**config, "trained_on": "cuda"})

"""What people read instead of a hash: names of models, schemes and recipes, and the command that
runs a trial again."""

import json
import shlex

from lowbit.factory import FITTED, Factory
from lowbit.sweep.config import Config
from lowbit.sweep.recipe import recipe
from lowbit.sweep.schemes import DEFAULT, FAMILIES, FLOAT, Scheme
from lowbit.sweep.start import is_start


def model_name(config: Config) -> str:
    """Without the data's own shape and classes, which a factory that wants them is given anyway."""
    found, data = config["model"], config["data"]
    usual = {name: data[name] for name in FITTED}
    said = {k: v for k, v in found["arguments"].items() if k not in usual or v != usual[k]}
    return str(Factory(found["module"], found["name"], said))


def spelled() -> dict[Scheme, str]:
    """The shortest spelling of every scheme that has one."""
    names: dict[Scheme, str] = {}
    for family, (weights, inputs) in FAMILIES.items():
        prefix = "" if family == DEFAULT else f"{family}-"
        for w, weight in weights.items():
            for a, input in inputs.items():
                names.setdefault(Scheme(weight, input), f"{prefix}w{w}a{a}")
    return {**names, FLOAT: "float"}


SPELLED = spelled()


def scheme_name(config: Config) -> str:
    scheme = Scheme(**config["scheme"])
    return SPELLED.get(scheme, str(scheme))


def recipe_name(config: Config) -> str:
    """What is not the default, as JSON."""
    return json.dumps(recipe(config["recipe"]).changes(), separators=(",", ":"))


def title(config: Config) -> str:
    what = "float network" if is_start(config) else scheme_name(config)
    return f"{model_name(config)} {what} seed {config['seed']}"


def command(config: Config) -> str:
    """Runs the trial again, in a store of its own."""
    measure = config["measure"]
    options = {
        "--model": model_name(config),
        "--scheme": scheme_name(config),
        "--recipe": recipe_name(config),
        "--seed": str(config["seed"]),
        "--data": config["data"]["name"],
        "--batch": ",".join(map(str, measure["batches"])),
        "--threads": ",".join(map(str, measure["threads"])),
        "--rounds": str(measure["rounds"]),
        **({"--device": "auto"} if "trained_on" in config else {}),
        "--store": "again",
    }
    return "lowbit sweep " + " ".join(f"{k} {shlex.quote(v)}" for k, v in options.items())

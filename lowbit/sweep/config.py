"""One trial is one JSON object, and the hash of its canonical text is the trial's name.

The configuration holds all that decides the result: model and its source, quantizers, recipe,
seed, the data's hash, what is measured, the versions of lowbit and torch, and what trains, unless
it is a CPU: other processors add in another order. So two machines that agree on a name have run
the same trial.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]


def canonical(value: object) -> str:
    """The one text of a JSON value: keys sorted, no spaces, ASCII, no NaN and no infinity."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"not plain JSON: {error}") from None


def digest(value: object) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def key(config: Config) -> str:
    """The trial's name: 64 hexadecimal digits."""
    return digest(config)


def trained_on(kind: str, configs: list[Config]) -> list[Config]:
    """The same trials on that kind of processor, as torch names it."""
    return configs if kind == "cpu" else [{**config, "trained_on": kind} for config in configs]


def by_key(configs: list[Config]) -> dict[str, Config]:
    """Trials by name, in the order given; what is asked for twice is there once."""
    return {key(config): config for config in configs}

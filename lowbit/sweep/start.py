"""The float network that several trials begin with, trained once and kept in the store.

    store/floats/<key>.safetensors

Its key is the hash of all that decides it, as a trial's is, so that stores are merged by copying
here, too. A job of its own trains it ahead of the trials that wait for it.
"""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load, save

from lowbit.sweep.config import Config, canonical
from lowbit.sweep.recipe import recipe

Arrays = Mapping[str, np.ndarray]
SAME = ("data", "model", "seed", "versions", "trained_on")  # of a trial and its float network


def start_of(config: Config) -> Config | None:
    """What trains the float network that a trial begins with; None if it begins from scratch."""
    how = recipe(config["recipe"])
    if is_start(config) or not how.float_epochs:
        return None
    same = {name: config[name] for name in SAME if name in config}
    return {**same, "stage": "float", "recipe": how.float_part().to_json()}


def is_start(config: Config) -> bool:
    return config.get("stage") == "float"


def packed(arrays: Arrays, seconds: float) -> bytes:
    """One file: the arrays, the seconds that training took, and a hash over the arrays."""
    about = {"seconds": seconds, "sha256": hashed(arrays)}
    return save({**arrays}, {"lowbit": canonical(about)})


def unpacked(data: bytes) -> tuple[Arrays, float]:
    """ValueError unless the file is whole."""
    try:
        arrays = load(data)
        head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        about = json.loads(head["__metadata__"]["lowbit"])
        whole = about["sha256"] == hashed(arrays)
        seconds = float(about["seconds"])
    except Exception:  # safetensors has errors of its own, and damage has no shape
        raise ValueError("not a float network of lowbit's") from None
    if not whole:
        raise ValueError("its checksum is wrong")
    return arrays, seconds


def hashed(arrays: Arrays) -> str:
    return hashlib.sha256(save({**arrays})).hexdigest()

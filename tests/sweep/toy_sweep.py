"""A sweep of trials that only sleep and hash, to be killed at any time: its results are known.

    python toy_sweep.py STORE TRIALS EXECUTOR [WORKERS [ADDRESS]]

Every other trial begins with its seed's float network. What is begun although it is there says so
in STORE/recomputed. With 0 TRIALS there is one that kills its process, which is allowed two
retries, and one that does not.
"""

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from lowbit.sweep.drive import Swept, sweep
from lowbit.sweep.executors import Found, Settings, Site
from lowbit.sweep.start import is_start, packed, unpacked
from lowbit.sweep.store import Store

SCHEMES = [(f"dorefa:{w}", f"dorefa:{a}") for w in (1, 2, 4) for a in (1, 2, 4)]
MACHINE = {"cpu": "toy", "features": [], "cores": 2, "system": "toy", "versions": {"lowbit": "0"}}
DEADLY = -9
LAYER = {"module": "0", "weight_bits": "1", "input_bits": "1", "parameters": 9, "bytes": 2}


def configs(count: int) -> list[dict]:
    return [config(i) for i in range(count)]


def config(number: int) -> dict:
    weight, input = SCHEMES[number % len(SCHEMES)]
    return {
        "model": {"module": "mine", "name": "net", "arguments": {}, "source": "0"},
        "scheme": {"weight": weight, "input": input, "first": None, "last": None},
        "recipe": {"epochs": 1, "float_epochs": number % len(SCHEMES) % 2},
        "seed": number // len(SCHEMES),
        "data": {"name": "toy", "sha256": "0", "shape": [1, 1], "classes": 2},
        "measure": {"threads": [1], "batches": [1], "rounds": 1},
        "versions": {"lowbit": "0", "torch": "0"},
    }


def run(config: dict, site: Site, tell) -> Found:
    store, key = site.scratch.parents[1], site.scratch.name
    files = (f"results/{key}.json", f"floats/{key}.safetensors")
    if any((store / name).exists() for name in files):
        (store / "recomputed").write_text(key)
    number = int(key[:6], 16)
    tell(0.5, "sleeping")
    time.sleep(0.01 + 0.05 * (number % 7) / 7)
    if config["seed"] == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    if config["seed"] < 0:
        raise ArithmeticError(f"seed {config['seed']}")
    if is_start(config):
        return Found({}, {}, float_network(config["seed"]))
    if config["recipe"]["float_epochs"]:
        (begun, _) = unpacked(site.start or b"")
        assert (begun["seed"] == config["seed"]).all()
    return Found(result(number, config), measured(number), network(key))


def float_network(seed: int) -> bytes:
    return packed({"seed": np.full(2**18, seed)}, 1.0)


def result(number: int, config: dict) -> dict:
    bits = {role: config["scheme"][role][-1] for role in ("weight", "input")}
    return {
        "accuracy": number / 16**6,
        "equal": 1.0,
        "exact": True,
        "bytes": 1000 + number % 999,
        "parameters": 9,
        "operations": {"binary": 1, "low_bit": 2, "float": 3},
        "bits": bits,
        "layers": [LAYER],
        "notes": [],
    }


def measured(number: int) -> dict:
    """Of a clock that always says the same, so that whole reports can be compared."""
    times = {"median": 1 + number % 89, "p10": 1.0, "p90": 99.0, "runs": 1}
    return {
        "latency": [{"threads": 1, "batch": 1, "runtime": times, "torch": times, "arena": 1}],
        "train_seconds": 1.0,
        "trial_seconds": 1.0,
        "peak_memory": 1,
        "load": 0.0,
        "device": "cpu",
        "machine": MACHINE,
    }


def network(key: str) -> bytes:
    """Large enough for a kill to fall into its writing."""
    return hashlib.sha256(key.encode()).digest() * 2**16


class Silent:
    def started(self, key, where): ...

    def advanced(self, key, share, what): ...

    def ended(self, key, outcome): ...


def swept(folder: str | Path, wanted: list[dict], settings: Settings) -> Swept:
    return sweep(wanted, Store(folder), run, settings, Silent())


if __name__ == "__main__":
    folder, trials, executor, *rest = sys.argv[1:]
    wanted = configs(int(trials)) or [{**config(0), "seed": DEADLY}, config(1)]
    retries = 1000 if int(trials) else 2
    settings = Settings(executor, int(rest[0]) if rest else 2, retries, *rest[1:])
    sys.exit(bool(swept(folder, wanted, settings).failed))

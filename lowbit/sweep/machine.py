"""What a trial ran on: the processor, what it can do, and the versions of all that matters."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import lowbit
from lowbit.timing import cpu_model

PACKAGES = ("torch", "lightning", "numpy", "numba", "llvmlite")


def machine() -> dict[str, Any]:
    from lowbit.doctor import USEFUL
    from lowbit.kernels import cpu

    have = cpu.features()
    return {
        "cpu": cpu_model(),
        "features": [f for f in USEFUL if f in have],
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": {
            "lowbit": lowbit.__version__,
            "python": platform.python_version(),
            **{name: installed(name) for name in PACKAGES},
        },
    }


def device(accelerator: str) -> str:
    """What trains: `cpu`, or the name of the graphics card that Lightning takes."""
    import torch

    kind = device_kind(accelerator)
    return torch.cuda.get_device_name() if kind == "cuda" else kind


def device_kind(accelerator: str) -> str:
    """`cpu`, `cuda`, `mps`: what Lightning takes when it is asked for this accelerator."""
    import torch

    found = torch.accelerator.current_accelerator() if accelerator != "cpu" else None
    return found.type if found else "cpu"


def installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def load() -> float | None:
    """The average number of running processes in the last minute: how alone a measurement was."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None

"""lowbit: binary, ternary and multi-bit networks, from training to measured speed.

Names load on first use: running an exported network needs numpy, numba and safetensors alone;
quantize, export, verify and summary need torch, which comes with pip install "lowbit[train]".
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowbit.accounting import summary as summary
    from lowbit.agreement import verify as verify
    from lowbit.exporter import export as export
    from lowbit.int8 import ptq as ptq
    from lowbit.runtime import Network as Network
    from lowbit.runtime import load as load
    from lowbit.schemes import quantize as quantize
    from lowbit.sweep import run_sweep as run_sweep

__version__ = "0.1.0"

_HOMES = {
    "Network": "lowbit.runtime",
    "export": "lowbit.exporter",
    "load": "lowbit.runtime",
    "ptq": "lowbit.int8",
    "quantize": "lowbit.schemes",
    "run_sweep": "lowbit.sweep",
    "summary": "lowbit.accounting",
    "verify": "lowbit.agreement",
}
_TRAINING = {"torch", "lightning"}

__all__ = ["Network", "export", "load", "ptq", "quantize", "run_sweep", "summary", "verify"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'lowbit' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name in _TRAINING:
            raise ModuleNotFoundError(
                f'lowbit.{name} needs {error.name}: pip install "lowbit[train]"', name=error.name
            ) from None
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

"""Autocast and exactness: codes are made, and in evaluation multiplied, in float32."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager:
    """Switches autocast off on the device of x, and leaves no trace where it is not on."""
    device = x.device.type
    if torch.compiler.is_exporting() or not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, enabled=False)

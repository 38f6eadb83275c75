"""Batch norm statistics estimated anew, as averaged weights need before export.

sign(EMA(w)) is not the EMA of sign(w): statistics that were averaged along with the weights
belong to no network that ever ran.
"""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate_batchnorm(model: nn.Module, loader: Iterable) -> None:
    """Sets every batch norm's statistics to the plain mean over the batches of `loader`.

    All else is in evaluation mode meanwhile; modes and momenta are as before afterwards. A batch
    is the input, or a tuple that begins with it. A model without batch norms sees none.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    modes = {module: module.training for module in model.modules()}
    momenta = {norm: norm.momentum for norm in norms}
    model.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's spelling of a cumulative mean
        norm.training = True
    try:
        _feed(model, loader)
    finally:
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training


def _feed(model: nn.Module, loader: Iterable) -> None:
    device = next(model.parameters()).device
    batches = 0
    for batch in loader:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        model(x.to(device))
        batches += 1
    if not batches:
        raise ValueError("the loader gave no batch, so the statistics are now empty")

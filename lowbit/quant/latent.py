"""What XNOR-Net does to latent weights before each step: Rastegari et al., 2016 [1603.05279]."""

import torch
from torch import Tensor


@torch.no_grad()
def centre_and_clip(weight: Tensor, limit: float = 1.0) -> None:
    """Takes each filter's mean over its input channels off, then clips to [-limit, limit].

    In place. The means are per tap, as in the authors' code: over axis 1 of (O, I, ...).
    """
    weight.sub_(weight.mean(1, keepdim=True)).clamp_(-limit, limit)

"""Training ±1 weights without latent ones: Bop, and one optimizer made of several.

Bop: Helwegen et al., "Latent Weights Do Not Exist", 2019 [1906.02107], algorithm 1.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from lowbit.quant.latent import centre_and_clip
from lowbit.spec import BINARY


class Bop(Optimizer):
    """m <- (1 - gamma) m + gamma g; a weight flips where |m| > tau and sign(m) = sign(w).

    gamma is kept as `lr`, so that learning-rate schedules decay it, as the paper does. Defaults
    are Larq's. The parameters are made ±1 here: sign(w), with sign(0) = +1.
    """

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-4, threshold: float = 1e-8) -> None:
        if not (0 <= lr <= 1 and threshold >= 0):
            raise ValueError(f"Bop has 0 <= lr <= 1 and threshold >= 0: {lr}, {threshold}")
        super().__init__(params, {"lr": lr, "threshold": threshold})
        with torch.no_grad():
            for group in self.param_groups:
                for w in group["params"]:
                    w.copy_(torch.where(w >= 0, 1.0, -1.0))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = _evaluate(closure)
        for group in self.param_groups:
            for w in group["params"]:
                if w.grad is not None:
                    self._update(w, group["lr"], group["threshold"])
        return loss

    def _update(self, w: Tensor, gamma: float, threshold: float) -> None:
        state = self.state[w]
        if not state:
            state["m"] = torch.zeros_like(w)
        m = state["m"].mul_(1 - gamma).add_(w.grad, alpha=gamma)
        flip = (m.abs() > threshold) & (m.sign() == w.sign())
        w.copy_(torch.where(flip, -w, w))


class SplitOptimizer(Optimizer):
    """Several optimizers behind one: each owns its parameter groups, all share one state.

    Schedulers and checkpoints see a single optimizer with the groups in order.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        groups = [group for part in optimizers for group in part.param_groups]
        super().__init__(groups, {})
        self.optimizers = optimizers
        for part in optimizers:
            self.state.update(part.state)
        self._share()

    def add_param_group(self, param_group: dict) -> None:
        if hasattr(self, "optimizers"):
            raise TypeError("no part would step the new group: add it to a part before joining")
        super().add_param_group(param_group)

    def _share(self) -> None:
        """Hands each part its groups and the common state, which loading replaces."""
        groups = iter(self.param_groups)
        for part in self.optimizers:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = _evaluate(closure)
        for part in self.optimizers:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self._share()


def bop_and_adam(
    model: nn.Module,
    lr: float = 1e-3,
    gamma: float = 1e-4,
    threshold: float = 1e-8,
    weight_decay: float = 0.0,
) -> SplitOptimizer:
    """Bop for the binary weights of `model`, Adam for all its other parameters."""
    binary, rest = split_parameters(model)
    if not binary:
        raise ValueError("Bop needs binary weights, and no layer of the model has any")
    bop = Bop(binary, gamma, threshold)
    require_gradient_at_one(model)
    return SplitOptimizer(*[bop, Adam(rest, lr, weight_decay=weight_decay)][: 2 if rest else 1])


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The binary weights of a model, and its other trainable parameters."""
    binary = {layer.weight for _, layer in binary_layers(model)}
    trainable = [p for p in model.parameters() if p.requires_grad]
    return [p for p in trainable if p in binary], [p for p in trainable if p not in binary]


def binary_layers(model: nn.Module) -> list[tuple[str, Any]]:
    """The layers, with their names, whose weights are quantized to -1 and +1."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if getattr(getattr(module, "weight_quantizer", None), "spec", None) == BINARY
    ]


def require_gradient_at_one(model: nn.Module) -> None:
    """Refuses weight quantizers under which ±1 has no gradient, so that Bop could never flip."""
    for name, layer in binary_layers(model):
        w = layer.weight.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(layer.weight_quantizer(w).sum(), w)
        if not gradient.any():
            raise ValueError(
                f"{name}: its weight quantizer passes no gradient at ±1, so Bop would never flip "
                "a weight: use weight='ste_sign'"
            )


@torch.no_grad()
def clip_latent_weights(model: nn.Module, limit: float = 1.0, centre: bool = False) -> None:
    """Clips the latent weights of binary layers to [-limit, limit], where sign has a gradient.

    Courbariaux et al., "BinaryConnect", 2015 [1511.00363], section 2.4. With `centre`, each
    filter's mean is taken off first, as XNOR-Net does.
    """
    for _, layer in binary_layers(model):
        if centre:
            centre_and_clip(layer.weight, limit)
        else:
            layer.weight.clamp_(-limit, limit)


def _evaluate(closure: Callable[[], float] | None) -> float | None:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()

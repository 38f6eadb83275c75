"""torch: eager, compiled by Inductor, and quantized by torchao's PT2E flow, then compiled."""

from collections.abc import Callable

import torch
from torch import nn

from lowbit.bench.subject import Subject

Built = tuple[Callable[[], object], int]


def eager(subject: Subject) -> Built:
    return timed(subject.model, subject), 0


def compiled(subject: Subject) -> Built:
    return timed(frozen(subject.model, subject), subject), 0


def int8(subject: Subject) -> Built:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    quantizer = X86InductorQuantizer()
    quantizer.set_global(get_default_x86_inductor_quantization_config())
    captured = torch.export.export(subject.model, (subject.images,)).module()
    prepared = prepare_pt2e(captured, quantizer)
    with torch.no_grad():
        for images in subject.calibration:
            prepared(images)
    return timed(frozen(convert_pt2e(prepared), subject), subject), 0


def frozen(model: nn.Module, subject: Subject) -> Callable:
    """Compiled with weights as constants, which folds batch norms and packs weights."""
    import torch._inductor.config as inductor

    torch.set_num_threads(subject.threads)
    with torch.no_grad(), inductor.patch(freezing=True):
        run = torch.compile(model)
        run(subject.images)
    return run


def timed(model: Callable, subject: Subject) -> Callable[[], object]:
    def run() -> object:
        with torch.no_grad():
            return model(subject.images)

    return run

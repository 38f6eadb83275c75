"""A float ONNX model as a torch module: what calibration, the debugger and the exporter begin with.

Each node becomes a submodule of its own name, so that errors and graphs name it. Quantized models
are for `from_onnx`, which keeps their codes.
"""

import math
import re

import torch
from torch import Tensor, nn

from lowbit.interchange.onnx_float_rules import FLOAT, RULES, Operation
from lowbit.interchange.onnx_model import Model, demand, guarded, parse

LARGEST = 2**29  # bytes of one tensor of a sample
UINT8 = 2
KINDS = {FLOAT: torch.float32, UINT8: torch.uint8}


def float_module(data: bytes) -> nn.Module:
    """The model in evaluation mode, (N, ...) to (N, ...). Raises InterchangeError, naming the node,
    for what is not read; every size is known before any tensor is made."""
    model = parse(data)
    made = guarded(OnnxModule, "not a sound ONNX model", model)
    guarded(measure, "not a sound ONNX model", made, model)
    return made.eval()


class OnnxModule(nn.Module):
    """One input and one output."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        demand(len(model.inputs) == 1, f"a model has one input, not {len(model.inputs)}")
        demand(len(model.outputs) == 1, f"a model has one output, not {len(model.outputs)}")
        demand(model.inputs[0].kind in KINDS, "the input is float32 or uint8")
        self.input, self.output = model.inputs[0].name, model.outputs[0]
        self.names: list[str] = []
        known = {self.input}
        for i, step in enumerate(model.steps):
            quantized = "Quantize" in step.kind or step.kind.startswith(("QLinear", "QGemm"))
            demand(not quantized, f"{step}: the model is quantized already; floats are wanted")
            demand(step.kind in RULES and len(step.outputs) >= 1, f"{step}: it is not read")
            for name in filter(None, step.inputs):
                made = name in known or name in model.constants
                demand(made, f"{step}: {name!r:.80} is never made")
            name = re.sub(r"\W+", "_", step.name).strip("_") or step.kind
            self.names.append(name if not hasattr(self, name) else f"{name}_{i}")
            self.add_module(self.names[-1], Operation(step, model.constants))
            known.add(step.outputs[0])
        demand(self.output in known, f"output {self.output!r:.80} is never made")

    def forward(self, x: Tensor) -> Tensor:
        known = {self.input: x}
        for name in self.names:
            operation = getattr(self, name)
            moving = [known[n] for n in operation.step.inputs if n in known]
            known[operation.step.outputs[0]] = operation(*moving)
        return known[self.output]


def measure(module: OnnxModule, model: Model) -> None:
    """Runs sizes alone, on torch's "meta" device, where tensors have no memory."""
    place = model.inputs[0]
    x = torch.empty(2, *place.shape, dtype=KINDS[place.kind], device="meta")
    known = {module.input: x}
    sizes = {p: v.to("meta") for p, v in module.named_buffers()}
    for name in module.names:
        operation = getattr(module, name)
        buffers = {p.rpartition(".")[2]: v for p, v in sizes.items() if p.startswith(f"{name}.")}
        moving = tuple(known[n] for n in operation.step.inputs if n in known)
        try:
            y = torch.func.functional_call(operation, buffers, moving)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{operation.step}: {reason}") from None
        enough = 4 * math.prod(y.shape) <= 2 * LARGEST
        demand(enough, f"{operation.step}: it makes more than {LARGEST} bytes a sample")
        demand(y.ndim > 0 and len(y) == 2, f"{operation.step}: the batch stays in front")
        known[operation.step.outputs[0]] = y

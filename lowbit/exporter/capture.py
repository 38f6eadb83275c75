"""The model as torch.export sees it, with everything that does not depend on the input computed.

The raw graph is kept (no decompositions: conv2d, batch_norm, linear stay whole). A node whose
operands are all parameters is evaluated here, so weights arrive as codes and norms as constants.
"""

import logging
import operator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.errors import ExportError, refuse
from lowbit.quant import Quantizer
from lowbit.quant.snap import snap_op
from lowbit.spec import QuantSpec

SNAP = snap_op._opoverload
ONES_LIKE_ITS_ARGUMENTS = {torch.ops.aten.new_ones.default, torch.ops.aten.new_zeros.default}


@dataclass
class Captured:
    """Operations in order, the values of those that are constant, and the alphabets of codes.

    `names` says which parameter or buffer of the model a constant is, where it is one.
    """

    inputs: list[Node]
    operations: list[Node]
    outputs: list[Node]
    constants: dict[Node, Tensor]
    specs: dict[Node, QuantSpec]
    names: dict[Node, str] = field(default_factory=dict)


def capture(model: nn.Module, example: tuple[Tensor, ...]) -> Captured:
    """Records `model` on a batch of two made from `example`; the model is not changed.

    Raises ExportError for a model in training mode, with disabled quantizers or parameters that
    are not float32, and for control flow that depends on values.
    """
    check(model)
    model = deepcopy(model).cpu()
    pair = tuple(torch.cat([x[:1], x[:1]]).cpu() for x in example)
    batch = tuple({0: torch.export.Dim.AUTO} for _ in pair)
    with silence(), torch.no_grad():
        try:
            program = torch.export.export(
                model, pair, dynamic_shapes=(batch,) if _variadic(model) else batch
            )
        except ExportError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines()
            raise ExportError(
                f"torch.export could not record {type(model).__name__}: "
                f"{reason[0] if reason else type(error).__name__}"
            ) from error
    return fold(program, pair)


def _variadic(model: nn.Module) -> bool:
    """forward(*inputs), as torch.nn.Sequential subclasses may have."""
    import inspect

    parameters = inspect.signature(model.forward).parameters.values()
    return any(p.kind is p.VAR_POSITIONAL for p in parameters)


def check(model: nn.Module) -> None:
    for name, module in model.named_modules():
        where = name or type(model).__name__
        if module.training:
            raise ExportError(f"{where} is in training mode: call model.eval() first")
        if isinstance(module, Quantizer) and not module.enabled:
            raise ExportError(
                f"{where} is switched off, so its layer is still float: finish the schedule, or "
                "call set_enabled(True)"
            )
    for name, tensor in model.named_parameters():
        if tensor.dtype != torch.float32:
            raise ExportError(f"{name} is {tensor.dtype}: export takes float32 models")


@contextmanager
def silence():
    """torch.export prints whole graphs to the log before it raises; our error says the same."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def fold(program: torch.export.ExportedProgram, pair: tuple[Tensor, ...]) -> Captured:
    """Splits the program into what the input changes and what it does not."""
    constants = named_constants(program)
    inputs, operations, outputs, specs = [], [], [], {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            if node not in constants:
                inputs.append(node)
        elif node.op == "output":
            outputs = [n for n in node.args[0] if isinstance(n, Node)]
        elif is_constant(node, constants):
            constants[node] = evaluate(node, constants)
            if node.target is SNAP:
                specs[node] = QuantSpec(*node.args[1:])
        else:
            operations.append(node)
            redirect_mutation(node)
    return Captured(inputs, operations, outputs, constants, specs, state_names(program))


def named_constants(program: torch.export.ExportedProgram) -> dict[Node, Tensor]:
    signature = program.graph_signature
    where = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    lifted = signature.inputs_to_lifted_tensor_constants
    tables = {**program.state_dict, **program.constants}
    placeholders = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
    return {
        placeholders[name]: tables[target].detach().cpu()
        for name, target in {**where, **lifted}.items()
    }


def state_names(program: torch.export.ExportedProgram) -> dict[Node, str]:
    signature = program.graph_signature
    where = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {n: where[n.name] for n in program.graph.nodes if n.name in where}


def is_constant(node: Node, constants: dict[Node, Tensor]) -> bool:
    if node.target in ONES_LIKE_ITS_ARGUMENTS:
        return all(isinstance(side, int) for side in node.args[1])
    return node.op == "call_function" and all(n in constants for n in node.all_input_nodes)


def evaluate(node: Node, constants: dict[Node, Tensor]):
    def value(n: Node):
        return constants[n] if n in constants else torch.empty(0)

    args = torch.fx.map_arg(node.args, value)
    kwargs = torch.fx.map_arg(node.kwargs, value)
    with torch.no_grad():
        return node.target(*args, **kwargs)


def redirect_mutation(node: Node) -> None:
    """After y = relu_(x), whoever reads x reads y: in-place operations become ordinary ones."""
    if node.target is operator.getitem or not str(node.target).split(".")[1].endswith("_"):
        return
    target = node.args[0]
    if not isinstance(target, Node):
        raise refuse(node, "it changes something that is no tensor of the model in place")
    seen = False
    for later in node.graph.nodes:
        if seen:
            later.replace_input_with(target, node)
        seen = seen or later is node

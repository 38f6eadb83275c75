"""Post-training quantization: a trained float model and some data to a verified 8-bit graph."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.fx import Node

from lowbit.exporter.capture import Captured, capture
from lowbit.exporter.simplify import simplify
from lowbit.int8 import rules as _rules  # noqa: F401  registers them
from lowbit.int8.adaround import adaround
from lowbit.int8.calibrate import Batch, again, calibrate
from lowbit.int8.coding import Rounded
from lowbit.int8.correct import correct_biases
from lowbit.int8.equalize import equalize
from lowbit.int8.fold import fold_batch_norms, with_torch_norms
from lowbit.int8.hoist import hoist
from lowbit.int8.lower import Int8Lowering, Settings
from lowbit.int8.methods import METHODS
from lowbit.int8.parameters import activation_parameters, weight_spec
from lowbit.int8.sharing import SOFTMAXES, of_softmaxes
from lowbit.int8.statistics import Statistics
from lowbit.ir import Graph, verify
from lowbit.ir.ops.softmax import SOFTMAX
from lowbit.spec import INT8, Parameters, QuantSpec

FORMS = ("D", "F")
Method = str | Mapping[str, str]


def ptq(
    model: nn.Module,
    batches: Iterable[Batch],
    method: Method = "minmax",
    *,
    per_channel: bool = True,
    symmetric: bool = False,
    weight_bits: int = 8,
    activation_bits: int = 8,
    integer_only: bool = False,
    unsigned_ends: bool = False,
    form: str = "D",
    equalized: bool = False,
    bias_corrected: bool = False,
    adaptive: bool = False,
) -> Graph:
    """The 8-bit graph of `model`, which is in evaluation mode and is not changed.

    `batches` gives inputs, or sequences that begin with them, such as a DataLoader's; all of them
    are run once. `method` finds the ranges, one for all tensors or one each by their names, as
    `lowbit.int8.compare.best_methods` gives them. `form` is the arithmetic: "D", TensorFlow Lite's
    reference, or "F", XNNPACK's and ONNX Runtime's. What has no 8-bit rule stays float, and
    `graph.notes` says so; with `integer_only` inputs and outputs are codes (int8, or uint8 with
    `unsigned_ends`) and such an operation is refused by name.
    `equalized` evens out channels across layers first, for per-tensor weights above all.
    `activation_bits` are 2 to 8; or 16, which are symmetric, with 8-bit weights and sums of 48
    bits: TensorFlow Lite's 16x8, in form D alone; what has no kernel there (softmax, products of
    two tensors) stays float.
    `adaptive` rounds weights by AdaRound, for 4 bits and fewer above all; `bias_corrected` takes
    the mean error of rounded weights out of the biases. Either runs the data again, for which an
    iterator is kept in memory; a DataLoader is not.
    """
    check(method, form, weight_bits, activation_bits)
    if unsigned_ends and not (integer_only and activation_bits == 8):
        raise ValueError("unsigned_ends are uint8 codes in and out: with integer_only, at 8 bits")
    if bias_corrected or adaptive:
        batches = again(batches)
    captured, seen = prepare(model, batches, equalized)
    rounded = adaround(captured, batches, weight_bits, per_channel) if adaptive else {}
    if bias_corrected:
        correct_biases(captured, batches, weight_bits, per_channel, rounded)
    settings = Settings(
        form, weight_bits, per_channel, integer_only, activation_bits, unsigned_ends
    )
    parameters = chosen(captured, seen, method, symmetric, settings.codes)
    return lower(captured, parameters, settings, rounded)


def check(method: Method, form: str, weight_bits: int, activation_bits: int = 8) -> None:
    names = {method} if isinstance(method, str) else {*method.values()}
    for name in names:
        if name not in METHODS:
            raise ValueError(f"no method {name!r}; there are {', '.join(METHODS)}")
    if form not in FORMS:
        raise ValueError(f"the arithmetic is form D or F, not {form!r}")
    weight_spec(weight_bits)
    if activation_bits not in (*range(2, 9), 16):
        raise ValueError(f"activations have 2 to 8 bits, or 16, not {activation_bits}")
    if activation_bits == 16 and names & {"entropy", "mse"}:
        raise ValueError("entropy and mse weigh ranges for 8 bits: 16 take minmax, say")
    if activation_bits == 16 and form != "D":
        raise ValueError("activations of 16 bits are form D's: XNNPACK and ONNX Runtime have none")


def prepare(
    model: nn.Module,
    batches: Iterable[Batch],
    equalized: bool = False,
    *,
    changing: bool = False,
) -> tuple[Captured, dict[Node, Statistics]]:
    """The model with its batch norms folded, and what calibration remembers of it. The weights of a
    model in training are `changing`: nothing is moved that depends on a sign of theirs."""
    iterator = iter(batches)
    first = next(iterator, None)
    captured = captured_from(with_torch_norms(model), first)
    if not changing:
        hoist(captured)
    fold_batch_norms(captured)
    if equalized:
        equalize(captured)
    everything = () if first is None else chain(first, iterator)
    return captured, calibrate(captured, everything)


def chain(first: Batch, rest: Iterable[Batch]) -> Iterable[Batch]:
    yield first
    yield from rest


def captured_from(model: nn.Module, batch: Batch | None) -> Captured:
    """Recorded on the first batch, whose tensors are tried as inputs one by one."""
    from lowbit.int8.errors import CalibrationError

    if batch is None:
        raise CalibrationError("the calibration data is empty: a few dozen examples are enough")
    parts = (batch,) if isinstance(batch, Tensor) else tuple(batch)
    count = inputs_of(model, parts)
    if not count or not all(isinstance(p, Tensor) for p in parts[:count]):
        raise CalibrationError("a batch is a tensor, or a sequence that begins with the inputs")
    if not all(map(len, parts[:count])):
        raise CalibrationError("batch 1 is empty: a few dozen examples are enough")
    return capture(model, parts[:count])


def inputs_of(model: nn.Module, parts: tuple) -> int:
    """How many of a batch's parts the model takes: those of its forward without a default."""
    import inspect

    parameters = inspect.signature(model.forward).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return min(1, len(parts))
    return min(len(parts), sum(p.default is p.empty for p in parameters))


def chosen(
    captured: Captured,
    seen: dict[Node, Statistics],
    method: Method,
    symmetric: bool = False,
    spec: QuantSpec = INT8,
) -> dict[Node, Parameters]:
    """Parameters of every tensor; of tensors that share theirs, the one that `seen` is named after
    says how. Bytes as inputs keep their own values, and shares of a softmax have theirs."""

    def ends(s: Statistics) -> tuple[float, float]:
        name = method if isinstance(method, str) else method.get(s.name, "minmax")
        return METHODS[name](s, spec)

    wide = spec.hi > INT8.hi
    found = {id(s): activation_parameters(*ends(s), spec, symmetric or wide) for s in seen.values()}
    for node in captured.inputs:
        if node.meta["val"].dtype == torch.uint8 and spec.bits >= 8:
            found[id(seen[node])] = Parameters(1.0, 0 if wide else INT8.lo)
    for node in seen if spec == INT8 else ():
        if node.target in SOFTMAXES and of_softmaxes([n for n in seen if seen[n] is seen[node]]):
            found[id(seen[node])] = SOFTMAX.parameters
    return {node: found[id(s)] for node, s in seen.items()}


def lower(
    captured: Captured,
    parameters: dict[Node, Parameters],
    settings: Settings,
    rounded: Rounded | None = None,
) -> Graph:
    graph = simplify(Int8Lowering(captured, parameters, settings, rounded).graph())
    verify(graph)
    return graph

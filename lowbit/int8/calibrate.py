"""Runs the captured float program on data and remembers each tensor's statistics."""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.errors import CalibrationError
from lowbit.int8.sharing import fused, is_float, shares
from lowbit.int8.statistics import Statistics

Batch = Tensor | tuple | list


def interpret(
    captured: Captured,
    inputs: tuple[Tensor, ...],
    see: Callable[[Node, Tensor], None],
    watch: Callable[[Node, tuple], None] = lambda node, args: None,
    alter: Callable[[Node, Tensor], Tensor] = lambda node, x: x,
) -> list[Tensor]:
    """The outputs; `see` is shown every tensor as it is made, `watch` what it is made of, and
    `alter` may put another in its place.

    No tensor outlives its last use.
    """
    last = {source: node for node in captured.operations for source in node.all_input_nodes}
    kept = {*captured.constants, *captured.outputs}
    values: dict[Node, Tensor] = {**captured.constants}
    with torch.no_grad():
        for node, x in zip(captured.inputs, inputs, strict=True):
            values[node] = x
            see(node, x)
        for node in captured.operations:
            args = torch.fx.map_arg(node.args, values.__getitem__)
            kwargs = torch.fx.map_arg(node.kwargs, values.__getitem__)
            watch(node, args)
            values[node] = alter(node, node.target(*args, **kwargs))
            if is_float(node):
                see(node, values[node])
            for source in node.all_input_nodes:
                if last[source] is node and source not in kept:
                    del values[source]
    return [values[n] for n in captured.outputs]


def again(data: Iterable[Batch]) -> Iterable[Batch]:
    """Data that can be run twice: an iterator is kept whole, and what begins anew, as a list or a
    DataLoader does, is not."""
    return list(data) if iter(data) is data else data


def batches_of(data: Iterable[Batch], captured: Captured) -> Iterator[tuple[Tensor, ...]]:
    """The model's inputs in each batch; what follows them, such as labels, is left out."""
    count, number = len(captured.inputs), 0
    for number, batch in enumerate(data, 1):
        parts = (batch,) if isinstance(batch, Tensor) else tuple(batch)[:count]
        check(parts, captured, number)
        yield parts
    if not number:
        raise CalibrationError("the calibration data is empty: a few dozen examples are enough")


def check(parts: tuple, captured: Captured, number: int) -> None:
    if len(parts) != len(captured.inputs) or not all(isinstance(p, Tensor) for p in parts):
        raise CalibrationError(
            f"batch {number}: a tensor, or a sequence that begins with {len(captured.inputs)}"
        )
    for x, node in zip(parts, captured.inputs, strict=True):
        wanted = node.meta["val"]
        if x.shape[1:] != wanted.shape[1:] or x.dtype != wanted.dtype or not len(x):
            raise CalibrationError(
                f"batch {number}: {node.name} is {wanted.dtype} of shape (batch, "
                f"{', '.join(map(str, wanted.shape[1:]))}), not {x.dtype} {tuple(x.shape)}"
            )
        if x.is_floating_point() and not torch.isfinite(x).all():
            raise CalibrationError(f"batch {number}: {node.name} has values that are not finite")


def calibrate(captured: Captured, data: Iterable[Batch]) -> dict[Node, Statistics]:
    """Statistics of every tensor that is quantized; those that share parameters share one."""
    leader, hidden = shares(captured), {*fused(captured).values()}
    seen: dict[Node, Statistics] = {}

    def see(node: Node, x: Tensor) -> None:
        first = leader[node]
        if node not in hidden:
            seen.setdefault(first, Statistics(first.name)).see(x.float())

    for number, batch in enumerate(batches_of(data, captured), 1):
        try:
            interpret(captured, batch, see)
        except RuntimeError as error:  # torch's, of a program that fixes the size of its batches
            reason = str(error).splitlines()[0]
            raise CalibrationError(f"batch {number}: the model cannot run it: {reason}") from None
        for statistics in seen.values():
            statistics.end_batch()
    for node in captured.inputs:
        statistics = seen[leader[node]]
        if statistics.low == statistics.high:
            raise CalibrationError(f"{node.name} is always {statistics.low}: no range to find")
    return {node: seen[first] for node, first in leader.items() if first in seen}

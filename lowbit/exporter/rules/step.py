"""A snap and the chain in front of it, lowered to thresholds on an integer.

Walking back from the snap, elementwise operations may be interleaved with *movers* (max pooling,
reshapes), which carry values about. A mover directly on the root runs on the integers themselves.
One further on may be pulled behind the snap, or in front of the operations before it: a reshape
if these treat all channels alike, max pooling if these never fall, since then f(max x) = max f(x).
"""

import torch
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.capture import SNAP
from lowbit.exporter.chain import Chain, chain_of
from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import SOURCES, Lowering, Value, rule
from lowbit.exporter.rules.pool import max_pool
from lowbit.exporter.rules.shape import reshape
from lowbit.exporter.threshold import Steps, Table, ask
from lowbit.ir import ops
from lowbit.spec import QuantSpec, unsigned

aten = torch.ops.aten
POOLS = dict.fromkeys((aten.max_pool2d.default, aten.max_pool1d.default), max_pool)
SHAPES = dict.fromkeys((aten.flatten.using_ints, aten.view.default, aten.reshape.default), reshape)
MOVERS = POOLS | SHAPES


def walk(lowering: Lowering, snap: Node) -> tuple[Node, list[Node]]:
    """The root and the operations between it and the snap, in order of execution."""
    path: list[Node] = []
    node = snap.args[0]
    while True:
        known = lowering.captured.constants
        mover = node.target in MOVERS
        before = node.args[0] if mover else elementwise.data_argument(node, known)
        if before is None:
            return node, path[::-1]
        path.append(node)
        node = before


def plan(lowering: Lowering, snap: Node) -> tuple[Node, list[Node], list[Node], list[Node]]:
    """(root, movers on the root, elementwise operations, movers on the codes)."""
    root, path = walk(lowering, snap)
    known = lowering.captured.constants
    while True:
        before = leading_movers(path)
        rest = path[len(before) :]
        after: list[Node] = []
        kept: list[Node] = []
        for i, node in enumerate(rest):
            if node.target not in MOVERS:
                kept.append(node)
            elif commutes(node, [n for n in rest[i + 1 :] if n.target not in MOVERS], known):
                after.append(node)
            elif not after and commutes(node, kept, known):
                before.append(node)
            else:  # materialise what comes before this mover as floats, and start again from it
                root, path = node, rest[i + 1 :]
                break
        else:
            return root, before, kept, after


def leading_movers(path: list[Node]) -> list[Node]:
    count = next((i for i, n in enumerate(path) if n.target not in MOVERS), len(path))
    return path[:count]


def commutes(mover: Node, following: list[Node], known) -> bool:
    if mover.target in POOLS:
        return all((elementwise.direction(n, known) > 0).all() for n in following)
    return all(elementwise.channel_axis(n, known)[0] is None for n in following)


def step_sources(lowering: Lowering, snap: Node) -> list[Node]:
    return [plan(lowering, snap)[0]]


SOURCES[SNAP] = step_sources


@rule(SNAP)
def lower_snap(lowering: Lowering, snap: Node) -> Value:
    root, before, kept, after = plan(lowering, snap)
    spec = QuantSpec(*snap.args[1:])
    chain = chain_of((*kept, snap), lowering.captured.constants, spec)
    if chain is None:
        root, before, after = kept[-1], [], []
        chain = chain_of((snap,), lowering.captured.constants, spec)
    value = lowering.value(root)
    for node in before:
        value = MOVERS[node.target](lowering, node, value)
    value = step(lowering, snap, value, chain)
    for node in after:
        value = MOVERS[node.target](lowering, node, value)
    return value


def step(lowering: Lowering, snap: Node, value: Value, chain: Chain) -> Value:
    """Threshold or Lookup on `value`, whose last axis must be the chain's channels."""
    if chain.axis is not None and value.axes[-1] != chain.axis:
        others = [a for a in value.axes if a != chain.axis]
        value = lowering.arrange(value, (*others, chain.axis), snap)
    answer = ask(chain, value.type.spec)
    if isinstance(answer, Steps):
        return threshold(lowering, snap, value, chain.spec, answer)
    if isinstance(answer, Table):
        table = lowering.constant(answer.codes, chain.spec, f"{snap.name}.table")
        return lowering.emit(ops.Lookup(value.type.spec.lo), (value, table), value.axes, snap)
    return after_floats(lowering, snap, chain)


def threshold(lowering: Lowering, snap: Node, value: Value, spec: QuantSpec, steps: Steps) -> Value:
    t = steps.thresholds
    kind = None if value.type.spec is None else QuantSpec(int(t.min()), int(t.max()))
    operands = (
        value,
        lowering.constant(t, kind, f"{snap.name}.thresholds"),
        lowering.constant(steps.falling, unsigned(1), f"{snap.name}.falling"),
    )
    op = ops.Threshold(spec.lo, spec.hi, spec.step)
    return lowering.emit(op, operands, value.axes, snap)


def after_floats(lowering: Lowering, snap: Node, chain: Chain) -> Value:
    """The order of some operation is not known and its range too large to try every value: run
    the chain in float32, and threshold its result."""
    if len(chain.nodes) == 1:
        raise refuse(snap, "its thresholds cannot be found")
    value = lowering.value(chain.nodes[-2])
    lowering.note(snap, "runs in float32 before its thresholds: the chain may not be monotone")
    alone = chain_of((snap,), lowering.captured.constants, chain.spec)
    assert alone is not None
    return step(lowering, snap, value, alone)

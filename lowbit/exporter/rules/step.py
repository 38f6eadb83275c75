"""A snap and the chain in front of it, lowered to thresholds on an integer.

Walking back from the snap, elementwise operations may be interleaved with *movers* (max pooling,
reshapes), which carry values about. A mover directly on the root runs on the integers themselves.
One further on may be pulled behind the snap, or in front of the operations before it: a reshape
if these treat all channels alike, max pooling if these never fall, since then f(max x) = max f(x).
Where both may be, codes of few bits are moved rather than the accumulators: they are packed, and
their thresholds are fused into the product. What is pooled for others anyway, such as a shortcut,
is the root: it has fewer values.
"""

from dataclasses import dataclass, replace

import torch
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.capture import SNAP
from lowbit.exporter.chain import Chain, chain_of
from lowbit.exporter.elementwise import UP, Slope
from lowbit.exporter.errors import refuse
from lowbit.exporter.lower import SOURCES, Lowering, Value, rule
from lowbit.exporter.rules.pool import max_pool
from lowbit.exporter.rules.shape import reshape
from lowbit.exporter.threshold import Steps, ask
from lowbit.ir import ops
from lowbit.spec import QuantSpec, unsigned

aten = torch.ops.aten
POOLS = dict.fromkeys((aten.max_pool2d.default, aten.max_pool1d.default), max_pool)
SHAPES = dict.fromkeys((aten.flatten.using_ints, aten.view.default, aten.reshape.default), reshape)
MOVERS = POOLS | SHAPES
FEW = 2  # bits


@dataclass(frozen=True)
class Plan:
    """What a snap becomes: movers on the root, a chain of operations, movers on its codes."""

    root: Node
    before: list[Node]
    operations: list[Node]
    after: list[Node]
    chain: Chain | None = None


def walk(lowering: Lowering, snap: Node) -> tuple[Node, list[Node]]:
    """The root and the operations between it and the snap, in order of execution."""
    path: list[Node] = []
    node = snap.args[0]
    while True:
        if node.target in POOLS and pooled_anyway(node, path, lowering.captured.constants):
            return node, path[::-1]
        part, source = stretch(node, lowering.captured.constants)
        if source is None:
            return node, path[::-1]
        path += part
        node = source


def stretch(node: Node, known) -> tuple[list[Node], Node | None]:
    """One step back: the operations passed, last first, and the node they come from.

    A node that reads two branches, such as (x >= d) - (x <= -d), is passed with its branches if
    these are elementwise and leave from one node.
    """
    if node.target in MOVERS:
        return [node], node.args[0]
    sources = elementwise.moving_operands(node, known)
    if len(sources) < 2:
        return [node], (sources[0] if sources else None)
    branches = [branch(source, known) for source in sources]
    shared = [n for n in branches[0] if all(n in b for b in branches[1:])]
    if not shared:
        return [], None
    inside = {n for b in branches for n in b[: b.index(shared[0])]}
    order = {n: i for i, n in enumerate(node.graph.nodes)}
    return [node, *sorted(inside, key=order.__getitem__, reverse=True)], shared[0]


def pooled_anyway(pool: Node, path: list[Node], known) -> bool:
    """For others than the snap at the path's end, who need values, of the pool or behind it."""
    users = {user for node in (pool, *path) for user in node.users} - {*path}
    return any(reads(user, known) for user in users)


def reads(user: Node, known) -> bool:
    """Whether it needs the values themselves, and not only the codes that a snap makes of them."""
    asserts = not user.users and user.op != "output"
    if user.target is SNAP or asserts:
        return False
    if user.target not in MOVERS and len(elementwise.moving_operands(user, known)) != 1:
        return True
    return any(reads(u, known) for u in user.users)


def branch(node: Node, known) -> list[Node]:
    """The node and what it comes from through operations with one moving operand."""
    found = [node]
    while len(sources := elementwise.moving_operands(found[-1], known)) == 1:
        found.append(sources[0])
    return found


def plan(lowering: Lowering, snap: Node, behind: Node | None = None) -> Plan:
    """The plan that reaches back furthest; or no further than `behind`, which then is the root."""
    root, path = walk(lowering, snap)
    behind = behind or lowering.ending(path)
    while True:
        if behind is not None:
            root, path, behind = behind, path[path.index(behind) + 1 :], None
        found = arrange(root, path, lowering.captured.constants, spec_of(snap).bits <= FEW)
        if isinstance(found, Node):
            behind = found
        elif (chain := chain_from(lowering, snap, found)) is None:
            behind = found.operations[0]  # constants along several axes: left to floats
        else:
            return replace(found, chain=chain)


def arrange(root: Node, path: list[Node], known, few: bool) -> Plan | Node:
    """Each mover in front of the operations or behind them; or the mover that can go to neither."""
    result = Plan(root, [], [], [])
    for i, node in enumerate(path):
        following = [n for n in path[i + 1 :] if n.target not in MOVERS]
        if node.target not in MOVERS:
            result.operations.append(node)
        elif (result.operations or few) and commutes(node, following, known):
            result.after.append(node)
        elif not result.after and commutes(node, result.operations, known):
            result.before.append(node)
        else:
            return node
    return result


def commutes(mover: Node, operations: list[Node], known) -> bool:
    """May the mover change places with these? Around nothing, always."""
    if mover.target in POOLS:
        slopes = (elementwise.slope(n, lambda v: known.get(v, Slope(UP))) for n in operations)
        return all(bool((s.of > 0).all()) for s in slopes)
    return all(elementwise.channel_axis(n, known) is None for n in operations)


def spec_of(snap: Node) -> QuantSpec:
    return QuantSpec(*snap.args[1:])


def step_sources(lowering: Lowering, snap: Node) -> list[Node]:
    return [plan(lowering, snap).root]


SOURCES[SNAP] = step_sources


@rule(SNAP)
def lower_snap(lowering: Lowering, snap: Node) -> Value:
    behind = None
    while True:
        found = plan(lowering, snap, behind)
        codes = planned(lowering, snap, found)
        if codes is not None:
            return codes
        if not found.operations:
            raise refuse(snap, "its thresholds cannot be found")
        behind = found.operations[0]
        lowering.note(behind, "runs in float32: it may not be monotone before the next quantizer")


def planned(lowering: Lowering, snap: Node, found: Plan) -> Value | None:
    """The planned codes; None if the chain's order is not known and its range too large to try."""
    value = lowering.value(found.root)
    for node in found.before:
        value = MOVERS[node.target](lowering, node, value)
    assert found.chain is not None
    codes = step(lowering, snap, value, replace(found.chain, worth=lowering.worth_of(value)))
    for node in found.after if codes else ():
        codes = MOVERS[node.target](lowering, node, codes)
    return codes


def chain_from(lowering: Lowering, snap: Node, found: Plan) -> Chain | None:
    through = {n: n.args[0] for n in (*found.before, *found.after)}
    nodes = [*found.operations, snap]
    return chain_of(found.root, nodes, lowering.captured.constants, spec_of(snap), through)


def step(lowering: Lowering, snap: Node, value: Value, chain: Chain) -> Value | None:
    """Threshold or Lookup on `value`, whose last axis must be the chain's channels."""
    if chain.axis is not None and value.axes[-1] != chain.axis:
        others = [a for a in value.axes if a != chain.axis]
        value = lowering.arrange(value, (*others, chain.axis), snap)
    answer = ask(chain, value.type.spec)
    if isinstance(answer, Steps):
        return threshold(lowering, snap, value, chain.spec, answer)
    if answer is None:
        return None
    assert value.type.spec is not None
    table = lowering.constant(answer.codes, chain.spec, f"{snap.name}.table")
    return lowering.emit(ops.Lookup(value.type.spec.lo), (value, table), value.axes, snap)


def threshold(lowering: Lowering, snap: Node, value: Value, spec: QuantSpec, found: Steps) -> Value:
    t = found.thresholds
    kind = None if value.type.spec is None else QuantSpec(int(t.min()), int(t.max()))
    operands = (
        value,
        lowering.constant(t, kind, f"{snap.name}.thresholds"),
        lowering.constant(found.falling, unsigned(1), f"{snap.name}.falling"),
    )
    op = ops.Threshold(spec.lo, spec.hi, spec.step)
    return lowering.emit(op, operands, value.axes, snap)

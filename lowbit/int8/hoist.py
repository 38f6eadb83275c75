r"""Max pooling moved behind the batch norm and the clamp that follow it.

    f(max x) = max f(x)   for every f that never decreases,                                    (1)

such as a clamp, or a batch norm whose gammas are not negative. In front of the pooling they become
part of the product before: the norm is folded into its weights, and its codes are chosen for what
the clamp lets through, instead of a table of 256 entries a channel and a wider range.
"""

from torch.fx import Node

from lowbit.exporter.capture import Captured
from lowbit.int8.fold import PRODUCTS, TRANSPOSED, aten
from lowbit.int8.sharing import CLAMPS

MAX_POOLS = {aten.max_pool1d.default, aten.max_pool2d.default}
NORM = aten.batch_norm.default
FOLLOWED = PRODUCTS | TRANSPOSED | {NORM, *CLAMPS}


def hoist(captured: Captured) -> None:
    """Equation (1), as often as it applies, in a captured program of ptq's own."""
    while pool := next((n for n in captured.operations if movable(n, captured)), None):
        swap(pool, next(iter(pool.users)), captured)


def movable(pool: Node, captured: Captured) -> bool:
    if pool.target not in MAX_POOLS or pool in captured.outputs or len(pool.users) != 1:
        return False
    before, after = pool.args[0], next(iter(pool.users))
    alone = before.target in FOLLOWED and len(before.users) == 1
    return alone and after.args[0] is pool and increases(after, captured)


def increases(node: Node, captured: Captured) -> bool:
    if node.target is not NORM:
        return node.target in CLAMPS
    gamma = node.args[1]
    return gamma is None or bool((captured.constants[gamma] >= 0).all())


def swap(pool: Node, after: Node, captured: Captured) -> None:
    """What read `after` reads `pool`, which reads `after`."""
    before = pool.args[0]
    after.replace_all_uses_with(pool)
    pool.prepend(after)
    after.args = (before, *after.args[1:])
    pool.args = (after, *pool.args[1:])
    after.meta["val"] = before.meta["val"]
    captured.outputs = [pool if n is after else n for n in captured.outputs]
    i, j = captured.operations.index(pool), captured.operations.index(after)
    captured.operations.insert(i, captured.operations.pop(j))

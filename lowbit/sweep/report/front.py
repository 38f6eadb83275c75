"""Pareto fronts: what no other network beats in both accuracy and cost."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def front(points: Iterable[T], cost: Callable[[T], float], gain: Callable[[T], float]) -> list[T]:
    """The points, cheapest first, that gain more than every cheaper one."""
    best, found = float("-inf"), []
    for point in sorted(points, key=lambda p: (cost(p), -gain(p))):
        if gain(point) > best:
            best = gain(point)
            found.append(point)
    return found

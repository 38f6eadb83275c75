"""Tables that grow rule by rule, each entered where it is written."""

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Rule = TypeVar("Rule", bound=Callable)


def registrar(table: dict[Key, Rule]) -> Callable[..., Callable[[Rule], Rule]]:
    """The decorator @rule(key, ...) of a table. ValueError where a key has a rule already."""

    def rule(*keys: Key) -> Callable[[Rule], Rule]:
        def register(function: Rule) -> Rule:
            for key in keys:
                if key in table:
                    raise ValueError(f"{key} has a rule: {table[key].__qualname__}")
                table[key] = function
            return function

        return register

    return rule

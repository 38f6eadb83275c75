"""A rule is entered once."""

import pytest

from lowbit.registrar import registrar


def test_a_key_has_one_rule():
    table: dict = {}
    rule = registrar(table)

    @rule("a", "b")
    def first() -> None: ...

    assert table == {"a": first, "b": first}
    with pytest.raises(ValueError, match=r"b has a rule: .*first"):
        rule("b")(print)
    assert table["b"] is first

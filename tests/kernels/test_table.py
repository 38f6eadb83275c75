"""How a row is chosen."""

import pytest

from lowbit.kernels.table import Kernel, check_forced, choose


def nothing(parameters: int, lo: int, hi: int) -> None: ...


TABLE = (
    Kernel("k_fast", nothing, requires=frozenset({"quantum"})),
    Kernel("k_small", nothing, fits=lambda problem: "" if problem == "small" else "is for small"),
    Kernel("k_reference", nothing, reference=True),
)


def test_the_first_row_without_objection_is_chosen():
    assert choose(TABLE, "small", "").name == "k_small"
    assert choose(TABLE, "large", "").name == "k_reference"


def test_objections_say_why():
    assert TABLE[0].objections("small") == ["needs quantum"]
    assert TABLE[1].objections("large") == ["is for small"]


def test_a_name_or_a_word_of_it_forces_a_row():
    assert choose(TABLE, "small", "reference").name == "k_reference"
    assert choose(TABLE, "small", "k_small").name == "k_small"


def test_a_forced_row_that_cannot_run_says_why():
    with pytest.raises(LookupError, match="k_fast: needs quantum"):
        choose(TABLE, "small", "fast")


def test_a_name_that_no_table_has_is_refused():
    with pytest.raises(LookupError, match="no kernel is called 'slow'; there are k_fast"):
        check_forced([TABLE], "slow")

"""Measurements that are kept as they come: rows go on where they stopped, and keep to one form."""

from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def rows(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import results_csv

    return results_csv


def test_rows_are_kept_one_by_one(rows, tmp_path):
    path = tmp_path / "new" / "rows.csv"
    assert rows.read(path) == []
    rows.append(path, {"row": "W4A8, AdaRound", "seed": 0})
    rows.append(path, {"row": "float", "seed": 1})
    assert path.read_text() == 'row,seed\n"W4A8, AdaRound",0\nfloat,1\n'
    assert rows.read(path) == [
        {"row": "W4A8, AdaRound", "seed": "0"},
        {"row": "float", "seed": "1"},
    ]


def test_a_row_of_another_form_is_refused(rows, tmp_path):
    rows.append(tmp_path / "rows.csv", {"row": "a", "seed": 0})
    with pytest.raises(ValueError, match=r"rows.csv has the fields \['row', 'seed'\]"):
        rows.append(tmp_path / "rows.csv", {"row": "b", "bytes": 1})
    assert (tmp_path / "rows.csv").read_text() == "row,seed\na,0\n"

"""The float network that trials begin with: one for all that share it, whole or not there."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from lowbit.sweep.config import key, trained_on
from lowbit.sweep.recipe import Recipe
from lowbit.sweep.start import packed, start_of, unpacked
from lowbit.sweep.store import Store

ARRAYS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(3)}


def test_a_network_comes_back_as_it_was():
    arrays, seconds = unpacked(packed(ARRAYS, 1.5))
    assert seconds == 1.5
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)


def test_the_same_network_is_the_same_bytes():
    assert packed(ARRAYS, 1.5) == packed(dict(reversed(ARRAYS.items())), 1.5)


def test_a_damaged_network_is_known():
    whole = packed(ARRAYS, 1.5)
    for place in range(len(whole)):
        with pytest.raises(ValueError, match=r"not a float network|checksum"):
            unpacked(whole[:place])
    for place in (9, len(whole) - 1):
        spoiled = bytearray(whole)
        spoiled[place] ^= 4
        with pytest.raises(ValueError, match=r"not a float network|checksum"):
            unpacked(bytes(spoiled))


def config(**changes) -> dict:
    how = replace(Recipe(float_epochs=2, lr=0.5), **changes)
    same = dict.fromkeys(("data", "model", "seed", "versions"))
    return {**same, "scheme": None, "recipe": how.to_json()}


@pytest.mark.parametrize(
    "changes",
    [{"epochs": 9}, {"clip": False}, {"recalibrate": 1}, {"lr": 0.1, "float_lr": 0.5}],
    ids=str,
)
def test_what_comes_after_it_shares_it(changes):
    assert start_of(config(**changes)) == start_of(config())


@pytest.mark.parametrize(
    "changes",
    [{"float_epochs": 9}, {"float_lr": 0.1}, {"batch_size": 64}, {"ranks": 2}, {"flip": True}],
    ids=str,
)
def test_what_decides_it_does_not(changes):
    assert start_of(config(**changes)) != start_of(config())


def test_trials_from_scratch_have_none():
    assert start_of(config(float_epochs=0)) is None


def test_it_is_trained_once_and_merged_by_copying(toy, tmp_path):
    toy.swept(tmp_path / "one", toy.configs(9), toy.Settings("inline"))
    (file,) = (tmp_path / "one" / "floats").iterdir()
    assert file.stem == key(start_of(toy.config(1)))
    shutil.copytree(tmp_path / "one" / "floats", tmp_path / "other" / "floats")
    toy.swept(tmp_path / "other", toy.configs(9), toy.Settings("inline"))
    assert not (tmp_path / "other" / "recomputed").exists()


def test_a_damaged_one_is_trained_again(toy, tmp_path):
    toy.swept(tmp_path, toy.configs(2), toy.Settings("inline"))
    (file,) = (tmp_path / "floats").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    toy.swept(tmp_path, toy.configs(4), toy.Settings("inline"))
    assert file.read_bytes() == whole


def test_a_start_that_fails_fails_what_begins_with_it(toy, tmp_path):
    wanted = [{**toy.config(i), "seed": -1} for i in (1, 3, 2)]
    swept = toy.swept(tmp_path, wanted, toy.Settings("inline"))
    errors = sorted(record["error"] for record in swept.failed.values())
    begins = "the float network that it begins with: ArithmeticError: seed -1"
    assert errors == ["ArithmeticError: seed -1", begins, begins]
    assert not Store(tmp_path).finished()


def test_what_another_processor_trained_is_another_network():
    (there,) = trained_on("cuda", [config()])
    assert trained_on("cpu", [config()]) == [config()]
    assert key(there) != key(config())
    first, other = start_of(config()), start_of(there)
    assert first is not None
    assert other is not None
    assert key(first) != key(other)
    assert other["trained_on"] == "cuda"

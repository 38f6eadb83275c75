"""Models by name: what a text stands for, what it makes, and what is said if it makes nothing."""

import pytest

from lowbit.factory import Factory, called, factory, found
from lowbit.zoo.larq_cnn import larq_cnn

MINE = """
from torch import nn

class Nets:
    @staticmethod
    def net(width=3, sides=(1, 2)):
        assert isinstance(sides, tuple)
        return nn.Linear(width, 1)

one = nn.Linear(2, 2)
number = 3

def text():
    return "no network"
"""


@pytest.fixture
def mine(tmp_path, monkeypatch) -> str:
    """A module in the current folder, under a name that no other test has imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{tmp_path.name}.py").write_text(MINE)
    return tmp_path.name


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("larq_cnn", Factory("lowbit.zoo.larq_cnn", "larq_cnn", {})),
        (
            "mobilenet_v1(classes=2)",
            Factory("lowbit.zoo.mobilenet", "mobilenet_v1", {"classes": 2}),
        ),
        ("mine:net", Factory("mine", "net", {})),
        ("a.mine:Nets.net(s=(1, (2,)))", Factory("a.mine", "Nets.net", {"s": [1, [2]]})),
    ],
)
def test_a_name_is_read_and_written(text, meaning):
    assert factory(text) == meaning
    assert factory(str(meaning)) == meaning


def test_the_zoos_are_found():
    assert found(factory("larq_cnn")) is larq_cnn


def test_a_function_of_the_users_own_is_called(mine):
    assert called(factory(f"{mine}:Nets.net")).in_features == 3
    assert called(factory(f"{mine}:Nets.net(width=5, sides=(1, 1))")).in_features == 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone", "has no 'gone'"),
        ("Nets.gone", "has no 'Nets.gone'"),
        ("number", "is int, neither a torch module nor a function that makes one"),
        ("one", "is one network: give a function that makes it anew each time"),
        ("text", "makes a str, not a torch module"),
        ("Nets.net(depth=2)", "unexpected keyword argument 'depth'"),
        ("Nets.net(3)", r"arguments are written \(name=literal, ...\)"),
        ("Nets.net(width=x)", r"arguments are written \(name=literal, ...\)"),
    ],
)
def test_what_makes_no_network_is_refused(mine, name, message):
    with pytest.raises(ValueError, match=message):
        called(factory(f"{mine}:{name}"))


def test_a_module_that_lacks_one_of_its_own_imports_says_which(mine, tmp_path):
    (tmp_path / f"{mine}_needy.py").write_text("import not_installed_anywhere")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        found(factory(f"{mine}_needy:net"))

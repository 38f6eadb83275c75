"""`lowbit zoo`: tables for people, objects for scripts, an exit status for both."""

import json
from dataclasses import replace

import pytest

from lowbit.cli import main


@pytest.fixture
def lowbit_zoo(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["lowbit", "zoo", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return exit.value.code or 0, printed.out, printed.err

    return run


def test_the_list_has_architectures_and_weights(lowbit_zoo, trained):
    status, out, _ = lowbit_zoo("list", "t*")
    assert status == 0
    assert trained.card.name in out
    assert "1612.07119" in out
    _, out, _ = lowbit_zoo("list", "--trained", "--json")
    (entry,) = json.loads(out)["models"]
    assert entry["name"] == trained.card.name
    assert entry["graph"]["sha256"] == trained.card.graph.sha256


def test_an_empty_list_says_so(lowbit_zoo):
    assert lowbit_zoo("list", "nothing*")[:2] == (0, "nothing matches 'nothing*'\n")


def test_one_network_is_shown(lowbit_zoo, trained):
    assert json.loads(lowbit_zoo("show", "resnet18", "--json")[1])["classes"] == 1000
    _, out, _ = lowbit_zoo("show", trained.card.name)
    assert "ten kinds of clothes" in out
    assert "1 x 28 x 28" in out
    assert "59,394" in out
    assert "None" not in out


def test_a_wrong_name_is_one_line(lowbit_zoo):
    status, _, err = lowbit_zoo("show", "resnet19")
    assert status == 1
    assert err.startswith("error: no architecture 'resnet19': did you mean 'resnet18'?")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("name", "words"), [("tfc", "are tfc.w1a1_test"), ("cnv", "are none")])
def test_an_architecture_has_no_weights_of_its_own(lowbit_zoo, trained, name, words):
    status, _, err = lowbit_zoo("eval", name)
    assert status == 1
    assert f"{name!r} is an architecture" in err
    assert words in err


def test_evaluation_finds_the_cards_accuracy(lowbit_zoo, trained):
    status, out, _ = lowbit_zoo("eval", trained.card.name, "--json")
    assert status == 0
    said = json.loads(out)
    assert said["measured"] == said["card"]
    assert said["card"]["accuracy"] == trained.card.accuracy
    assert said["card"]["test_images"] == 1000


def test_fetching_says_where_the_files_are(lowbit_zoo, trained):
    said = json.loads(lowbit_zoo("fetch", trained.card.name, "--json")[1])
    assert said["graph"] == str(trained.bundled / trained.card.graph.name)
    assert said["weights"].endswith(".torch.safetensors")


def test_another_accuracy_than_the_cards_is_status_one(lowbit_zoo, trained):
    trained.write(replace(trained.card, accuracy=0.99))
    status, out, _ = lowbit_zoo("eval", trained.card.name)
    assert status == 1
    assert "its card says 99.00%" in out

"""Networks in a folder of the hub's form, and errors of a hub that is not there; all offline."""

import json
from pathlib import Path

import pytest
import torch

from lowbit.zoo.fetch import Unavailable

huggingface_hub = pytest.importorskip("huggingface_hub")
hub = pytest.importorskip("lowbit.zoo.hub")
SCHEME = {"weight": "ste_sign", "input": "dorefa:2"}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def small() -> "hub.HubModel":
    torch.manual_seed(0)
    return hub.HubModel("tfc", input_shape=[1, 4, 4], classes=3, scheme=SCHEME, exact=True)


def test_what_is_saved_comes_back(tmp_path):
    model = small().eval()
    model.save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("README.md", "config.json", "model.safetensors")
    ]
    again = hub.HubModel.from_pretrained(tmp_path)
    x = torch.rand(2, 1, 4, 4)
    assert torch.equal(again(x), model(x))
    assert not again.training
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architecture"] == "tfc"
    assert config["scheme"] == SCHEME


def test_published_weights_take_their_card_along(trained, tmp_path):
    hub.HubModel.trained(trained.card.name).save_pretrained(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "ten kinds of clothes" in text
    card = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    (result,) = card.data.eval_results
    assert result.metric_value == trained.card.accuracy
    again = hub.HubModel.from_pretrained(tmp_path)
    assert again.card() == trained.card
    with torch.no_grad():
        next(again.model.parameters()).mul_(2)
    assert again.card() is None
    assert "ten kinds of clothes" not in str(again.generate_model_card())


def test_a_push_uploads_the_folder(monkeypatch, tmp_path):
    uploaded = {}

    class Api:
        def __init__(self, token=None) -> None: ...

        def create_repo(self, repo_id, **_):
            return huggingface_hub.RepoUrl(f"https://huggingface.co/{repo_id}")

        def upload_folder(self, *, repo_id, folder_path, **_):
            uploaded[repo_id] = sorted(path.name for path in Path(folder_path).iterdir())
            return "commit"

    monkeypatch.setattr(huggingface_hub.hub_mixin, "HfApi", Api)
    assert small().push_to_hub("someone/tfc") == "commit"
    assert uploaded == {"someone/tfc": ["README.md", "config.json", "model.safetensors"]}


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: hub.HubModel.from_pretrained("someone/none"), "give the path of a folder"),
        (lambda: hub.HubModel.from_pretrained("no such / name"), "give the path of a folder"),
        (lambda: small().push_to_hub("someone/tfc"), "save_pretrained writes a folder"),
    ],
)
def test_no_hub_is_one_line_with_the_way_out(act, words):
    with pytest.raises(Unavailable, match=words) as error:
        act()
    assert "\n" not in str(error.value)


def edit(folder: Path, **changed: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "config.json").unlink(), r"no config\.json in it"),
        (lambda f: (f / "config.json").write_text("{}"), "no network of ours: .*architecture"),
        (lambda f: edit(f, architecture="tfd"), "did you mean 'tfc'"),
        (lambda f: edit(f, scheme={"wait": "sign"}), "no network of ours: .*wait"),
        (
            lambda f: edit(f, classes=4),
            r"not of this model: 15\.weight is \(3, 64\), not \(4, 64\)",
        ),
        (lambda f: edit(f, architecture="lenet5", input_shape=[1, 28, 28]), "not of this model"),
        (lambda f: (f / "model.safetensors").write_bytes(b"damaged"), "damaged"),
        (lambda f: (f / "model.safetensors").unlink(), r"model\.safetensors"),
    ],
)
def test_what_is_no_network_of_ours_is_refused(spoil, words, tmp_path):
    small().save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises((ValueError, OSError), match=words):
        hub.HubModel.from_pretrained(tmp_path)

"""Zoo networks to and from Hugging Face's hub, or a folder of its form: the extra `hub`.

    model = HubModel("birealnet18", classes=10)          or HubModel.trained("vgg_mini.w1a1_fmnist")
    model.save_pretrained("folder")                      config.json, model.safetensors, README.md
    model.push_to_hub("user/name")
    model = HubModel.from_pretrained("user/name")

huggingface_hub's mixin does it, around a network that knows nothing of it. Its subclass for PyTorch
is not used: it leaves out weights that are missing without a word, and reads pickles.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

try:
    from huggingface_hub import (
        EvalResult,
        ModelCard,
        ModelCardData,
        ModelHubMixin,
        constants,
        hf_hub_download,
    )
    from huggingface_hub.errors import HFValidationError, HTTPError
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'the hub needs {missing.name}: pip install "lowbit[hub]"', name=missing.name
    ) from None
from safetensors import SafetensorError
from torch import Tensor, nn

from lowbit import zoo
from lowbit.schemes import Scheme
from lowbit.zoo.architecture import Architecture
from lowbit.zoo.cards import Card, cards
from lowbit.zoo.fetch import Unavailable
from lowbit.zoo.weights import load_weights, save_weights

USE = """A network of lowbit's zoo, made of low-bit layers: binary, ternary or of k bits.

```python
from lowbit.zoo.hub import HubModel

model = HubModel.from_pretrained("this repository or folder")
graph = lowbit.export(model.model, example)  # integers, without torch
```
"""
WEIGHTS = constants.SAFETENSORS_SINGLE_FILE
CONFIG = constants.CONFIG_NAME


class HubModel(ModelHubMixin, nn.Module):
    """`model` is what zoo.create_model makes of the arguments, which are what config.json holds.

    `scheme` is a name or the fields of a lowbit.schemes.Scheme; `published` names the card whose
    weights these were at first. It is said what the card measured while they are.
    """

    def __init__(
        self,
        architecture: str,
        input_shape: list[int] | None = None,
        classes: int | None = None,
        scheme: str | dict[str, str | None] | None = None,
        exact: bool = False,
        published: str = "",
    ) -> None:
        super().__init__()
        self.architecture, self.published = zoo.architecture(architecture), published
        self.model = zoo.create_model(
            self.architecture.name,
            input_shape=tuple(input_shape) if input_shape else None,
            classes=classes,
            scheme=Scheme(**scheme) if isinstance(scheme, dict) else scheme,
            exact=exact,
        )

    @classmethod
    def trained(cls, name: str) -> "HubModel":
        """The published weights `arch.tag`, in evaluation mode."""
        card = zoo.card(name)
        shape = [*card.input]
        made = cls(name.partition(".")[0], shape, card.classes, card.scheme, card.exact, name)
        made.model.load_state_dict(zoo.create_model(name).state_dict())
        return made.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)

    def card(self) -> Card | None:
        """The card of the weights, if they still are those that it measured."""
        known = cards().get(self.published)
        if known is None:
            return None
        own, theirs = self.model.state_dict(), zoo.create_model(known.name).state_dict()
        same = own.keys() == theirs.keys() and all(torch.equal(own[k], theirs[k]) for k in own)
        return known if same else None

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        card = self.card()
        about = self.architecture.name if card is None else card.name
        data = ModelCardData(
            license="apache-2.0",
            library_name="lowbit",
            model_name=about,
            tags=["lowbit", "quantization", self.architecture.bits if card is None else card.bits],
            eval_results=[result(card)] if card else None,
        )
        said = facts(self.architecture, card).items()
        rows = "\n".join(f"- **{key}**: {value}" for key, value in said)
        return ModelCard(f"---\n{data.to_yaml()}\n---\n\n# {about}\n\n{USE}\n{rows}\n")

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """The address of the commit. Raises Unavailable where the hub is not to be had."""
        with in_one_line(repo_id, "save_pretrained writes a folder that can be pushed later"):
            return super().push_to_hub(repo_id, **options)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | Path, **options: Any
    ) -> "HubModel":
        """A folder's or the hub's network, in evaluation mode.

        Raises Unavailable where it is not to be had, and ValueError for what is no such network.
        """
        name = str(pretrained_model_name_or_path)
        with in_one_line(name, "give the path of a folder that save_pretrained wrote"):
            if Path(name).is_dir() and not (Path(name) / CONFIG).exists():
                raise ValueError(f"{name}: no {CONFIG} in it, as save_pretrained writes it")
            return super().from_pretrained(name, **options)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_weights(self.model.state_dict(), save_directory / WEIGHTS)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **settings: Any,
    ) -> "HubModel":
        try:
            made = cls(**settings)
        except TypeError as error:
            raise ValueError(
                f"{model_id}: its {CONFIG} is of no network of ours: {error}"
            ) from None
        path = Path(model_id) / WEIGHTS
        if not path.parent.is_dir():
            path = Path(
                hf_hub_download(
                    model_id,
                    WEIGHTS,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                )
            )
        try:
            load_weights(made.model, path)
        except SafetensorError as error:
            raise ValueError(f"{path}: damaged: {error}") from None
        return made.eval()


@contextmanager
def in_one_line(name: str, way_out: str) -> Iterator[None]:
    """What the hub and the network say, as one line that names the network and the way out."""
    try:
        yield
    except (OSError, HTTPError, HFValidationError) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"{name}: {reason}: {way_out}") from None


def result(card: Card) -> EvalResult:
    text = card.bits_per_byte is not None
    return EvalResult(
        task_type="text-generation" if text else "image-classification",
        dataset_type=card.data,
        dataset_name=card.data,
        metric_type="bits-per-byte" if text else "accuracy",
        metric_value=card.bits_per_byte if text else card.accuracy,
    )


def facts(known: Architecture, card: Card | None) -> dict[str, Any]:
    """What a reader asks first; with a card, all of it but where its files are."""
    said = {"architecture": known.about, "paper": f"https://arxiv.org/abs/{known.paper}"}
    if card is None:
        return said
    left_out = {"name", "paper", "graph", "weights", "recipe"}
    return said | {k: v for k, v in asdict(card).items() if k not in left_out and v != ""}

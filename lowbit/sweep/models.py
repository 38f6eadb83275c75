"""Models by name: one of lowbit's zoo, or the user's `module:factory`, with plain arguments.

    larq_cnn                    lowbit.zoo.larq_cnn:larq_cnn
    larq_cnn(dense=128)         called with arguments, which are literals
    mine:net                    net() of mine.py, in the current folder or installed

A factory that takes `weight` and `input` is given the scheme's quantizers; what any other makes is
a float model, whose layers lowbit.quantize then changes.
"""

import ast
import difflib
import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lowbit.zoo
from lowbit.sweep.schemes import Scheme

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Factory:
    """Where a model comes from: its name as the user writes it, and what that stands for."""

    module: str
    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        home = self.module.removeprefix("lowbit.zoo.")
        place = self.name if home == self.name else f"{self.module}:{self.name}"
        given = ", ".join(f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{place}({given})" if given else place

    def to_json(self) -> dict[str, Any]:
        """With a hash of the source file, since an edited model is another one."""
        return {
            "module": self.module,
            "name": self.name,
            "arguments": self.arguments,
            "source": source_hash(self.module),
        }


def factory(text: str) -> Factory:
    place, _, call = text.partition("(")
    module, colon, name = place.strip().partition(":")
    if not colon:
        module, name = f"lowbit.zoo.{module}", module
    return Factory(module, name, literals(text) if call else {})


def literals(text: str) -> dict[str, Any]:
    """The arguments of `name(a=1, b=(2, 3))`, as JSON has them."""
    try:
        call = ast.parse("f(" + text.partition("(")[2], mode="eval").body
        assert isinstance(call, ast.Call)
        assert not call.args
        given = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}
    except (SyntaxError, ValueError, AssertionError):
        raise ValueError(
            f"{text!r}: a model's arguments are written (name=literal, ...), as in "
            "larq_cnn(dense=128)"
        ) from None
    return {name: plain(value) for name, value in given.items()}


def plain(value: Any) -> Any:
    return [plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def function(model: Factory) -> Callable[..., "nn.Module"]:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(model.module), model.name, None)
    except ModuleNotFoundError as error:
        if not (error.name and f"{model.module}.".startswith(f"{error.name}.")):
            raise
        raise ValueError(missing(model)) from None
    if not callable(found):
        raise ValueError(f"{model.module} has no function {model.name!r}")
    return found


def missing(model: Factory) -> str:
    if model.module.startswith("lowbit.zoo."):
        known = sorted(module.name for module in pkgutil.iter_modules(lowbit.zoo.__path__))
        near = difflib.get_close_matches(model.name, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"no model {model.name!r}: {hint}there is {', '.join(known)}, or give MODULE:FACTORY"
    return f"no module {model.module!r}, neither installed nor in {Path.cwd()}"


def source_hash(module: str) -> str:
    """Of the file that holds the factory; line ends and nothing else are made equal."""
    file = inspect.getsourcefile(importlib.import_module(module))
    text = Path(file).read_text() if file else module
    return hashlib.sha256(text.encode()).hexdigest()


def takes_quantizers(model: Factory) -> bool:
    return {"weight", "input"} <= {*inspect.signature(function(model)).parameters}


def build(model: Factory, scheme: Scheme) -> "nn.Module":
    """The low-bit model, untrained. ValueError if the model and the scheme do not go together."""
    if not takes_quantizers(model):
        return quantized(float_twin(model), scheme)
    if scheme.first or scheme.last:
        raise ValueError(
            f"{model.name} decides itself about its first and its last layer: leave them out of "
            f"{scheme}"
        )
    return called(model, weight=scheme.weight, input=scheme.input)


def float_twin(model: Factory) -> "nn.Module":
    if takes_quantizers(model):
        return called(model, weight=None, input=None)
    return called(model)


def called(model: Factory, **quantizers: str | None) -> "nn.Module":
    from torch import nn

    make = function(model)
    try:
        inspect.signature(make).bind(**model.arguments, **quantizers)
    except TypeError as error:
        raise ValueError(f"{model}: {error}") from None
    made = make(**model.arguments, **quantizers)
    if not isinstance(made, nn.Module):
        raise ValueError(f"{model} makes a {type(made).__name__}, not a torch module")
    return made


def quantized(float_model: "nn.Module", scheme: Scheme) -> "nn.Module":
    import lowbit.schemes as schemes

    if scheme.weight is None and scheme.input is None and not (scheme.first or scheme.last):
        return float_model
    pairs = schemes.Scheme(scheme.weight, scheme.input, scheme.first, scheme.last)
    return schemes.quantize(float_model, pairs)

"""Models by name: one of lowbit's zoo, or the user's `module:factory`, with plain arguments.

vgg_small                   an architecture of the zoo (`lowbit zoo list`)
vgg_small(exact=True)       called with arguments, which are literals
mine:net                    net() of mine.py, in the current folder or installed
"""

import ast
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowbit.zoo.architecture import architectures
from lowbit.zoo.names import nearest

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Factory:
    """Where a model comes from: its name as the user writes it, and what that stands for."""

    module: str
    name: str
    arguments: dict[str, Any]

    @property
    def ours(self) -> bool:
        return self.module.startswith("lowbit.zoo.")

    def __str__(self) -> str:
        place = self.name if self.ours else f"{self.module}:{self.name}"
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
        known = architectures().get(module)
        module, name = (known.module if known else f"lowbit.zoo.{module}"), module
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


def found(model: Factory) -> Any:
    """What the name stands for; modules of the current folder are found, too."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(model.module)
    except ModuleNotFoundError as error:
        if not (error.name and f"{model.module}.".startswith(f"{error.name}.")):
            raise
        raise ValueError(missing(model)) from None
    try:
        return attrgetter(model.name)(module)
    except AttributeError:
        raise ValueError(f"{model.module} has no {model.name!r}") from None


def function(model: Factory) -> "Callable[..., nn.Module]":
    from torch import nn

    make = found(model)
    if isinstance(make, nn.Module):
        raise ValueError(f"{model} is one network: give a function that makes it anew each time")
    if not callable(make):
        kind = type(make).__name__
        raise ValueError(f"{model} is {kind}, neither a torch module nor a function that makes one")
    return make


def missing(model: Factory) -> str:
    if model.ours:
        hint = nearest(model.name, architectures())
        return f"no model {model.name!r}: {hint}`lowbit zoo list` shows all, or give module:factory"
    return f"no module {model.module!r}, neither installed nor in {Path.cwd()}"


def source_hash(module: str) -> str:
    """Of the file that holds the factory; line ends and nothing else are made equal."""
    file = inspect.getsourcefile(importlib.import_module(module))
    text = Path(file).read_text() if file else module
    return hashlib.sha256(text.encode()).hexdigest()


FITTED = ("shape", "classes")


def fitted(model: Factory, shape: list[int], classes: int) -> Factory:
    """With the data's own shape and classes, where the factory wants to know and was not told."""
    try:
        wanted = inspect.signature(function(model)).parameters
    except ValueError:
        return model  # which cannot be built, and the grid's check says why
    known = dict(zip(FITTED, (shape, classes), strict=True))
    said = {name: value for name, value in known.items() if name in wanted}
    return replace(model, arguments={**said, **model.arguments})


def called(model: Factory, **bits: Any) -> "nn.Module":
    from torch import nn

    make = function(model)
    given = {name: tupled(value) for name, value in model.arguments.items()}
    try:
        inspect.signature(make).bind(**given, **bits)
    except TypeError as error:
        raise ValueError(f"{model}: {error}") from None
    found = make(**given, **bits)
    if not isinstance(found, nn.Module):
        raise ValueError(f"{model} makes a {type(found).__name__}, not a torch module")
    return found


def tupled(value: Any) -> Any:
    """JSON has lists only, and shapes are tuples."""
    return tuple(map(tupled, value)) if isinstance(value, list) else value

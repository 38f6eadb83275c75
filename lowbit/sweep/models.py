"""Models by name: one of lowbit's zoo, or the user's `module:factory`, with plain arguments.

    vgg_small                   an architecture of the zoo (`lowbit zoo list`)
    vgg_small(exact=True)       called with arguments, which are literals
    mine:net                    net() of mine.py, in the current folder or installed

The zoo's builders are given the scheme as `bits`, a factory that takes `weight` and `input` is
given these; what any other makes is a float model, whose layers lowbit.quantize then changes.
A model that is trained in float first has its layers changed, or is built again with its weights.
"""

import ast
import difflib
import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lowbit.sweep.schemes import FLOAT, MIXABLE, Scheme
from lowbit.zoo.architecture import architectures

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
        near = difflib.get_close_matches(model.name, architectures(), 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"no model {model.name!r}: {hint}`lowbit zoo list` shows all, or give MODULE:FACTORY"
    return f"no module {model.module!r}, neither installed nor in {Path.cwd()}"


def source_hash(module: str) -> str:
    """Of the file that holds the factory; line ends and nothing else are made equal."""
    file = inspect.getsourcefile(importlib.import_module(module))
    text = Path(file).read_text() if file else module
    return hashlib.sha256(text.encode()).hexdigest()


def fitted(model: Factory, shape: list[int], classes: int) -> Factory:
    """With the data's own shape and classes, where the factory wants to know and was not told."""
    try:
        wanted = inspect.signature(function(model)).parameters
    except ValueError:
        return model  # which cannot be built, and the grid's check says why
    known = {"shape": shape, "classes": classes}
    said = {name: value for name, value in known.items() if name in wanted}
    return replace(model, arguments={**said, **model.arguments})


def build(model: Factory, scheme: Scheme) -> "nn.Module":
    """The low-bit model, untrained. ValueError if the model and the scheme do not go together."""
    if scheme.calibrated:
        return float_twin(model)
    if scheme.mixed:
        return mixed(float_twin(model), scheme)
    wanted = {*inspect.signature(function(model)).parameters}
    for kind, how in KINDS:
        if kind <= wanted:
            return how(model, scheme)
    return quantized(called(model), scheme)


def made(model: Factory, scheme: Scheme, from_float: bool) -> "nn.Module":
    """As a recipe wants it: low-bit from the start, or from the float twin."""
    return lowered(model, float_twin(model), scheme) if from_float else build(model, scheme)


def float_twin(model: Factory) -> "nn.Module":
    return build(model, FLOAT)


def with_bits(model: Factory, scheme: Scheme) -> "nn.Module":
    """The zoo's: what the paper does with the first and the last layer stays, unless the scheme
    says otherwise. With `exact`, what is float outside the body gets 8 bits."""
    from lowbit.zoo.bits import FLOAT as FLOAT_BITS

    arguments = dict(model.arguments)
    exact = arguments.pop("exact", False)
    if scheme == FLOAT:
        return called(replace(model, arguments=arguments), bits=FLOAT_BITS)
    usual = inspect.signature(function(model)).parameters["bits"].default
    edges = {"first": scheme.first or usual.first, "last": scheme.last or usual.last}
    bits = replace(usual, weight=scheme.weight, input=scheme.input, **edges)
    if exact:
        bits = replace(bits.exact(), weight=scheme.weight, input=scheme.input)
    return called(replace(model, arguments=arguments), bits=bits)


def with_quantizers(model: Factory, scheme: Scheme) -> "nn.Module":
    if scheme.first or scheme.last:
        raise ValueError(
            f"{model.name} decides itself about its first and its last layer: leave them out of "
            f"{scheme}"
        )
    return called(model, weight=scheme.weight, input=scheme.input)


KINDS = (({"shape", "classes", "bits"}, with_bits), ({"weight", "input"}, with_quantizers))


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


def quantized(float_model: "nn.Module", scheme: Scheme) -> "nn.Module":
    import lowbit.schemes as schemes

    if scheme == FLOAT or scheme.calibrated:
        return float_model
    pairs = schemes.Scheme(scheme.weight, scheme.input, scheme.first, scheme.last)
    return schemes.quantize(float_model, pairs)


def lowered(model: Factory, twin: "nn.Module", scheme: Scheme) -> "nn.Module":
    """A float twin, trained or not, made low-bit."""
    import lowbit.schemes as schemes

    if scheme.mixed:
        return mixed(twin, scheme)
    if any(type(layer) in schemes.PRODUCTS for layer in twin.modules()):
        return quantized(twin, scheme)
    return with_weights(build(model, scheme), twin)


def mixed(twin: "nn.Module", scheme: Scheme) -> "nn.Module":
    """A float model with a width of its own for every layer."""
    import lowbit.schemes as schemes

    model = schemes.quantize(twin, schemes.Scheme(None, None, None, None))
    layers = products(model)
    if len(layers) != len(scheme.mixed):
        names = ", ".join(layers)
        raise ValueError(f"{scheme}: there are {len(layers)} layers to give widths to ({names})")
    for layer, width in zip(layers.values(), scheme.mixed, strict=True):
        layer.quantize(MIXABLE[width], MIXABLE[width])  # type: ignore[operator]
    return model


def products(model: "nn.Module") -> dict[str, "nn.Module"]:
    """The layers that quantize, by name, in order: torch's or lowbit's."""
    import lowbit.schemes as schemes

    kinds = (*schemes.PRODUCTS, *schemes.PRODUCTS.values())
    return {name: layer for name, layer in model.named_modules() if type(layer) in kinds}


def with_weights(model: "nn.Module", twin: "nn.Module") -> "nn.Module":
    """`model` with the weights and statistics of its float twin, whose activations may make other
    names: layers are matched by their order."""
    ours, theirs = holders(model), holders(twin)
    if [shapes(layer) for layer in ours] != [shapes(layer) for layer in theirs]:
        raise ValueError("its float twin has other layers: float_epochs cannot start it")
    for layer, source in zip(ours, theirs, strict=True):
        layer.load_state_dict(source.state_dict(), strict=False)
    return model


def holders(model: "nn.Module") -> list["nn.Module"]:
    """Modules with parameters or statistics of their own, in order; quantizers are left out."""
    inside = {id(part) for name, part in model.named_modules() if "_quantizer" in name}
    return [m for m in model.modules() if id(m) not in inside and shapes(m)]


def shapes(layer: "nn.Module") -> list[tuple[int, ...]]:
    own = (*layer.parameters(recurse=False), *layer.buffers(recurse=False))
    return [tuple(value.shape) for value in own]

"""The models of a sweep: a factory and a scheme make a network.

The zoo's builders are given the scheme as `bits`, a factory that takes `weight` and `input` is
given these; what any other makes is a float model, whose layers lowbit.quantize then changes.
A model that is trained in float first has its layers changed, or is built again with its weights.
"""

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING

from lowbit.factory import Factory, called, function
from lowbit.sweep.schemes import FLOAT, MIXABLE, Scheme

if TYPE_CHECKING:
    from torch import nn


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

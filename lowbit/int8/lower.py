"""From captured float operations to a graph of 8-bit codes.

An operation that has an 8-bit rule becomes one; every other is lowered by the float rules of the
exporter, between a dequantization and a quantization, unless the graph has to be integers alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch.fx import Node

from lowbit.exporter import elementwise
from lowbit.exporter.capture import SNAP, Captured
from lowbit.exporter.errors import ExportError, module_path, operation
from lowbit.exporter.lower import Lowering, Value
from lowbit.int8.coding import Coded, Rounded, above
from lowbit.int8.parameters import least_scales, weight_codes, weight_scales
from lowbit.int8.sharing import MOVERS, behind_low_bit, fused, is_float
from lowbit.ir import Graph, TensorType, ops
from lowbit.registrar import registrar
from lowbit.spec import Codes, Parameters, QuantSpec, signed, unsigned

REQUANTIZE: dict[str, type] = {"D": ops.RequantizeD, "F": ops.RequantizeF}
QUANTIZE: dict[str, type] = {"D": ops.QuantizeD, "F": ops.QuantizeF}
ADD: dict[str, type] = {"D": ops.AddD, "F": ops.AddF}
SHARES: dict[str, type] = {"D": ops.SoftmaxD, "F": ops.SoftmaxF}


@dataclass(frozen=True)
class Settings:
    """How weights are coded, which arithmetic requantizes, and whether floats may remain."""

    form: str = "D"
    weight_bits: int = 8
    per_channel: bool = True
    integer_only: bool = False
    activation_bits: int = 8
    unsigned_ends: bool = False  # codes in and out are uint8

    @property
    def codes(self) -> QuantSpec:
        """The alphabet of activations."""
        return signed(self.activation_bits)


class Int8Lowering(Lowering):
    """`parameters` are those of every float tensor of the captured program, `rounded` the weights
    that have codes already."""

    def __init__(
        self,
        captured: Captured,
        parameters: dict[Node, Parameters],
        settings: Settings,
        rounded: Rounded | None = None,
    ) -> None:
        super().__init__(captured)
        self.parameters, self.settings = parameters, settings
        self.rounded = rounded or {}
        self.codes: dict[str, Parameters] = {}  # what the codes of a tensor are worth
        self.low_bit = behind_low_bit(captured)
        self.fused = fused(captured)
        self.in_float = False
        self.left: list[Node] = []  # operations that stay float
        for node in captured.inputs:
            self.enter(node)

    def graph(self) -> Graph:
        if self.settings.integer_only:
            self.refuse_floats([n for n in self.captured.operations if not self.known(n)])
        for node in self.captured.outputs:
            self.value(node)
        if self.settings.integer_only:
            self.refuse_floats(self.left)
        self.in_float = not self.settings.integer_only
        self.notes += [f"{name_of(node)} stays float" for node in self.left]
        return super().graph()

    def output(self, node: Node) -> Value:
        """Codes stay codes where `integer_only` asks for them: they have a scale."""
        value = self.natural(self.value(node), node)
        if not self.settings.unsigned_ends or value.name not in self.codes:
            return value
        scale, zero = self.codes[value.name]
        spec, shifted = self.end(Parameters(scale, zero))
        return self.requantize(
            node,
            value,
            input_scale=scale,
            worth=Parameters(scale, shifted),
            bias=-zero,
            clamp=(spec.lo, spec.hi),
        )

    def end(self, worth: Parameters) -> tuple[QuantSpec, int]:
        """The alphabet of codes that come in or go out, and their zero point."""
        if not self.settings.unsigned_ends:
            return self.settings.codes, worth.zero_point
        return unsigned(8), worth.zero_point - self.settings.codes.lo

    def known(self, node: Node) -> bool:
        return node.target in RULES or elementwise.is_identity(node) or not is_float(node)

    def refuse_floats(self, nodes: list[Node]) -> None:
        if nodes:
            names = ", ".join(dict.fromkeys(map(name_of, nodes)))
            raise ExportError(f"integer_only: these operations would stay float: {names}")

    def enter(self, node: Node) -> None:
        """An input of bytes becomes int8; one of floats does so where codes are asked for."""
        type_ = self.inputs[node.name]
        if type_.spec is None and not self.settings.integer_only:
            return
        worth = self.parameters[node]
        if type_.spec is None:
            scale, (spec, zero) = worth.scale, self.end(worth)
        else:
            scale, spec, zero = 1.0, type_.spec, 0
        axes = tuple(range(len(type_.shape)))
        self.inputs[node.name] = self.types[node.name] = TensorType(type_.shape, spec)
        value = Value(node.name, self.types[node.name], axes)
        self.values[node] = self.requantize(node, value, input_scale=scale, worth=worth, bias=-zero)

    # What rules call

    def value(self, node: Node) -> Value:
        found = super().value(node)
        return self.dequantized(found, node) if self.in_float else found

    def needs(self, node: Node) -> list[Node]:
        return super().needs(self.fused.get(node, node))

    def ending(self, path: list[Node]) -> Node | None:
        """The last that makes 8-bit codes: thresholds are on these."""
        makes = [n for n in path if n in self.fused or self.makes_codes(n)]
        return makes[-1] if makes else None

    def makes_codes(self, node: Node) -> bool:
        """Elementwise operations are the chain's, and a sum of two tensors is where it begins."""
        return node.target in RULES and node.target not in elementwise.ELEMENTWISE

    def worth_of(self, value: Value) -> tuple[float, int]:
        return self.codes.get(value.name, Parameters(1.0, 0))

    def lower(self, node: Node) -> Value:
        if node.target is SNAP:
            return super().lower(node)
        anchor = self.fused.get(node, node)
        rule = None if anchor in self.low_bit else RULES.get(anchor.target)
        made = rule(self, anchor, node) if rule else None
        if made is not None:
            return made
        if anchor is not node:
            self.values[anchor] = self.lowered_in_float(anchor)
        return self.lowered_in_float(node)

    def lowered_in_float(self, node: Node) -> Value:
        if elementwise.is_identity(node):
            return super().lower(node)
        if is_float(node) and node.target not in MOVERS:
            self.left.append(node)
        before, self.in_float = self.in_float, True
        try:
            return super().lower(node)
        finally:
            self.in_float = before

    def quantized(self, node: Node) -> Value | None:
        """An operand as 8-bit codes; None for the codes of a low-bit quantizer."""
        value = self.value(node)
        if value.name in self.codes:
            return value
        if value.type.spec is not None:
            return None
        worth = self.parameters[node]
        op = QUANTIZE[self.settings.form](self.coded_as(worth))
        return self.worth(self.emit(op, (value,), value.axes, node, f"{node.name}.codes"), worth)

    def coded(
        self, node: Node, w: np.ndarray, bias: np.ndarray, x: Parameters, out: Parameters
    ) -> Coded:
        """The weights of a layer as codes, and their scales."""
        bits, per_channel = self.settings.weight_bits, self.settings.per_channel
        scales = weight_scales(w, bias, x, out, bits, per_channel)
        plain = Coded(weight_codes(w, scales, bits), scales)
        if node not in self.rounded:
            return plain
        return above(self.rounded[node], least_scales(bias, x), plain)

    def coded_as(self, worth: Parameters, clamp: tuple[int, int] | None = None) -> Codes:
        """The codes of a result, all of them unless an activation lets through fewer."""
        spec = self.settings.codes
        return Codes(*worth, *(clamp or (spec.lo, spec.hi)))

    def worth(self, value: Value, worth: Parameters) -> Value:
        self.codes[value.name] = worth
        return value

    def dequantized(self, value: Value, node: Node) -> Value:
        """scale (q - zero point) in float32."""
        if value.name not in self.codes:
            return value
        scale, zero = self.codes[value.name]
        for op, number, role in ((ops.Sub(), zero, "zero"), (ops.Mul(), scale, "scale")):
            constant = self.constant(np.array(number, np.float32), None, f"{value.name}.{role}")
            value = self.emit(op, (value, constant), value.axes, node, f"{node.name}.real")
        return value

    def requantize(
        self,
        node: Node,
        *sums: Value,
        input_scale: float,
        worth: Parameters,
        scales: np.ndarray | None = None,
        bias: np.ndarray | int = 0,
        clamp: tuple[int, int] | None = None,
    ) -> Value:
        """Accumulators to codes: bias and weight scales are one or one a channel. Two are sums of
        the upper and of the lower bytes of 16-bit codes."""
        bias = np.atleast_1d(bias).astype(np.int64)
        spec = QuantSpec(int(bias.min()), int(bias.max()))
        factors = np.ones(1, np.float32) if scales is None else scales
        form = REQUANTIZE[self.settings.form] if len(sums) == 1 else ops.RequantizeWide
        op = form(input_scale, self.coded_as(worth, clamp))
        operands = (
            *sums,
            self.constant(bias, spec, f"{node.name}.bias"),
            self.constant(factors, None, f"{node.name}.scales"),
        )
        return self.worth(self.emit(op, operands, sums[0].axes, node, f"{node.name}.codes"), worth)

    def arrange(self, value: Value, axes: tuple[int, ...], node: Node) -> Value:
        moved = super().arrange(value, axes, node)
        return self.worth(moved, self.codes[value.name]) if value.name in self.codes else moved


def name_of(node: Node) -> str:
    module = module_path(node)
    return f"{operation(node)} in {module!r}" if module else operation(node)


# rule(lowering, operation, activation that runs in it or the operation itself); None for codes
# that are no 8-bit codes, which are left to the float rules.
Rule = Callable[[Int8Lowering, Node, Node], Value | None]
RULES: dict[object, Rule] = {}
rule = registrar(RULES)

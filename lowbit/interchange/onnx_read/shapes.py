"""What moves values."""

from dataclasses import replace

import numpy as np

from lowbit.interchange.onnx_model import Step, behind_batch, demand
from lowbit.interchange.onnx_read.reader import Reader, rule
from lowbit.interchange.onnx_read.values import Value
from lowbit.ir import ops


def reshaped(reader: Reader, value: Value, shape: tuple[int, ...]) -> Value:
    value, worth = reader.natural(value), value.worth
    axes = tuple(range(len(shape)))
    return replace(
        reader.emit(ops.Reshape(shape), replace(value, worth=None), axes=axes), worth=worth
    )


@rule("Flatten")
def flatten(reader: Reader, step: Step) -> Value:
    demand(step.options.get("axis", 1) == 1, f"{step}: the batch stays in front")
    value = reader.value(step, 0)
    return reshaped(reader, value, (int(np.prod(reader.types[value.name].shape, dtype=object)),))


@rule("Reshape")
def reshape(reader: Reader, step: Step) -> Value:
    value, sides = reader.value(step, 0), [int(v) for v in reader.array(step, 1).reshape(-1)]
    total = int(np.prod(reader.types[value.name].shape, dtype=object))
    return reshaped(reader, value, behind_batch(step, sides, total))


@rule("Transpose")
def transpose(reader: Reader, step: Step) -> Value:
    value = reader.value(step, 0)
    order = step.options.get("perm")
    demand(order is not None and sorted(order) == list(range(len(value.axes) + 1)), f"{step}: perm")
    assert order is not None
    demand(order[0] == 0, f"{step}: the batch stays in front")
    return replace(value, axes=tuple(order.index(a + 1) - 1 for a in value.axes))


@rule("Concat")
def concat(reader: Reader, step: Step) -> Value:
    values = [reader.value(step, i) for i in range(len(step.inputs))]
    demand(bool(values), f"{step}: it has operands")
    first = values[0]
    axis = step.options.get("axis", 0) % (len(first.axes) + 1)
    demand(axis > 0, f"{step}: the batch stays as it is")
    if len({v.worth for v in values}) > 1:
        values = [reader.real(v) for v in values]
    moved = [reader.arranged(v, first.axes) for v in values]
    op = ops.Concat(first.axes.index(axis - 1))
    made = reader.emit(op, *(replace(v, worth=None) for v in moved), axes=first.axes)
    return replace(made, worth=values[0].worth)


@rule("Pad")
def pad(reader: Reader, step: Step) -> Value:
    """Codes with the code of the number; floats with the number 0."""
    value, amounts = reader.value(step, 0), reader.array(step, 1).reshape(-1)
    rank, number = len(value.axes) + 1, reader.number(step, 2, 0.0)
    demand(step.options.get("mode", b"constant") == b"constant", f"{step}: it pads with a number")
    demand(len(amounts) == 2 * rank and len(step.inputs) <= 3, f"{step}: two ends of all sides")
    value = reader.image(value)
    ends = [(int(amounts[a]), int(amounts[a + rank])) for a in (0, *(a + 1 for a in value.axes))]
    demand(ends[0] == ends[-1] == (0, 0), f"{step}: sides are padded, not channels")
    code = number if value.worth is None else number / value.worth.scale + value.worth.zero_point
    spec = reader.types[value.name].spec
    demand(abs(code) < 2**15, f"{step}: the number {number} is far from all codes")
    demand(spec is not None or number == 0, f"{step}: floats are padded with 0")
    op = ops.Pad(tuple(ends[1:-1]), int(np.rint(code)))
    demand(spec is None or op.value in spec, f"{step}: the number {number} has no code")
    return replace(reader.emit(op, replace(value, worth=None), axes=value.axes), worth=value.worth)


@rule("Slice")
def cut(reader: Reader, step: Step) -> Value:
    """Along one axis after the other."""
    value = reader.value(step, 0)
    starts, stops, axes, steps = (
        reader.array(step, place, default).reshape(-1)
        for place, default in enumerate((None, None, np.arange(1, len(value.axes) + 1), 1), 1)
    )
    steps = np.broadcast_to(steps, starts.shape)
    demand(len(starts) == len(stops) == len(axes), f"{step}: a start and a stop an axis")
    for start, stop, axis, stride in zip(
        *map(np.ndarray.tolist, (starts, stops, axes, steps)), strict=True
    ):
        axis %= len(value.axes) + 1
        demand(axis > 0 and stride > 0, f"{step}: it goes forwards, along sides")
        place = value.axes.index(axis - 1)
        side = reader.types[value.name].shape[place]
        first, last = (int(np.clip(e + side if e < 0 else e, 0, side)) for e in (start, stop))
        op = ops.Slice(place, first, last, stride)
        made = reader.emit(op, replace(value, worth=None), axes=value.axes)
        value = replace(made, worth=value.worth)
    return value


@rule("Resize")
def resize(reader: Reader, step: Step) -> Value:
    """To whole multiples, each place taking the one that it came from."""
    value, factors = reader.image(reader.value(step, 0)), reader.array(step, 2).reshape(-1)
    modes = ("mode", "coordinate_transformation_mode", "nearest_mode")
    kinds = tuple(step.options.get(m, b"") for m in modes)
    plain = kinds[0] in (b"", b"nearest") and kinds[1:] == (b"asymmetric", b"floor")
    demand(plain and len(step.inputs) == 3, f"{step}: only whole, nearest neighbours are read")
    whole = len(factors) == len(value.axes) + 1 and bool((factors == np.rint(factors)).all())
    demand(whole and bool((factors >= 1).all()), f"{step}: it grows by whole numbers: {factors}")
    demand(factors[0] == factors[1] == 1, f"{step}: sides grow, not channels")
    shape = reader.types[value.name].shape[:-1]
    sides = tuple(s * int(f) for s, f in zip(shape, factors[2:], strict=True))
    op = ops.ResizeNearest(sides)
    return replace(reader.emit(op, replace(value, worth=None), axes=value.axes), worth=value.worth)

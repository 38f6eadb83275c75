"""One window operation in numbers: what a kernel may object to, and its parameter record."""

from dataclasses import dataclass

import numpy as np

from lowbit.kernels import layout
from lowbit.kernels.layout import Layout
from lowbit.kernels.record import WINDOW
from lowbit.kernels.window import ENDLESS, chunk
from lowbit.spec import QuantSpec


def parts(spec: QuantSpec | None) -> int:
    """The bytes that a weight is the sum of: int_conv/parts.py."""
    if spec is None or (spec.lo >= -128 and spec.hi <= 127):
        return 1
    return -(-spec.magnitude // 127)


@dataclass(frozen=True)
class Problem:
    """x (h, w, channels) to (out_h, out_w, outs). Padding is (top, bottom), (left, right)."""

    channels: int
    outs: int
    sides: tuple[int, int] = (1, ENDLESS)
    out: tuple[int, int] = (1, ENDLESS)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    x_spec: QuantSpec | None = None
    w_spec: QuantSpec | None = None
    layout: Layout = Layout.FLOAT
    pad_value: int = 0  # of rows that read it

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels == self.outs

    def pixel_bytes(self) -> int:
        return layout.pixel_bytes(self.layout, self.channels, self.x_spec)

    def outside(self) -> np.ndarray:
        """What stands for taps outside the image: a row of them, and slack."""
        dtype = layout.DTYPES[self.layout]
        size = self.kernel[1] * self.pixel_bytes() + layout.SLACK
        return np.full(-(-size // dtype.itemsize), self.pad_value, dtype)

    def record(self, **fields: int) -> np.ndarray:
        """The parameter record, with the addresses that are known by now."""
        depth, unit = self.channels // self.groups, layout.DTYPES[self.layout].itemsize
        planes = self.layout is Layout.PLANES
        (top, bottom), (left, right) = self.padding
        filled: dict[str, int] = {
            "x_pixel": self.pixel_bytes(),
            "x_kind": self.layout,
            "h": self.sides[0],
            "w": self.sides[1],
            "out_h": self.out[0],
            "out_w": self.out[1],
            "kh": self.kernel[0],
            "kw": self.kernel[1],
            "stride_h": self.stride[0],
            "stride_w": self.stride[1],
            "dilation_h": self.dilation[0],
            "dilation_w": self.dilation[1],
            "pad_top": top,
            "pad_bottom": bottom,
            "pad_left": left,
            "pad_right": right,
            "groups": self.groups,
            "depth": depth,
            "width": self.outs // self.groups,
            "words": layout.words(depth),
            "planes": self.x_spec.bits if self.x_spec else 0,
            "weight_planes": self.w_spec.bits if self.w_spec else 0,
            "x_group": layout.words(depth) * 8 if planes else depth * unit,
            "parts": parts(self.w_spec),
            "x_lo": self.x_spec.lo if self.x_spec else 0,
            "x_step": self.x_spec.step if self.x_spec else 0,
            "w_lo": self.w_spec.lo if self.w_spec else 0,
            "w_step": self.w_spec.step if self.w_spec else 0,
            "chunk": chunk(self.groups, self.outs // self.groups),
        }
        record = np.zeros(1, WINDOW)
        for name, value in (filled | fields).items():
            record[name] = value
        return record

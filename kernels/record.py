"""The records through which a plan tells compiled code what to do.

A record is a NumPy structured scalar in memory; compiled code reads its fields at its address.
All fields are int64, addresses and byte counts included.
"""

import ctypes
from typing import Any

import numpy as np

from lowbit.kernels.late import types
from lowbit.kernels.simd import intrinsic


def record(*names: str) -> np.dtype:
    return np.dtype([(name, np.int64) for name in names])


def filled(dtype: np.dtype, **fields: int) -> np.ndarray:
    """One record; fields left out are 0."""
    row = np.zeros(1, dtype)
    for name, value in fields.items():
        row[name] = value
    return row


def reader(dtype: np.dtype) -> Any:
    """The intrinsic from an address to the record that lies there."""

    @intrinsic
    def read(typingctx, address):
        from numba import from_dtype

        kind = from_dtype(dtype)

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(kind))

        return kind(types.int64), codegen

    return read


def view(address: int, dtype: Any, *shape: int) -> np.ndarray:
    """Memory as an array, for references and tests. Empty shapes give one record's fields."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(int(address)), dtype).reshape(shape)


def fields(address: int, dtype: np.dtype) -> Any:
    """A record's fields as attributes, Python integers."""
    row = view(address, dtype, 1)[0]
    return type("Fields", (), {name: int(row[name]) for name in dtype.names or ()})


# One window operation: a product or a pool over images, in runs of output pixels.
WINDOW = record(
    "x",  # the input: image after image, pixel after pixel
    "x_pixel",  # its bytes a pixel
    "x_kind",  # a Layout
    "h",
    "w",
    "out_h",
    "out_w",
    "kh",
    "kw",
    "stride_h",
    "stride_w",
    "dilation_h",
    "dilation_w",
    "pad_top",
    "pad_left",
    "groups",
    "depth",  # input channels a group
    "width",  # output channels a group
    "words",  # of 64 channels, a plane
    "planes",  # of the input
    "weight_planes",
    "parts",  # bytes that a weight is the sum of
    "x_group",  # bytes from a group's channels to the next's in a pixel
    "weights",  # packed as the kernel's row says
    "block",  # output channels a block of packed weights
    "bias",  # what the row needs besides: a tap and channel, and a channel for all taps
    "x_lo",
    "x_step",
    "w_lo",
    "w_step",
    "include_pad",
    "pad_bottom",
    "pad_right",
    "work",  # memory for the kernel, and its bytes an image
    "work_image",
    "chunk",  # output channels between two runs of the program
    "program",  # what to do with the sums
    "run_program",  # the program runner's address
    "direct",  # 0, or how tiles leave the registers without a program: see window.py
    "zero",  # a row of taps of zeros, read for those outside the image
    "out",  # where to then
    "out_pixel",
    "limits",  # int64 thresholds, a lane of packed weights each
    "flips",  # which of them fall: a bit a lane
)

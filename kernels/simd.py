"""Vectors of the CPU in Numba code, through LLVM.

LLVM lowers one text to AVX-512, AVX2, SSE2 or NEON; a vector wider than the machine's is split.
Functions that take a `builder` write LLVM instructions and are for the makers of intrinsics; the
intrinsics are for kernels. Memory is named by integer addresses throughout.
"""

import functools
from typing import Any

from llvmlite import ir

from lowbit.kernels.late import (
    FLOAT32,
    INT32,
    INT64,
    UINT8,
    UINT16,
    UINT64,
    Scalar,
    cgutils,
    types,
)

I1, I8, I16, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 16, 32, 64))
F32 = ir.FloatType()


class Vector:
    """<lanes x element>, to LLVM and, as soon as something is compiled, to Numba."""

    def __init__(self, element: ir.Type, lanes: int) -> None:
        self.llvm = ir.VectorType(element, lanes)

    @functools.cached_property
    def type(self) -> Any:
        from lowbit.kernels.vector_type import VectorType

        return VectorType(self.llvm)


class Intrinsic:
    """What compiled code calls and `define` writes, made known to Numba when first typed: of the
    hundreds that importing the kernels defines, a network needs a few."""

    def __init__(self, define: Any) -> None:
        self.define = define

    @functools.cached_property
    def _numba_type_(self) -> Any:
        from lowbit.kernels import compiler

        return compiler.intrinsic_type(self.define)


def intrinsic(define: Any) -> Any:
    return Intrinsic(define)


U64x8, I64x16 = Vector(I64, 8), Vector(I64, 16)
I32x16, F32x16 = Vector(I32, 16), Vector(F32, 16)


# Instructions


def load(builder, address, type_, align=1):
    return builder.load(builder.inttoptr(address, type_.as_pointer()), align=align)


def store(builder, value, address, align=1) -> None:
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=align)


def offset(builder, address, bytes_: int):
    return builder.add(address, I64(bytes_)) if bytes_ else address


def splat(builder, scalar, lanes: int):
    one = ir.VectorType(scalar.type, 1)(ir.Undefined)
    zeros = ir.VectorType(I32, lanes)(None)
    return builder.shuffle_vector(builder.insert_element(one, scalar, I32(0)), one, zeros)


def joined(builder, vectors):
    """A power of two of vectors, one after the other in one."""
    while len(vectors) > 1:
        lanes = 2 * vectors[0].type.count
        every = ir.VectorType(I32, lanes)(list(range(lanes)))
        halves = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [builder.shuffle_vector(a, b, every) for a, b in halves]
    return vectors[0]


def call(builder, name: str, result, *args):
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, [a.type for a in args]), name
    )
    return builder.call(function, args)


def popcounts(builder, vector):
    kind = vector.type
    return call(builder, f"llvm.ctpop.v{kind.count}i{kind.element.width}", kind, vector)


def prefetch(builder, address) -> None:
    """Asks for a cache line, to be read once."""
    pointer = builder.inttoptr(address, I8.as_pointer())
    call(builder, "llvm.prefetch.p0", ir.VoidType(), pointer, I32(0), I32(2), I32(1))


# Intrinsics


def lower(emit):
    """A Numba code generator out of emit(builder, *values)."""
    return lambda context, builder, signature, args: emit(builder, *args)


def pointers(element: Scalar) -> Any:
    """The intrinsic from an address to a pointer, which indexes without bounds or wrap-around."""

    @intrinsic
    def pointer(typingctx, address):
        kind = types.CPointer(element.type)

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(kind))

        return kind(types.int64), codegen

    return pointer


as_f32, as_i32 = pointers(FLOAT32), pointers(INT32)
as_u16, as_u64 = pointers(UINT16), pointers(UINT64)
as_u8, as_i64 = pointers(UINT8), pointers(INT64)


def zeros(vector: Vector, count: int) -> Any:
    """The intrinsic of no operands that makes a tuple of `count` zero vectors."""

    @intrinsic
    def make(typingctx):
        kind = types.UniTuple(vector.type, count)

        def codegen(context, builder, signature, args):
            return context.get_value_type(kind)(None)

        return kind(), codegen

    return make


def stack(size: int) -> Any:
    """The intrinsic of no operands that gives the address of `size` bytes on the stack."""

    @intrinsic
    def allocate(typingctx):
        def codegen(context, builder, signature, args):
            with builder.goto_entry_block():
                # Not cgutils.alloca_once, whose zero fill of an array costs LLVM a minute.
                memory = builder.alloca(ir.ArrayType(I8, size))
            memory.align = 64
            return builder.ptrtoint(memory, I64)

        return types.int64(), codegen

    return allocate


@intrinsic
def popcount(typingctx, word):
    """The number of set bits of a uint64."""
    return types.int64(types.uint64), lower(lambda builder, word: builder.ctpop(word))


@intrinsic
def copy_bytes(typingctx, target, source, count):
    """Copies bytes between places that do not overlap."""

    def codegen(context, builder, signature, args):
        target, source, count = args
        byte = I8.as_pointer()
        target, source = builder.inttoptr(target, byte), builder.inttoptr(source, byte)
        cgutils.raw_memcpy(builder, target, source, count, 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def vector_load(vector: Vector, memory: ir.Type | None = None, widen: str = "") -> Any:
    """The intrinsic that loads a vector, with sext or zext from narrower `memory` elements."""
    kind = ir.VectorType(memory, vector.llvm.count) if memory else vector.llvm

    @intrinsic
    def load_(typingctx, address):
        def emit(builder, address):
            value = load(builder, address, kind)
            return getattr(builder, widen)(value, vector.llvm) if widen else value

        return vector.type(types.int64), lower(emit)

    return load_


def vector_store(vector: Vector, memory: ir.Type | None = None) -> Any:
    """The intrinsic that stores the first n lanes of a vector, truncated to `memory` elements."""
    lanes = vector.llvm.count
    kind = ir.VectorType(memory, lanes) if memory else vector.llvm

    @intrinsic
    def store_(typingctx, address, value, n):
        def codegen(context, builder, signature, args):
            address, value, n = args
            value = builder.trunc(value, kind) if memory else value
            whole = builder.icmp_signed(">=", n, I64(lanes))
            with builder.if_else(whole) as (then, otherwise):
                with then:
                    store(builder, value, address)
                with otherwise:
                    masked_store(builder, value, address, n)
            return context.get_dummy_value()

        return types.void(types.int64, vector.type, types.int64), codegen

    return store_


def masked_store(builder, value, address, n) -> None:
    lanes, bits = value.type.count, value.type.element
    index = ir.VectorType(I32, lanes)(list(range(lanes)))
    mask = builder.icmp_signed("<", index, splat(builder, builder.trunc(n, I32), lanes))
    name = "f32" if bits == F32 else f"i{bits.width}"
    pointer = builder.inttoptr(address, value.type.as_pointer())
    call(
        builder, f"llvm.masked.store.v{lanes}{name}.p0", ir.VoidType(), value, pointer, I32(1), mask
    )


def over(result: Vector | Scalar, *operands: Vector | Scalar) -> Any:
    """Decorates emit(builder, *values): an intrinsic over values of these types."""

    def signature():
        return result.type(*[operand.type for operand in operands])

    def decorate(emit):
        if len(operands) == 1:

            @intrinsic
            def one(typingctx, a):
                return signature(), lower(emit)

            return one

        if len(operands) == 2:

            @intrinsic
            def two(typingctx, a, b):
                return signature(), lower(emit)

            return two

        @intrinsic
        def three(typingctx, a, b, c):
            return signature(), lower(emit)

        return three

    return decorate


def caller(arity: int) -> Any:
    """The intrinsic that calls the compiled function at an address with `arity` integers."""

    @intrinsic
    def invoke(typingctx, address, arguments):
        def codegen(context, builder, signature, args):
            address, arguments = args
            kind = ir.FunctionType(I64, [I64] * arity).as_pointer()
            given = cgutils.unpack_tuple(builder, arguments)
            return builder.call(builder.inttoptr(address, kind), given)

        return types.int64(types.int64, types.UniTuple(types.int64, arity)), codegen

    return invoke

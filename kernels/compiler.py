"""Python to machine code, by a Numba of our own: a target that shares nothing with other users'.

It differs from Numba's in three ways. LLVM optimizes once, and makes machine code once, of the
outermost function into which all that it calls is linked; Numba does both for each of those too.
Only the parts of Numba's library that kernels use are loaded. And what a function raises becomes
a number that it returns, which nobody can overlook, rather than a line on standard error.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from llvmlite import ir
from numba.core import codegen, externals, registry, target_extension, types, typing
from numba.core import cpu as numba_cpu
from numba.core import typed_passes as typed
from numba.core import untyped_passes as untyped
from numba.core.compiler import CompilerBase
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.dispatcher import _FunctionCompiler  # type: ignore[attr-defined]
from numba.core.typing import enumdecl
from numba.core.typing.templates import AbstractTemplate

from lowbit.kernels import cpu
from lowbit.kernels.machine import MachineCode
from lowbit.kernels.simd import I64

OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "_nrt": False,
    "nopython": True,
    "boundscheck": None,  # as NUMBA_BOUNDSCHECK says
}  # nothing may contract or reorder float32
NAME = "lowbit"
NOWHERE = 4096  # the address of code that is never called


class Library(codegen.JITCodeLibrary):
    """Linked, and not loaded into this process. Only the outermost is optimized: what it calls is
    by then a part of it, and optimizing that on its own beforehand, at each level of calls, took a
    seventh of the time and made no kernel faster."""

    outermost = False

    def _optimize_final_module(self) -> None:
        if self.outermost:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return NOWHERE


class Codegen(codegen.JITCPUCodegen):
    _library_class = Library

    def _get_host_cpu_name(self) -> str:
        return cpu.target()[1]

    def _get_host_cpu_features(self) -> str:
        return cpu.target()[2]

    def set_env(self, env_name: str, env: object) -> None: ...


class Typing(typing.Context):
    def load_additional_registries(self) -> None:
        self.install_registry(enumdecl.registry)


class Context(numba_cpu.CPUContext):
    """Numbers, ranges, tuples and records: no strings, no lists, no memory management."""

    @global_compiler_lock
    def init(self) -> None:
        self.is32bit = False
        self._internal_codegen = Codegen("lowbit")
        externals.c_math_functions.install(self)

    def post_lowering(self, module: Any, library: Any) -> None:
        """Nothing is allocated: the runtime that counts references is not linked."""

    def load_additional_registries(self) -> None:
        from numba.cpython import builtins, enumimpl, iterators, numbers, rangeobj, tupleobj  # noqa: F401
        from numba.np import arrayobj  # noqa: F401  (records)


class Target(registry.CPUTarget):
    @cached_property
    def _toplevel_typing_context(self) -> Typing:
        return Typing()

    @cached_property
    def _toplevel_target_context(self) -> Context:
        return Context(self.typing_context, self._target_name)


TARGET = Target(NAME)


class Dispatcher(registry.CPUDispatcher):
    targetdescr = TARGET


class Pipeline(CompilerBase):
    """Of Numba's passes those that kernels need: they have no closures, generators, arrays or
    overloads to inline, and looking for these took a tenth of the time."""

    PASSES = (
        untyped.TranslateByteCode,
        untyped.FixupArgs,
        untyped.IRProcessing,
        untyped.RewriteSemanticConstants,  # conditions that are known, for the next
        untyped.DeadBranchPrune,
        untyped.GenericRewrites,  # constant indices of tuples
        untyped.ReconstructSSA,
        typed.NopythonTypeInference,
        typed.PreLowerStripPhis,
        typed.IRLegalization,
        typed.NativeLowering,
        typed.NoPythonBackend,
    )

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager(NAME)
        for each in self.PASSES:
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


class Processor(target_extension.CPU):
    """Our target among Numba's, so that what its library has in Python is compiled for it too."""


target_extension.target_registry[NAME] = Processor
target_extension.dispatcher_registry[Processor] = Dispatcher
target_extension.jit_registry[Processor] = lambda *_, **options: dispatcher


def intrinsic_type(define: Callable) -> types.Function:
    """The type of what `define` writes. It gets a typing context and the types of the operands,
    and gives a signature and what writes LLVM's instructions. Numba's own @intrinsic would load
    the whole of Numba's library each time that it types one."""

    def generic(template: AbstractTemplate, operands: tuple, named: dict) -> Any:
        assert not named
        signature, write = define(template.context, *operands)
        WRITERS[define, signature.args] = write
        TARGET.target_context.insert_func_defn([(write, write, signature.args)])
        return signature

    def get_impl_key(template: AbstractTemplate, signature: Any) -> Any:
        return WRITERS[define, signature.args]

    members = {"key": define, "generic": generic, "get_impl_key": get_impl_key}
    return types.Function(type("Intrinsic", (AbstractTemplate,), members))


WRITERS: dict[Any, Callable] = {}


def dispatcher(function: Callable, inlined: bool = False) -> Any:
    """What Numba compiles, for other compiled functions to call."""
    options = OPTIONS | {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    options |= {"forceinline": inlined}
    return Dispatcher(function, locals={}, targetoptions=options, pipeline_class=Pipeline)


class Outermost(_FunctionCompiler):
    def _customize_flags(self, flags: Any) -> Any:
        flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        flags.no_compile = True  # a C function is still to be added
        flags.enable_pyobject = False
        return flags


@global_compiler_lock
def compiled_library(function: Callable, arity: int, failed: int) -> tuple[str, Library]:
    outermost = Outermost(function, TARGET, OPTIONS, {}, Pipeline)
    with target_extension.target_override(NAME):
        made = outermost.compile((types.int64,) * arity, None)
    symbol = f"lowbit_{made.fndesc.mangled_name}"
    made.library.add_ir_module(c_function(symbol, made.fndesc, failed))
    made.library.outermost = True
    made.library.finalize()
    return symbol, made.library


def c_function(symbol: str, described: Any, failed: int) -> ir.Module:
    """One of int64 that returns what the compiled one returns, 0 for None, or `failed`."""
    context = TARGET.target_context
    convention, module = context.call_conv, context.create_module(symbol)
    kind = convention.get_function_type(described.restype, described.argtypes)
    callee = ir.Function(module, kind, described.llvm_func_name)
    own = ir.Function(module, ir.FunctionType(I64, [I64] * len(described.argtypes)), symbol)
    builder = ir.IRBuilder(own.append_basic_block())
    status, result = convention.call_function(
        builder, callee, described.restype, described.argtypes, own.args
    )
    value = I64(0) if described.restype == types.none else result
    builder.ret(builder.select(status.is_error, I64(failed), value))
    return module


def object_code(function: Callable, arity: int, failed: int) -> MachineCode:
    """Machine code of a function of `arity` int64, which returns an int64 or None. The C function
    returns `failed` if it raises."""
    symbol, library = compiled_library(function, arity, failed)
    return MachineCode(symbol, library.codegen._tm.emit_object(library._final_module))


def llvm_text(function: Callable, arity: int, failed: int) -> str:
    """The same before LLVM's back end."""
    return str(compiled_library(function, arity, failed)[1]._final_module)

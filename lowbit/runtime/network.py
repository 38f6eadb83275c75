"""A graph ready to run: planned once, run many times."""

from collections.abc import Sequence

import numpy as np

from lowbit.ir import Graph
from lowbit.kernels.barrier import PIECES
from lowbit.kernels.layout import DTYPES
from lowbit.kernels.program import generic
from lowbit.kernels.table import check_forced
from lowbit.runtime import arena
from lowbit.runtime.execute import Executor
from lowbit.runtime.explain import Explanation, explain
from lowbit.runtime.kernels import TABLES
from lowbit.runtime.plan import Plan
from lowbit.runtime.step import Buffer
from lowbit.runtime.workers import Turns


class Network:
    """Runs a graph, bit for bit as `lowbit.ir.evaluate` defines it.

        net = Network(graph, batch=8)
        y = net(x)

    Any number of images may be passed; the memory is planned for `batch` at a time. `kernel`
    names the kernels to prefer, as LOWBIT_KERNEL does. `threads` work on one call; several Python
    threads, and forked children, may call one network. Results do not depend on any of these.
    """

    def __init__(
        self, graph: Graph, batch: int = 1, kernel: str | None = None, threads: int = 1
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch is at least 1, not {batch}")
        if not 1 <= threads <= PIECES:
            raise ValueError(f"threads are 1 to {PIECES}, not {threads}")
        check_forced(TABLES.values(), kernel)
        self.graph, self.batch, self.threads = graph, batch, threads
        self.plan = Plan(graph, kernel)
        steps, inputs = self.plan.steps, list(self.plan.inputs.values())
        arena.lifetimes(steps, inputs, self.plan.outputs)
        buffers = [*inputs, *self.plan.outputs, *(b for s in steps for b in s.buffers())]
        self.bytes = arena.place(list(dict.fromkeys(buffers)), batch)
        self.memory = np.zeros(self.bytes + arena.ALIGN, np.uint8)
        self.start = -self.memory.ctypes.data % arena.ALIGN
        runner = 0
        if not all(s.kernel.reference for s in steps):
            runner = generic.runner().address
        for step in steps:
            step.settle(self.memory.ctypes.data + self.start, runner)
        self.execute, self.turns = Executor(steps, threads), Turns(threads)

    def __reduce__(self) -> tuple:
        """Another process plans anew: DataLoader workers that are spawned can have a network."""
        return Network, (self.graph, self.batch, self.plan.forced, self.threads)

    def __call__(self, *inputs: np.ndarray) -> np.ndarray | tuple[np.ndarray, ...]:
        """One array an input, (images, *shape), to the output, or a tuple if there are several."""
        given = self.check(inputs)
        images = len(given[0])
        types = [self.plan.types[name] for name in self.graph.outputs]
        outputs = tuple(np.empty((images, *t.shape), t.dtype) for t in types)
        with self.turns.lock:
            for first in range(0, images, self.batch):
                count = min(self.batch, images - first)
                self.put([x[first : first + count] for x in given])
                self.execute(count, self.turns.workers)
                for buffer, y in zip(self.plan.outputs, outputs, strict=True):
                    y[first : first + count] = self.array(buffer, count, y.shape[1:])
        return outputs if len(outputs) > 1 else outputs[0]

    def put(self, inputs: Sequence[np.ndarray]) -> None:
        """Copies checked inputs of a batch, or of fewer images, to where the first steps read."""
        for buffer, x in zip(self.plan.inputs.values(), inputs, strict=True):
            self.array(buffer, len(x), x.shape[1:])[:] = x

    def array(self, buffer: Buffer, images: int, shape: tuple[int, ...]) -> np.ndarray:
        assert buffer.layout is not None
        start, dtype = self.start + buffer.offset, DTYPES[buffer.layout]
        part = self.memory[start : start + images * buffer.size].view(dtype)
        return part.reshape(images, *shape)

    def check(self, inputs: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """The inputs as arrays, refused unless they are what the graph says."""
        wanted = self.graph.inputs
        if len(inputs) != len(wanted):
            raise ValueError(f"{len(wanted)} inputs are needed ({', '.join(wanted)})")
        arrays = [np.asarray(x) for x in inputs]
        for (name, type_), x in zip(wanted.items(), arrays, strict=True):
            if x.shape[1:] != type_.shape or x.ndim != len(type_.shape) + 1:
                raise ValueError(f"input {name} is (images, {type_.shape}), not {x.shape}")
            if len(x) != len(arrays[0]):
                raise ValueError(f"inputs have {len(arrays[0])} and {len(x)} images")
            if type_.spec is None:
                if x.dtype != np.float32:
                    raise ValueError(f"input {name} is float32, not {x.dtype}")
                if not np.isfinite(x).all():
                    raise ValueError(f"input {name} has values that are not finite")
                continue
            spec = type_.spec
            if x.dtype.kind not in "iu":
                raise ValueError(f"input {name} is codes in {spec}, not {x.dtype}")
            if x.size and not (spec.lo <= x.min() and x.max() <= spec.hi):
                raise ValueError(f"input {name} leaves {spec}")
            if spec.step > 1 and ((x.astype(np.int64) - spec.lo) % spec.step).any():
                raise ValueError(f"input {name} leaves {spec}")
        return arrays

    def explain(self) -> Explanation:
        """What runs: a step a line, with its kernel and why better ones were passed over."""
        return explain(self.plan, self.bytes)

"""What a network runs, for people and for programs."""

from dataclasses import dataclass

from lowbit.runtime import program
from lowbit.runtime.plan import Plan
from lowbit.runtime.step import Buffer

# What deserves a second look, by a word of the kernel's name.
FLAGS = {"reference": "REFERENCE", "float_conv": "FLOAT", "int_conv_words": "SLOW"}


@dataclass(frozen=True)
class Row:
    nodes: tuple[str, ...]
    kernel: str
    what: str
    shape: str  # of the last node's tensor
    epilogue: str
    bytes: int  # of the tensors that it reads or writes, an image
    passed_over: tuple[str, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    rows: tuple[Row, ...]
    arena: int

    def __str__(self) -> str:
        head = ("kernel", "nodes", "what", "makes", "bytes", "flags", "then")
        lines = [head]
        for r in self.rows:
            cells = (r.kernel, " ".join(r.nodes), r.what, r.shape, str(r.bytes), " ".join(r.flags))
            lines.append((*cells, r.epilogue))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        text = [
            "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        notes = dict.fromkeys(why for r in self.rows for why in r.passed_over)
        return "\n".join(
            [*text, f"arena: {self.arena} bytes", *(f"passed over {n}" for n in notes)]
        )


def explain(plan: Plan, arena: int) -> Explanation:
    rows = []
    for step in plan.steps:
        name = step.kernel.name
        flags = tuple(flag for word, flag in FLAGS.items() if word in name)
        touched: list[Buffer] = list(dict.fromkeys(step.buffers()))
        rows.append(
            Row(
                step.nodes,
                name,
                step.title,
                str(plan.types[step.nodes[-1]]) if step.nodes else "",
                program.names(step.program),
                sum(b.size for b in touched),
                step.passed_over,
                flags,
            )
        )
    return Explanation(tuple(rows), arena)

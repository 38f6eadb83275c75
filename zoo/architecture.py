"""What a family says of its networks: a literal in front of the function that builds one.

    @architecture(paper="1808.00278", input=(3, 224, 224), classes=1000, bits="w1a1")
    def birealnet18(shape: Shape, classes: int, bits: Bits = BIREAL) -> nn.Module: ...

The registry reads it from the source, without importing the family, which would import torch.
"""

import ast
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

F = TypeVar("F", bound=Callable)
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network of a paper: `input` and `classes` are the paper's, `bits` those of its body.

    An input is channels, height and width; or, of a language model, how many words it sees.
    """

    name: str
    module: str
    about: str
    paper: str
    input: tuple[int, ...]
    classes: int
    bits: str


def architecture(
    *, paper: str, input: tuple[int, ...], classes: int, bits: str
) -> Callable[[F], F]:
    """Marks a builder; the arguments are literals."""
    return lambda builder: builder


@functools.cache
def architectures() -> dict[str, Architecture]:
    """Every marked builder of the families in this folder, by name."""
    found = {a.name: a for path in sorted(HERE.glob("*.py")) for a in declared(path)}
    return dict(sorted(found.items()))


def declared(path: Path) -> Iterator[Architecture]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "architecture":
                    said = {k.arg: ast.literal_eval(k.value) for k in mark.keywords if k.arg}
                    about = (ast.get_docstring(node) or ast.get_docstring(tree) or "").split("\n\n")
                    first = " ".join(about[0].split())
                    yield Architecture(node.name, f"lowbit.zoo.{path.stem}", first, **said)

"""Who may import whom: asked of a fresh interpreter, and read from the sources."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TORCH_FREE = (
    "spec",
    "atomic",
    "factory",
    "exponential",
    "ir",
    "pack",
    "runtime",
    "kernels",
    "data",
    "tables",
    "doctor",
    "cli",
)
FOLDERS = {"kernels": ROOT / "kernels", "zoo": ROOT / "zoo"}

# A part of lowbit that is listed imports only these others, and the torch-free ones no other.
MAY_IMPORT = {
    "spec": set(),
    "exponential": set(),
    "atomic": set(),
    "registrar": set(),
    "tables": set(),
    "data": set(),
    "ir": {"spec", "exponential"},
    "kernels": {"spec", "exponential"},
    "pack": {"spec", "ir", "atomic"},
    "runtime": {"spec", "ir", "pack", "kernels", "tables"},
    "doctor": set(),
    "quant": {"spec"},
    "nn": {"spec", "quant", "exponential"},
    "optim": {"spec", "quant", "nn"},
    "schemes": {"spec", "quant", "nn"},
    "exporter": {"spec", "quant", "nn", "ir", "pack", "registrar"},
    "int8": {"spec", "quant", "nn", "ir", "exporter", "tables", "atomic", "registrar"},
    "qat": {"spec", "quant", "nn", "ir", "exporter", "int8", "runtime"},
    "interchange": {"spec", "ir", "registrar"},
    "accounting": {"spec", "exporter", "ir", "pack", "tables"},
    "agreement": {"spec", "exporter", "ir", "pack", "runtime", "tables"},
}


def sources(part: str) -> list[Path]:
    home = FOLDERS.get(part, ROOT / "lowbit" / part)
    return sorted(home.rglob("*.py")) if home.is_dir() else [home.with_suffix(".py")]


def name(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("").parts
    parts = inside if inside[0] == "lowbit" else ("lowbit", *inside)
    return ".".join(parts).removesuffix(".__init__")


def present(part: str) -> bool:
    return all(path.exists() for path in sources(part))


@pytest.mark.parametrize("part", ["", *filter(present, TORCH_FREE)])
def test_the_inference_side_never_imports_torch(part):
    modules = [name(path) for path in sources(part)] if part else ["lowbit"]
    code = f"import {', '.join(modules)}, sys; print({{'torch', 'lightning'}} & {{*sys.modules}})"
    blocked = "import sys; sys.modules.update(torch=None, lightning=None); "
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for program, expected in ((code, "set()\n"), (blocked + code, None)):
        ran = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment
        )
        assert ran.returncode == 0, ran.stderr
        assert expected in (None, ran.stdout)


def imported(body: list[ast.stmt]) -> Iterator[str]:
    """The modules that are imported when a module is, those for type checkers left out."""
    for statement in body:
        match statement:
            case ast.Import():
                yield from (alias.name for alias in statement.names)
            case ast.ImportFrom(module="lowbit"):
                yield from (f"lowbit.{alias.name}" for alias in statement.names)
            case ast.ImportFrom():
                assert statement.level == 0, "imports are absolute"
                yield statement.module
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Try() | ast.If() | ast.With() | ast.ClassDef():
                yield from imported(statement.body)


def parts_imported(path: Path) -> set[str]:
    modules = imported(ast.parse(path.read_text()).body)
    return {m.split(".")[1] for m in modules if m.startswith("lowbit.")}


@pytest.mark.parametrize("part", [*filter(present, MAY_IMPORT)])
def test_imports_follow_the_data(part):
    found = {p: name(path) for path in sources(part) for p in parts_imported(path)}
    assert {p: by for p, by in found.items() if p not in MAY_IMPORT[part] | {part}} == {}

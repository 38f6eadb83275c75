"""Commands run as a user runs them: arguments in, a status and two streams out."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from lowbit.cli import main
from lowbit.ir import Graph, Node, TensorType, ops
from lowbit.spec import BINARY, QuantSpec, unsigned

ROOT = Path(__file__).parents[2]
NO_TORCH = (
    "import sys; sys.modules.update(torch=None, lightning=None); "
    "from lowbit.cli import main; main()"
)


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Ran]


@pytest.fixture
def lowbit(tmp_path, monkeypatch, capsys) -> Run:
    """lowbit("run", "net.safetensors"): its status and streams, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("LOWBIT_OFFLINE", "1")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["lowbit", *arguments])
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main()
        printed = capsys.readouterr()
        return Ran(exit.value.code or 0, printed.out, printed.err)

    return run


@pytest.fixture
def without_torch(tmp_path) -> Run:
    """The same in a fresh process, where torch cannot be imported."""

    def run(*arguments: str) -> Ran:
        ran = subprocess.run(
            [sys.executable, "-c", NO_TORCH, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "LOWBIT_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return run


def constant(values, spec: QuantSpec | None) -> TensorType:
    array = np.array(values)
    type_ = TensorType(array.shape, spec)
    return TensorType(array.shape, spec, array.astype(type_.dtype))


@pytest.fixture
def network(tmp_path) -> Graph:
    """Sums of an image's bytes, ten of them; saved as net.safetensors."""
    signs = np.random.default_rng(0).choice([-1, 1], (10, 784))
    graph = Graph(
        {"image": TensorType((1, 28, 28), unsigned(8))},
        {"signs": constant(signs, BINARY), "scale": constant(0.5, None)},
        (
            Node(ops.Reshape((784,)), ("image",), "flat", "flatten"),
            Node(ops.Linear(), ("flat", "signs"), "sums", "head"),
            Node(ops.Mul(), ("sums", "scale"), "[/logits]", "head"),
        ),
        ("[/logits]",),
        ("a note",),
    )
    graph.save(tmp_path / "net.safetensors")
    return graph

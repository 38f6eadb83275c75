"""The toy sweep, imported and as a program."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).with_name("toy_sweep.py")


@pytest.fixture(scope="session")
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy_sweep", TOY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def start() -> Callable[..., subprocess.Popen]:
    """start(store, trials, executor): the toy sweep in a process group of its own."""

    def begin(*arguments) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, TOY, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            # A background job of a shell has interrupts ignored, and so have its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            stderr=subprocess.PIPE,
            text=True,
        )

    return begin

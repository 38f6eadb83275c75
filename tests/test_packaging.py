"""What is in the tree is in the wheel, and the wheel runs a network where there is no torch."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lowbit.ir import Graph, Node, TensorType, evaluate, ops
from lowbit.spec import BINARY

ROOT = Path(__file__).parents[1]
HOMES = {"lowbit": ROOT / "lowbit", "lowbit.kernels": ROOT / "kernels", "lowbit.zoo": ROOT / "zoo"}
DERIVED = {".git", "build", "dist", "runs", "__pycache__"}
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def files() -> dict[str, Path]:
    """Every file of the package, by its path in the wheel."""
    found = {}
    for package, home in HOMES.items():
        for folder, names, here in os.walk(home):  # which does not follow the two links
            names[:] = [n for n in names if n not in DERIVED]
            inside = Path(package.replace(".", "/")) / Path(folder).relative_to(home)
            found |= {str(inside / name): Path(folder) / name for name in here}
    return {name: path for name, path in found.items() if not path.is_symlink()}


def test_every_package_is_listed():
    folders = {str(Path(name).parent) for name in files() if name.endswith(".py")}
    assert sorted(f.replace("/", ".") for f in folders) == sorted(SETUPTOOLS["packages"])


def test_kernels_stays_a_name_inside_lowbit():
    assert not (ROOT / "kernels" / "__init__.py").exists()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source, out = tmp_path_factory.mktemp("source") / "lowbit", tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(*DERIVED, "*.egg-info", ".*")
    shutil.copytree(ROOT, source, symlinks=True, ignore=skipped)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_file_and_no_other(wheel):
    packed = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    assert packed == set(files())


PROGRAM = """
import json, sys
import numpy as np
import lowbit, lowbit.cli

assert "site-packages" in lowbit.__file__, lowbit.__file__
net = lowbit.load(sys.argv[1])
print(json.dumps(np.asarray(net(np.load(sys.argv[2]))).tolist()))
assert not {"torch", "lightning"} & set(sys.modules)
"""


def tiny() -> Graph:
    w = np.where(np.arange(12).reshape(3, 4) % 3, 1, -1).astype(np.int8)
    constants = {"w": TensorType(w.shape, BINARY, w)}
    nodes = (Node(ops.Linear(), ("x", "w"), "votes"), Node(ops.Relu(), ("votes",), "y"))
    return Graph({"x": TensorType((4,), BINARY)}, constants, nodes, ("y",))


@pytest.mark.slow
def test_a_clean_environment_runs_a_network_without_torch(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    x = np.where(np.arange(20).reshape(5, 4) % 2, 1, -1).astype(np.int8)
    tiny().save(tmp_path / "net.safetensors")
    np.save(tmp_path / "x.npy", x)
    ran = subprocess.run(
        [python, "-I", "-c", PROGRAM, "net.safetensors", "x.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == evaluate(tiny(), x)[0].tolist()
    missing = subprocess.run([python, "-c", "import torch"], capture_output=True)
    assert missing.returncode != 0

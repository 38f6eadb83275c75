"""The same kernels on CPUs with less: LLVM splits the vectors, nothing else may change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AVX2 = "+avx,+avx2,+popcnt,+fma,+bmi,+bmi2,+sse4.2"
TESTS = ["test_products.py", "test_program.py"]


TARGETS = {
    "x86-64": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""},
    "haswell": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": AVX2},
    "alderlake": {"NUMBA_CPU_NAME": "alderlake", "NUMBA_CPU_FEATURES": f"{AVX2},+avxvnni"},
    "bounds checked": {"NUMBA_BOUNDSCHECK": "1"},
}


def able(features: str) -> bool:
    """Whether this processor runs what is compiled for another."""
    import llvmlite.binding

    own = llvmlite.binding.get_host_cpu_features()
    return all(own.get(name[1:], False) for name in features.split(",") if name)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_kernels_on_another_target(target, tmp_path):
    if not able(TARGETS[target].get("NUMBA_CPU_FEATURES", "")):
        pytest.skip("this processor lacks some of that")
    files = [str(Path(__file__).with_name(test)) for test in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, **TARGETS[target], "LOWBIT_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.slow
def test_rows_of_avx512_without_it(tmp_path):
    tools = Path(__file__).parents[1] / "tools"
    files = [str(Path(__file__).with_name(test)) for test in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    path = os.pathsep.join([str(tools), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "LOWBIT_CACHE": str(tmp_path)}
    done = subprocess.run(
        [*command, "-p", "emulated_vnni", *files], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "needs avx512" not in done.stdout

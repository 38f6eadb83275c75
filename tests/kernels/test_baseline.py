"""The same kernels on CPUs with less: LLVM splits the vectors, nothing else may change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

AVX2 = "+avx,+avx2,+popcnt,+fma,+bmi,+bmi2,+sse4.2"
TESTS = ["test_products.py", "test_program.py"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "features"), [("x86-64", ""), ("haswell", AVX2)])
def test_kernels_on_a_lesser_cpu(name, features, tmp_path):
    target = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    files = [str(Path(__file__).with_name(test)) for test in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, **target, "LOWBIT_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]

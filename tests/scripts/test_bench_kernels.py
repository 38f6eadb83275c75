"""The benchmark of kernels: its lines have the stated fields, its verdicts the stated signs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
FIELDS = ["op", "shape", "dtype", "kernel", "threads", "median_ms", "gops", "ceiling_gops", "peer"]


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_verdicts

    return bench_verdicts.verdicts


def row(peer, milliseconds, dtype="w2a8", **more):
    named = {"op": "linear", "shape": "1x4096x4096", "dtype": dtype, "kernel": "k", "threads": 1}
    return (
        named | {"median_ms": milliseconds, "gops": 8.0, "ceiling_gops": 10.0, "peer": peer} | more
    )


def test_one_json_object_a_line():
    command = [sys.executable, str(SCRIPTS / "bench_kernels.py"), "--json", "--alone"]
    command += ["--only", "conv1x1", "--seconds", "0.01"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (found,) = (json.loads(line) for line in done.stdout.splitlines())
    assert list(found) == FIELDS
    assert found["peer"] is None


def test_a_target_is_met_or_missed(verdicts):
    ours = [row(None, 0.2), row("torch-fp32", 4.0), row(None, 0.1, "w1a1")]
    found = {v.target: v for v in verdicts(ours)}
    share = found["3. ternary 1x4096x4096, of torch float32's time"]
    assert share.reached == pytest.approx(0.05)
    assert share.met
    read = found["3. ternary 1x4096x4096, times a read of its bytes"]
    assert read.reached == pytest.approx(1.25)
    assert read.line()[1:] == ["<= 1.4", "1.25", "yes"]
    slow = {v.target: v for v in verdicts([row(None, 2.0), *ours[1:]])}
    assert not slow["3. ternary 1x4096x4096, of torch float32's time"].met


def test_what_was_not_measured_has_no_verdict(verdicts):
    assert verdicts([row(None, 0.2)]) == []


def test_on_amx_no_ceiling_of_vectors_is_a_target(verdicts):
    shapes = ("56x56x64->64", "28x28x128->128", "14x14x256->256", "7x7x512->512")
    rows = []
    for kernel, dtype in (("xnor", "w1a1"), ("int_conv_amx", "w8a8")):
        for i, shape in enumerate(shapes):
            named = {"op": "conv", "shape": f"{shape} k3s1", "kernel": kernel}
            peers = [("torch-fp32", 20.0), ("litert-int8", 0.9 + i)]
            rows += [row(peer, t, dtype, **named) for peer, t in [(None, 1.0), *peers]]
    rows += [row(None, 1.0, "w8a8", shape="256x4096x4096", kernel="int_conv_amx")]
    gemm = {"op": "gemm", "shape": "1024x4096x1024"}
    rows += [row(None, 1.0, "w1a1", **gemm)]
    found = {v.target: v for v in verdicts(rows)}
    assert not [target for target in found if target.startswith("2.") and "ceiling" in target]
    on_three = "1. binary 3x3, times faster than every int8 peer on AMX, on three of four shapes"
    assert found[on_three].reached == pytest.approx(1.9)


@pytest.mark.parametrize(
    ("host", "ours", "off"), [("+", "+", False), ("+", "-", True), ("-", "-", False)]
)
def test_amx_that_is_switched_off_is_seen(host, ours, off, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import bench_peers

    from lowbit.kernels import cpu

    monkeypatch.setattr(cpu, "host_features", lambda: f"{host}amx-int8,+avx2")
    monkeypatch.setattr(cpu, "features", lambda: frozenset({"amx-int8"} if ours == "+" else ()))
    assert bench_peers.amx_is_off() == off

"""warmup: what is compiled, what is told."""

import json

from lowbit.kernels import copy
from lowbit.kernels.program.passes import PASSES
from lowbit.runtime import Network, warm
from lowbit.runtime.kernels import TABLES

KEPT = {"loop", "loop_shared", "program", *(f"program_{each.name}" for each in PASSES)}


def test_a_file_needs_its_own_kernels(without_torch, network):
    ran = without_torch("warmup", "net.safetensors", "--json")  # a process that has none yet
    assert ran.returncode == 0, ran.stderr
    compiled = set(json.loads(ran.stdout)["compiled"])
    assert {step.kernel.name for step in Network(network).plan.steps} <= compiled
    assert "net.safetensors" not in compiled


def test_without_a_file_all_that_this_cpu_can_run(lowbit, monkeypatch):
    monkeypatch.setattr(warm, "TABLES", {"copy": copy.KERNELS})
    ran = lowbit("warmup", "--json")
    report = json.loads(ran.stdout)
    assert set(report["compiled"]) == {"copy_strided", *KEPT}
    assert report["skipped"] == []
    assert f"{1 + len(KEPT)} kernels in" in lowbit("warmup").stdout


def test_every_kernel_of_every_table_is_compiled_or_skipped():
    able, unable = warm.rows()
    names = {k.name for table in TABLES.values() for k in table if not k.reference}
    assert {k.name for k in able} | {k.name for k in unable} == names
    assert {name for name, _ in warm.everything()} == {k.name for k in able} | KEPT

"""The doctor knows which versions are bad, and says so by its status."""

import json

import pytest

from lowbit import doctor


def test_it_runs_without_torch(without_torch):
    ran = without_torch("doctor", "--json")
    report = json.loads(ran.stdout)
    assert ran.returncode == (not report["ok"])
    assert {"python", "numpy", "numba", "processor", "kernel cache"} <= {
        finding["what"] for finding in report["findings"]
    }


@pytest.mark.parametrize(
    ("name", "installed", "status", "remark"),
    [
        ("lightning", "2.6.2", "bad", "malicious"),
        ("lightning", "2.6.3.post1", "bad", "malicious"),
        ("lightning", "2.6.5", "bad", "CVE-2026-58659"),
        ("lightning", "2.5", "bad", "CVE-2026-58659"),
        ("lightning", "2.6.6", "ok", ""),
        ("torch", "2.9.1+cu130", "bad", "CVE-2026-24747"),
        ("torch", "2.10.0", "ok", ""),
        ("torch", "2.13.0+cpu", "ok", ""),
        ("numpy", "2.4.6", "ok", ""),
    ],
)
def test_versions_with_holes(monkeypatch, name, installed, status, remark):
    monkeypatch.setattr(doctor, "version", lambda _name: installed)
    finding = doctor.package(name, needed=False)
    assert finding.status == status
    assert remark in finding.remark


@pytest.mark.parametrize(("needed", "status"), [(True, "bad"), (False, "absent")])
def test_a_package_that_is_not_there(monkeypatch, needed, status):
    def absent(name):
        raise doctor.PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", absent)
    finding = doctor.package("numba", needed)
    assert finding.status == status
    assert "pip install" in finding.remark


def test_a_cache_that_cannot_be_is_said(without_torch, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOWBIT_CACHE", str(tmp_path / "file" / "cache"))
    ran = without_torch("doctor")
    assert ran.returncode == 1
    assert "set LOWBIT_CACHE to a directory of your own" in ran.stdout

"""An error is one line on standard error that says what, where and the way out."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COMMANDS = ("quickstart", "train", "export", "run", "verify", "inspect", "summary", "doctor")


def said(ran) -> str:
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
    return ran.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "train"])
def test_every_command_explains_itself(lowbit, command):
    ran = lowbit(command, "--help")
    assert ran.returncode == 0
    assert f"Usage: lowbit {command}" in ran.stdout


def test_help_runs_on_to_the_edge(lowbit):
    said = lowbit("export", "--help").stdout
    assert "\n net.safetensors net.tflite --to tflite, lowbit export" in said


def test_the_list_of_commands(lowbit):
    ran = lowbit("--help")
    assert all(command in ran.stdout for command in COMMANDS)


def test_the_version(lowbit):
    assert lowbit("--version").stdout.startswith("lowbit 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "some:thing", "weights.pt", "out.safetensors"),
        ("verify", "some:thing", "weights.pt", "net.safetensors", "--subset"),
        ("summary", "some:thing"),
        ("quickstart",),
        ("train", "fit"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_missing_extra_is_named(without_torch, network, arguments):
    assert 'pip install "lowbit[train]"' in said(without_torch(*arguments))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "gone.safetensors"), "gone.safetensors: No such file"),
        (("inspect", "."), "Is a directory"),
        (("inspect", "broken.safetensors"), "broken.safetensors: the file is truncated"),
        (("run", "net.safetensors", "gone.npy"), "gone.npy: No such file"),
        (("run", "net.safetensors", "pickled.npy"), "pickled.npy: not a NumPy file of plain"),
        (("run", "net.safetensors", "small.npy"), "images of shape (3, 3), the network takes"),
        (("run", "net.safetensors", "doubles.npy"), "values are float64, the network takes uint8"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_bad_file_is_named(lowbit, network, tmp_path, arguments, message):
    (tmp_path / "broken.safetensors").write_bytes(b"\x00\x01")
    np.save(tmp_path / "pickled.npy", np.array([{}]), allow_pickle=True)
    np.save(tmp_path / "small.npy", np.zeros((2, 3, 3), np.uint8))
    np.save(tmp_path / "doubles.npy", np.zeros((2, 28, 28)))
    assert message in said(lowbit(*arguments))


def test_an_unknown_kernel_is_named(lowbit, network, monkeypatch):
    monkeypatch.setenv("LOWBIT_KERNEL", "magic")
    assert "no kernel is called 'magic'" in said(lowbit("run", "net.safetensors", "--subset"))


@pytest.mark.parametrize(
    "arguments", [("run", "net.safetensors"), ("inspect",), ("nonsense",), ("inspect", "--what")]
)
def test_a_mistaken_command_line_is_status_2(lowbit, network, arguments):
    assert lowbit(*arguments).returncode == 2


def test_what_is_not_ours_keeps_its_traceback(lowbit, tmp_path):
    (tmp_path / "mine.py").write_text("def model():\n    raise ValueError('mine')\n")
    with pytest.raises(ValueError, match=r"^mine$"):
        lowbit("summary", "mine:model")


def test_a_traceback_can_be_asked_for(lowbit, monkeypatch):
    monkeypatch.setenv("LOWBIT_TRACEBACK", "1")
    with pytest.raises(FileNotFoundError):
        lowbit("inspect", "gone.safetensors")


def test_ctrl_c_is_quiet(tmp_path):
    program = (
        "import sys, time, lowbit.cli.doctor as d, lowbit.cli as c\n"
        "def wait(): print('here', flush=True); time.sleep(60)\n"
        "d.examine = wait; c.main()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, "doctor"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        # A background job of a shell is started with interrupts ignored, and so are its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (130, "")

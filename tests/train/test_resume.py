"""A run that is killed and resumed ends in the same weights, byte for byte."""

import runpy
import signal
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty")
SCRIPT = Path(__file__).with_name("resumable.py")
fit = runpy.run_path(str(SCRIPT))["fit"]


def content(model):
    return {name: t.numpy().tobytes() for name, t in model.state_dict().items()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return content(fit(tmp_path_factory.mktemp("whole")))


def test_killed_in_mid_epoch(tmp_path, uninterrupted, child):
    killed = child(SCRIPT.name, tmp_path, 8)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    last = tmp_path / "step.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 6  # of 15, one into an epoch
    assert content(fit(tmp_path, resume=last)) == uninterrupted


class Stop(Exception):
    """Ends a fit from within, as a kill would."""


@pytest.mark.parametrize("step", [3, 9, 12, 15])
def test_resumed_from_any_checkpoint(tmp_path, uninterrupted, step, monkeypatch):
    def die(pid, number):
        raise Stop

    monkeypatch.setattr("os.kill", die)
    if step < 15:
        with pytest.raises(Stop):
            fit(tmp_path, kill_at=step)
    else:
        fit(tmp_path)
    last = tmp_path / "step.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == step
    assert content(fit(tmp_path, resume=last)) == uninterrupted

"""Clipping, the precision check and the export at the end."""

import types

import pytest
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint

import lowbit
from lowbit import pack
from lowbit.ir import evaluate
from lowbit.train import (
    Classifier,
    ClipLatentWeights,
    ExportAtEnd,
    PrecisionCheck,
    QuantizationSchedule,
)
from lowbit.train.callbacks import export_copy


class Recorder:
    """Stands for lowbit.export: remembers the model, and saves its mode and example shape."""

    def __call__(self, model, example):
        self.model, self.shape = model, tuple(example.shape)
        return types.SimpleNamespace(save=self.save)

    def save(self, path):
        path.write_text(f"{self.model.training} {self.shape}")


@pytest.fixture
def export(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(lowbit, "export", recorder, raising=False)
    return recorder


def test_weights_are_clipped_after_each_step(tiny, pictures, trainer):
    module = Classifier(tiny(), lr=5.0, schedule="constant")
    trainer(max_steps=2, callbacks=[ClipLatentWeights(0.75)]).fit(module, pictures)
    assert module.model[1].weight.abs().max() == 0.75
    assert module.model[2].weight.abs().max() > 0.75  # batch norm is left alone


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_half_precision_weights_are_refused(tiny, pictures, trainer, precision):
    with pytest.raises(ValueError, match=f"precision='{precision}' keeps weights in 16 bits"):
        trainer(precision=precision, max_steps=1).fit(Classifier(tiny()), pictures)
    run = trainer(precision=precision)
    with pytest.raises(ValueError, match="bf16-mixed"):
        PrecisionCheck().setup(run, Classifier(tiny()), "fit")


def test_mixed_precision_keeps_float32_weights(tiny, pictures, trainer):
    module = Classifier(tiny())
    trainer(precision="bf16-mixed", max_steps=2).fit(module, pictures)
    assert module.model[1].weight.dtype == torch.float32


def test_export_writes_a_copy_in_evaluation_mode(tiny, pictures, trainer, export, tmp_path):
    module, path = Classifier(tiny()), tmp_path / "deep" / "net.safetensors"
    trainer(max_steps=1, callbacks=[ExportAtEnd(str(path))]).fit(module, pictures)
    assert path.read_text() == "False (2, 1, 4, 4)"
    assert export.model is not module.model
    assert module.training
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]


def test_an_example_input_array_wins(tiny, pictures, trainer, export, tmp_path):
    module = Classifier(tiny())
    module.example_input_array = torch.zeros(7, 1, 2, 8)
    trainer(max_steps=1, callbacks=[ExportAtEnd(str(tmp_path / "n"))]).fit(module, pictures)
    assert export.shape == (2, 1, 2, 8)


def test_the_exported_network_is_the_trained_one_to_the_bit(tiny, pictures, trainer, tmp_path):
    module, path = Classifier(tiny(), lr=0.01), tmp_path / "net.safetensors"
    trainer(max_epochs=2, callbacks=[ExportAtEnd(str(path))]).fit(module, pictures)
    x, _ = next(iter(pictures))
    with torch.no_grad():
        want = module.eval()(x).numpy()
    (got,) = evaluate(pack.load(path), x.numpy())
    assert got.tobytes() == want.tobytes()


def test_averaged_weights_are_exported_as_the_checkpoint_holds_them(
    tiny, pictures, trainer, tmp_path
):
    module, path = Classifier(tiny("dorefa:2", "dorefa:2")), tmp_path / "net.safetensors"
    callbacks = [
        EMAWeightAveraging(use_buffers=False, decay=0.9),
        QuantizationSchedule(0.2, 0.4, [(0.0, 4), (0.5, 2)]),
        ModelCheckpoint(tmp_path, filename="last"),
        ExportAtEnd(str(path)),
    ]
    trainer(max_epochs=3, enable_checkpointing=True, callbacks=callbacks).fit(module, pictures)
    back = Classifier.load_from_checkpoint(
        tmp_path / "last.ckpt", model=tiny("dorefa:2", "dorefa:2"), weights_only=True
    )
    again = tmp_path / "again.safetensors"
    export_copy(back.model, next(iter(pictures))[0], again)
    assert again.read_bytes() == path.read_bytes()

"""One line a network: the epoch, a bar over the whole fit, the time left, the last accuracy."""

import lightning as L
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class FitBar(L.Callback):
    """A progress bar over all steps of a fit. `console` is where it is drawn."""

    def __init__(self, name: str, console: Console) -> None:
        self.name = name
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
        )
        self.task: TaskID | None = None

    def on_fit_start(self, trainer, pl_module) -> None:
        self.bar.start()
        self.task = self.bar.add_task(
            self.name,
            total=trainer.estimated_stepping_batches,
            completed=trainer.global_step,
            state="",
        )

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        epoch = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        accuracy = trainer.callback_metrics.get("val_acc")
        state = epoch if accuracy is None else f"{epoch}, accuracy {float(accuracy):.1%}"
        assert self.task is not None
        self.bar.update(self.task, completed=trainer.global_step, state=state)

    def on_validation_epoch_end(self, trainer, pl_module) -> None:
        accuracy = trainer.callback_metrics.get("val_acc")
        if self.task is not None and accuracy is not None:
            self.bar.update(self.task, state=f"accuracy {float(accuracy):.1%}", refresh=True)

    def on_fit_end(self, trainer, pl_module) -> None:
        self.bar.stop()

    def on_exception(self, trainer, pl_module, exception) -> None:
        self.bar.stop()

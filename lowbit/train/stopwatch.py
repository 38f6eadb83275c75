"""The seconds that training took, however often it was interrupted."""

import time

import lightning as L


class Stopwatch(L.Callback):
    """`seconds` of fitting, kept in the checkpoints of callbacks that stand behind it: a run that
    is resumed counts what led to its checkpoint, and not what was lost."""

    def __init__(self) -> None:
        self.seconds, self.since = 0.0, 0.0

    def on_train_start(self, trainer, pl_module) -> None:
        self.go_on()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        now = time.perf_counter()
        self.seconds, self.since = self.seconds + now - self.since, now

    def go_on(self) -> None:
        """What has passed since the last batch is not counted."""
        self.since = time.perf_counter()

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.seconds = state["seconds"]

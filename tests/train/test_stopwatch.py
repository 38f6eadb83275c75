"""Seconds of training: pauses and lost batches left out, what led to a checkpoint kept."""

import time

import pytest

from lowbit.train import Stopwatch


@pytest.fixture
def at(monkeypatch):
    """at(seconds): what the clock shows from now on."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, seconds)


def batch_end(watch: Stopwatch) -> None:
    watch.on_train_batch_end(None, None, None, None, 0)


def test_batches_are_counted_and_pauses_are_not(at):
    watch = Stopwatch()
    at(100)
    watch.on_train_start(None, None)
    at(103)
    batch_end(watch)
    at(110)
    watch.go_on()
    at(111)
    batch_end(watch)
    assert watch.seconds == 4


def test_a_resumed_fit_counts_what_led_to_its_checkpoint(at):
    first, second = Stopwatch(), Stopwatch()
    first.on_train_start(None, None)
    at(5)
    batch_end(first)
    kept = first.state_dict()
    at(7)
    batch_end(first)  # lost
    at(1000)
    second.load_state_dict(kept)
    second.on_train_start(None, None)
    at(1001)
    batch_end(second)
    assert second.seconds == 6

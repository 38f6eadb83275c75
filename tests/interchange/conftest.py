"""Foreign runtimes; a test that asks for one that is not installed is skipped, and says so."""

from collections.abc import Callable

import numpy as np
import pytest

from lowbit.interchange import peers as foreign


@pytest.fixture
def peers() -> dict[str, Callable[..., np.ndarray]]:
    """The TensorFlow Lite runtime that computes each form."""
    pytest.importorskip("tflite_micro")
    pytest.importorskip("ai_edge_litert")
    return {"D": foreign.tflite_micro, "F": foreign.litert}


@pytest.fixture
def onnxruntime() -> Callable[..., np.ndarray]:
    pytest.importorskip("onnxruntime")
    return foreign.onnxruntime

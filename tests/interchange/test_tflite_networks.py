"""Whole networks, written as flatbuffers: the foreign runtimes give our logits, bit for bit."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")
from lowbit.interchange import InterchangeError, to_tflite
from lowbit.runtime import Network

spec = importlib.util.spec_from_file_location(
    "int8_models", Path(__file__).parents[1] / "int8" / "conftest.py"
)
models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(models)


@pytest.mark.parametrize("form", ["D", "F"])
@pytest.mark.parametrize("integer_only", [False, True])
def test_a_network_is_the_same_everywhere(peers, form, integer_only):
    from lowbit.int8 import ptq

    model, batches = models.built("plain")
    graph = ptq(model, batches, form=form, integer_only=integer_only)
    x = batches[0].numpy()
    if integer_only:
        x = np.random.default_rng(0).integers(-128, 128, x.shape).astype(np.int8)
    got = peers[form](to_tflite(graph, batch=len(x)), x)
    np.testing.assert_array_equal(got, Network(graph, batch=len(x))(x))


def test_what_the_format_lacks_is_named():
    from lowbit.int8 import ptq

    model, batches = models.built("mobile")
    with pytest.raises(InterchangeError, match=r"Lookup.*no operator"):
        to_tflite(ptq(model, batches))

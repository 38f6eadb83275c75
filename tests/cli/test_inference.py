"""run and inspect."""

import json

import numpy as np

from lowbit.data import load_fashion_mnist_subset
from lowbit.ir import evaluate


def test_run_prints_the_accuracy_of_the_graph(without_torch, network, tmp_path):
    arguments = ("run", "net.safetensors", "--subset", "--save", "out.npy", "--json")
    ran = without_torch(*arguments)
    assert ran.returncode == 0, ran.stderr
    data, report = load_fashion_mnist_subset(), json.loads(ran.stdout)
    (expected,) = evaluate(network, data.test_images[:, None])
    correct = int((expected.argmax(1) == data.test_labels).sum())
    assert report["correct"] == correct
    assert report["accuracy"] == correct / 1000
    assert report["ms_per_image"] > 0
    assert np.load(tmp_path / "out.npy").tobytes() == expected.tobytes()


def test_run_prints_the_classes_of_images(lowbit, network, tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (5, 28, 28), np.uint8)
    np.save(tmp_path / "images.npy", images)
    ran = lowbit("run", "net.safetensors", "images.npy", "--json")
    (expected,) = evaluate(network, images[:, None])
    assert json.loads(ran.stdout)["predictions"] == expected.argmax(1).tolist()
    people = lowbit("run", "net.safetensors", "images.npy", "--threads", "2")
    assert "5 images (images.npy)" in people.stdout


def test_inspect_lists_every_step(without_torch, network):
    ran = without_torch("inspect", "net.safetensors", "--json")
    report = json.loads(ran.stdout)
    assert [step["operation"] for step in report["steps"]] == ["input", "reshape", "linear", "mul"]
    assert [step["constant bytes"] for step in report["steps"]] == [0, 0, 980, 4]
    assert report["notes"] == ["a note"]
    assert report["kernels"] is None


def test_inspect_shows_names_that_look_like_markup(lowbit, network):
    ran = lowbit("inspect", "net.safetensors")
    assert ran.returncode == 0, ran.stderr
    assert "[/logits]" in ran.stdout
    assert "note: a note" in ran.stdout


def test_inspect_says_which_kernels_run(lowbit, network):
    ran = lowbit("inspect", "net.safetensors", "--kernels", "--json")
    assert json.loads(ran.stdout)["kernels"]["rows"]

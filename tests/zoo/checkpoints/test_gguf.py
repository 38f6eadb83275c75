"""GGUF's ternary types: values are those of llama.cpp's own package."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

from lowbit.zoo.checkpoints import gguf as ours
from lowbit.zoo.checkpoints.errors import CheckpointError

gguf = pytest.importorskip("gguf")
TYPES = {n: gguf.GGMLQuantizationType[n] for n in ("TQ1_0", "TQ2_0")}


def written(path: Path, weights: dict[str, tuple[str, np.ndarray]]) -> Path:
    writer = gguf.GGUFWriter(path, "bitnet")
    writer.add_array("tokens", ["a", "bc", "d"])
    writer.add_array("numbers", [1, 2, 3])
    writer.add_float32("eps", 1e-5)
    writer.add_tensor("norm", np.ones(7, np.float32))
    for name, (kind, value) in weights.items():
        packed = gguf.quants.quantize(value, TYPES[kind])
        writer.add_tensor(name, packed, raw_dtype=TYPES[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ternary(seed: int, shape: tuple[int, int], scale: float = 0.375) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, shape).astype(np.float32) * scale


@pytest.mark.parametrize("kind", TYPES)
def test_values_are_those_of_the_gguf_package(kind, tmp_path):
    weights = ternary(0, (5, 512))
    weights[1, 256:] = 0  # a block that is all zeros, whose scale is 0
    path = written(tmp_path / "x.gguf", {"blk.0.q.weight": (kind, weights)})
    (found,) = ours.read(path).values()
    (tensor,) = (t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.q.weight")
    expected = gguf.quants.dequantize(tensor.data, TYPES[kind])
    np.testing.assert_array_equal(found.value.numpy(), expected)
    np.testing.assert_array_equal(found.value.numpy(), weights)


def test_every_byte_decodes_as_the_package_has_it():
    for kind, bytes_ in (("TQ1_0", 52), ("TQ2_0", 64)):
        blocks = np.random.default_rng(1).integers(0, 256, (64, bytes_), np.uint8)
        one = np.broadcast_to(np.float16(1).reshape(1, 1).view(np.uint8), (64, 2))
        quants = gguf.quants._type_traits[TYPES[kind]]
        expected = quants.dequantize_blocks(np.concatenate([blocks, one], 1))
        found = ours.DECODE[kind](blocks).astype(np.int8) - 1
        np.testing.assert_array_equal(found, expected)


def test_blocks_of_several_scales_are_refused(tmp_path):
    weights = ternary(0, (2, 256)) * [[1], [2]]
    path = written(tmp_path / "x.gguf", {"w": ("TQ2_0", weights.astype(np.float32))})
    with pytest.raises(CheckpointError, match=r"w: its blocks have 2 scales"):
        ours.read(path)


def test_damaged_files_are_refused(tmp_path):
    path = written(tmp_path / "x.gguf", {"w": ("TQ1_0", ternary(0, (2, 256)))})
    whole = path.read_bytes()
    for end in (0, 3, 20, 60, 200, len(whole) - 60):
        path.write_bytes(whole[:end])
        with pytest.raises(CheckpointError, match=str(path)):
            ours.read(path)


def test_bytes_changed_anywhere_raise_nothing_else(tmp_path):
    path = written(tmp_path / "x.gguf", {"w": ("TQ2_0", ternary(0, (1, 256)))})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, 300, 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(CheckpointError):
            ours.read(path)

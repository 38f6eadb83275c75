"""The summary's total is the file's payload, and its counts are those of the shapes."""

import json

import torch
from torch import nn

import lowbit
import lowbit.nn as lnn
from lowbit.pack import payload_bytes


def model():
    return nn.Sequential(
        lnn.Conv2d(3, 16, 3, padding=1, weight="ste_sign", input="image8", bias=False),
        lnn.BatchNorm2d(16),
        lnn.Conv2d(16, 32, 3, stride=2, padding=1, weight="ste_sign", input="ste_sign", bias=False),
        lnn.BatchNorm2d(32),
        lnn.Conv2d(32, 8, 1, groups=4, weight="ste_tern", input="dorefa:3"),
        nn.Flatten(),
        nn.Linear(8 * 16, 10),
    ).eval()


def test_the_total_is_the_payload_of_the_file(tmp_path):
    net, x = model(), torch.rand(2, 3, 8, 8)
    found = lowbit.summary(net, x)
    graph = lowbit.export(net, x)
    assert found.total.bytes == sum(payload_bytes(t) for t in graph.constants.values())
    file = tmp_path / "net.safetensors"
    graph.save(file)
    header = int.from_bytes(file.read_bytes()[:8], "little")
    assert found.total.bytes == file.stat().st_size - 8 - header


def test_counts_by_kind():
    rows = {r.module: r for r in lowbit.summary(model(), torch.rand(2, 3, 8, 8)).rows}
    assert (rows["0"].weight_bits, rows["0"].input_bits) == ("1", "8")
    assert rows["0"].low_bit_macs == 8 * 8 * 16 * 3 * 9
    assert rows["2"].binary_macs == 4 * 4 * 32 * 16 * 9
    assert rows["4"].low_bit_macs == 4 * 4 * 8 * (32 // 4)
    assert rows["6"].float_macs == 1280
    assert (rows["6"].weight_bits, rows["6"].parameters) == ("float", 1290)
    assert (rows["4"].weight_bits, rows["4"].input_bits) == ("2", "3")


def test_it_reads_as_a_table_and_as_json():
    found = lowbit.summary(model(), torch.rand(2, 3, 8, 8))
    assert "binary macs" in str(found)
    assert str(found).splitlines()[-2].split()[0] == "total"
    assert json.loads(json.dumps(found.to_dict()))["total"]["bytes"] == found.total.bytes

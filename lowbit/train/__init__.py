"""Training with Lightning: a classifier, its data, and callbacks that flip the quantizers' buffers.

Layers are low-bit from construction and callbacks never restructure a module, so that every
checkpoint loads into the model that was built.
"""

try:
    import jsonargparse  # noqa: F401
    import lightning  # noqa: F401
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f'training needs {missing.name}: pip install "lowbit[train]"', name=missing.name
    ) from None

from lowbit.train.batches import Batches, Shard
from lowbit.train.batchnorm import recalibrate_batchnorm
from lowbit.train.callbacks import ClipLatentWeights, ExportAtEnd, PrecisionCheck
from lowbit.train.classifier import Classifier
from lowbit.train.fashion_mnist import FashionMNISTData
from lowbit.train.monitors import FlipRateMonitor, SaturationMonitor
from lowbit.train.qat import QuantizationAwareTraining
from lowbit.train.schedule import QuantizationSchedule
from lowbit.train.stopwatch import Stopwatch

__all__ = [
    "Batches",
    "Classifier",
    "ClipLatentWeights",
    "ExportAtEnd",
    "FashionMNISTData",
    "FlipRateMonitor",
    "PrecisionCheck",
    "QuantizationAwareTraining",
    "QuantizationSchedule",
    "SaturationMonitor",
    "Shard",
    "Stopwatch",
    "recalibrate_batchnorm",
]

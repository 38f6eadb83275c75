r"""Scales and zero points: real = s (q - z).

Activations take the range [lo, hi], widened to hold 0 so that zero padding is exact:

    s = (hi - lo) / (q_max - q_min),  z = round(q_min - lo / s) inside [q_min, q_max],        (1)

or symmetric, s = max|x| / q_max and z = 0. Weights are symmetric, one s for each output channel
or one for all, and biases are integers of the accumulator's scale:

    s_w = max|w| / n,  q_w = round(w / s_w) in [-n, n],  n = 2^(k-1) - 1,                     (2)
    q_b = round(b / (s_x s_w)).                                                               (3)

Rounding is half away from zero, scales are float32: TensorFlow Lite's converter to the bit.
Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018, section 2.
"""

import numpy as np

from lowbit.ir.ops.fixed_point import rounded_half_away
from lowbit.spec import INT8, Parameters, QuantSpec, narrow

# A bias of more than so many steps of the accumulator takes a coarser weight scale instead.
LARGEST_BIAS = 2**28
DEAD = 1e-24  # a scale of weights that are all 0


def activation_parameters(
    lo: float, hi: float, spec: QuantSpec = INT8, symmetric: bool = False
) -> Parameters:
    """Equation (1). A range of nothing but 0 has the scale 1."""
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    if symmetric:
        lo, hi = (-max(-lo, hi), max(-lo, hi))
    scale = float(np.float32((hi - lo) / (2 * spec.hi if symmetric else spec.hi - spec.lo)))
    if scale < 1e-30:
        return Parameters(1.0, 0)
    if symmetric:
        return Parameters(scale, 0)
    zero = float(rounded_half_away(np.float64(spec.lo - lo / scale)))
    return Parameters(scale, int(np.clip(zero, spec.lo, spec.hi)))


def weight_spec(bits: int) -> QuantSpec:
    if not 2 <= bits <= 8:
        raise ValueError(f"weights have 2 to 8 bits, not {bits}")
    return narrow(bits)


def weight_scales(
    w: np.ndarray, bias: np.ndarray, x: Parameters, out: Parameters, bits: int, per_channel: bool
) -> np.ndarray:
    """s_w of equation (2), a channel each or one; a dead channel has one that serves its bias."""
    largest = abs(w.reshape(len(w), -1)).max(1).astype(np.float64)
    scales = largest / weight_spec(bits).hi
    scales = np.maximum(scales, abs(bias) / (LARGEST_BIAS * x.scale))
    scales[scales < DEAD] = out.scale / (2 * x.scale)
    return (scales if per_channel else scales.max(keepdims=True)).astype(np.float32)


def least_scales(bias: np.ndarray, x: Parameters) -> np.ndarray:
    """The scales under which biases would leave the accumulator."""
    return np.maximum(abs(bias) / (LARGEST_BIAS * x.scale), DEAD)


def weight_codes(w: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """Equation (2)."""
    spec = weight_spec(bits)
    rows = scales.reshape(-1, *(1,) * (w.ndim - 1))
    return np.clip(rounded_half_away(w.astype(np.float64) / rows), spec.lo, spec.hi)


def bias_codes(bias: np.ndarray, x: Parameters, scales: np.ndarray) -> np.ndarray:
    """Equation (3)."""
    return rounded_half_away(bias.astype(np.float64) / (x.scale * scales.astype(np.float64)))


def clamp_codes(out: Parameters, lo: float, hi: float, spec: QuantSpec = INT8) -> tuple[int, int]:
    """The codes of an activation's ends: q(v) = z + round(v / s), in float32 as TFLite has it."""
    far = 2.0 * spec.levels
    with np.errstate(over="ignore"):
        steps = [np.clip(np.float32(v) / np.float32(out.scale), -far, far) for v in (lo, hi)]
    ends = [out.zero_point + float(rounded_half_away(v)) for v in steps]
    low, high = (int(np.clip(e, spec.lo, spec.hi)) for e in ends)
    return min(low, out.zero_point), max(high, out.zero_point)

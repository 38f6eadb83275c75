"""Row u of image n is row index[u] of the source: of the image's own, or of one for all."""

import numpy as np

from lowbit.kernels.layout import DTYPES, Layout
from lowbit.kernels.record import fields, record, view

# `count` rows an image of `bytes` each; a `source_image` or `index_image` of 0 serves all images.
PICK = record(
    *("source", "index", "target", "count", "bytes"),
    *("source_image", "index_image", "index_kind"),
)


def run(address: int, lo: int, hi: int) -> None:
    p = fields(address, PICK)
    for unit in range(lo, hi):
        image, i = divmod(unit, p.count)
        kind = DTYPES[Layout(p.index_kind)]
        row = int(view(p.index + image * p.index_image, kind, p.count)[i])
        source = p.source + image * p.source_image + row * p.bytes
        view(p.target + unit * p.bytes, np.uint8, p.bytes)[:] = view(source, np.uint8, p.bytes)

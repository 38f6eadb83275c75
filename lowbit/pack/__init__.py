"""One .safetensors file holds a graph: codes packed to their alphabets' bits, the rest as JSON.

Layout: the metadata has one entry (safetensors writes several in no fixed order), "lowbit": 64 hex
digits, the sha256 of what follows and of every tensor, and the graph as canonical JSON. A constant
of codes is stored as bytes: the indices (code - lo) / step, max(bits, 1) bits each, least
significant first, one behind the other, the last byte filled with zeros; or, where that is shorter,
its rows as straight lines and what these lack (`lines`). A matrix of floats that half precision
holds exactly is stored in it. Nothing is pickled, executed, or looked up by a path
or an import named in the file.

A file is hostile until verified: sizes are checked before anything is allocated, the closed set
of operators is all that a file can name, and only FormatError leaves `parse`.
"""

from lowbit.pack.container import FormatError, payload_bytes
from lowbit.pack.read import load, parse
from lowbit.pack.write import save, serialize

__all__ = ["FormatError", "load", "parse", "payload_bytes", "save", "serialize"]

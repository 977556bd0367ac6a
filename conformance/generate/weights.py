"""The hash of weights, made without the reference (SPEC JF-BND)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from conformance.generate.draft import Draft, small
from conformance.generate.wire import Value, pack

PIECE = 4_194_304
Map = dict[str, Value]


@dataclass(frozen=True)
class Weight:
    """A name, a dtype, a shape, and bytes."""

    name: bytes
    data: bytes
    dtype: str = ""
    shape: tuple[int, ...] = ()

    def leaf(self) -> bytes:
        """Its hash."""
        pieces = [self.data[at : at + PIECE] for at in range(0, len(self.data), PIECE)]
        tree = _sha256(b"".join(map(_sha256, pieces)))
        return _sha256(pack([self.name, self.dtype, list(self.shape), len(self.data), tree]))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def binding(kind: str, *weights: Weight, **said: Value) -> Map:
    """The extension `binding` for these weights; ``said`` is what it says otherwise than is right."""
    leaves = sorted({(weight.name, weight.leaf()) for weight in weights})
    return {
        "count": len(leaves),
        "kind": kind,
        "leaves": [[name, digest[:8]] for name, digest in leaves],
        "root": _sha256(b"".join(digest for _, digest in leaves)),
        **said,
    }


def entries(*items: tuple[bytes, bytes]) -> Map:
    """The binding to entries, by name."""
    return binding("entries", *(Weight(name, data) for name, data in items))


def whole(data: bytes) -> Map:
    """The binding to the bytes of a file."""
    return binding("bytes", Weight(b"", data))


def bound(to: Value, **more: Value) -> Draft:
    """A container with an extension `binding`, and others."""
    made = small()
    made.manifest["extensions"] = {"binding": to, **more}
    return made


def zeros(count: int) -> bytes:
    """A deflate stream of as many zeros: in fixed Huffman codes, nearly all copies of 258 bytes from 1 before."""
    copies, rest = divmod(count - 1, 258)
    bits = "1" + "10" + "00110000" * (1 + rest) + ("11000101" + "00000") * copies + "0000000"
    bits += "0" * (-len(bits) % 8)
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little")

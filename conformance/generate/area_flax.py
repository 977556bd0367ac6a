"""Vectors of SPEC JF-FLX: msgpack files of flax, beside which a container lies."""

from __future__ import annotations

import hashlib
import struct

from conformance.generate import derive
from conformance.generate.area_sidecar import bytes_of, content, error, tie
from conformance.generate.area_zip import container, written
from conformance.generate.draft import Draft
from conformance.generate.suite import BIND, EMBED, VERIFY, Area, Json, Vector
from conformance.generate.weights import Map, Weight, binding, bound, whole
from conformance.generate.wire import Pairs, Raw, Value, pack

FLAX, SIDECAR = "host:flax", "host:sidecar"
BAD, NAMES = "JF-FLX-001", "JF-FLX-002"
NAME, BESIDE = "model.msgpack", "jelly.model.msgpack.jelly"
KEY = "__msgpack_chunked_array__"


def extension(code: int, payload: bytes) -> Raw:
    """An extension value, in its shortest form."""
    length = len(payload)
    if length in (1, 2, 4, 8, 16):
        return Raw(bytes([0xD4 + length.bit_length() - 1, code]) + payload)
    wide = 1 if length < 1 << 8 else 2 if length < 1 << 16 else 4
    return Raw(bytes([0xC6 + wide.bit_length()]) + length.to_bytes(wide, "big") + bytes([code]) + payload)


def array(data: bytes, *shape: Value, dtype: Value = "float32", code: int = 1) -> Raw:
    """An array."""
    return extension(code, pack([list(shape), dtype, data]))


def tree(*pairs: tuple[Value, Value]) -> Pairs:
    """A map with its keys in this order."""
    return Pairs(pairs)


KERNEL, BIAS, HALF = b"".join(map(bytes, zip(range(24)))), b"12345678", b"\x80\x3f" * 6
COMPLEX = extension(2, b"\x92" + b"".join(b"\xcb" + struct.pack(">d", part) for part in (1.0, 2.0)))
LAYER = tree(("kernel", array(KERNEL, 2, 3)), ("bias", array(BIAS, 2)))
SORTED = tree(("bias", array(BIAS, 2)), ("kernel", array(KERNEL, 2, 3)))
STATE = pack(tree(("step", 7), ("params", LAYER), ("empty", tree())))
AGAIN = pack(tree(("empty", tree()), ("params", SORTED), ("step", 7)))
"""The same with its keys sorted, as flax writes it again."""
CHANGED = pack(tree(("step", 7), ("params", tree(("kernel", array(KERNEL[::-1], 2, 3)), ("bias", array(BIAS, 2))))))
WEIGHTS = binding(
    "tensors", Weight(b"step", b"\7"), Weight(b"params/kernel", KERNEL, "float32", (2, 3)),
    Weight(b"params/bias", BIAS, "float32", (2,)),
)  # fmt: skip


def chunked(*chunks: Value, shape: Value = None, said: Value = True) -> tuple[tuple[Value, Value], ...]:
    """The keys of an array in chunks, by default of the shape (2, 3)."""
    numbered = tree(*((str(number), chunk) for number, chunk in enumerate(chunks)))
    return (KEY, said), ("shape", tree(("0", 2), ("1", 3)) if shape is None else shape), ("chunks", numbered)


PARTS = array(KERNEL[:16], 4), array(KERNEL[16:], 2)


def make() -> Area:
    """The area."""
    area = Area("flax", (BIND, FLAX))
    _weights(area)
    _broken(area)
    _beside(area)
    return area


def _hashed(area: Area, name: str, ids: str, why: str, data: bytes, expect: Map | Json) -> None:
    wanted = expect if "error" in expect else {"content": {"binding": derive.to_json(expect)}}
    area.add(Vector("flax", name, tuple(ids.split()), "weights", area.needs, wanted, why, {"in": ("msgpack", data)},
                    {"host": "flax"}))  # fmt: skip


def _weights(area: Area) -> None:
    kernel = Weight(b"a", KERNEL, "float32", (2, 3))
    keys = [(0, b"0"), (-1, b"-1"), (300, b"300"), (-70_000, b"-70000"), (1 << 63, b"9223372036854775808")]
    longest, far = "k" * 4_096, "x" * 65_527
    numbered = tree((KEY, True), ("shape", tree((0, 2), (1, 3))), ("chunks", tree(*enumerate(PARTS))))
    signed = tree(("0", Raw(b"\xd0\2")), ("1", Raw(b"\xd3" + bytes(7) + b"\3")))
    others = {"nil": None, "false": False, "text": "text", "bytes": b"bytes", "number": -300}
    plain = tree(("a", array(KERNEL, 2, 3)), *others.items(), ("complex", COMPLEX), ("real", Raw(b"\xcb" + bytes(8))))
    each = [Weight(name.encode(), pack(value)) for name, value in others.items()]
    each += [kernel, Weight(b"complex", COMPLEX.data), Weight(b"real", b"\xcb" + bytes(8))]
    deep = Raw(b"\x81\xa1a" * 512 + pack(array(BIAS, 2)))
    deepest = Weight(b"/".join([b"a"] * 512), BIAS, "float32", (2,))
    cases: dict[str, tuple[str, Value, Map]] = {
        "others": ("values that are no arrays", plain, binding("tensors", *each)),
        "scalar": ("a scalar of numpy", tree(("a", array(b"1234", code=3))),
                   binding("tensors", Weight(b"a", b"1234", "float32", ()))),
        "other-dtype": ("two bytes a number", tree(("a", array(HALF, 2, 3, dtype="bfloat16"))),
                        binding("tensors", Weight(b"a", HALF, "bfloat16", (2, 3)))),
        "no-data": ("an array of no bytes", tree(("a", array(b"", 0, 1 << 40))),
                    binding("tensors", Weight(b"a", b"", "float32", (0, 1 << 40)))),
        "items": ("an array of msgpack in it", tree(("a", [array(BIAS, 2), [None]])),
                  binding("tensors", Weight(b"a/0", BIAS, "float32", (2,)), Weight(b"a/1/0", b"\xc0"))),
        "top": ("an array and nothing else", array(BIAS, 2),
                binding("tensors", Weight(b"", BIAS, "float32", (2,)))),
        "far": ("the first array at offset 65,535", tree(("t", far), ("a", array(BIAS, 2))),
                binding("tensors", Weight(b"t", pack(far)), Weight(b"a", BIAS, "float32", (2,)))),
        "keys": ("integers as keys", tree(*((key, array(BIAS, 2)) for key, _ in keys)),
                 binding("tensors", *(Weight(name, BIAS, "float32", (2,)) for _, name in keys))),
        "key-long": ("a key of 4,096 bytes", tree((longest, array(BIAS, 2))),
                     binding("tensors", Weight(longest.encode(), BIAS, "float32", (2,)))),
        "deepest": ("512 maps within each other", deep, binding("tensors", deepest)),
        "dimensions": ("64 dimensions", tree(("a", array(BIAS, 2, *[1] * 63))),
                       binding("tensors", Weight(b"a", BIAS, "float32", (2, *[1] * 63)))),
        "chunks": ("an array in chunks, of the same binding as a whole one", tree(("a", tree(*chunked(*PARTS)))),
                   binding("tensors", kernel)),
        "chunks-integers": ("chunks and dimensions whose keys are integers", tree(("a", numbered)),
                            binding("tensors", kernel)),
        "chunks-signed": ("dimensions of chunks in the forms with a sign",
                          tree(("a", tree(*chunked(*PARTS, shape=signed)))), binding("tensors", kernel)),
        "chunks-top": ("an array in chunks and nothing else", tree(*chunked(*PARTS)),
                       binding("tensors", Weight(b"", KERNEL, "float32", (2, 3)))),
    }  # fmt: skip
    ids = f"{BAD} {NAMES} JF-BND-001"
    for name, (why, value, expect) in cases.items():
        _hashed(area, f"weights-{name}", ids, f"flax: {why}", pack(value), expect)
    _hashed(area, "weights", ids, "flax: a state", STATE, WEIGHTS)
    _hashed(area, "weights-sorted", ids, "flax: the same with its keys in another order", AGAIN, WEIGHTS)


def _broken(area: Area) -> None:
    first = ("first", array(BIAS, 2))
    deep = Raw(b"\x81\xa1a" * 512 + pack(None))
    mark = chunked(*PARTS)
    cases: dict[str, tuple[str, bytes]] = {
        "behind": ("a byte behind it", STATE + b"\0"),
        "cut-off": ("the last byte missing", STATE[:-1]),
        "no-value": ("a byte that begins no value", pack(tree(first, ("a", Raw(b"\xc1"))))),
        "deep": ("513 maps within each other", pack(tree(first, ("a", deep)))),
        "key-bytes": ("a key of bytes", pack(tree(first, (b"a", 1)))),
        "key-nil": ("a key that is nil", pack(tree(first, (None, 1)))),
        "key-long": ("a key of 4,097 bytes", pack(tree(first, ("k" * 4_097, 1)))),
        "extension": ("an extension of another type", pack(tree(first, ("a", extension(4, b"1"))))),
        "array-behind": (
            "a byte behind an array", pack(tree(first, ("a", extension(1, pack([[2], "float32", BIAS]) + b"1")))),
        ),
        "array-four": (
            "an array of four parts", pack(tree(first, ("a", extension(1, pack([[2], "float32", BIAS, 1]))))),
        ),
        "array-sign": ("an array whose shape has a sign", pack(tree(first, ("a", array(BIAS, -2))))),
        "array-dimensions": ("an array of 65 dimensions", pack(tree(first, ("a", array(BIAS, 2, *[1] * 64))))),
        "array-dtype": ("an array whose dtype is no str", pack(tree(first, ("a", array(BIAS, 2, dtype=4))))),
        "array-dtype-empty": ("an array whose dtype is empty", pack(tree(first, ("a", array(BIAS, 2, dtype=""))))),
        "complex": (
            "a complex of integers", pack(tree(first, ("a", extension(2, pack([1 << 62, 1 << 62]))))),
        ),
        "array-two": (
            "an array of two parts and one behind it",
            pack(tree(first, ("a", extension(1, b"\x92" + pack([[2], "float32", BIAS])[1:])))),
        ),
        "chunks-false": ("chunks whose mark is false", pack(tree(first, ("a", tree(*chunked(*PARTS, said=False)))))),
        "chunks-none": ("no chunks", pack(tree(first, ("a", tree(*chunked()))))),
        "chunks-dtypes": (
            "chunks of two dtypes",
            pack(tree(first, ("a", tree(*chunked(PARTS[0], array(KERNEL[16:], 2, dtype="int32")))))),
        ),
        "chunks-shape": (
            "chunks of two dimensions", pack(tree(first, ("a", tree(*chunked(array(KERNEL, 2, 3)))))),
        ),
        "chunks-order": (
            "chunks in another order",
            pack(tree(first, ("a", tree(*mark[:2], ("chunks", tree(("1", PARTS[1]), ("0", PARTS[0]))))))),
        ),
        "chunks-negative": (
            "chunks with a negative dimension",
            pack(tree(first, ("a", tree(*chunked(*PARTS, shape=tree(("0", -2), ("1", -3))))))),
        ),
        "chunks-key": ("chunks and a further key", pack(tree(first, ("a", tree(*mark, ("more", 1)))))),
        "chunks-key-order": ("chunks and their mark not in front", pack(tree(first, ("a", tree(*mark[::-1]))))),
    }  # fmt: skip
    for name, (why, data) in cases.items():
        _hashed(area, f"broken-{name}", BAD, f"flax: {why}", data, error("malformed.host", BAD))
    named = pack(tree(first, ("k" * 4_096, [None] * 4_096)))
    why = "flax: names of more than 16 MiB, added up"
    _hashed(area, "names", NAMES, why, named, error("limit.size", NAMES))


def _beside(area: Area) -> None:
    box = container()
    expect = error("refused.host", "JF-HST-004")
    hosts = {
        "state": STATE,
        "array": pack(array(BIAS, 2)),
        "complex": pack(tree(("a", COMPLEX))),
        "items": pack([array(BIAS, 2)]),
    }
    for name, host in hosts.items():
        files = {"in": ("msgpack", host), "container": ("jelly", box)}
        why = f"a file of flax, which flax would no longer read: {name}"
        written(area, "embed", f"refused-{name}", "JF-HST-004 JF-HST-003", why, files, expect, "flax")

    def place(host: bytes, made: Draft) -> dict[str, bytes]:
        return {NAME: host, BESIDE: made.build()}

    def put(name: str, ids: str, why: str, host: bytes, made: Draft, expect: Json, command: str = "decode") -> None:
        role, options = (VERIFY, {}) if command == "decode" else (EMBED, {"host": "sidecar"})
        needs = (role, BIND, SIDECAR, FLAX)
        area.add(
            Vector("flax", name, tuple(ids.split()), command, needs, expect, why, {}, options, place(host, made), NAME)
        )

    named = tie(STATE, NAME.encode())
    right, loose = bound(WEIGHTS, sidecar=named), bound(whole(STATE), sidecar=named)
    said = {"sha256": hashlib.sha256(STATE).digest(), "size": len(STATE)}
    assert named == {"name": NAME.encode(), **said}
    assert bytes_of(STATE) == bytes_of(AGAIN) | {"sha256": hashlib.sha256(STATE).hexdigest()}
    both = "JF-SDC-003 JF-BND-003"
    put("bound", both, "a sidecar bound to what there is", STATE, right, content(right, "sidecar"))
    put("bound-again", both, "a sidecar whose host was saved again", AGAIN, right, content(right, "sidecar"))
    put("bound-other", both, "a sidecar whose host has other weights", CHANGED, right,
        error("mismatch.binding", "JF-BND-003"))  # fmt: skip
    put("bound-broken", both, "a sidecar whose host was cut off", STATE[:-1], right,
        error("mismatch.binding", "JF-BND-003"))  # fmt: skip
    put("bound-bytes", both, "a sidecar bound to all bytes, whose host was saved again", AGAIN, loose,
        error("mismatch.binding", "JF-SDC-003"))  # fmt: skip
    ids, gone = "JF-SDC-006", {"after": {BESIDE: None}}
    put("strip-again", ids, "a sidecar goes whose host was saved again", AGAIN, right, gone, "strip")
    for name, host, made in (("other", CHANGED, right), ("bytes", AGAIN, loose)):
        put(f"strip-{name}", ids, f"a sidecar stays: {name}", host, made, error("refused.host", ids), "strip")

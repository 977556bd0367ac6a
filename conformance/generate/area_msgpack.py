"""Vectors of SPEC JF-MSG: canonical msgpack, in the manifest and in records."""

from __future__ import annotations

import struct

from conformance.generate.draft import Block, Draft, small
from conformance.generate.suite import Area
from conformance.generate.wire import Pairs, Part, Raw, Run, Value, frame, pack

BAD = "malformed.msgpack"


def make() -> Area:
    """The area."""
    area = Area("msgpack")
    _good(area)
    _long_forms(area)
    _types(area)
    _maps(area)
    _text(area)
    _depth(area)
    _whole(area)
    _records(area)
    return area


def in_environment(value: Value) -> Draft:
    """A container whose environment has one member ``x``."""
    made = small()
    made.manifest["environment"] = {"x": value}
    return made


def _tool(value: Value) -> Draft:
    made = small()
    made.manifest["provenance"]["tool"] = value
    return made


def _good(area: Area) -> None:
    numbers = [0, 127, 128, 255, 256, 65_535, 65_536, (1 << 32) - 1, 1 << 32, (1 << 64) - 1]
    numbers += [-1, -32, -33, -128, -129, -32_768, -32_769, -(1 << 31), -(1 << 31) - 1, -(1 << 63)]
    made = in_environment(numbers)
    area.accept("integers", "JF-MSG-001 JF-MSG-002", "integers at the edge of every form", made)
    made = in_environment([None, True, False, "", b"", [], {}])
    area.accept("scalars", "JF-MSG-001", "every type, empty", made)
    edges: tuple[tuple[str, Value], ...] = (
        ("strings", ["a" * size for size in (0, 31, 32, 255, 256)]),
        ("bytes", [b"a" * size for size in (0, 255, 256)]),
        ("arrays", [[None] * size for size in (0, 15, 16)]),
        ("maps", [{f"{n:02}": n for n in range(size)} for size in (0, 15, 16)]),
    )
    for name, items in edges:
        area.accept(name, "JF-MSG-002", f"{name} at the edge of their forms", in_environment(items))
    large: dict[str, tuple[list[Part], str]] = {
        "string-65535": ([b"\xda\xff\xff", Run(0x61, 65_535)], "a str 16 of 65,535 bytes"),
        "string-65536": ([b"\xdb\0\1\0\0", Run(0x61, 65_536)], "a str 32 of 65,536 bytes"),
        "bytes-65535": ([b"\xc5\xff\xff", Run(0, 65_535)], "a bin 16 of 65,535 bytes"),
        "bytes-65536": ([b"\xc6\0\1\0\0", Run(0, 65_536)], "a bin 32 of 65,536 bytes"),
        "array-65535": ([b"\xdc\xff\xff", Run(0xC0, 65_535)], "an array 16 of 65,535 nils"),
        "array-65536": ([b"\xdd\0\1\0\0", Run(0xC0, 65_536)], "an array 32 of 65,536 nils"),
    }
    for name, (parts, why) in large.items():
        area.accept(name, "JF-MSG-002", why, _spliced(parts), leave_out=("manifest",))
    made = in_environment({"": 1, "a": 2, "aa": 3, "b": 4, "\uffff": 5, "\U00010000": 6})
    why = "keys sorted by UTF-8 bytes: a prefix first, U+FFFF before U+10000, which UTF-16 would turn around"
    area.accept("keys", "JF-MSG-003", why, made)
    made = in_environment(["\0", "\x7f", "\ud7ff\ue000", "\ufeff\ufffe\uffff", "\U0010ffff", "e\u0301\u00e9"])
    why = "NUL, the first and last code points around the surrogates, noncharacters, a BOM, and é in two forms"
    area.accept("unicode", "JF-MSG-004", why, made)
    value: Value = None
    for _ in range(38):
        value = [value]
    why = "values nested 40 deep, the limit: the manifest, environment, and 38 arrays"
    area.accept("depth-40", "JF-MSG-005", why, in_environment(value))
    inner: Value = {}
    for _ in range(37):
        inner = {"k": inner}
    why = "the same of maps; an empty map has depth 1"
    area.accept("depth-40-maps", "JF-MSG-005", why, in_environment(inner))


def _spliced(parts: list[Part]) -> Draft:
    """A container whose environment has one member ``x`` of these bytes; a raw frame of a window of 8 MiB."""
    mark = b"\xc4\x08<splice>"
    made = in_environment(Raw(mark))
    head, _, tail = pack(made.value()).partition(mark)
    made.raw = [head, *parts, tail]
    made.packed = lambda raw: frame(raw, window=0x68)
    return made


def _long_forms(area: Area) -> None:
    values: dict[str, tuple[bytes, str]] = {
        "uint8": (b"\xcc\x7f", "127 as uint 8"),
        "uint16": (b"\xcd\x00\xff", "255 as uint 16"),
        "uint32": (b"\xce\x00\x00\xff\xff", "65,535 as uint 32"),
        "uint64": (b"\xcf\0\0\0\0\xff\xff\xff\xff", "2^32 - 1 as uint 64"),
        "zero-uint64": (b"\xcf" + bytes(8), "0 as uint 64"),
        "int8-positive": (b"\xd0\x05", "5 as int 8: integers of zero and above use the unsigned forms"),
        "int16-positive": (b"\xd1\x00\xc8", "200 as int 16"),
        "int32-positive": (b"\xd2\x00\x01\x00\x00", "65,536 as int 32"),
        "int64-positive": (b"\xd3\0\0\0\1\0\0\0\0", "2^32 as int 64"),
        "int8": (b"\xd0\xe0", "-32 as int 8"),
        "int16": (b"\xd1\xff\x80", "-128 as int 16"),
        "int32": (b"\xd2\xff\xff\x80\x00", "-32,768 as int 32"),
        "int64": (b"\xd3\xff\xff\xff\xff\x80\0\0\0", "-2^31 as int 64"),
        "str8": (b"\xd9\x1f" + b"a" * 31, "31 bytes as str 8"),
        "str16": (b"\xda\x00\xff" + b"a" * 255, "255 bytes as str 16"),
        "str32": (b"\xdb\x00\x00\x00\x01a", "one byte as str 32"),
        "bin16": (b"\xc5\x00\xff" + b"a" * 255, "255 bytes as bin 16"),
        "bin32": (b"\xc6\x00\x00\x00\x01a", "one byte as bin 32"),
        "array16": (b"\xdc\x00\x0f" + b"\xc0" * 15, "15 values as array 16"),
        "array32": (b"\xdd\x00\x00\x00\x01\xc0", "one value as array 32"),
        "map16": (b"\xde\x00\x01\xa1k\xc0", "one pair as map 16"),
        "map32": (b"\xdf\x00\x00\x00\x01\xa1k\xc0", "one pair as map 32"),
    }
    for name, (data, why) in values.items():
        area.reject(f"long-{name}", "JF-MSG-002", BAD, why, in_environment(Raw(data)))
    made = small()
    pairs = sorted(made.state.items())
    made.manifest["state"] = Pairs(
        tuple((Raw(b"\xd9" + bytes([len(key)]) + key.encode()), item) for key, item in pairs)
    )
    area.reject("long-keys", "JF-MSG-002", BAD, "the keys of the state as str 8", made)


def _types(area: Area) -> None:
    values: dict[str, bytes] = {
        "float32": b"\xca" + struct.pack(">f", 1.0),
        "float64": b"\xcb" + struct.pack(">d", 1.5),
        "nan": b"\xcb" + struct.pack(">d", float("nan")),
        "never-used": b"\xc1",
        "fixext1": b"\xd4\x01a",
        "fixext2": b"\xd5\x01ab",
        "fixext4": b"\xd6\x01abcd",
        "timestamp": b"\xd6\xff\0\0\0\0",
        "fixext8": b"\xd7\x01" + bytes(8),
        "fixext16": b"\xd8\x01" + bytes(16),
        "ext8": b"\xc7\x03\x01abc",
        "ext16": b"\xc8\x00\x03\x01abc",
        "ext32": b"\xc9\x00\x00\x00\x03\x01abc",
    }
    for name, data in values.items():
        area.reject(f"type-{name}", "JF-MSG-001", BAD, f"a value of the type {name}", in_environment(Raw(data)))
    made = small()
    made.manifest["provenance"]["time"] = Raw(b"\xcb" + struct.pack(">d", 0.0))
    area.reject("float-where-integer", "JF-MSG-001", BAD, "the time as a float, 0.0", made)


def _maps(area: Area) -> None:
    pairs: dict[str, tuple[tuple[tuple[Value, Value], ...], str]] = {
        "unsorted": ((("b", 1), ("a", 2)), "keys out of order"),
        "prefix-last": ((("aa", 1), ("a", 2)), "a key behind one that it begins"),
        "utf16-order": ((("\U00010000", 1), ("\uffff", 2)), "keys in the order of UTF-16"),
        "twice": ((("a", 1), ("a", 1)), "one key twice, with the same value"),
        "twice-differing": ((("a", 1), ("a", 2)), "one key twice, with two values"),
        "twice-escaped": ((("a", 1), (Raw(b"\xd9\x01a"), 2)), "one key twice, in two forms"),
        "key-bin": (((b"a", 1),), "a key that is a bin"),
        "key-integer": (((1, 1),), "a key that is an integer"),
        "key-nil": (((None, 1),), "a key that is nil"),
        "key-boolean": (((True, 1),), "a key that is a boolean"),
        "key-array": ((([], 1),), "a key that is an array"),
        "key-map": ((({}, 1),), "a key that is a map"),
    }
    for name, (items, why) in pairs.items():
        area.reject(f"map-{name}", "JF-MSG-003", BAD, why, in_environment(Pairs(items)))
    made = small()
    value = made.value()
    made.raw = [pack(Pairs(tuple((key, value[key]) for key in sorted(value, reverse=True))))]
    area.reject("map-manifest-unsorted", "JF-MSG-003", BAD, "the manifest's keys backwards", made)
    made = small()
    made.raw = [pack(Pairs((*sorted(value.items())[:1], *sorted(value.items()))))]
    area.reject("map-manifest-twice", "JF-MSG-003", BAD, "the manifest's first key twice", made)


def _text(area: Area) -> None:
    texts: dict[str, tuple[bytes, str]] = {
        "surrogate": (b"\xed\xa0\x80", "U+D800, a surrogate"),
        "surrogate-pair": (b"\xed\xa0\xbd\xed\xb8\x80", "a pair of surrogates (CESU-8)"),
        "overlong-nul": (b"\xc0\x80", "NUL in two bytes"),
        "overlong-2": (b"\xc1\xbf", "U+007F in two bytes"),
        "overlong-3": (b"\xe0\x9f\xbf", "U+07FF in three bytes"),
        "overlong-4": (b"\xf0\x8f\xbf\xbf", "U+FFFF in four bytes"),
        "too-large": (b"\xf4\x90\x80\x80", "U+110000"),
        "five-bytes": (b"\xf8\x88\x80\x80\x80", "a sequence of five bytes"),
        "cut-off": (b"\xe2\x82", "a sequence that ends too early"),
        "lone": (b"\x80", "a continuation byte alone"),
        "latin1": (b"caf\xe9", "Latin-1"),
    }
    for name, (data, why) in texts.items():
        text = Raw(bytes([0xA0 | len(data)]) + data)
        area.reject(f"text-{name}", "JF-MSG-004", BAD, f"{why}, in a str", in_environment(text))
    key = Pairs(((Raw(b"\xa3\xed\xa0\x80"), 1),))
    area.reject("text-key", "JF-MSG-004", BAD, "a surrogate in a key", in_environment(key))
    area.reject("text-tool", "JF-MSG-004", BAD, "bad UTF-8 where a str is expected", _tool(Raw(b"\xa1\xff")))


def _depth(area: Area) -> None:
    value: Value = None
    for _ in range(39):
        value = [value]
    why = "values nested 41 deep"
    area.reject("depth-41", "JF-MSG-005", "limit.depth", why, in_environment(value))
    inner: Value = {}
    for _ in range(38):
        inner = {"k": inner}
    area.reject("depth-41-maps", "JF-MSG-005", "limit.depth", "the same of maps", in_environment(inner))
    made = _spliced([Run(0x91, 1_000_000), b"\xc0"])
    area.reject("depth-million", "JF-MSG-005", "limit.depth", "a million arrays in each other", made)
    made = small()
    made.raw = [Run(0x91, 1_000_000), b"\xc0"]
    made.packed = lambda raw: frame(raw, window=0x68)
    area.reject("depth-alone", "JF-MSG-005", "limit.depth", "a manifest of nothing but a million arrays", made)


def _whole(area: Area) -> None:
    good = pack(small().value())
    raws: dict[str, tuple[bytes, str]] = {
        "byte-behind": (good + b"\xc0", "nil behind the manifest"),
        "twice": (good + good, "two manifests"),
        "cut-off": (good[:-1], "the last byte is missing"),
        "cut-in-half": (good[: len(good) // 2], "the second half is missing"),
        "bomb-array": (b"\xdd\xff\xff\xff\xff", "an array that says it has 2^32 - 1 values"),
        "bomb-map": (b"\xdf\xff\xff\xff\xff", "a map that says it has 2^32 - 1 pairs"),
        "bomb-bin": (b"\xc6\xff\xff\xff\xff", "a bin that says it has 4 GiB"),
        "bomb-str": (b"\xdb\xff\xff\xff\xff", "a str that says it has 4 GiB"),
        "bomb-nested": (b"\xdd\xff\xff\xff\xff" * 30, "30 such arrays in each other"),
    }
    for name, (raw, why) in raws.items():
        made = small()
        made.raw = [raw]
        area.reject(f"manifest-{name}", "JF-MSG-006", BAD, why, made)


def _records(area: Area) -> None:
    content = b"a\n"
    forms: dict[str, tuple[str, str, bytes, str]] = {
        "bin16": ("JF-MSG-002", BAD, b"\x92\x03\xc5\x00\x02" + content, "content of two bytes as bin 16"),
        "array16": ("JF-MSG-002", BAD, b"\xdc\x00\x02\x03\xc4\x02" + content, "the record as array 16"),
        "uint8": ("JF-MSG-002", BAD, b"\x92\xcc\x03\xc4\x02" + content, "the kind as uint 8"),
        "float": ("JF-MSG-001", BAD, b"\x92\xcb" + struct.pack(">d", 3.0) + b"\xc4\x02" + content, "the kind as 3.0"),
        "ext": ("JF-MSG-001", BAD, b"\x92\x03\xd5\x01" + content, "the content as an extension type"),
        "bomb": ("JF-MSG-006", BAD, b"\x92\x03\xc6\xff\xff\xff\xff" + content, "content that says it has 4 GiB"),
        "bomb-ops": (
            "JF-MSG-006",
            BAD,
            b"\x93\x03\xc4\x14" + bytes(20) + b"\xdd\xff\xff\xff\xff",
            "a diff that says it has 2^32 - 1 ops",
        ),
        "depth": ("JF-MSG-005", "limit.depth", b"\x91" * 1000 + b"\xc0", "a thousand arrays in each other"),
    }
    for name, (requirement, error, raw, why) in forms.items():
        made = small()
        block = made.blocks[0]
        made.blocks = [
            Block("state", [*block.raw, raw], block.records + 1, block.object_bytes + len(content)),
        ]
        area.reject(f"record-{name}", requirement, error, f"a record more: {why}", made)

"""Vectors of SPEC JF-SFT: containers in safetensors files."""

from __future__ import annotations

import base64
from collections.abc import Callable

from conformance.generate.area_zip import accept, container, other, output, written
from conformance.generate.suite import READ, Area, Json, Vector

HOST = "malformed.host"
DATA = bytes(range(8))
WEIGHT = b'"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
FORMAT = b'"__metadata__":{"format":"pt"}'
ALL = "JF-SFT-001 JF-SFT-002"


def make() -> Area:
    """The area."""
    area = Area("safetensors", (READ, "host:safetensors"))
    _found(area)
    _absent(area)
    _headers(area)
    _base64(area)
    _embed(area)
    _strip(area)
    return area


def file(text: bytes, data: bytes = DATA) -> bytes:
    """A file with this header."""
    return len(text).to_bytes(8, "little") + text + data


def filled(opening: bytes, closing: bytes, fill: bytes, box: bytes) -> bytes:
    """The text that is inserted."""
    encoded = base64.b64encode(box)
    return opening + encoded + fill * (64 - len(opening + encoded + closing) % 64) + closing


def metadata_form(box: bytes, *, comma: bool = True) -> bytes:
    """The member put into a ``__metadata__`` that was there."""
    return filled(b'"jellyformat":"', b'",' if comma else b'"', b"~", box)


def new_metadata_form(box: bytes, *, comma: bool = True) -> bytes:
    """The member with a ``__metadata__`` around it."""
    return filled(b'"__metadata__":{"jellyformat":"', b'"},' if comma else b'"}', b"!", box)


def tensor_form(begin: int, length: int, *, comma: bool = True) -> bytes:
    """The member that stands for a tensor."""
    text = b'"jellyformat":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]' % (length, begin, begin + length)
    closing = b"}," if comma else b"}"
    return text + b" " * (-len(text + closing) % 64) + closing


def plain(box: bytes) -> bytes:
    """The member as another tool writes it again."""
    return b'"jellyformat":"' + base64.b64encode(box) + b'"'


def hosts(box: bytes) -> dict[str, tuple[str, bytes, bytes]]:
    """Files without and with a container: what they are, before, and after."""
    first = metadata_form(box)
    return {
        "metadata": (
            "a header with metadata",
            file(b"{" + FORMAT + b"," + WEIGHT + b"}"),
            file(b'{"__metadata__":{' + first + b'"format":"pt"},' + WEIGHT + b"}"),
        ),
        "metadata-behind": (
            "a header whose metadata stand last, with spaces",
            file(b"{ " + WEIGHT + b', "__metadata__" : { "format" : "pt" } }   '),
            file(b"{ " + WEIGHT + b', "__metadata__" : {' + first + b' "format" : "pt" } }   '),
        ),
        "metadata-empty": (
            "a header with empty metadata",
            file(b'{"__metadata__":{},' + WEIGHT + b"}"),
            file(b'{"__metadata__":{' + metadata_form(box, comma=False) + b"}," + WEIGHT + b"}"),
        ),
        "no-metadata": (
            "a header without metadata",
            file(b"{" + WEIGHT + b"}"),
            file(b"{" + new_metadata_form(box) + WEIGHT + b"}"),
        ),
        "no-member": (
            "a header without anything",
            file(b"{}", b""),
            file(b"{" + new_metadata_form(box, comma=False) + b"}", b""),
        ),
        "odd": (
            "a header with a name twice, escapes and names of other scripts",
            file(b'{"\\u0077":{"x":[1.5e3,null,{"jellyformat":[]}]},"w":"\xc3\xa9\xf0\x9f\x90\x8d",' + FORMAT + b"}"),
            file(
                b'{"\\u0077":{"x":[1.5e3,null,{"jellyformat":[]}]},"w":"\xc3\xa9\xf0\x9f\x90\x8d","__metadata__":{'
                + first + b'"format":"pt"}}'
            ),
        ),
    }  # fmt: skip


def tensors(box: bytes) -> dict[str, tuple[str, bytes, bytes]]:
    """The same for the tensor form."""
    return {
        "tensor": (
            "the tensor form",
            file(b"{" + FORMAT + b"," + WEIGHT + b"}"),
            file(b"{" + tensor_form(8, len(box)) + FORMAT + b"," + WEIGHT + b"}", DATA + box),
        ),
        "tensor-alone": (
            "the tensor form in a header without anything",
            file(b"{}", b""),
            file(b"{" + tensor_form(0, len(box), comma=False) + b"}", box),
        ),
    }


def _found(area: Area) -> None:
    box = container()
    for name, (why, _, after) in {**hosts(box), **tensors(box)}.items():
        accept(area, name, ALL, why, after, ending="safetensors")
    for name in ("metadata", "tensor"):
        after = {**hosts(box), **tensors(box)}[name][2]
        given = {"in": ("safetensors", after)}
        written(area, "extract", f"extract-{name}", ALL, f"taken out of {name}", given, output(box), "safetensors")
    text = base64.b64encode(box)
    again: dict[str, tuple[str, bytes]] = {
        "rewritten": ("written again by another tool, last", b'{"__metadata__":{"format":"pt",' + plain(box) + b"}}"),
        "no-fill": ("without anything behind the base64", b'{"__metadata__":{' + plain(box) + b"}}"),
        "fill-mixed": ("with ~ and ! in any order", b'{"__metadata__":{"jellyformat":"' + text + b'!~~!~"}}'),
        "fill-long": ("with 200 ~", b'{"__metadata__":{"jellyformat":"' + text + b"~" * 200 + b'"}}'),
        "escaped-name": ("whose name is escaped", b'{"__metadata__":{"jelly\\u0066ormat":"' + text + b'"}}'),
        "escaped-value": (
            "with an escape in the base64",
            b'{"__metadata__":{"jellyformat":"' + _escaped(text) + b'"}}',
        ),
        "spaces": ("with spaces", b'{ "__metadata__" : { "jellyformat" :\t"' + text + b'~"\r\n} }  '),
    }
    for name, (why, header) in again.items():
        accept(area, f"again-{name}", ALL, f"a member {why}", file(header, b""), ending="safetensors")
    length = len(box)
    entries: dict[str, tuple[str, bytes, bytes]] = {
        "first": ("whose data stand before others", _entry(0, length), box + DATA),
        "keys": (
            "whose keys stand in another order",
            b'{"data_offsets":[8,%d], "shape":[%d], "dtype":"U8"}' % (8 + length, length),
            DATA + box,
        ),
        "longer": ("that is longer than the container", _entry(8, length + 5), DATA + box + b"12345"),
        "between": ("whose data lie between others", _entry(8, length), DATA + box + DATA),
    }
    for name, (why, value, data) in entries.items():
        header = b'{"a":1,"jellyformat":' + value + b"}"
        accept(area, f"tensor-{name}", ALL + " JF-HDR-010", f"a tensor {why}", file(header, data), ending="safetensors")
    longer = file(b'{"__metadata__":{' + plain(box + b"\0") + b"}}", b"")
    why = "a byte behind the container in the base64"
    area.reject("longer", "JF-HDR-010", "malformed.header", why, longer, ending="safetensors")
    shorter = file(b'{"__metadata__":{' + plain(box[:-1]) + b"}}", b"")
    area.reject("shorter", "JF-HDR-004", "truncated", "the container ends early", shorter, ending="safetensors")
    data = file(b'{"jellyformat":' + _entry(0, length - 1) + b"}", box)
    area.reject("tensor-shorter", "JF-HDR-004", "truncated", "the tensor ends early", data, ending="safetensors")


def _escaped(text: bytes) -> bytes:
    return b"\\u%04x" % text[0] + text[1:].replace(b"/", b"\\/")


def _entry(begin: int, length: int) -> bytes:
    return b'{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}' % (length, begin, begin + length)


def _absent(area: Area) -> None:
    box = container()
    cases = {
        "nothing": ("a file with nothing in it", file(b"{" + FORMAT + b"," + WEIGHT + b"}")),
        "other-name": (
            "a member of another name",
            file(b'{"__metadata__":{"Jellyformat":"' + box.hex().encode() + b'"}}'),
        ),
        "further-in": ("a member further in", file(b'{"w":{"__metadata__":{' + plain(box) + b"}}}")),
        "in-tensor": ("a tensor with such a key", file(b'{"w":{' + plain(box) + b"}}")),
    }
    for name, (why, data) in cases.items():
        expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
        given = {"in": ("safetensors", data)}
        area.add(Vector(area.name, f"absent-{name}", (), "decode", area.needs, expect, why, given))


def _headers(area: Area) -> None:
    box = container()
    text, length = plain(box), len(box)
    inner = b'"__metadata__":{' + text + b"}"
    cases: dict[str, tuple[str, bytes]] = {
        "comma-last": ("a comma behind the last member", b"{" + inner + b",}"),
        "comma-missing": ("no comma between members", b"{" + inner + b" " + WEIGHT + b"}"),
        "brace-missing": ("no last brace", b"{" + inner),
        "behind": ("text behind the last brace", b"{" + inner + b"}x"),
        "second-object": ("a second object", b"{" + inner + b"}{}"),
        "quotes": ("single quotes", b"{'a':1," + inner + b"}"),
        "comment": ("a comment", b"{/**/" + inner + b"}"),
        "nan": ("a value NaN", b'{"a":NaN,' + inner + b"}"),
        "number": ("a number with a leading zero", b'{"a":01,' + inner + b"}"),
        "key": ("a name that is no string", b"{1:2," + inner + b"}"),
        "control": ("a control character in a string", b'{"a\n":1,' + inner + b"}"),
        "escape": ("an unknown escape", b'{"a\\x":1,' + inner + b"}"),
        "latin-1": ("a byte that is not UTF-8", b'{"\xe9":1,' + inner + b"}"),
        "surrogate": ("a surrogate in UTF-8", b'{"\xed\xa0\x80":1,' + inner + b"}"),
        "overlong": ("UTF-8 that is overlong", b'{"\xc0\x80":1,' + inner + b"}"),
        "metadata-array": ("metadata that are an array", b'{"__metadata__":[]}'),
        "metadata-nil": ("metadata that are null", b'{"__metadata__":null,' + WEIGHT + b"}"),
        "metadata-str": ("metadata that are a string", b'{"__metadata__":"x"}'),
        "metadata-twice": ("metadata twice", b"{" + inner + b',"__metadata__":{}}'),
        "metadata-twice-escaped": ("metadata twice, once escaped", b"{" + inner + b',"\\u005f_metadata__":{}}'),
        "member-twice": ("the member twice", b'{"__metadata__":{' + text + b"," + plain(other()) + b"}}"),
        "member-twice-same": ("the same member twice", b'{"__metadata__":{' + text + b"," + text + b"}}"),
        "member-twice-escaped": (
            "the member twice, once escaped",
            b'{"__metadata__":{' + text + b',"\\u006aellyformat":""}}',
        ),
        "both": ("in metadata and as a tensor", b"{" + inner + b',"jellyformat":' + _entry(0, length) + b"}"),
        "tensor-twice": ("a tensor twice", b'{"jellyformat":%b,"jellyformat":%b}' % ((_entry(0, length),) * 2)),
        "value-nil": ("a member that is null", b'{"__metadata__":{"jellyformat":null}}'),
        "value-number": ("a member that is a number", b'{"__metadata__":{"jellyformat":1}}'),
        "value-object": ("a member that is an object", b'{"__metadata__":{"jellyformat":{}}}'),
        "value-array": ("a member that is an array", b'{"__metadata__":{"jellyformat":["QQ=="]}}'),
        "strange": ("a member of somebody else's", b'{"__metadata__":{"jellyformat":"mine"}}'),
        "strange-empty": ("an empty member", b'{"__metadata__":{"jellyformat":""}}'),
        "outside": ("base64 outside of the metadata", b"{" + text + b"}"),
    }
    for name, (why, header) in cases.items():
        data = box if name in ("both", "tensor-twice") else b""
        area.reject(f"header-{name}", "JF-SFT-001", HOST, f"a header with {why}", file(header, data),
                    ending="safetensors")  # fmt: skip
    entries: dict[str, tuple[str, bytes]] = {
        "dtype": ("of another type", _entry(0, length).replace(b"U8", b"I8")),
        "dtype-nil": ("without a type", _entry(0, length).replace(b'"U8"', b"null")),
        "dimensions": ("of two dimensions", _entry(0, length).replace(b'"shape":[', b'"shape":[1,')),
        "no-dimension": ("of no dimension", b'{"dtype":"U8","shape":[],"data_offsets":[0,%d]}' % length),
        "shape-less": (
            "longer than its shape", b'{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}' % (length - 1, length),
        ),
        "beyond": ("that reaches beyond the file", _entry(0, length + 1)),
        "offsets-one": ("with one offset", b'{"dtype":"U8","shape":[%d],"data_offsets":[%d]}' % (length, length)),
        "offsets-swapped": (
            "with offsets swapped", b'{"dtype":"U8","shape":[%d],"data_offsets":[%d,0]}' % (length, length),
        ),
        "negative": ("of negative length", b'{"dtype":"U8","shape":[-1],"data_offsets":[1,0]}'),
        "fraction": ("with a fraction", b'{"dtype":"U8","shape":[%d.0],"data_offsets":[0,%d]}' % (length, length)),
        "key-missing": ("without a shape", b'{"dtype":"U8","data_offsets":[0,%d]}' % length),
        "key-added": ("with a key more", _entry(0, length)[:-1] + b',"x":1}'),
        "key-twice": ("with a key twice", _entry(0, length)[:-1] + b',"dtype":"U8"}'),
        "array": ("that is an array", b"[0,%d]" % length),
        "far": (
            "with offsets beyond 2^64",
            b'{"dtype":"U8","shape":[8],"data_offsets":[%d,%d]}' % (1 << 64, (1 << 64) + 8),
        ),
    }  # fmt: skip
    for name, (why, value) in entries.items():
        header = file(b'{"jellyformat":' + value + b"}", box)
        area.reject(f"tensor-{name}", "JF-SFT-001", HOST, f"a tensor {why}", header, ending="safetensors")


def _base64(area: Area) -> None:
    def padded(size: int) -> bytes:
        """A container whose length leaves this remainder."""
        from conformance.generate.draft import small

        for tool in range(9):
            made = small()
            made.manifest["provenance"]["tool"] = "x" * tool
            if len(box := made.build()) % 3 == size:
                return box
        raise AssertionError

    one, two, none = padded(1), padded(2), padded(0)
    cases: dict[str, tuple[str, bytes, Callable[[bytes], bytes]]] = {
        "padding-missing": ("no padding", one, lambda text: text[:-2]),
        "padding-half": ("half of the padding", one, lambda text: text[:-1]),
        "padding-more": ("a = too many", two, lambda text: text + b"="),
        "padding-needless": ("padding where none is needed", none, lambda text: text + b"===="),
        "padding-inside": ("padding inside", one, lambda text: text + text),
        "bits-1": ("bits set that do not count, of four", one, lambda text: text[:-3] + b"/=="),
        "bits-2": ("bits set that do not count, of two", two, lambda text: text[:-2] + b"/="),
        "url-safe": ("the other alphabet", none, lambda text: text[:8] + b"-_" + text[10:]),
        "space": ("a space", none, lambda text: text[:40] + b" " + text[40:]),
        "line": ("a line end", none, lambda text: text[:76] + b"\\n" + text[76:]),
        "fill-inside": ("a ~ inside", none, lambda text: text[:40] + b"~" + text[40:]),
        "cut-off": ("a digit that is missing", none, lambda text: text[:-1]),
        "letter": ("a letter of another script", none, lambda text: text[:40] + b"\\u00e9" + text[41:]),
    }
    for name, (why, box, change) in cases.items():
        text = change(base64.b64encode(box))
        header = b'{"__metadata__":{"jellyformat":"' + text + b'~"}}'
        area.reject(f"base64-{name}", "JF-SFT-002", HOST, f"base64 with {why}", file(header, b""), ending="safetensors")


def _embed(area: Area) -> None:
    box = container()
    ids = "JF-HST-002 JF-HST-004 JF-SFT-003 JF-SFT-001 JF-SFT-004"
    for name, (why, before, after) in hosts(box).items():
        files = {"in": ("safetensors", before), "container": ("jelly", box)}
        written(area, "embed", f"embed-{name}", ids, f"into {why}", files, output(after), "safetensors")
    whole = file(b"{" + WEIGHT + b"}")
    for name, length in (("byte", len(whole) - 1), ("all", len(whole) - 8)):
        files = {"in": ("safetensors", whole[:length]), "container": ("jelly", box)}
        expect: Json = {"error": {"class": "malformed.host", "requirement": "JF-SFT-004"}}
        why = f"a file that is cut off: {name}"
        written(area, "embed", f"cut-off-{name}", "JF-SFT-004 JF-HST-003", why, files, expect, "safetensors")


def _strip(area: Area) -> None:
    box = container()
    for name, (why, before, after) in {**hosts(box), **tensors(box)}.items():
        given = {"in": ("safetensors", after)}
        ids = "JF-HST-002 JF-SFT-003"
        written(area, "strip", f"strip-{name}", ids, f"out of {why}", given, output(before), "safetensors")
    expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
    given = {"in": ("safetensors", file(b"{" + WEIGHT + b"}"))}
    written(area, "strip", "strip-absent", "JF-HST-003", "nothing to take out", given, expect, "safetensors")

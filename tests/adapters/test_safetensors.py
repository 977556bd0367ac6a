"""The safetensors adapter against real files and headers of every shape."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jellyformat_safetensors
import jellyformat_safetensors.numpy as numpy_saves
import jellyformat_safetensors.torch as torch_saves
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jellyformat_safetensors import ADAPTER, adapter
from jellyformat_safetensors.jsontext import NotJson, check_utf8, scan_object, skip_space

import jellyformat
from jellyformat import snapshots, training
from jellyformat.container import MAGIC
from jellyformat.errors import BadHost, JellyError, RefusedHost, Usage
from jellyformat.host import Carried, Copy, Rewrite
from jellyformat.snapshots import Snapshot
from jellyformat.source import BytesSource, read_all

CAP = 100_000_000


def make_container(body: bytes = b"body") -> bytes:
    head = MAGIC + bytes([1]) + bytes(7) + struct.pack(">QQQ", len(body), 9, 72 + len(body))
    return head + hashlib.sha256(head + body).digest() + body


CONTAINER = make_container()
OTHER = make_container(bytes(range(256)) * 5)
LARGE = make_container(bytes(40_000))


def apply(file: bytes, plan: Rewrite) -> bytes:
    parts = (
        file[part.offset : part.offset + part.length] if isinstance(part, Copy) else part for part in plan.segments
    )
    return b"".join(parts)


def embed(file: bytes, container: bytes = CONTAINER) -> bytes:
    return apply(file, ADAPTER.plan_embed(BytesSource(file), container))


def find(file: bytes) -> Carried:
    carried = ADAPTER.find(BytesSource(file))
    assert carried is not None
    return carried


def strip(file: bytes) -> bytes:
    return apply(file, ADAPTER.plan_strip(BytesSource(file), find(file)))


def make_file(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def header_of(file: bytes) -> bytes:
    return file[8 : 8 + struct.unpack("<Q", file[:8])[0]]


def data_of(file: bytes) -> bytes:
    return file[8 + len(header_of(file)) :]


def torch_file(metadata: dict[str, str] | None = None) -> bytes:
    tensors = {
        "a": torch.arange(10.0),
        "bf": torch.ones(3, 3, dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
        "scalar": torch.tensor(2),
        'odd "name" \\ ü 見 }': torch.arange(5, dtype=torch.uint8),
    }
    saved: bytes = safetensors.torch.save(tensors, metadata)
    return saved


METADATA = {
    "format": "pt",
    'quote " backslash \\ newline \n': "}{][,:",
    "ü見😀": "\u0000\u001f\u2028 /",
    "__metadata__": '"__metadata__":{"jellyformat":"AAAA~"}',
    "x": '{"jellyformat":"AAAA"}',
    "jellyformat ": "no",
}

FILES: dict[str, bytes] = {
    "torch": torch_file(),
    "torch, metadata": torch_file(METADATA),
    "torch, empty metadata": torch_file({}),
    "numpy": safetensors.numpy.save({"w": np.arange(7, dtype=np.float64), "x": np.zeros((2, 2), np.int8)}),
    "numpy, metadata": safetensors.numpy.save({"w": np.arange(7)}, {"a": "b"}),
    "no tensors": safetensors.numpy.save({}),
    "no tensors, metadata": safetensors.numpy.save({}, {"a": "b"}),
    "smallest": make_file(b"{}"),
    "spaces": make_file(b"{ \n\t\r }   "),
    "empty metadata": make_file(b'{"__metadata__":{}}'),
    "empty metadata with a space": make_file(b'{ "__metadata__" : { } } '),
    "metadata last": make_file(
        b'{"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"__metadata__":{"k":"v"}}',
        b"xyz",
    ),
    "indented": make_file(
        json.dumps(
            {"__metadata__": {"k": "v"}, "a": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}, indent=2
        ).encode(),
        b"xyz",
    ),
    "escaped name": make_file(b'{"__met\\u0061data__":{"k":"\\u00fc\\/"}}'),
    "metadata with raw unicode": make_file('{"__metadata__":{"ü":"😀"}}'.encode()),
    "name that looks like it": make_file(
        b'{"__metadata__x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
        b'"jellyformat2":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    ),
}
FILES["torch, trailing spaces"] = make_file(header_of(FILES["torch"]) + b" " * 5000, data_of(FILES["torch"]))


def loaded(file: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    path = Path(loaded_in) / "loaded.safetensors"
    path.write_bytes(file)
    with safetensors.safe_open(path, "pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
    assert safetensors.torch.load_file(path).keys() == tensors.keys()
    return tensors, metadata


loaded_in = ""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path) -> None:
    global loaded_in
    loaded_in = str(tmp_path)


@pytest.fixture
def low_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form changes at 40,000 bytes; that it does at 100,000,000 is a test of its own."""
    monkeypatch.setattr(adapter, "METADATA_FORM_MAX", 40_000)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.mark.parametrize("name", FILES)
def test_metadata_form(name: str) -> None:
    host = FILES[name]
    before, metadata = loaded(host)
    assert ADAPTER.matches(BytesSource(host))
    assert ADAPTER.find(BytesSource(host)) is None
    file = embed(host)
    carried = find(file)
    assert (carried.form, carried.host_length, read_all(carried.container)) == ("metadata", len(host), CONTAINER)
    assert strip(file) == host
    # The data's place modulo 64 is kept, and the frameworks see only one more line of metadata.
    assert data_of(file) == data_of(host)
    assert len(file) % 64 == len(host) % 64
    after, with_container = loaded(file)
    assert same(before, after)
    assert with_container is not None
    assert base64.b64decode(with_container.pop("jellyformat").rstrip("~!")) == CONTAINER
    assert with_container == (metadata or {})
    longer = embed(file, OTHER)
    assert longer == embed(host, OTHER)
    assert embed(longer, CONTAINER) == file
    assert strip(longer) == host


@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("low_cap")
def test_tensor_form(name: str) -> None:
    host = FILES[name]
    before, metadata = loaded(host)
    file = embed(host, LARGE)
    carried = find(file)
    assert (carried.form, carried.host_length) == ("tensor", len(host))
    assert read_all(carried.container) == LARGE
    assert file.endswith(data_of(host) + LARGE)
    assert len(header_of(file)) % 64 == len(header_of(host)) % 64
    after, same_metadata = loaded(file)
    assert bytes(after.pop("jellyformat").numpy()) == LARGE
    assert same(before, after)
    assert same_metadata == metadata
    assert strip(file) == host
    assert embed(file, CONTAINER) == embed(host, CONTAINER)
    assert embed(embed(host, CONTAINER), LARGE) == file


@pytest.mark.usefixtures("low_cap")
def test_the_text_is_that_of_the_specification() -> None:
    encoded = base64.b64encode(CONTAINER)

    def inserted(header: bytes) -> bytes:
        return header_of(embed(make_file(header)))

    text = inserted(b'{"__metadata__":{"a":"b"}}')
    head, rest = text.split(encoded)
    assert head == b'{"__metadata__":{"jellyformat":"'
    fill = rest[: rest.index(b'"')]
    assert fill == b"~" * len(fill)
    assert 1 <= len(fill) <= 64
    assert rest[len(fill) :] == b'","a":"b"}}'
    assert inserted(b'{"__metadata__":{}}').endswith(b'~"}}')
    text = inserted(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    assert text.startswith(b'{"__metadata__":{"jellyformat":"' + encoded + b"!")
    assert text.endswith(b'!"},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    assert inserted(b"{}").endswith(b'!"}}')
    text = header_of(embed(make_file(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"), LARGE))
    length = len(LARGE)
    start = b'{"jellyformat":{"dtype":"U8","shape":[%d],"data_offsets":[1,%d]' % (length, length + 1)
    assert text.startswith(start)
    assert text[len(start) :].lstrip(b" ") == b'},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'


def test_every_length_of_fill() -> None:
    fills = set()
    for length in range(70):
        container = make_container(bytes(length))
        for host in (make_file(b"{}"), make_file(b'{"__metadata__":{"a":"b"}}'), make_file(b'{"__metadata__":{}}')):
            file = embed(host, container)
            value: str = json.loads(header_of(file))["__metadata__"]["jellyformat"]
            fills.add(len(value) - len(value.rstrip("~!")))
            assert read_all(find(file).container) == container
            assert strip(file) == host
    assert {3, 4, 63, 64} <= fills <= set(range(1, 65))


def test_the_form_changes_at_100_000_000_bytes() -> None:
    # The text inserted into {} is 64 * 390,624 + … bytes for the container that just fits.
    host = make_file(b"{}" + b" " * (CAP % 64 + 62))
    room = CAP - len(header_of(host))
    assert room % 64 == 0
    frame = len(b'"__metadata__":{"jellyformat":""}') + 1
    fits = (room - frame) // 4 * 3
    for length, form in ((fits, "metadata"), (fits + 1, "tensor")):
        file = embed(host, bytes(length))
        assert find(file).form == form
        assert (len(header_of(file)) == CAP) == (form == "metadata")
        assert strip(file) == host


def test_refuses_a_header_longer_than_readers_take() -> None:
    host = make_file(b"{}" + b" " * (100_000_000 - 2 - 63))
    with pytest.raises(RefusedHost, match="not touched") as caught:
        embed(host)
    assert caught.value.requirement == "JF-HST-004"
    assert embed(make_file(b"{}" + b" " * (100_000_000 - 2 - 64)))


def test_a_strict_model_loads(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    path = tmp_path / "m.safetensors"
    safetensors.torch.save_model(model, str(path))
    path.write_bytes(embed(path.read_bytes()))
    other = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    assert safetensors.torch.load_model(other, path, strict=True) == (set(), [])
    assert same(model.state_dict(), other.state_dict())


# What other tools leave behind.


def rewritten(file: bytes, **options: Any) -> bytes:
    """The file with its header made anew by `json`; ``reverse`` turns the order of all members around."""

    def turned(value: Any) -> Any:
        return {name: turned(value[name]) for name in reversed(value)} if isinstance(value, dict) else value

    header = json.loads(header_of(file))
    if options.pop("reverse", False):
        header = turned(header)
    return make_file(json.dumps(header, **options).encode(), data_of(file))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"separators": (",", ":")}, {"reverse": True}])
@pytest.mark.parametrize("container", [CONTAINER, LARGE], ids=["metadata", "tensor"])
@pytest.mark.usefixtures("low_cap")
def test_found_and_taken_out_of_a_header_that_was_written_again(
    name: str, options: dict[str, Any], container: bytes
) -> None:
    host = FILES[name]
    file = rewritten(embed(host, container), **dict(options))
    carried = find(file)
    assert read_all(carried.container) == container
    stripped = strip(file)
    assert len(stripped) == carried.host_length
    assert len(header_of(stripped)) % 64 == len(header_of(file)) % 64
    assert data_of(stripped) == data_of(host)
    own, left = json.loads(header_of(host)), json.loads(header_of(stripped))
    assert left == own
    assert ADAPTER.find(BytesSource(stripped)) is None
    again = embed(file, OTHER)
    assert read_all(find(again).container) == OTHER
    assert strip(again) == stripped


def test_found_where_safetensors_itself_saved_the_metadata_again() -> None:
    tensors, metadata = loaded(embed(torch_file(METADATA)))
    file = safetensors.torch.save(tensors, metadata)
    assert read_all(find(file).container) == CONTAINER
    left, rest = loaded(strip(file))
    assert same(left, tensors)
    assert rest == METADATA


def test_found_though_escaped() -> None:
    file = embed(make_file(b'{"__metadata__":{"a":"b"}}'), OTHER)
    header = header_of(file).replace(b"/", b"\\/").replace(b"+", b"\\u002b").replace(b"jelly", b"\\u006aelly")
    assert b"\\/" in header
    assert b"\\u002b" in header
    assert read_all(find(make_file(header)).container) == OTHER
    assert json.loads(header_of(strip(make_file(header)))) == {"__metadata__": {"a": "b"}}


@pytest.mark.parametrize("fill", ["", "~!~", "~" * 200, "!"])
def test_found_whatever_the_fill(fill: str) -> None:
    for other, left in (("", "{}"), (',"a":"b"', '{"a":"b"}')):
        text = f'{{"__metadata__":{{"jellyformat":"{ENCODED}{fill}"{other}}}}}'
        assert read_all(find(make_file(text.encode())).container) == CONTAINER
        stripped = header_of(strip(make_file(text.encode())))
        assert len(stripped) % 64 == len(text) % 64
        whole_goes = fill == "!" and not other
        assert stripped.rstrip() == (b"{}" if whole_goes else f'{{"__metadata__":{left}}}'.encode())


def test_metadata_that_came_later_stays() -> None:
    header = header_of(embed(make_file(b"{}")))
    file = make_file(header.replace(b'!"}', b'!","new":"x"}'))
    assert read_all(find(file).container) == CONTAINER
    assert json.loads(header_of(strip(file))) == {"__metadata__": {"new": "x"}}


# What is broken.

ENCODED = base64.b64encode(CONTAINER).decode()
U8 = '"dtype":"U8","shape":[3],"data_offsets":[0,3]'

BROKEN: dict[str, tuple[bytes, str]] = {
    name: (header.encode("utf-8", "surrogateescape") if isinstance(header, str) else header, requirement)
    for name, header, requirement in (
        ("no end", "{", "JF-SFT-001"),
        ("array inside", '{"a":[}', "JF-SFT-001"),
        ("comma too many", '{"a":1,}', "JF-SFT-001"),
        ("comma first", '{,"a":1}', "JF-SFT-001"),
        ("array comma", '{"a":[1,]}', "JF-SFT-001"),
        ("behind", "{}x", "JF-SFT-001"),
        ("NUL behind", "{}\0", "JF-SFT-001"),
        ("two objects", "{}{}", "JF-SFT-001"),
        ("NaN", '{"a":NaN}', "JF-SFT-001"),
        ("number", '{"a":01}', "JF-SFT-001"),
        ("single quotes", "{'a':1}", "JF-SFT-001"),
        ("control character", '{"a":"\n"}', "JF-SFT-001"),
        ("escape", '{"a":"\\x"}', "JF-SFT-001"),
        ("short escape", '{"a":"\\u12"}', "JF-SFT-001"),
        ("not UTF-8", b'{"a":"\xff"}', "JF-SFT-001"),
        ("UTF-8 of a surrogate", b'{"a":"\xed\xa0\x80"}', "JF-SFT-001"),
        ("overlong UTF-8", b'{"a":"\xc0\xaf"}', "JF-SFT-001"),
        ("cut UTF-8", b'{"a":1}\xc3', "JF-SFT-001"),
        ("deep", '{"a":' + "[" * 100_000, "JF-SFT-001"),
        ("metadata twice", '{"__metadata__":{},"__metadata__":{}}', "JF-SFT-001"),
        ("metadata twice, escaped", '{"__metadata__":{},"__met\\u0061data__":{}}', "JF-SFT-001"),
        ("metadata array", '{"__metadata__":[]}', "JF-SFT-001"),
        ("metadata nil", '{"__metadata__":null}', "JF-SFT-001"),
        ("twice", f'{{"__metadata__":{{"jellyformat":"{ENCODED}~","jellyformat":"{ENCODED}~"}}}}', "JF-SFT-001"),
        ("twice, escaped", f'{{"__metadata__":{{"jellyformat":"{ENCODED}","\\u006aellyformat":""}}}}', "JF-SFT-001"),
        ("tensor twice", f'{{"jellyformat":{{{U8}}},"jellyformat":{{{U8}}}}}', "JF-SFT-001"),
        ("both", f'{{"__metadata__":{{"jellyformat":"{ENCODED}~"}},"jellyformat":{{{U8}}}}}', "JF-SFT-001"),
        ("a number", '{"__metadata__":{"jellyformat":1}}', "JF-SFT-001"),
        ("an object", '{"__metadata__":{"jellyformat":{}}}', "JF-SFT-001"),
        ("tensor is a string", '{"jellyformat":"x"}', "JF-SFT-001"),
        ("tensor is pairs", '{"jellyformat":[["dtype","U8"],["shape",[3]],["data_offsets",[0,3]]]}', "JF-SFT-001"),
        ("tensor of floats", '{"jellyformat":{"dtype":"F32","shape":[3],"data_offsets":[0,3]}}', "JF-SFT-001"),
        ("tensor of two dimensions", '{"jellyformat":{"dtype":"U8","shape":[1,3],"data_offsets":[0,3]}}', "JF-SFT-001"),
        ("tensor beyond the end", '{"jellyformat":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}', "JF-SFT-001"),
        ("tensor beyond", '{"jellyformat":{"dtype":"U8","shape":[4],"data_offsets":[-1,3]}}', "JF-SFT-001"),
        ("tensor of another length", '{"jellyformat":{"dtype":"U8","shape":[4],"data_offsets":[0,3]}}', "JF-SFT-001"),
        ("tensor with more", f'{{"jellyformat":{{{U8},"x":1}}}}', "JF-SFT-001"),
        ("tensor with a key twice", f'{{"jellyformat":{{{U8},"dtype":"U8"}}}}', "JF-SFT-001"),
        ("tensor with a float", '{"jellyformat":{"dtype":"U8","shape":[3.0],"data_offsets":[0,3]}}', "JF-SFT-001"),
        ("tensor with true", '{"jellyformat":{"dtype":"U8","shape":[true],"data_offsets":[2,3]}}', "JF-SFT-001"),
        ("tensor without a key", '{"jellyformat":{"dtype":"U8","shape":[3]}}', "JF-SFT-001"),
        (
            "huge number",
            '{"jellyformat":{"dtype":"U8","shape":[' + "9" * 5000 + '],"data_offsets":[0,3]}}',
            "JF-SFT-001",
        ),
        ("deep tensor", '{"jellyformat":{"a":' + "[" * 1500 + "]" * 1500 + "}}", "JF-SFT-001"),
        ("no padding", '{"__metadata__":{"jellyformat":"QQ~"}}', "JF-SFT-002"),
        ("half padding", '{"__metadata__":{"jellyformat":"QQ=~"}}', "JF-SFT-002"),
        ("too much padding", '{"__metadata__":{"jellyformat":"QQ===~"}}', "JF-SFT-002"),
        ("bits that do not count", '{"__metadata__":{"jellyformat":"QR==~"}}', "JF-SFT-002"),
        ("space", '{"__metadata__":{"jellyformat":"QUJD QUJD~"}}', "JF-SFT-002"),
        ("line end", '{"__metadata__":{"jellyformat":"QUJD\\nQUJD~"}}', "JF-SFT-002"),
        ("URL alphabet", '{"__metadata__":{"jellyformat":"QU-_~"}}', "JF-SFT-002"),
        ("fill in the midst", '{"__metadata__":{"jellyformat":"QUJD~QUJD"}}', "JF-SFT-002"),
        ("other letters", '{"__metadata__":{"jellyformat":"ÄÖÜß~"}}', "JF-SFT-002"),
        ("half a surrogate", '{"__metadata__":{"jellyformat":"\\ud800QQQ~"}}', "JF-SFT-002"),
    )
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_headers_are_told(name: str) -> None:
    header, requirement = BROKEN[name]
    file = make_file(header, b"xyz")
    for call in (ADAPTER.find, lambda source: ADAPTER.plan_embed(source, CONTAINER)):
        with pytest.raises(BadHost) as caught:
            call(BytesSource(file))
        assert caught.value.requirement == requirement
        assert caught.value.offset is not None
        assert 8 <= caught.value.offset <= 8 + len(header)


def test_a_tensor_between_others_is_found_and_stays() -> None:
    """Saved again beside a tensor whose name sorts later: readable, but nothing can be cut off."""
    length = len(CONTAINER)
    header = {
        "jellyformat": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]},
        "zz": {"dtype": "U8", "shape": [2], "data_offsets": [length, length + 2]},
    }
    file = make_file(json.dumps(header).encode(), CONTAINER + b"zz")
    carried = find(file)
    assert (carried.form, carried.host_length, read_all(carried.container)) == ("tensor", None, CONTAINER)
    for call in (ADAPTER.plan_strip, lambda source, _: ADAPTER.plan_embed(source, CONTAINER)):
        with pytest.raises(RefusedHost):
            call(BytesSource(file), carried)


def test_both_forms_at_once_are_ambiguous() -> None:
    header = json.loads(header_of(embed(make_file(b"{}"))))
    header["jellyformat"] = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    with pytest.raises(BadHost):
        ADAPTER.find(BytesSource(make_file(json.dumps(header).encode())))


def test_a_number_longer_than_python_reads() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        header = b'{"jellyformat":{"dtype":"U8","shape":[' + b"9" * 700 + b'],"data_offsets":[0,3]}}'
        with pytest.raises(BadHost):
            ADAPTER.find(BytesSource(make_file(header)))
    finally:
        sys.set_int_max_str_digits(before)


def test_what_is_no_safetensors_file() -> None:
    for file in (
        b"",
        b"\2\0\0\0\0\0\0\0",
        b"\2\0\0\0\0\0\0\0{",
        struct.pack("<Q", 1) + b"{}",
        struct.pack("<Q", 100_000_001) + b"{}",
        struct.pack("<Q", 2**63) + b"{}",
        make_file(b" {}"),
        make_file(b"[]"),
    ):
        assert not ADAPTER.matches(BytesSource(file))
        with pytest.raises(BadHost):
            ADAPTER.find(BytesSource(file))
    assert ADAPTER.matches(BytesSource(make_file(b"{}")))


@pytest.mark.usefixtures("low_cap")
def test_truncations_raise_nothing_else() -> None:
    for host in (FILES["torch, metadata"], FILES["metadata last"]):
        for container in (CONTAINER, LARGE):
            file = embed(host, container)
            for length in {*range(0, min(len(file), 3000), 7), *range(len(file) - 200, len(file))}:
                source = BytesSource(file[:length])
                if container is LARGE or length < 8 + len(header_of(file)):
                    with pytest.raises(BadHost):
                        ADAPTER.find(source)
                else:
                    assert read_all(find(file[:length]).container) == container


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(data: st.DataObject) -> None:
    host = data.draw(st.sampled_from([embed(FILES["torch, metadata"]), embed(FILES["smallest"]), FILES["indented"]]))
    changed = bytearray(host)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        changed[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    if data.draw(st.booleans()):
        header = bytes(changed[8:])
        changed = bytearray(make_file(header))
    source = BytesSource(bytes(changed))
    with contextlib.suppress(JellyError):
        ADAPTER.find(source)
    with contextlib.suppress(JellyError):
        embed(bytes(changed))


# The JSON scanner against `json`.


def reference(text: bytes) -> bool:
    """Whether `json` takes ``text`` for one object."""

    def no_constant(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(text.decode("utf-8"), parse_constant=no_constant), dict)
    except (ValueError, RecursionError):
        return False


def scanned(text: bytes) -> bool:
    try:
        check_utf8(text)
        return skip_space(text, scan_object(text, 0, frozenset((b"a",))).end) == len(text)
    except NotJson as error:
        return error.what.endswith("twice") and 0 <= error.offset < len(text)


PIECES = [b"{", b"}", b"[", b"]", b",", b":", b'"a"', b'"', b"\\", b"\\u0061", b"\\n", b"1", b"-", b"0", b".5", b"e9"]
PIECES += [
    b"true",
    b"null",
    b"NaN",
    b" ",
    b"\n",
    b"\t",
    b"\x0b",
    b"\xc3\xbc",
    b"\xc3",
    b"\xef\xbb\xbf",
    b'"b":2',
    b'{"c":[]}',
]


@given(st.lists(st.sampled_from(PIECES), max_size=14))
@example([b'"a":', b"[", b'{"c":[]}', b",", b"-0.5e9", b"]"])
@settings(max_examples=3000, deadline=None)
def test_the_scanner_takes_what_json_takes(pieces: list[bytes]) -> None:
    text = b"{" + b"".join(pieces) + b"}"
    assert scanned(text) == reference(text)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
SPACES = st.text(" \t\r\n", max_size=3)


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Headers with odd spacing, escapes and order, and with or without metadata."""

    def name(text: str) -> str:
        return json.dumps(text, ensure_ascii=draw(st.booleans()))

    def spread(members: list[tuple[str, str]]) -> str:
        parts = [f"{draw(SPACES)}{key}{draw(SPACES)}:{draw(SPACES)}{value}{draw(SPACES)}" for key, value in members]
        return "{" + (",".join(parts) or draw(SPACES)) + "}"

    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    members = [
        (name(key), json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.integers(0, 2))))
        for key, value in draw(st.dictionaries(texts, VALUES, max_size=4)).items()
        if key not in ("__metadata__", "jellyformat")
    ]
    if draw(st.booleans()):
        metadata = [(name(k), name(v)) for k, v in draw(st.dictionaries(texts, texts, max_size=3)).items()]
        written = spread([pair for pair in metadata if json.loads(pair[0]) != "jellyformat"])
        members.insert(draw(st.integers(0, len(members))), ('"__metadata__"', written))
    return (spread(members) + draw(SPACES)).encode("utf-8", "surrogatepass")


@given(headers(), st.binary(max_size=20), st.binary(max_size=200), st.binary(max_size=200))
@settings(max_examples=400, deadline=None)
def test_any_header_comes_back_bit_for_bit(header: bytes, data: bytes, one: bytes, two: bytes) -> None:
    host = make_file(header, data)
    assert reference(header)
    first, second = make_container(one), make_container(two)
    file = embed(host, first)
    assert reference(header_of(file))
    assert len(header_of(file)) % 64 == len(header) % 64
    assert read_all(find(file).container) == first
    assert find(file).host_length == len(host)
    assert strip(file) == host
    assert strip(embed(file, second)) == host
    # What was inserted is one piece of text: the rest of the header is as it was.
    now = header_of(file)
    same = next(place for place in range(len(header), -1, -1) if now.startswith(header[:place]))
    assert now.endswith(header[same:])


@pytest.mark.parametrize(
    ("header", "good"),
    [
        (b'{"a":' + b"[" * 1_000_000, False),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", True),
        (b'{"a":"' + b"\\n" * 1_000_000 + b'"}', True),
        (b'{"a":"' + b"\\" * 1_000_001 + b'"}', False),
        (b'{"a":' + b"9" * 1_000_000 + b"}", True),
        (b"{" + b'"a":1,' * 30_000 + b'"b":2}', True),
    ],
    ids=["open", "deep", "escapes", "backslashes", "digits", "members"],
)
def test_large_headers_are_read(header: bytes, good: bool) -> None:
    if good:
        assert ADAPTER.find(BytesSource(make_file(header))) is None
        assert strip(embed(make_file(header))) == make_file(header)
    else:
        with pytest.raises(BadHost):
            ADAPTER.find(BytesSource(make_file(header)))


# The frameworks' own save calls.


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Stands in for the capture; the arguments of each come back."""
    made: list[tuple[Any, Any]] = []

    def snapshot(repo: Any = ".", history: Any = "head", **options: Any) -> Snapshot:
        made.append((repo, history))
        return Snapshot(CONTAINER)

    monkeypatch.setattr(training, "take", snapshot)
    return made


TORCH = {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.bfloat16)}
NUMPY = {"a": np.arange(3.0), "b": np.ones(2, dtype=np.int8)}


def test_save_file_takes_a_snapshot_along(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    path = tmp_path / "a.safetensors"
    jellyformat_safetensors.save_file(TORCH, path, {"k": "v"}, repo="there", history=3)
    assert calls == [("there", 3)]
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    assert same(safetensors.torch.load_file(path), TORCH)
    with safetensors.safe_open(path, "pt") as opened:
        assert opened.metadata()["k"] == "v"
    assert strip(path.read_bytes()) == safetensors.torch.save(TORCH, {"k": "v"})
    calls.clear()
    jellyformat_safetensors.save_file(NUMPY, str(path), snapshot=Snapshot(OTHER))
    assert calls == []
    assert read_all(find(path.read_bytes()).container) == OTHER
    assert strip(path.read_bytes()) == safetensors.numpy.save(NUMPY)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.safetensors"]


def test_save_gives_bytes(calls: list[tuple[Any, Any]]) -> None:
    assert jellyformat_safetensors.save(TORCH, {"k": "v"}) == embed(safetensors.torch.save(TORCH, {"k": "v"}))
    assert jellyformat_safetensors.save(NUMPY) == embed(safetensors.numpy.save(NUMPY))
    assert jellyformat_safetensors.save({}) == embed(safetensors.numpy.save({}))
    assert jellyformat_safetensors.save(NUMPY, {}) == embed(safetensors.numpy.save(NUMPY, {}))
    assert calls == [(".", "head")] * 4


def test_save_model(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    model = torch.nn.Linear(3, 4)
    tied = torch.nn.ModuleDict({"a": model, "b": model})
    path = tmp_path / "m.safetensors"
    jellyformat_safetensors.save_model(tied, path, {"k": "v"})
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    fresh = torch.nn.Linear(3, 4)
    safetensors.torch.load_model(torch.nn.ModuleDict({"a": fresh, "b": fresh}), path, strict=True)
    assert same(fresh.state_dict(), model.state_dict())


def test_what_was_there_stays_where_saving_fails(
    tmp_path: Path, calls: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"precious")
    with pytest.raises(Exception, match="str"):
        torch_saves.save_file(TORCH, path, {"k": 1})  # type: ignore[dict-item]
    numpy_saves.save_file(NUMPY, tmp_path / "ok", snapshot=Snapshot(CONTAINER))

    def interrupted(path: str, snap: Snapshot, **options: Any) -> None:
        assert safetensors.numpy.load_file(path).keys() == NUMPY.keys()
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshots, "embed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        numpy_saves.save_file(NUMPY, path)
    assert path.read_bytes() == b"precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.safetensors", "ok"]


def test_links_and_modes_stay(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    jellyformat_safetensors.save_file(NUMPY, link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_all(find(path.read_bytes()).container) == CONTAINER


def test_an_earlier_container_in_what_is_saved_gives_way(tmp_path: Path, calls: list[tuple[Any, Any]]) -> None:
    path = tmp_path / "a.safetensors"
    jellyformat_safetensors.save_file(NUMPY, path, {"k": "v"}, snapshot=Snapshot(OTHER))
    with safetensors.safe_open(path, "np") as opened:
        metadata = opened.metadata()
    assert "jellyformat" in metadata
    jellyformat_safetensors.save_file(NUMPY, path, metadata)
    assert read_all(find(path.read_bytes()).container) == CONTAINER
    assert strip(path.read_bytes()) == safetensors.numpy.save(NUMPY, {"k": "v"})
    for carried in (torch.frombuffer(bytearray(OTHER), dtype=torch.uint8), np.frombuffer(OTHER, dtype=np.uint8)):
        own: Any = TORCH if isinstance(carried, torch.Tensor) else NUMPY
        saved = jellyformat_safetensors.save({**own, "jellyformat": carried}, {"jellyformat": "x"})
        assert saved == jellyformat_safetensors.save(own)
    for mine in (np.zeros(3), np.zeros(9, np.uint8), np.zeros((9, 9), np.uint8)):
        with pytest.raises(Usage):
            jellyformat_safetensors.save({"jellyformat": mine})


def test_a_real_repository_goes_along(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    (repo / "train.py").write_text("print('hello')\n")
    path = tmp_path / "m.safetensors"
    jellyformat_safetensors.save_file(TORCH, path, {"k": "v"}, repo=repo)
    assert jellyformat.verify(path).ok
    with jellyformat.open(path) as box:
        assert box.read("train.py") == b"print('hello')\n"
    assert same(safetensors.torch.load_file(path), TORCH)
    assert jellyformat.strip(path) == "safetensors"
    assert path.read_bytes() == safetensors.torch.save(TORCH, {"k": "v"})


def test_other_frameworks_are_named() -> None:
    with pytest.raises(Usage, match=r"builtins\.list"):
        jellyformat_safetensors.save_file({"a": [1]}, "x", snapshot=Snapshot(CONTAINER))


def test_importing_imports_no_framework() -> None:
    code = "import sys, jellyformat_safetensors as j; print({'torch', 'numpy', 'safetensors'} & set(sys.modules))"
    path = [str(Path(jellyformat_safetensors.__file__).parents[1]), str(Path(__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"


def test_as_a_tensor_on_request(tmp_path: Path) -> None:
    """Replaced by either form, by the other, and stripped bit for bit; its own loader gives one tensor more."""
    from safetensors.torch import load_file, save_file

    path, other = tmp_path / "model.safetensors", tmp_path / "model.bin"
    save_file({"w": torch.arange(6.0)}, path, metadata={"format": "pt"})
    before = path.read_bytes()
    data = (Path(__file__).parents[2] / "conformance" / "vectors" / "smallest.jelly").read_bytes()
    snap = snapshots.Snapshot(data)
    assert jellyformat.embed(path, snap, as_tensor=True) == "safetensors"
    loaded = load_file(path)
    assert loaded.keys() == {"w", "jellyformat"}
    assert bytes(loaded["jellyformat"].tolist()) == data
    assert jellyformat.load(path).data == data
    jellyformat.embed(path, snap, replace=True)
    assert load_file(path).keys() == {"w"}
    jellyformat.embed(path, snap, replace=True, as_tensor=True)
    jellyformat.strip(path)
    assert path.read_bytes() == before
    other.write_bytes(b"\0\1\2")
    with pytest.raises(RefusedHost, match="no place for a tensor"):
        jellyformat.embed(other, snap, as_tensor=True)
    assert other.read_bytes() == b"\0\1\2"


@pytest.mark.parametrize("text", ["mine", "", "abcd" * 30])
def test_metadata_of_somebody_else_stay(tmp_path: Path, text: str) -> None:
    """Of that name, and base64 by accident: no snapshot, and never replaced or taken out."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.ones(3)}, {"jellyformat": text}))
    source = BytesSource(path.read_bytes())
    for action in (ADAPTER.find, lambda host: ADAPTER.plan_embed(host, CONTAINER)):
        with pytest.raises(BadHost, match="somebody else's") as caught:
            action(source)
        assert caught.value.requirement == "JF-SFT-001"

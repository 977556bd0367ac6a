"""The safetensors adapter against real files and headers of every shape."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plans
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jellyformat_safetensors import ADAPTER, adapter
from jellyformat_safetensors.jsontext import NotJson, check_utf8, scan_object, skip_space

from jellyformat.adapter import BadHost, BytesSource, Carried, JellyError, RefusedHost, read_all
from jellyformat.testing import AdapterContract, SplicingContract, TensorContract, WeightsContract

if TYPE_CHECKING:
    import torch

CAP = 100_000_000
CONTAINER = plans.container_of(b"body")
OTHER = plans.container_of(bytes(range(256)) * 5)
LARGE = plans.container_of(bytes(40_000))


def embed(file: bytes, container: bytes = CONTAINER) -> bytes:
    return plans.embed(ADAPTER, file, container)


def find(file: bytes) -> Carried:
    carried = ADAPTER.find(BytesSource(file))
    assert carried is not None
    return carried


def strip(file: bytes) -> bytes:
    return plans.strip(ADAPTER, file)


def make_file(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def header_of(file: bytes) -> bytes:
    return file[8 : 8 + struct.unpack("<Q", file[:8])[0]]


def data_of(file: bytes) -> bytes:
    return file[8 + len(header_of(file)) :]


def torch_file(metadata: dict[str, str] | None = None) -> bytes:
    import safetensors.torch
    import torch

    tensors = {
        "a": torch.arange(10.0),
        "bf": torch.ones(3, 3, dtype=torch.bfloat16),
        "none": torch.zeros(0, 4),
        "scalar": torch.tensor(2),
        'odd "name" \\ ü 見 }': torch.arange(5, dtype=torch.uint8),
    }
    saved: bytes = safetensors.torch.save(tensors, metadata)
    return saved


def numpy_file(tensors: Callable[[Any], dict[str, Any]], metadata: dict[str, str] | None = None) -> bytes:
    import numpy as np
    import safetensors.numpy

    saved: bytes = safetensors.numpy.save(tensors(np), metadata)
    return saved


METADATA = {
    "format": "pt",
    'quote " backslash \\ newline \n': "}{][,:",
    "ü見😀": "\u0000\u001f\u2028 /",
    "__metadata__": '"__metadata__":{"jellyformat":"AAAA~"}',
    "x": '{"jellyformat":"AAAA"}',
    "jellyformat ": "no",
}

MADE: dict[str, Callable[[], bytes]] = {
    "torch": torch_file,
    "torch, metadata": lambda: torch_file(METADATA),
    "torch, empty metadata": lambda: torch_file({}),
    "torch, trailing spaces": lambda: make_file(header_of(torch_file()) + b" " * 5000, data_of(torch_file())),
    "numpy": lambda: numpy_file(lambda np: {"w": np.arange(7, dtype=np.float64), "x": np.zeros((2, 2), np.int8)}),
    "numpy, metadata": lambda: numpy_file(lambda np: {"w": np.arange(7)}, {"a": "b"}),
    "no tensors": lambda: numpy_file(lambda np: {}),
    "no tensors, metadata": lambda: numpy_file(lambda np: {}, {"a": "b"}),
}
FILES: dict[str, bytes] = {
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
NAMES = [*MADE, *FILES]


@cache
def file_of(name: str) -> bytes:
    """A file by its name; those of the frameworks are made when they are first asked for."""
    return FILES[name] if name in FILES else MADE[name]()


def loaded(file: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "loaded.safetensors"
        path.write_bytes(file)
        return load(path)


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str] | None]:
    import safetensors.torch

    with safetensors.safe_open(path, "pt") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
    assert safetensors.torch.load_file(path).keys() == tensors.keys()
    return tensors, metadata


class TestSafetensors(SplicingContract, TensorContract, WeightsContract, AdapterContract):
    adapter = ADAPTER
    hosts = {name: lambda path: path.write_bytes(file_of(path.name)) for name in NAMES}

    def loads(self, path: Path) -> object:
        tensors, metadata = load(path)
        (metadata or {}).pop("jellyformat", None)
        return [(name, str(value.dtype), value.tolist()) for name, value in tensors.items()], metadata or {}

    def large(self, path: Path, size: int) -> None:
        path.write_bytes(numpy_file(lambda np: {"w": np.zeros(size, np.uint8)}))


@pytest.fixture
def low_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form changes at 40,000 bytes; that it does at 100,000,000 is a test of its own."""
    monkeypatch.setattr(adapter, "METADATA_FORM_MAX", 40_000)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    import torch

    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.mark.parametrize("name", NAMES)
def test_metadata_form(name: str) -> None:
    """The data's place modulo 64 is kept, and the frameworks see only one more line of metadata."""
    host = file_of(name)
    file = embed(host)
    assert find(file).form == "metadata"
    assert data_of(file) == data_of(host)
    assert len(file) % 64 == len(host) % 64
    before, metadata = loaded(host)
    after, with_container = loaded(file)
    assert same(before, after)
    assert with_container is not None
    assert base64.b64decode(with_container.pop("jellyformat").rstrip("~!")) == CONTAINER
    assert with_container == (metadata or {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("low_cap")
def test_tensor_form(name: str) -> None:
    host = file_of(name)
    before, metadata = loaded(host)
    file = embed(host, LARGE)
    assert find(file).form == "tensor"
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
        container = plans.container_of(bytes(length))
        for host in (make_file(b"{}"), make_file(b'{"__metadata__":{"a":"b"}}'), make_file(b'{"__metadata__":{}}')):
            file = embed(host, container)
            value: str = json.loads(header_of(file))["__metadata__"]["jellyformat"]
            fills.add(len(value) - len(value.rstrip("~!")))
            assert read_all(find(file).container) == container
            assert strip(file) == host
    assert {3, 4, 63, 64} <= fills <= set(range(1, 65))


@pytest.mark.sampled(3)
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
    with pytest.raises(RefusedHost, match="more than its readers take") as caught:
        embed(host)
    assert caught.value.requirement == "JF-HST-004"
    assert embed(make_file(b"{}" + b" " * (100_000_000 - 2 - 64)))


def test_a_strict_model_loads(tmp_path: Path) -> None:
    import safetensors.torch
    import torch

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


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{}, {"indent": 2}, {"separators": (",", ":")}, {"reverse": True}])
@pytest.mark.parametrize("container", [CONTAINER, LARGE], ids=["metadata", "tensor"])
@pytest.mark.usefixtures("low_cap")
def test_found_and_taken_out_of_a_header_that_was_written_again(
    name: str, options: dict[str, Any], container: bytes
) -> None:
    host = file_of(name)
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
    import safetensors.torch

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


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(data: st.DataObject) -> None:
    host = data.draw(
        st.sampled_from([embed(file_of("torch, metadata")), embed(file_of("smallest")), file_of("indented")])
    )
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
    first, second = plans.container_of(one), plans.container_of(two)
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


@pytest.mark.parametrize("text", ["mine", "", "abcd" * 30])
def test_metadata_of_somebody_else_stay(text: str) -> None:
    """Of that name, and base64 by accident: no snapshot, and never replaced or taken out."""
    source = BytesSource(numpy_file(lambda np: {"a": np.ones(3)}, {"jellyformat": text}))
    for action in (ADAPTER.find, lambda host: ADAPTER.plan_embed(host, CONTAINER)):
        with pytest.raises(BadHost, match="somebody else's") as caught:
            action(source)
        assert caught.value.requirement == "JF-SFT-001"

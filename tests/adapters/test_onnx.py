"""The ONNX adapter with models that onnx writes, its checker checks and onnxruntime runs (SPEC JF-ONX)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import plans
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_onnx import ADAPTER
from jellyformat_onnx.appending import appending
from jellyformat_onnx.message import FIELDS_MAX, NotAMessage, encode_field, is_onnx, walk

import jellyformat
from jellyformat.adapter import Append, BadHost, BytesSource, Copy, RefusedHost, Rewrite, Truncate
from jellyformat.hosts import registry
from jellyformat.testing import AdapterContract, make_container

if TYPE_CHECKING:
    import onnx

CONTAINER = plans.make_container()
OTHER = plans.make_container(100_000, 1)
SMALL = plans.make_container(200, 2)


def model(functions: int = 0, properties: dict[str, str] | None = None, **fields: Any) -> onnx.ModelProto:
    """A matrix product."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = np.arange(4 * 100, dtype=np.float32).reshape(4, 100)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 100])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 18)]
    relu = [helper.make_node("Relu", ["a"], ["b"])]
    made = helper.make_model(
        graph,
        opset_imports=[*opsets, helper.make_opsetid("own", 1)],
        functions=[helper.make_function("own", f"f{i}", ["a"], ["b"], relu, opsets) for i in range(functions)],
        ir_version=9,
        **fields,
    )
    if properties:
        helper.set_model_props(made, properties)
    return made


@cache
def plain() -> bytes:
    made: bytes = model().SerializeToString()
    return made


@cache
def with_all() -> bytes:
    """With functions, properties and texts."""
    properties = {"k": "v", "ü": "見" * 100}
    made: bytes = model(40, properties, producer_name="p", doc_string="d" * 300, model_version=7).SerializeToString()
    return made


def embed(data: bytes, container: bytes = CONTAINER) -> bytes:
    return plans.embed(ADAPTER, data, container)


def strip(data: bytes) -> bytes:
    return plans.strip(ADAPTER, data)


def run(path: Path) -> object:
    import numpy as np
    import onnxruntime

    (result,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": np.ones((1, 4), np.float32)})
    return result.tolist()


def resaved(data: bytes) -> bytes:
    """Read and written again, as tools do."""
    import onnx

    loaded: bytes = onnx.load_from_string(data).SerializeToString()
    return loaded


def moved(data: bytes, behind: bytes = b"\x2a\x01d") -> bytes:
    """With a field behind the container, as a tool may write it that orders them otherwise."""
    return data + behind


class TestOnnx(AdapterContract):
    adapter = ADAPTER
    hosts = {
        "plain.onnx": lambda path: path.write_bytes(plain()),
        "with-all.onnx": lambda path: path.write_bytes(with_all()),
    }

    def loads(self, path: Path) -> object:
        """onnx's checker checks it, and onnxruntime runs it."""
        import onnx.checker
        import onnxruntime

        onnx.checker.check_model(str(path), full_check=True)
        loaded = onnx.load(path)
        onnx.checker.check_model(loaded, full_check=True)
        fields = ("graph", "opset_import", "functions", "producer_name", "ir_version", "metadata_props")
        properties = onnxruntime.InferenceSession(path.read_bytes()).get_modelmeta().custom_metadata_map
        return [str(getattr(loaded, field)) for field in fields], run(path), properties

    def large(self, path: Path, size: int) -> None:
        import numpy as np
        import onnx
        from onnx import helper, numpy_helper

        weights = numpy_helper.from_array(np.zeros(size, np.uint8), "w")
        onnx.save(helper.make_model(helper.make_graph([], "g", [], [], [weights])), path)


@pytest.mark.parametrize("host_of", [plain, with_all])
def test_it_survives_saving_again(host_of: Callable[[], bytes]) -> None:
    import onnx.shape_inference
    from onnx import helper

    host = host_of()
    file = embed(host)
    assert resaved(file) == file
    # Whatever is in the model is put in front of fields that are not known.
    loaded = onnx.load_from_string(file)
    loaded.producer_name = "another"
    helper.set_model_props(loaded, {"new": "line"})
    saved = loaded.SerializeToString()
    assert plans.described(ADAPTER.find(BytesSource(saved))) == ("field", CONTAINER, len(saved) - len(file) + len(host))
    assert onnx.load_from_string(strip(saved)).producer_name == "another"
    inferred = onnx.shape_inference.infer_shapes(loaded).SerializeToString()
    assert plans.described(ADAPTER.find(BytesSource(inferred))) is not None


def test_weights_in_a_file_of_their_own(tmp_path: Path) -> None:
    import onnx.checker

    path = tmp_path / "a.onnx"
    onnx.save(model(), path, save_as_external_data=True, location="a.data", size_threshold=0)
    before, weights, result = path.read_bytes(), (tmp_path / "a.data").read_bytes(), run(path)
    path.write_bytes(embed(before))
    onnx.checker.check_model(str(path), full_check=True)
    assert run(path) == result
    assert (tmp_path / "a.data").read_bytes() == weights
    assert strip(path.read_bytes()) == before


@pytest.mark.parametrize("host_of", [plain, with_all])
def test_moved_by_another_tool(host_of: Callable[[], bytes], tmp_path: Path) -> None:
    host = host_of()
    file = moved(embed(host))
    for path, data in ((tmp_path / "host.onnx", moved(host)), (tmp_path / "file.onnx", file)):
        path.write_bytes(data)
    assert TestOnnx().loads(tmp_path / "file.onnx") == TestOnnx().loads(tmp_path / "host.onnx")
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("field", CONTAINER, len(host) + 3)
    assert strip(file) == moved(host)
    assert embed(file, OTHER) == embed(moved(host), OTHER)
    source = BytesSource(file)
    assert isinstance(ADAPTER.plan_embed(source, OTHER), Rewrite)


def test_appended_and_cut_off() -> None:
    """At the cost of the container, whatever the model weighs."""
    host = plain()
    plan = ADAPTER.plan_embed(BytesSource(host), CONTAINER)
    writes = appending(len(host), encode_field(CONTAINER))
    assert plan == Append(len(host), writes, len(host) + 5000 + 6, ())
    assert sum(len(data) for _, data in writes) < 2 * 5000 + 20
    source = BytesSource(embed(host))
    again = ADAPTER.plan_embed(source, SMALL)
    assert isinstance(again, Append)
    assert again.back == writes
    assert replace(again, back=()) == ADAPTER.plan_embed(BytesSource(host), SMALL)
    carried = ADAPTER.find(source)
    assert carried is not None
    assert ADAPTER.plan_strip(source, carried) == Truncate(len(host))


class Large:
    """A model whose weights are so many zero bytes, which need not be there; what is read is counted."""

    def __init__(self, zeros: int, behind: bytes = b"") -> None:
        self.head = b"\x08\x09\x42\x04\x0a\x00\x10\x12\x3a" + varint(zeros)
        self.zeros, self.behind, self.read = zeros, behind, 0
        self.size = len(self.head) + zeros + len(behind)

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size)
        data = b"".join(self.at(place) for place in range(offset, end))
        self.read += len(data)
        return data

    def at(self, place: int) -> bytes:
        if place < len(self.head):
            return self.head[place : place + 1]
        place -= len(self.head) + self.zeros
        return self.behind[place : place + 1] if place >= 0 else b"\0"


def varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([value])


def test_little_is_read_and_no_model_is_made_too_long() -> None:
    large = Large(2**31 - 1 - len(encode_field(CONTAINER)) - 14)
    assert ADAPTER.matches(large)
    plan = ADAPTER.plan_embed(large, CONTAINER)
    assert isinstance(plan, Append)
    assert plan.length == 2**31 - 1
    assert large.read < 10_000
    with pytest.raises(RefusedHost, match="2147483648 bytes") as caught:
        ADAPTER.plan_embed(Large(large.zeros + 1), CONTAINER)
    assert caught.value.requirement == "JF-HST-004"
    carrier = Large(large.zeros, encode_field(CONTAINER))
    assert ADAPTER.matches(carrier)
    assert plans.described(ADAPTER.find(carrier)) == ("field", CONTAINER, large.size)
    carrier.read = 0
    again = ADAPTER.plan_embed(carrier, SMALL)
    assert isinstance(again, Append)
    assert replace(again, back=()) == ADAPTER.plan_embed(Large(large.zeros), SMALL)
    assert carrier.read < 10_000 + len(CONTAINER)


def test_what_is_no_onnx_model(tmp_path: Path) -> None:
    host = plain()
    others = {
        "a byte behind": host + b"\0",
        "cut off": host[:-1],
        "no graph": b"\x08\x09\x42\x04\x0a\x00\x10\x12",
        "no opset": b"\x08\x09\x3a\x00",
        "a graph that is a number": b"\x08\x09\x38\x00\x42\x00",
        "a version that is text": b"\x0a\x01a\x3a\x00\x42\x00",
        "a TensorFlow graph": (b"\x0a\xc8\x01" + bytes(200)) * 50,
        "a TensorFlow saved model": b"\x08\x01\x12\x02\x0a\x00",
        "msgpack": msgpack.packb({"a": 1}),
        "group": b"\x08\x09\x42\x00\x3a\x00\x0b\x0c",
        "field 0": b"\x08\x09\x42\x00\x3a\x00\x02\x00",
        "number too long": b"\x08" + b"\xff" * 10 + b"\x01\x42\x00\x3a\x00",
        "length beyond the end": b"\x08\x09\x42\x00\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        "version not first": b"\x42\x00\x08\x09\x3a\x00",
        "empty": b"",
    }
    path = tmp_path / "x"
    for name, data in others.items():
        path.write_bytes(data)
        with registry.reading(path) as (source, _):
            assert not ADAPTER.matches(source), name
        assert not ADAPTER.matches(BytesSource(data)), name
        assert registry.adapter_for(BytesSource(data)).name == "trailer", name
    assert ADAPTER.matches(BytesSource(b"\x08\x09\x42\x00\x3a\x00"))


def test_too_many_fields() -> None:
    three = b"\x08\x09\x42\x00\x3a\x00"
    assert is_onnx(BytesSource(three + b"\x72\x00" * (FIELDS_MAX - 3)))
    assert not is_onnx(BytesSource(three + b"\x72\x00" * (FIELDS_MAX - 2)))
    with pytest.raises(NotAMessage):
        list(walk(BytesSource(b"\x72\x00" * (FIELDS_MAX + 1))))


def test_fields_that_hold_something_else() -> None:
    host = plain()
    tag = encode_field(b"")[:-1]
    wrong = {
        "two": embed(host) + encode_field(SMALL),
        "twice the same": embed(host) + encode_field(CONTAINER),
        "empty": host + encode_field(b""),
        "no container": host + encode_field(b"x" * 100),
        "too long": host + encode_field(CONTAINER + b"x"),
        "too short": host + encode_field(CONTAINER[:-1]),
        "header alone": host + encode_field(CONTAINER[:71]),
        "a number": host + bytes([tag[0] & 0xF8]) + tag[1:] + b"\x05",
    }
    for name, data in wrong.items():
        source = BytesSource(data)
        assert ADAPTER.matches(source), name
        for call in (ADAPTER.find, lambda source: ADAPTER.plan_embed(source, SMALL)):
            with pytest.raises(BadHost) as caught:
                call(source)
            assert caught.value.requirement == "JF-ONX-001", name


LENGTHS = (200, 4096, 4100, 16_390, 16_391, 2_100_000)
"""Of containers: with lengths of two, three and four bytes, and on both sides of where these meet."""


def grown(length: int) -> bytes:
    """A model of so many bytes."""
    host = plain()
    missing = length - len(host)
    text = b"d" * (missing - (2 if missing < 130 else 3))
    return host + b"\x32" + varint(len(text)) + text


@pytest.mark.parametrize("length", LENGTHS)
def test_it_loads_after_every_write(length: int) -> None:
    """Wherever in a page or a sector the model ends; a write that ends with a page leaves whole fields, too."""
    import onnx

    container = plans.make_container(length, 4)
    field = encode_field(container)
    places = [*range(4096 - 20, 4096 + 3), *range(4096 + 512 - 12, 4096 + 512 + 2)]
    places += [8192 - len(field) % 4096 + more for more in range(-7, 8)]
    torn = 0
    for start in places if length < 1 << 20 else places[::5]:
        host = grown(start)
        file = bytearray(host)
        writes = appending(start, field)
        for number, (offset, data) in enumerate(writes):
            if number == 0:
                pages = range(-(-start // 4096) * 4096, start + len(data), 4096)
                for page in (*pages[:6], *pages[-3:]):
                    near = min(abs(page - end) for end in ends_of(start, data)) if start < page else 0
                    torn += 0 < near < 10
                    part = BytesSource(bytes(file) + data[: page - start])
                    assert 0 < near < 10 or whole(part), (start, page)
            elif len(data) < 10:
                assert offset // 512 == (offset + len(data) - 1) // 512, (start, number)
            file[offset : offset + len(data)] = data
            assert whole(BytesSource(bytes(file))), (start, number)
            loaded = onnx.load_from_string(bytes(file))
            assert len(loaded.graph.node) == 1
        assert bytes(file) == host + field
    assert torn < len(places) * 3


def ends_of(start: int, fillers: bytes) -> list[int]:
    """Where fillers end that are no page each."""
    ends = [start + field.end for field in walk(BytesSource(fillers))]
    return [start, *(end for end in ends if end % 4096)]


def whole(source: BytesSource) -> bool:
    """Whether it is a model with no container yet, or a whole one."""
    return is_onnx(source) and (ADAPTER.find(source) is None or not source.data.endswith(b"\0" * 8))


@given(st.integers(200, 15_000), st.integers(72, 60_000))
@settings(max_examples=200, deadline=None)
def test_it_is_a_message_after_every_write(start: int, length: int) -> None:
    field = encode_field(b"c" * length)
    host = grown(len(plain()) + start)
    file = bytearray(host)
    for offset, data in appending(len(host), field):
        file[offset : offset + len(data)] = data
        assert is_onnx(BytesSource(bytes(file)))
    assert bytes(file) == host + field


@pytest.mark.parametrize("before", [CONTAINER, OTHER, SMALL], ids=["as long", "longer", "shorter"])
def test_replacing_loads_after_every_write(before: bytes, tmp_path: Path) -> None:
    """And so does the way back."""
    import onnx

    path = tmp_path / "a.onnx"
    path.write_bytes(embed(with_all(), before))
    old = path.read_bytes()
    for step in plans.embed_file(ADAPTER, path, CONTAINER):
        assert len(onnx.load(path).functions) == 40, step
    assert path.read_bytes() == embed(with_all())
    plan = ADAPTER.plan_embed(BytesSource(old), CONTAINER)
    assert isinstance(plan, Append)
    assert plan.back is not None
    way_back = Append(plan.keep, plan.back, len(old), ())
    for step in plans.steps(path, way_back):
        assert len(onnx.load(path).functions) == 40, step
    assert path.read_bytes() == old


def test_fillers_left_behind_stay() -> None:
    """Of an append that was broken off, in a file that was copied meanwhile: the model has one more unknown field."""
    host = plain()
    writes = appending(len(host), encode_field(CONTAINER))
    for number in range(1, len(writes)):
        left = bytearray(host)
        for offset, data in writes[:number]:
            left[offset : offset + len(data)] = data
        assert ADAPTER.matches(BytesSource(bytes(left)))
        assert ADAPTER.find(BytesSource(bytes(left))) is None
        file = embed(bytes(left), SMALL)
        assert file == bytes(left) + encode_field(SMALL)
        assert strip(file) == bytes(left)


def test_a_tag_of_another_writer() -> None:
    """A tag of more bytes than it needs cannot be changed by one: the file is written anew."""
    host = plain()
    field = encode_field(CONTAINER)
    file = host + field[:3] + bytes((field[3] | 0x80, 0)) + field[4:]
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("field", CONTAINER, len(host))
    assert isinstance(ADAPTER.plan_embed(BytesSource(file), SMALL), Rewrite)
    assert embed(file, SMALL) == embed(host, SMALL)
    assert strip(file) == host
    longer = host + field[:4] + bytes((field[4], field[5] | 0x80, 0x80, 0)) + field[6:]
    assert isinstance(ADAPTER.plan_embed(BytesSource(longer), SMALL), Append)
    assert embed(longer, SMALL) == embed(host, SMALL)
    plan = ADAPTER.plan_embed(BytesSource(longer), SMALL)
    assert isinstance(plan, Append)
    assert plan.back is not None
    assert plans.applied(embed(host, SMALL), Append(len(host), plan.back, len(longer), ())) == longer


def test_every_truncation_is_noticed() -> None:
    import onnx
    from google.protobuf.message import DecodeError

    host = plain()
    file = embed(host, SMALL)
    for length in range(len(host) + 1, len(file)):
        source = BytesSource(file[:length])
        assert not ADAPTER.matches(source)
        with pytest.raises(BadHost) as caught:
            ADAPTER.find(source)
        assert caught.value.requirement == "JF-ONX-001"
        with pytest.raises(DecodeError):
            onnx.load_from_string(source.data)


@given(st.binary(max_size=300), st.sampled_from([lambda: b"", lambda: b"\x08\x09\x42\x00\x3a\x00", plain]))
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(garbage: bytes, begin: Callable[[], bytes]) -> None:
    start = begin()
    for data in (start + garbage, start + encode_field(garbage), start + encode_field(SMALL) + garbage):
        plans.only_jelly_errors(ADAPTER, data)


@given(st.integers(0, 40_000), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_containers_of_any_length(length: int, seed: int) -> None:
    container = plans.make_container(200 + length, seed)
    file = embed(plain(), container)
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("field", container, len(plain()))
    assert strip(file) == plain()


def test_saved_again_and_moved(tmp_path: Path) -> None:
    """Saved again by onnx it is there still; where a tool has put something behind it, the file is written anew."""
    import onnx

    path = tmp_path / "model.onnx"
    path.write_bytes(embed(with_all(), make_container()))
    onnx.save(onnx.load(path), path)
    assert jellyformat.verify(path).ok
    path.write_bytes(moved(embed(plain())))
    jellyformat.strip(path)
    assert path.read_bytes() == moved(plain())


def test_segments_are_copied() -> None:
    source = BytesSource(moved(embed(plain())))
    plan = ADAPTER.plan_embed(source, SMALL)
    assert isinstance(plan, Rewrite)
    assert [type(part) for part in plan.segments] == [Copy, Copy, bytes]

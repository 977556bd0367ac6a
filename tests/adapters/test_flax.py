"""flax's msgpack files: the container lies beside them, and is bound to what they hold."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import craft
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jellyformat_flax import ADAPTER
from jellyformat_flax import leaves as flax_leaves
from jellyformat_flax.leaves import read_weights
from jellyformat_flax.values import DEPTH_MAX, KEY_MAX, REACH, NotFlax, Values, is_flax, walk

import jellyformat
from jellyformat.adapter import BadHost, BytesSource, RefusedHost, SizeLimit, Stream, Weight
from jellyformat.errors import BindingMismatch, CountLimit, NoSnapshot, RefusedExists
from jellyformat.format import limits
from jellyformat.format.model import Provenance
from jellyformat.hosts import registry
from jellyformat.hosts.ties import BoundHost, bind
from jellyformat.testing import BesideContract, CountingSource, WeightsContract
from jellyformat.training import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
PARTS, RECORDS = craft.good()
OTHER = Snapshot(craft.assemble(replace(PARTS, provenance=Provenance(1, 0, "tests")), RECORDS))


@cache
def model() -> tuple[Any, Any, Any]:
    """Two layers, their optimizer, and their apply function."""
    import optax
    from flax import linen

    class Model(linen.Module):
        def setup(self) -> None:
            self.first, self.second = linen.Dense(4), linen.Dense(2)

        def __call__(self, x: Any) -> Any:
            return self.second(linen.relu(self.first(x)))

    made = Model()
    return made, optax.adam(1e-3), made.apply


def state(seed: int = 0) -> Any:
    import jax
    import jax.numpy as jnp
    from flax.training.train_state import TrainState

    made, optimizer, apply = model()
    params = made.init(jax.random.PRNGKey(seed), jnp.ones((1, 3)))["params"]
    return TrainState.create(apply_fn=apply, params=params, tx=optimizer)


def saved(value: Any) -> bytes:
    from flax import serialization

    data: bytes = serialization.msgpack_serialize(value)
    return data


def save(path: Path) -> None:
    from flax import serialization

    path.write_bytes(serialization.to_bytes(state()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.msgpack"
    save(path)
    return path


class TestFlax(BesideContract, WeightsContract):
    adapter = ADAPTER
    hosts = {
        "state.msgpack": save,
        "array.msgpack": lambda path: path.write_bytes(msgpack.packb({"a": array(1)})),
    }
    little = 8192

    def large(self, path: Path, size: int) -> None:
        arrays = {f"{number:02d}": array(1 << 20, data=bytes(1 << 20)) for number in range(size >> 20)}
        path.write_bytes(msgpack.packb(arrays))


def check_loads(path: Path, expected: Any) -> None:
    """flax gives what was saved, with a target and without."""
    import jax
    import numpy as np
    from flax import serialization

    data = path.read_bytes()
    found = serialization.from_bytes(state(1), data)
    assert jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), found, expected))
    assert list(serialization.msgpack_restore(data)) == ["step", "params", "opt_state"]


def weights(data: bytes) -> dict[bytes, Weight]:
    found = list(read_weights(BytesSource(data)))
    assert len({weight.name for weight in found}) == len(found)
    return {weight.name: weight for weight in found}


def content(weight: Weight) -> bytes:
    source = weight.content
    assert not isinstance(source, Stream)
    return source.read_at(0, source.size)


# -- the sidecar -----------------------------------------------------------------------------------------------------


def test_embed_replace_strip(path: Path) -> None:
    before = path.read_bytes()
    beside = path.with_name("jelly.model.msgpack.jelly")
    with path.open("rb") as stream:
        assert registry.recognize(BytesSource(stream.read())) == registry.Recognized("flax", ADAPTER, None)
    check_loads(path, state())
    for number, snap in enumerate((SNAP, OTHER)):
        assert jellyformat.embed(path, snap, replace=number > 0) == "sidecar"
        assert jellyformat.load(path).digest != (OTHER, SNAP)[number].digest
        assert jellyformat.verify(path).ok
        assert path.read_bytes() == before
        assert beside.exists()
        check_loads(path, state())
    with pytest.raises(RefusedExists):
        jellyformat.embed(path, SNAP)
    with pytest.raises(RefusedHost, match="msgpack file of flax") as refused:
        jellyformat.embed(path, SNAP, out=path.with_name("out"), replace=True)
    assert refused.value.requirement == "JF-HST-004"
    assert jellyformat.strip(path) == "sidecar"
    assert not beside.exists()
    assert path.read_bytes() == before
    check_loads(path, state())
    with pytest.raises(NoSnapshot):
        jellyformat.strip(path)


def test_saved_again(path: Path) -> None:
    """flax sorts the keys when it writes what it restored: other bytes, the same weights."""
    from flax import serialization

    jellyformat.embed(path, SNAP, bind=True)
    before = path.read_bytes()
    path.write_bytes(saved(serialization.msgpack_restore(before)))
    assert path.read_bytes() != before
    for named in (path, path.with_name("jelly.model.msgpack.jelly")):
        report = jellyformat.verify(named)
        assert report.ok, report
        assert [check.name for check in report.checks][-2:] == ["sidecar", "binding"]
        assert "saved again since" in report.checks[-2].detail
        assert "the weights are those" in report.checks[-1].detail
    assert jellyformat.verify(path, quick=True).ok
    assert jellyformat.strip(path) == "sidecar"
    assert not path.with_name("jelly.model.msgpack.jelly").exists()


def test_saved_again_without_a_binding(path: Path) -> None:
    from flax import serialization

    jellyformat.embed(path, SNAP)
    path.write_bytes(saved(serialization.msgpack_restore(path.read_bytes())))
    report = jellyformat.verify(path)
    assert isinstance(report.error, BindingMismatch)
    assert report.error.requirement == "JF-SDC-003"
    with pytest.raises(RefusedHost):
        jellyformat.strip(path)


def test_changed_weights(path: Path) -> None:
    import jax
    from flax import serialization

    jellyformat.embed(path, SNAP, bind=True)
    was = state()
    params = jax.tree.map(lambda x: x, was.params)
    params["first"]["kernel"] = params["first"]["kernel"].at[0, 0].add(1)
    path.write_bytes(serialization.to_bytes(was.replace(params=params, step=7)))
    report = jellyformat.verify(path)
    assert isinstance(report.error, BindingMismatch)
    assert report.error.requirement == "JF-BND-003"
    assert "2 changed" in report.error.message
    assert "params/first/kernel" in report.error.message
    assert "step" in report.error.message
    with pytest.raises(RefusedHost):
        jellyformat.strip(path)
    path.write_bytes(serialization.to_bytes(was)[:-1])
    assert isinstance(jellyformat.verify(path).error, BindingMismatch)
    path.write_bytes(serialization.to_bytes(was))
    assert jellyformat.verify(path).ok


# -- what it holds ---------------------------------------------------------------------------------------------------


def test_a_train_state() -> None:
    import jax
    import numpy as np
    from flax import serialization

    there = state()
    found = weights(serialization.to_bytes(there))
    kernel = found[b"params/first/kernel"]
    assert (kernel.dtype, kernel.shape) == ("float32", (3, 4))
    assert content(kernel) == np.asarray(there.params["first"]["kernel"]).tobytes()
    assert content(found[b"step"]) == b"\0"
    assert b"opt_state/0/mu/second/bias" in found
    assert len(found) == 1 + len(jax.tree.leaves(there.params)) + len(jax.tree.leaves(there.opt_state))


def test_kinds_of_leaves() -> None:
    import jax.numpy as jnp
    import numpy as np
    from flax import serialization

    tree = {
        "bfloat16": jnp.ones((2, 3), jnp.bfloat16), "scalar": np.float64(2), "zero": np.array(3, "int8"),
        "empty": np.zeros((0, 4), "uint16"), "complex": 1 + 2j, "none": None, "text": "a" * 40, "bytes": b"b",
        "number": -70000, "large": 1 << 63, "real": 2.5, "true": True, "list": [np.arange(3), 7], "nothing": {},
        "key": {0: np.ones(1), 300: 1, -1: 2, -300: 3, 1 << 40: 4},
    }  # fmt: skip
    data = saved(tree)
    found = weights(data)
    expected: dict[bytes, tuple[str, tuple[int, ...], bytes]] = {
        b"bfloat16": ("bfloat16", (2, 3), b"\x80\x3f" * 6),
        b"scalar": ("float64", (), np.float64(2).tobytes()),
        b"zero": ("int8", (), b"\3"),
        b"empty": ("uint16", (0, 4), b""),
        b"complex": ("", (), msgpack.packb(msgpack.ExtType(2, msgpack.packb((1.0, 2.0))))),
        b"list/0": ("int64", (3,), np.arange(3).tobytes()),
        b"key/0": ("float64", (1,), np.ones(1).tobytes()),
    }
    plain = {"none": None, "text": "a" * 40, "bytes": b"b", "number": -70000, "large": 1 << 63, "real": 2.5}
    plain |= {"true": True, "list/1": 7, "key/300": 1, "key/-1": 2, "key/-300": 3, f"key/{1 << 40}": 4}
    expected |= {name.encode(): ("", (), msgpack.packb(value)) for name, value in plain.items()}
    assert {name: (weight.dtype, weight.shape, content(weight)) for name, weight in found.items()} == expected
    del tree["key"]  # older versions do not read integers as keys
    data = saved(tree)
    again = saved(serialization.msgpack_restore(data))
    assert bound(again) == bound(data)


def bound(data: bytes) -> object:
    return bind(BoundHost("test", BytesSource(data), ADAPTER, None))


def test_no_map_at_the_top() -> None:
    import numpy as np

    for value, name in ((np.arange(3), b""), (np.float32(1), b""), ([np.arange(3)], b"0")):
        data = saved(value)
        assert is_flax(BytesSource(data))
        assert weights(data).keys() == {name}


def test_nnx() -> None:
    from flax import nnx

    layers = nnx.Sequential(*(nnx.Linear(2, 3, rngs=nnx.Rngs(0)) for _ in range(2)))
    there = nnx.to_pure_dict(nnx.state(layers))
    assert there["layers"].keys() == {0, 1}
    found = weights(saved(there))
    assert {(name, weight.shape) for name, weight in found.items()} == {
        (b"layers/0/bias", (3,)), (b"layers/0/kernel", (2, 3)), (b"layers/1/bias", (3,)), (b"layers/1/kernel", (2, 3)),
    }  # fmt: skip


@pytest.mark.parametrize("most", [8, 64, 100])
def test_arrays_in_pieces(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from flax import serialization

    tree = {"a": np.arange(60, dtype="float32").reshape(3, 4, 5), "b": np.ones(2, "int8")}
    whole = saved(tree)
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", most)
    data = saved(tree)
    assert b"__msgpack_chunked_array__" in data
    assert is_flax(BytesSource(data))
    assert bound(data) == bound(whole)
    assert np.array_equal(serialization.msgpack_restore(data)["a"], tree["a"])
    assert bound(saved({"a": tree["a"].reshape(60)})) != bound(whole)
    only = saved(tree["a"])
    assert weights(only)[b""].shape == (3, 4, 5)


def array(*shape: int, dtype: object = "float32", data: bytes = b"1234", code: int = 1) -> msgpack.ExtType:
    return msgpack.ExtType(code, msgpack.packb((shape, dtype, data)))


MARK = "__msgpack_chunked_array__"
CHUNKED: dict[str, object] = {MARK: True, "shape": {"0": 2}, "chunks": {"0": array(1), "1": array(1)}}
BAD: dict[str, object] = {
    "not true": {**CHUNKED, MARK: False},
    "no map of the shape": {**CHUNKED, "shape": [2]},
    "a shape that is no number": {**CHUNKED, "shape": {"0": "2"}},
    "a negative shape": {**CHUNKED, "shape": {"0": -2}},
    "a shape in another order": {**CHUNKED, "shape": {"1": 2, "0": 1}},
    "no chunks": {**CHUNKED, "chunks": {}},
    "chunks in another order": {**CHUNKED, "chunks": {"1": array(1), "0": array(1)}},
    "chunks of two types": {**CHUNKED, "chunks": {"0": array(1), "1": array(1, dtype="int32")}},
    "a chunk of two dimensions": {**CHUNKED, "chunks": {"0": array(1, 1)}},
    "a chunk that is complex": {**CHUNKED, "chunks": {"0": msgpack.ExtType(2, msgpack.packb((1.0, 2.0)))}},
    "a chunk that is no array": {**CHUNKED, "chunks": {"0": 1}},
    "another key": {**CHUNKED, "more": 1},
    "a key less": {MARK: True, "shape": {"0": 2}},
    "keys in another order": {"shape": {"0": 2}, **CHUNKED},
    "a foreign extension": msgpack.ExtType(4, b"1234"),
    "an array of two parts": msgpack.ExtType(1, msgpack.packb(((1,), "float32"))),
    "an array of four parts": msgpack.ExtType(1, msgpack.packb(((1,), "float32", b"1234", 1))),
    "bytes behind an array": msgpack.ExtType(1, msgpack.packb(((1,), "float32", b"1234")) + b"1"),
    "bytes of an array missing": msgpack.ExtType(1, msgpack.packb(((1,), "float32", b"1234"))[:-1]),
    "a shape that is a map": msgpack.ExtType(1, msgpack.packb(({}, "float32", b"1234"))),
    "a shape with a sign": array(-1),
    "a shape of 65 dimensions": array(*[1] * 65),
    "a type that is a number": array(1, dtype=4),
    "a type of no bytes": array(1, dtype=""),
    "a type of 65 bytes": array(1, dtype="f" * 65),
    "a type that is not ASCII": array(1, dtype="\u00e9"),
    "text in place of the bytes": msgpack.ExtType(1, msgpack.packb(((1,), "float32", "1234"))),
    "an empty extension": msgpack.ExtType(1, b""),
    "a complex of integers": msgpack.ExtType(2, msgpack.packb((1, 2))),
    "a complex of three parts": msgpack.ExtType(2, msgpack.packb((1.0, 2.0, 3.0))),
    "a key of bytes": {b"a": 1},
    "a key that is nil": {None: 1},
    "a key that is too long": {"k" * (KEY_MAX + 1): 1},
}


@pytest.mark.parametrize("name", BAD)
def test_not_as_flax_writes(name: str) -> None:
    data = msgpack.packb({"good": array(1), "bad": BAD[name]})
    assert is_flax(BytesSource(data)), "the first array decides"
    with pytest.raises(BadHost) as found:
        weights(data)
    assert found.value.requirement == "JF-FLX-001"
    with pytest.raises(BadHost):
        bound(data)
    if isinstance(BAD[name], msgpack.ExtType):
        assert not is_flax(BytesSource(msgpack.packb({"bad": BAD[name], "good": array(1)})))


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"k" * KEY_MAX: array(1), "65": array(*[1] * 64, dtype="f" * 64)}
    assert len(weights(msgpack.packb(good))) == 2
    deepest = nested(DEPTH_MAX)
    assert len(weights(deepest)) == 1
    assert is_flax(BytesSource(deepest))
    assert not is_flax(BytesSource(nested(DEPTH_MAX + 1)))
    with pytest.raises(BadHost):
        weights(nested(DEPTH_MAX + 1))
    data = msgpack.packb({"first": array(1), "ab": {"cd": [1, 2]}})
    most = len("first") + 2 * len("ab/cd/0")
    monkeypatch.setattr(flax_leaves, "MAX_WEIGHT_NAME_BYTES", most)
    assert len(weights(data)) == 3
    monkeypatch.setattr(flax_leaves, "MAX_WEIGHT_NAME_BYTES", most - 1)
    with pytest.raises(SizeLimit) as found:
        bound(data)
    assert found.value.requirement == "JF-FLX-002"
    monkeypatch.undo()
    monkeypatch.setattr(limits, "WEIGHTS", 2)
    with pytest.raises(CountLimit):
        bound(data)


def nested(depth: int) -> bytes:
    inner: bytes = msgpack.packb(array(1))
    return b"\x81\xa1a" * depth + inner


# -- told by content -------------------------------------------------------------------------------------------------


def test_lookalikes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for tree in (
        {"a": [1, "text", b"bytes", None]},
        [1, 2],
        {"a": msgpack.ExtType(5, b"1")},
        {"t": msgpack.Timestamp(1)},
    ):
        path.write_bytes(msgpack.packb(tree))
        assert not is_flax(BytesSource(path.read_bytes()))
        jellyformat.embed(path, SNAP, replace=True)
        with path.open("rb") as stream:
            assert registry.recognize(BytesSource(stream.read())).host == "trailer"
        assert jellyformat.verify(path).host == "sidecar", "a trailer would break any msgpack file"
    far = {f"{number:06d}": None for number in range(REACH // 8)}
    near = {f"{number:06d}": None for number in range(REACH // 8 - 2)}
    assert not is_flax(BytesSource(msgpack.packb({**far, "a": array(1)})))
    assert is_flax(BytesSource(msgpack.packb({**near, "a": array(1)})))
    for data in (b"", b"\x80", b"\x93NUMPY", b"\x81", b"\x81\xa1a", b"\xc7", b"\xd6", b"\xc1" * 20, b"\x00" * 20):
        assert not is_flax(BytesSource(data))
    whole = msgpack.packb({"a": array(1)})
    for end in range(len(whole)):
        assert not is_flax(BytesSource(whole[:end]))
    assert is_flax(BytesSource(whole + b"1")), "the first array decides"
    with pytest.raises(BadHost):
        weights(whole + b"1")


def test_little_is_read_to_tell_the_weights() -> None:
    arrays = {f"{number:02d}": array(1 << 20, data=bytes(1 << 20)) for number in range(8)}
    source = CountingSource(BytesSource(msgpack.packb(arrays)))
    assert len(list(read_weights(source))) == 8
    assert source.read < 65536


_VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text() | st.binary()
    | st.builds(lambda data: array(len(data), dtype="uint8", data=data), st.binary(max_size=300)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(_VALUES)
def test_any_values(value: object) -> None:
    def leaves(value: object) -> int:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 1 if inner is None else sum(map(leaves, inner))

    data = msgpack.packb(value)
    assert len(list(read_weights(BytesSource(data)))) == leaves(value)
    with pytest.raises(BadHost):
        list(read_weights(BytesSource(data + b"\0")))
    with pytest.raises(BadHost):
        list(read_weights(BytesSource(data[:-1])))


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"\x82" + data))
def test_any_bytes(data: bytes) -> None:
    is_flax(BytesSource(data))
    try:
        list(walk(Values(BytesSource(data))))
    except NotFlax:
        return
    library = msgpack.Unpacker()
    library.feed(data)
    library.skip()
    assert library.tell() == len(data)


# -- why the container lies beside it --------------------------------------------------------------------------------


def test_there_is_no_place_inside(path: Path) -> None:
    """Whatever is put into such a file, flax refuses it, or shows it to those who restore without a target."""
    import jax
    from flax import serialization

    data, there = path.read_bytes(), state()
    for changed in (data + b"\0", b"\xc1" + data):
        for load in (lambda data: serialization.from_bytes(there, data), serialization.msgpack_restore):
            with pytest.raises((ValueError, msgpack.exceptions.ExtraData)):
                load(changed)
    for where in ((), ("opt_state",), ("opt_state", "0")):
        tree = serialization.msgpack_restore(data)
        inner = tree
        for name in where:
            inner = inner[name]
        inner["jelly"] = b"container"
        with pytest.raises(ValueError, match=r"Unknown field|do not match"):
            serialization.from_bytes(there, saved(tree))
    # a plain dict is not minded by from_bytes, but nothing in the file says which of its maps are that
    tree = serialization.msgpack_restore(data)
    tree["params"]["jelly"] = b"container"
    shown = serialization.msgpack_restore(saved(tree))
    assert shown["params"]["jelly"] == b"container"
    with pytest.raises(ValueError, match="jelly"):
        jax.tree.map(lambda a, b: a, there.params, shown["params"])
    payload = msgpack.packb(((1,), "float32", b"1234"))
    for longer in (payload + b"1", msgpack.packb(((1,), "float32", b"1234", b"1")), payload[:-5] + b"\x081234jell"):
        with pytest.raises((ValueError, msgpack.exceptions.ExtraData)):
            serialization.msgpack_restore(msgpack.packb({"a": msgpack.ExtType(1, longer)}))


def test_a_symbolic_link(path: Path) -> None:
    link = path.with_name("latest")
    os.symlink(path.name, link)
    jellyformat.embed(link, SNAP, bind=True)
    assert jellyformat.verify(link).ok
    check_loads(link, state())

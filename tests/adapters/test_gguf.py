"""The GGUF adapter with files of the gguf package, which it and llama.cpp itself read as before (SPEC JF-GGF)."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import craft
import plans
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jellyformat_gguf import ADAPTER
from jellyformat_gguf import header as gguf_header
from jellyformat_gguf.header import TYPES, read_tensors
from jellyformat_trailer import plan_trailer

import jellyformat
from jellyformat.adapter import Append, BadHost, BytesSource, Truncate
from jellyformat.errors import BindingMismatch
from jellyformat.hosts import registry
from jellyformat.hosts.binding import binding_of
from jellyformat.testing import AdapterContract, WeightsContract
from jellyformat.training import Snapshot

if TYPE_CHECKING:
    import gguf
    import numpy as np

CONTAINER = plans.make_container()
OTHER = plans.make_container(5_000_000, 1)
SMALL = plans.make_container(200, 2)
SNAP = Snapshot(craft.assemble(*craft.good()))


@cache
def given_values() -> dict[str, np.ndarray]:
    import numpy as np

    return {
        "a.weight": np.arange(60, dtype=np.float32).reshape(3, 20),
        "b.bias": np.arange(7, dtype=np.float16),
        "c.ids": np.arange(5, dtype=np.int32),
    }


@cache
def with_quantized() -> dict[str, np.ndarray]:
    import gguf
    import numpy as np

    return {
        **given_values(),
        "q": gguf.quants.quantize(np.ones((4, 64), np.float32), gguf.GGMLQuantizationType.Q8_0),
    }


COMPLETE = """
import json, sys
import xllamacpp

for path in sys.argv[1:]:
    for mode in ("NONE", "MMAP", "DIRECT_IO"):
        params = xllamacpp.CommonParams()
        params.model.path = path
        params.load_mode = getattr(xllamacpp.llama_load_mode, "LLAMA_LOAD_MODE_" + mode)
        params.warmup, params.n_ctx, params.n_gpu_layers, params.n_parallel = False, 64, 0, 1
        params.cpuparams.n_threads = 1
        try:
            server = xllamacpp.Server(params)
        except RuntimeError:
            print("RESULT no model", flush=True)
            continue
        asked = {"prompt": [1, 5, 6, 7], "n_predict": 8, "temperature": 0, "seed": 1, "ignore_eos": True}
        answer = server.handle_completions(asked)
        answer = json.loads(answer) if isinstance(answer, str) else answer
        print("RESULT", ascii(answer["choices"][0]["text"]), flush=True)
"""


def save_llama(path: Path) -> None:
    """A llama of one layer with random weights."""
    import gguf
    import numpy as np

    words, width, inner, heads = 300, 64, 128, 4
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // heads)
    writer.add_vocab_size(words)
    letters = [f"<0x{byte:02X}>" for byte in range(256)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", *letters, *(chr(0x4E00 + word) for word in range(words - 259))])
    writer.add_token_scores([0.0] * words)
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * (words - 259)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    shapes = {
        "token_embd": (words, width),
        "output": (words, width),
        **{f"blk.0.attn_{part}": (width, width) for part in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{part}": (inner, width) for part in ("gate", "up")},
        "blk.0.ffn_down": (width, inner),
    }
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.standard_normal(shape).astype(np.float32) / 10)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(width, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("gguf") / "made.gguf"
    save_llama(path)
    return path.read_bytes()


def write(
    path: Path,
    tensors: dict[str, np.ndarray],
    *,
    alignment: int | None = None,
    metadata: Callable[[gguf.GGUFWriter], object] = lambda writer: None,
    big: bool = False,
) -> bytes:
    """A file of these tensors; those of bytes are of type Q8_0."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama", endianess=gguf.GGUFEndian.BIG if big else gguf.GGUFEndian.LITTLE)
    if alignment is not None:
        writer.add_custom_alignment(alignment)
    metadata(writer)
    for name, values in tensors.items():
        packed = values.dtype == np.uint8
        writer.add_tensor(name, values, raw_dtype=gguf.GGMLQuantizationType.Q8_0 if packed else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.read_bytes()


def metadata_of_all_kinds(writer: gguf.GGUFWriter) -> None:
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        getattr(writer, f"add_{name}")(f"a.{name}", 1)
    writer.add_float32("a.float", 0.5)
    writer.add_float64("a.double", 0.5)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "größe")
    writer.add_array("a.words", ["", "a", "word" * 100_000, "é"])
    writer.add_array("a.numbers", [1.5, 2.5])
    writer.add_array("a.flags", [True, False])
    writer.add_array("a.vocabulary", [f"word {number}" for number in range(60_000)])


def embed(data: bytes, container: bytes = CONTAINER) -> bytes:
    return plans.embed(ADAPTER, data, container)


def strip(data: bytes) -> bytes:
    return plans.strip(ADAPTER, data)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small file."""
    return write(tmp_path_factory.mktemp("gguf") / "a.gguf", given_values())


def read(path: Path) -> tuple[dict[str, object], dict[str, bytes]]:
    """What the gguf package sees."""
    import gguf

    reader = gguf.GGUFReader(path)
    return (
        {name: field.contents() for name, field in reader.fields.items()},
        {tensor.name: tensor.data.tobytes() for tensor in reader.tensors},
    )


class TestGguf(WeightsContract, AdapterContract):
    adapter = ADAPTER
    hosts = {
        "values.gguf": lambda path: write(path, given_values()),
        "words.gguf": lambda path: write(path, with_quantized(), metadata=lambda it: it.add_array("a", ["b", "c"])),
        "no-tensors.gguf": b"GGUF" + struct.pack("<IQQ", 2, 0, 0),
    }

    def loads(self, path: Path) -> object:
        return path.read_bytes()[:24] if path.name == "no-tensors.gguf" else read(path)

    def large(self, path: Path, size: int) -> None:
        import numpy as np

        write(path, {"w": np.zeros(size, np.uint8).view(np.float32)})


def test_what_is_changed_in_place_stays(llama: bytes, tmp_path: Path) -> None:
    import gguf

    path = tmp_path / "model.gguf"
    path.write_bytes(llama)
    jellyformat.embed(path, Snapshot(CONTAINER))
    reader = gguf.GGUFReader(path, "r+")
    reader.fields["llama.context_length"].parts[-1][0] = 77
    del reader
    assert read(path)[0]["llama.context_length"] == 77
    assert plans.found_in(ADAPTER, path) == ("trailer", CONTAINER, len(llama))
    jellyformat.strip(path)
    assert len(path.read_bytes()) == len(llama)
    assert read(path)[0]["llama.context_length"] == 77


def test_llama_cpp_loads_it(llama: bytes, tmp_path: Path) -> None:
    """The same words come out of it, however the file is read; of one cut short, none do."""
    names = ["before", "small", "large", "replaced", "stripped", "cut"]
    files = {name: tmp_path / f"{name}.gguf" for name in names}
    for path in files.values():
        path.write_bytes(llama)
    jellyformat.embed(files["small"], Snapshot(CONTAINER))
    jellyformat.embed(files["large"], Snapshot(OTHER))
    for name in ("replaced", "stripped"):
        jellyformat.embed(files[name], Snapshot(OTHER))
    jellyformat.embed(files["replaced"], Snapshot(CONTAINER), replace=True)
    jellyformat.strip(files["stripped"])
    files["cut"].write_bytes(llama[:-100])
    command = [sys.executable, "-c", COMPLETE, *map(str, files.values())]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    said = [line for line in done.stdout.decode().splitlines() if line.startswith("RESULT")]
    assert len(set(said[:15])) == 1
    assert "no model" not in said[0]
    assert said[15:] == ["RESULT no model"] * 3


def test_it_lies_where_it_did(plain: bytes, llama: bytes) -> None:
    """What was embedded when GGUF files were trailer hosts is the same, byte for byte."""
    for own in (plain, llama):
        file = embed(own)
        assert file == plans.applied(own, plan_trailer(BytesSource(own), CONTAINER, len(own)))
        assert plans.described(ADAPTER.find(BytesSource(file))) == ("trailer", CONTAINER, len(own))


def test_appended_and_cut_off(plain: bytes) -> None:
    plan = ADAPTER.plan_embed(BytesSource(plain), CONTAINER)
    assert isinstance(plan, Append)
    assert sum(len(data) for _, data in plan.writes) == len(CONTAINER) + 64
    source = BytesSource(embed(plain))
    carried = ADAPTER.find(source)
    assert carried is not None
    assert ADAPTER.plan_strip(source, carried) == Truncate(len(plain))


@pytest.mark.parametrize("alignment", [None, 8, 32, 4096])
def test_the_header_is_read_as_the_gguf_package_reads_it(alignment: int | None, tmp_path: Path) -> None:
    import gguf

    path = tmp_path / "a.gguf"
    values = with_quantized()
    data = write(path, values, alignment=alignment, metadata=metadata_of_all_kinds)
    there = gguf.GGUFReader(path).tensors
    found = read_tensors(BytesSource(data))
    assert [tensor.name.decode() for tensor in found] == [tensor.name for tensor in there] == list(values)
    for tensor, other in zip(found, there, strict=True):
        assert tensor.dtype == other.tensor_type.name
        assert list(tensor.shape) == other.shape.tolist()
        assert (tensor.start, tensor.length) == (other.data_offset, other.n_bytes)
        assert tensor.length is not None
        assert data[tensor.start : tensor.start + tensor.length] == other.data.tobytes()
    assert [tensor.dtype for tensor in found] == ["F32", "F16", "I32", "Q8_0"]


def test_the_types_are_those_of_the_gguf_package() -> None:
    import gguf

    theirs = {int(kind): (kind.name, *gguf.GGML_QUANT_SIZES[kind]) for kind in gguf.GGMLQuantizationType}
    assert {number: entry for number, entry in TYPES.items() if number in theirs} == {
        number: entry for number, entry in theirs.items() if number in TYPES
    }
    assert len(TYPES.keys() & theirs.keys()) >= 30


def test_little_is_read(tmp_path: Path) -> None:
    """The header, and none of the tensors; to find the container, not even that."""
    import numpy as np

    read: list[tuple[int, int]] = []

    class Counted(BytesSource):
        def read_at(self, offset: int, length: int) -> bytes:
            read.append((offset, length))
            return super().read_at(offset, length)

    data = write(tmp_path / "a", {"w": np.zeros(2_000_000, np.float32)}, metadata=metadata_of_all_kinds)
    source = Counted(embed(data))
    assert ADAPTER.matches(source)
    ADAPTER.find(source)
    assert sum(length for _, length in read) < 300
    read.clear()
    ADAPTER.plan_embed(source, SMALL)
    assert sum(length for _, length in read) < 4_000_000
    assert max(offset + length for offset, length in read[3:]) < 4_000_000


def test_what_is_no_gguf_file(plain: bytes, tmp_path: Path) -> None:
    import gguf

    big = write(tmp_path / "big.gguf", given_values(), big=True)
    others = [big, b"", b"GGUF", plain[:7], b"GGUG" + plain[4:], *(plain[:4] + bytes((n, 0, 0, 0)) for n in (0, 1, 4))]
    for data in others:
        assert not ADAPTER.matches(BytesSource(data))
        assert registry.adapter_for(BytesSource(data)).name == "trailer"
    path = tmp_path / "big.gguf"
    assert jellyformat.embed(path, SNAP) == "trailer"
    assert gguf.GGUFReader(path).tensors[0].data.tolist() == given_values()["a.weight"].tolist()
    jellyformat.strip(path)
    assert path.read_bytes() == big


def test_a_file_that_is_cut_off_is_refused(plain: bytes, tmp_path: Path) -> None:
    """A container behind it would be taken for its tensors."""
    path = tmp_path / "a.gguf"
    last = read_tensors(BytesSource(plain))[-1]
    assert last.length is not None
    for length in range(8, last.start + last.length):
        with pytest.raises(BadHost) as caught:
            embed(plain[:length])
        assert caught.value.requirement in ("JF-GGF-001", "JF-GGF-002")
    embed(plain[: last.start + last.length])  # what fills up to the alignment may be missing
    path.write_bytes(plain[: last.start + 1])
    with pytest.raises(BadHost, match=r"'c\.ids'.*cut off"):
        jellyformat.embed(path, SNAP)
    assert path.read_bytes() == plain[: last.start + 1]
    assert plans.names_in(tmp_path) == ["a.gguf"]
    # one that was embedded into before it was cut off by a copy in between is still found and stripped
    cut = plain[: last.start + 1]
    file = plans.applied(cut, plan_trailer(BytesSource(cut), SMALL, len(cut)))
    assert plans.described(ADAPTER.find(BytesSource(file))) == ("trailer", SMALL, last.start + 1)
    assert strip(file) == plain[: last.start + 1]


def test_counts_are_bounded(plain: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count says nothing of what is there: nothing is allocated for it."""
    for place in (8, 16):
        for count in (1 << 20, 1 << 40, (1 << 64) - 1):
            data = plain[:place] + struct.pack("<Q", count) + plain[place + 8 :]
            with pytest.raises(BadHost) as caught:
                embed(data)
            assert caught.value.requirement == "JF-GGF-001"
    monkeypatch.setattr(gguf_header, "MAX_WEIGHTS", 2)
    with pytest.raises(BadHost, match="3 tensors, more than 2"):
        embed(plain)
    monkeypatch.undo()
    monkeypatch.setattr(gguf_header, "_HEADER_MAX", 150)
    with pytest.raises(BadHost, match="too long"):
        embed(plain)


@given(st.binary(max_size=300), st.integers(0, 400))
@settings(max_examples=300, deadline=None)
def test_garbage_raises_nothing_else(garbage: bytes, cut: int) -> None:
    start = b"GGUF" + struct.pack("<IQQ", 3, 2, 2)
    plans.only_jelly_errors(ADAPTER, start + garbage)
    for data in (start + garbage, (start + garbage)[:cut]):
        with contextlib.suppress(BadHost):
            told = ADAPTER.weights(BytesSource(data), None)
            assert told is None or list(told[1])


# -- binding ---------------------------------------------------------------------------------------------------------


def bound_to(path: Path) -> tuple[str, int]:
    with jellyformat.open(path) as box:
        found = binding_of(box.manifest.extensions)
    assert found is not None
    return found.kind, found.count


def test_a_binding_survives_that_the_file_is_written_again(tmp_path: Path) -> None:
    """By the gguf package: in another order, with other metadata, with another alignment."""
    import gguf
    import numpy as np

    path, box = tmp_path / "a.gguf", tmp_path / "box.jelly"
    values = with_quantized()
    own = write(path, values)
    assert jellyformat.embed(path, SNAP, bind=True) == "gguf"
    assert bound_to(path) == ("tensors", 4)
    report = jellyformat.verify(path)
    assert report.ok
    assert report.checks[-1].detail.endswith("embedded for: 4 tensors")
    box.write_bytes(jellyformat.load(path).to_bytes())
    jellyformat.strip(path)
    assert path.read_bytes() == own
    for number, (alignment, order) in enumerate([(None, -1), (64, 1), (4096, -1)]):
        again = tmp_path / f"again {number}.gguf"
        read = {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}
        data = write(again, dict([*read.items()][::order]), alignment=alignment, metadata=metadata_of_all_kinds)
        jellyformat.embed(again, jellyformat.load(box))
        assert jellyformat.verify(again).ok, number
        jellyformat.strip(again)
        assert again.read_bytes() == data
    jellyformat.embed(path, jellyformat.load(box))
    # one number, in the file itself
    reader = gguf.GGUFReader(path, "r+")
    reader.get_tensor(1).data[3] = 99
    del reader
    report = jellyformat.verify(path)
    assert isinstance(report.error, BindingMismatch)
    assert "1 changed: b.bias" in report.error.message
    with jellyformat.open(path) as opened:
        assert opened.to_bytes() == box.read_bytes()


@pytest.mark.parametrize("change", ["dtype", "shape", "name", "one less"])
def test_other_weights_are_told(change: str, tmp_path: Path) -> None:
    import numpy as np

    path, other = tmp_path / "a.gguf", tmp_path / "other.gguf"
    write(path, given_values())
    jellyformat.embed(path, SNAP, bind=True)
    values = dict(given_values())
    ids = values.pop("c.ids")
    if change != "one less":
        changed = {"dtype": ids.view(np.float32), "shape": ids.reshape(5, 1), "name": ids}[change]
        values["d.ids" if change == "name" else "c.ids"] = changed
    write(other, values)
    with open(path, "rb") as file:
        carried = ADAPTER.find(BytesSource(file.read()))
    assert carried is not None
    other.write_bytes(embed(other.read_bytes(), jellyformat.load(path).to_bytes()))
    report = jellyformat.verify(other)
    assert isinstance(report.error, BindingMismatch)
    assert "ids" in report.error.message


def test_a_type_that_is_not_known_is_bound_by_its_bytes(tmp_path: Path, plain: bytes) -> None:
    """A later one of ggml: the container is put in all the same."""
    path = tmp_path / "a.gguf"
    place = plain.index(b"c.ids") + 5 + 4 + 8
    path.write_bytes(plain[:place] + struct.pack("<I", 99) + plain[place + 4 :])
    own = path.read_bytes()
    assert jellyformat.embed(path, SNAP, bind=True) == "gguf"
    assert bound_to(path) == ("bytes", 1)
    assert jellyformat.verify(path).ok
    jellyformat.strip(path)
    assert path.read_bytes() == own

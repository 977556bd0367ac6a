"""GGUF files are trailer hosts: the gguf package and llama.cpp itself read them as before (SPEC 14.5)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import plans
import pytest
from jellyformat_trailer import ADAPTER as TRAILER

import jellyformat
from jellyformat import registry
from jellyformat.snapshots import Snapshot
from jellyformat.source import BytesSource

CONTAINER = plans.make_container()
OTHER = plans.make_container(5_000_000, 1)

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


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A llama of one layer with random weights."""
    path = tmp_path_factory.mktemp("gguf") / "made.gguf"
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
    return path.read_bytes()


def read(path: Path) -> tuple[dict[str, object], dict[str, bytes]]:
    """What the gguf package sees."""
    reader = gguf.GGUFReader(path)
    return (
        {name: field.contents() for name, field in reader.fields.items()},
        {tensor.name: tensor.data.tobytes() for tensor in reader.tensors},
    )


def test_the_gguf_package_reads_it_before_and_after(host: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(host)
    before = read(path)
    assert len(before[1]) == 12
    assert registry.adapter_for(BytesSource(host)).name == "trailer"
    assert jellyformat.embed(path, Snapshot(CONTAINER)) == "trailer"
    assert read(path) == before
    jellyformat.embed(path, Snapshot(OTHER), replace=True)
    assert plans.found_in(TRAILER, path) == ("trailer", OTHER, len(host))
    assert read(path) == before
    jellyformat.strip(path)
    assert path.read_bytes() == host


def test_what_is_changed_in_place_stays(host: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(host)
    jellyformat.embed(path, Snapshot(CONTAINER))
    reader = gguf.GGUFReader(path, "r+")
    reader.fields["llama.context_length"].parts[-1][0] = 77
    del reader
    assert read(path)[0]["llama.context_length"] == 77
    assert plans.found_in(TRAILER, path) == ("trailer", CONTAINER, len(host))
    jellyformat.strip(path)
    assert len(path.read_bytes()) == len(host)
    assert read(path)[0]["llama.context_length"] == 77


def test_llama_cpp_loads_it(host: bytes, tmp_path: Path) -> None:
    """The same words come out of it, however the file is read; of one cut short, none do."""
    names = ["before", "small", "large", "cut"]
    files = {name: tmp_path / f"{name}.gguf" for name in names}
    for path in files.values():
        path.write_bytes(host)
    jellyformat.embed(files["small"], Snapshot(CONTAINER))
    jellyformat.embed(files["large"], Snapshot(OTHER))
    files["cut"].write_bytes(host[:-100])
    command = [sys.executable, "-c", COMPLETE, *map(str, files.values())]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    said = [line for line in done.stdout.decode().splitlines() if line.startswith("RESULT")]
    assert len(set(said[:9])) == 1
    assert "no model" not in said[0]
    assert said[9:] == ["RESULT no model"] * 3

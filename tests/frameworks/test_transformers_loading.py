"""transformers' own loaders on model folders before, with, and after a container, without the network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
)

import jellyformat
from jellyformat import errors
from jellyformat.snapshots import Snapshot

pytestmark = pytest.mark.filterwarnings("ignore")

CONTAINER = "jellyformat.jelly"
WORDS = {"<unk>": 0, "a": 1, "jelly": 2, "filling": 3}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def snaps(repository: Path) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of different code."""
    first = jellyformat.snapshot()
    (repository / "train.py").write_text("edited\n")
    return first, jellyformat.snapshot()


@pytest.fixture
def model() -> Any:
    torch.manual_seed(1)
    config = GPT2Config(
        n_layer=2, n_head=1, n_embd=8, vocab_size=16, n_positions=8, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


@pytest.fixture
def folder(tmp_path: Path, model: Any) -> Path:
    """A folder with a config and a tokenizer; the weights come in the tests."""
    folder = tmp_path / "model"
    model.config.save_pretrained(folder)
    words = Tokenizer(WordLevel(WORDS, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>").save_pretrained(folder)
    return folder


def check_loads(folder: Path, model: Any) -> None:
    """All of transformers' loaders give what was saved, and miss nothing."""
    assert AutoConfig.from_pretrained(folder).to_dict()["n_embd"] == 8
    assert AutoTokenizer.from_pretrained(folder).vocab_size == len(WORDS)
    expected = model.state_dict()
    for kind in (GPT2LMHeadModel, AutoModelForCausalLM):
        loaded, report = kind.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]
        found = loaded.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    found = AutoModel.from_pretrained(folder).state_dict()
    assert all(torch.equal(found[name], expected[f"transformer.{name}"]) for name in found)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def loads_throughout(folder: Path, host: Path, kind: str, model: Any, snaps: tuple[Snapshot, Snapshot]) -> None:
    """transformers loads the folder before, embedded, replaced and stripped; each time verify is content."""
    before = contents(folder)
    check_loads(folder, model)
    for number, snap in enumerate(snaps):
        assert jellyformat.embed(host, snap, replace=number > 0, bind=True) == kind
        check_loads(folder, model)
        report = jellyformat.verify(host)
        assert report.ok, report
        assert report.host == kind
        assert report.checks[-1].name == "binding"
        assert jellyformat.load(host).id == snap.id
    assert contents(folder) != before
    jellyformat.strip(host)
    assert contents(folder) == before
    check_loads(folder, model)
    with pytest.raises(errors.NoSnapshot):
        jellyformat.verify(host)


def single(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    return folder / "model.safetensors"


def shards(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder, max_shard_size="4KB")
    assert len([*folder.glob("model-*.safetensors")]) > 1
    return folder / "model.safetensors.index.json"


def pickled(folder: Path, model: Any) -> Path:
    """What transformers 4 wrote for ``safe_serialization=False``, and 5 still reads."""
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def pickled_shards(folder: Path, model: Any) -> Path:
    state = model.state_dict()
    names, places = sorted(state), {}
    for number in range(2):
        file = f"pytorch_model-{number + 1:05d}-of-00002.bin"
        part = {name: state[name] for name in names[number::2]}
        torch.save(part, folder / file)
        places.update(dict.fromkeys(part, file))
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


@pytest.mark.parametrize("save", [single, shards, pickled, pickled_shards])
def test_a_container_in_the_folder(
    save: Callable[[Path, Any], Path], folder: Path, model: Any, snaps: tuple[Snapshot, Snapshot]
) -> None:
    named = save(folder, model)
    loads_throughout(folder, folder, "directory", model, snaps)
    if named.suffix == ".json":
        loads_throughout(folder, named, "directory", model, snaps)


@pytest.mark.parametrize(("save", "kind"), [(single, "safetensors"), (pickled, "torch")])
def test_a_container_in_the_weights(
    save: Callable[[Path, Any], Path], kind: str, folder: Path, model: Any, snaps: tuple[Snapshot, Snapshot]
) -> None:
    loads_throughout(folder, save(folder, model), kind, model, snaps)
    assert not (folder / CONTAINER).exists()


@pytest.mark.parametrize("pattern", ["model-*.safetensors", "pytorch_model-*.bin"])
def test_a_container_in_each_shard(pattern: str, folder: Path, model: Any, snaps: tuple[Snapshot, Snapshot]) -> None:
    (shards if "safetensors" in pattern else pickled_shards)(folder, model)
    before = contents(folder)
    files = sorted(folder.glob(pattern))
    for number, snap in enumerate(snaps):
        for file in files:
            jellyformat.embed(file, snap, replace=number > 0)
        check_loads(folder, model)
        assert all(jellyformat.verify(file).ok for file in files)
    for file in files:
        jellyformat.strip(file)
    assert contents(folder) == before
    check_loads(folder, model)


def test_saved_again_with_the_folder(folder: Path, model: Any, snaps: tuple[Snapshot, Snapshot]) -> None:
    """transformers leaves the container alone where it saves into the folder, and verify tells other weights."""
    single(folder, model)
    jellyformat.embed(folder, snaps[0], bind=True)
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder)
    assert jellyformat.verify(folder).ok
    with torch.no_grad():
        model.transformer.wpe.weight[0] += 1
    model.save_pretrained(folder)
    report = jellyformat.verify(folder)
    assert isinstance(report.error, errors.BindingMismatch)
    assert "1 changed: transformer.wpe.weight" in report.error.message
    assert jellyformat.load(folder).id == snaps[0].id

"""transformers and accelerate, really training, whose checkpoint folders carry the code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jellyformat_accelerate
import pytest
import safetensors.torch
import torch
from accelerate import Accelerator
from jellyformat_transformers import SnapshotCallback, save_model, save_pretrained
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
from unmarked import unmarked

import jellyformat
from jellyformat import errors, snapshots
from jellyformat.hosts import sidecar
from jellyformat.training import SnapshotWarning, marks

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::jellyformat.training.SnapshotWarning"),
]

DATA = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor([1, 2, 3])}] * 4


@pytest.fixture
def expected() -> str:
    return jellyformat.snapshot().id


class Edits(TrainerCallback):
    """Somebody goes on working while the model trains."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        Path("train.py").write_text(f"edited in step {state.global_step}\n")


def model() -> Any:
    return GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=1, n_embd=8, vocab_size=16, n_positions=8))


def trainer(output: Path, *callbacks: Any, **options: Any) -> Any:
    arguments = TrainingArguments(
        str(output), per_device_train_batch_size=2, max_steps=2, save_steps=1, use_cpu=True, report_to=[],
        disable_tqdm=True, logging_steps=1, **options,
    )  # fmt: skip
    return Trainer(model(), arguments, train_dataset=DATA, callbacks=list(callbacks))


def check(folder: Path, expected: str) -> None:
    """The folder carries the snapshot."""
    path = folder / "jellyformat.jelly"
    assert jellyformat.verify(path).ok
    assert jellyformat.load(path).id == expected


@pytest.mark.parametrize("weights", [False, True])
def test_callback(tmp_path: Path, expected: str, weights: bool) -> None:
    made = trainer(tmp_path, SnapshotCallback(weights=weights), Edits())
    made.train()
    assert jellyformat.snapshot().id != expected, "the code was edited"
    for step in (1, 2):
        folder = tmp_path / f"checkpoint-{step}"
        check(folder, expected)
        assert GPT2LMHeadModel.from_pretrained(folder).config.n_embd == 8
        if weights:
            assert jellyformat.verify(folder / "model.safetensors").ok
            assert jellyformat.load(folder / "model.safetensors").id == expected
        else:
            with pytest.raises(errors.NoSnapshot):
                jellyformat.open(folder / "model.safetensors")
    shown = [jellyformat.show(tmp_path / f"checkpoint-{step}") for step in (1, 2)]
    assert [info.labels["global_step"] for info in shown] == ["1", "2"]
    assert [info.labels["epoch"] for info in shown] == ["0.5", "1.0"]
    assert all(float(info.labels["loss"]) > 0 for info in shown)
    assert [info.run.sequence for info in shown if info.run is not None] == [0, 1]
    marks.begin_run()  # as in another process
    again = trainer(tmp_path, SnapshotCallback(), save_total_limit=1)
    again.args.max_steps = 3
    again.train(resume_from_checkpoint=True)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-3"]
    check(tmp_path / "checkpoint-3", expected)
    before, after = shown[1].run, jellyformat.show(tmp_path / "checkpoint-3").run
    assert before is not None
    assert after is not None
    assert (after.id, after.sequence, after.parent) == (before.id, 2, bytes.fromhex(shown[1].digest))


def test_a_run_goes_on_in_another_folder(tmp_path: Path, expected: str) -> None:
    """Where a folder of another run is given to `train`, that is the parent, though here is one of the same step."""
    for name in ("first", "second"):
        marks.begin_run()
        trainer(tmp_path / name, SnapshotCallback()).train()
    before = jellyformat.show(tmp_path / "first" / "checkpoint-2")
    marks.begin_run()
    again = trainer(tmp_path / "second", SnapshotCallback())
    again.args.max_steps = 3
    again.train(resume_from_checkpoint=str(tmp_path / "first" / "checkpoint-2"))
    after = jellyformat.show(tmp_path / "second" / "checkpoint-3").run
    assert before.run is not None
    assert after is not None
    assert (after.id, after.sequence, after.parent) == (before.run.id, 2, bytes.fromhex(before.digest))


def test_save_model(tmp_path: Path, expected: str) -> None:
    made = trainer(tmp_path / "out", SnapshotCallback(), Edits())
    made.train()
    save_model(made)
    save_model(made, str(tmp_path / "model"), weights=True)
    for folder in (tmp_path / "out", tmp_path / "model"):
        check(folder, expected)
        GPT2LMHeadModel.from_pretrained(folder)
    assert jellyformat.load(tmp_path / "model" / "model.safetensors").id == expected


def test_shards(tmp_path: Path, expected: str) -> None:
    save_pretrained(model(), tmp_path, weights=True, max_shard_size="1KB")
    check(tmp_path, expected)
    shards = [*tmp_path.glob("model-*.safetensors")]
    assert len(shards) > 1
    assert (tmp_path / "model.safetensors.index.json").exists()
    assert {jellyformat.load(path).id for path in shards} == {expected}
    GPT2LMHeadModel.from_pretrained(tmp_path)
    mine = jellyformat.snapshot(history="full")
    save_pretrained(model().config, tmp_path / "config", snapshot=mine)
    assert unmarked(tmp_path / "config" / "jellyformat.jelly") == unmarked(mine)


def test_pushed_and_searched(tmp_path: Path, expected: str) -> None:
    """What the hub and a search for hyperparameters need is told from arguments and state: neither is here."""
    callback, made = SnapshotCallback(), trainer(tmp_path)
    made.args.push_to_hub = True
    callback.on_train_begin(made.args, made.state, made.control)
    check(tmp_path, expected)
    made.state.is_hyper_param_search, made.state.global_step = True, 7
    for number in range(2):
        (tmp_path / f"run-{number}" / "checkpoint-7").mkdir(parents=True)
        os.utime(tmp_path / f"run-{number}" / "checkpoint-7", (number, number))
    callback.on_save(made.args, made.state, made.control)
    check(tmp_path / "run-1" / "checkpoint-7", expected)
    assert not [*(tmp_path / "run-0" / "checkpoint-7").iterdir()]
    made.state.is_world_process_zero = False
    callback.on_train_begin(made.args, made.state, made.control)
    assert callback._carried is None


# -- training goes on ------------------------------------------------------------------------------------------------


def trained(tmp_path: Path, match: str) -> None:
    made = trainer(tmp_path, SnapshotCallback())
    with pytest.warns(SnapshotWarning, match=match):
        made.train()
    assert not [*tmp_path.rglob("*.jelly")]
    GPT2LMHeadModel.from_pretrained(tmp_path / "checkpoint-2")
    with pytest.raises((errors.JellyError, RuntimeError)):
        trainer(tmp_path, SnapshotCallback(strict=True)).train()


def test_no_repository(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    trained(tmp_path / "out", "no snapshot of the code was taken: there is no git repository")


def test_a_damaged_repository(tmp_path: Path) -> None:
    for path in Path(".git/objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"garbage")
    trained(tmp_path / "out", "no snapshot of the code was taken")


def test_it_cannot_be_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **options: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(sidecar, "write_new_file", fails)
        trained(tmp_path / "out", "the checkpoint was saved without a snapshot of the code: RuntimeError: a bug")
    monkeypatch.setattr(snapshots, "embed", fails)
    with pytest.warns(SnapshotWarning, match="a bug"):
        save_pretrained(model(), tmp_path / "model", weights=True)
    GPT2LMHeadModel.from_pretrained(tmp_path / "model")


# -- accelerate ------------------------------------------------------------------------------------------------------


def test_accelerate(tmp_path: Path, expected: str) -> None:
    accelerator = Accelerator(cpu=True)
    layer = torch.nn.Linear(3, 2)
    prepared, optimizer = accelerator.prepare(layer, torch.optim.Adam(layer.parameters()))
    handle = jellyformat_accelerate.register(accelerator)
    for step in range(2):
        accelerator.backward(prepared(torch.ones(1, 3)).sum())
        optimizer.step()
        Path("train.py").write_text(f"edited in step {step}\n")
        accelerator.save_state(str(tmp_path / f"step-{step}"))
    jellyformat_accelerate.save_model(accelerator, prepared, tmp_path / "safe")
    jellyformat_accelerate.save_model(accelerator, prepared, tmp_path / "bin", safe_serialization=False)
    for name in ("step-0", "step-1", "safe", "bin"):
        check(tmp_path / name, expected)
    shown = [jellyformat.show(tmp_path / f"step-{step}" / "jellyformat.jelly") for step in range(2)]
    assert [info.labels for info in shown] == [{"step": str(accelerator.step)}] * 2
    accelerator.load_state(str(tmp_path / "step-0"))
    assert safetensors.torch.load_file(tmp_path / "safe" / "model.safetensors").keys() == layer.state_dict().keys()
    assert torch.load(tmp_path / "bin" / "pytorch_model.bin").keys() == layer.state_dict().keys()
    handle.remove()
    accelerator.save_state(str(tmp_path / "without"))
    assert not (tmp_path / "without" / "jellyformat.jelly").exists()


def test_accelerate_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = Accelerator(cpu=True)
    mine = jellyformat.snapshot()
    os.chdir(tmp_path)
    with pytest.warns(SnapshotWarning, match="no git repository"):
        jellyformat_accelerate.register(accelerator).remove()
    with pytest.warns(SnapshotWarning, match="no git repository"):
        jellyformat_accelerate.save_model(accelerator, torch.nn.Linear(1, 1), tmp_path / "without")
    with pytest.raises(errors.NoRepository):
        jellyformat_accelerate.register(accelerator, strict=True)
    handle = jellyformat_accelerate.register(accelerator, mine)
    monkeypatch.setattr(sidecar, "write_new_file", None)
    with pytest.warns(SnapshotWarning, match="saved without a snapshot"):
        accelerator.save_state(str(tmp_path / "step"))
    handle.remove()
    accelerator.load_state(str(tmp_path / "step"))


_RANK = """
import sys, warnings, torch
import torch.distributed as dist
from accelerate import Accelerator
import jellyformat_accelerate
from jellyformat.training import SnapshotWarning
warnings.simplefilter("ignore")
warnings.simplefilter("error", SnapshotWarning)
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
layer = accelerator.prepare(torch.nn.Linear(3, 2))
jellyformat_accelerate.register(accelerator)
accelerator.save_state(sys.argv[1])
accelerator.wait_for_everyone()
accelerator.end_training()
"""


@pytest.mark.sampled(3)
def test_accelerate_on_two_processes(tmp_path: Path, expected: str) -> None:
    (tmp_path / "train.py").write_text(_RANK)
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    ranks = [
        subprocess.Popen(
            [sys.executable, tmp_path / "train.py", tmp_path / "out"], stderr=subprocess.PIPE, text=True,
            env={
                **os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
                "MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
            },
        )
        for rank in range(2)
    ]  # fmt: skip
    for rank in ranks:
        _, error = rank.communicate(timeout=120)
        assert rank.returncode == 0, error
    check(tmp_path / "out", expected)

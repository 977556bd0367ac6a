"""Lightning trainers, really fitting, whose checkpoints carry the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import jellyformat_torch
import lightning.pytorch as pl
import pytest
import torch
from jellyformat_lightning import SnapshotCallback, SnapshotCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import AsyncCheckpointIO, CheckpointIO
from unmarked import unmarked

import jellyformat
from jellyformat import errors
from jellyformat.format.source import StreamSource
from jellyformat.training import SnapshotWarning, marks

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::jellyformat.training.SnapshotWarning"),
]


class Model(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch: Any, index: int) -> Any:
        loss = self.layer(batch).sum()
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters())

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(4, 4), batch_size=2)


class Edits(pl.Callback):
    """Somebody goes on working while the model trains."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        Path("train.py").write_text(f"edited in epoch {trainer.current_epoch}\n")


@pytest.fixture
def expected() -> str:
    return jellyformat.snapshot().id


def trainer(*callbacks: Any, epochs: int = 2, **options: Any) -> Any:
    return pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=epochs, logger=False, callbacks=list(callbacks),
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip


def writer(directory: Any, **options: Any) -> Any:
    return ModelCheckpoint(directory, save_top_k=-1, **options)


def form(path: str | Path) -> str:
    with open(path, "rb") as file:
        carried = jellyformat_torch.ADAPTER.find(StreamSource.of(file))
    assert carried is not None
    return str(carried.form)


def check(paths: list[Path], expected: str, kind: str = "listed") -> None:
    """Each file carries the snapshot, and Lightning loads it, to go on and for its weights."""
    assert paths
    for path in paths:
        assert jellyformat.verify(path).ok
        assert jellyformat.load(path).id == expected
        assert form(path) == kind
        loaded = torch.load(path, weights_only=True)
        assert ("jellyformat" in loaded) is (kind == "tensor")
        Model.load_from_checkpoint(path)
    assert len({unmarked(path) for path in paths}) == 1


@pytest.mark.parametrize("last", [True, "link"])
def test_callback(tmp_path: Path, expected: str, last: Any) -> None:
    trainer(SnapshotCallback(), Edits(), writer(tmp_path / "out", save_last=last)).fit(Model())
    paths = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in paths] == ["epoch=0-step=2.ckpt", "epoch=1-step=4.ckpt", "last.ckpt"]
    assert paths[2].is_symlink() is (last == "link")
    check(paths, expected)
    shown = [jellyformat.show(path) for path in paths]
    assert [(info.labels["epoch"], info.labels["global_step"]) for info in shown[:2]] == [("0", "2"), ("1", "4")]
    assert all(float(info.labels["train_loss"]) for info in shown)
    assert [info.run.sequence for info in shown[:2] if info.run is not None] == [0, 1 if last == "link" else 2]
    assert jellyformat.snapshot().id != expected, "the code was edited"
    marks.begin_run()  # as in another process
    again = trainer(SnapshotCallback(), epochs=3, enable_checkpointing=False)
    again.fit(Model(), ckpt_path=paths[2])
    assert again.current_epoch == 3
    again.save_checkpoint(tmp_path / "after.ckpt")
    again.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    check([tmp_path / "after.ckpt", tmp_path / "weights.ckpt"], expected)
    before, after = shown[2].run, jellyformat.show(tmp_path / "after.ckpt").run
    assert before is not None
    assert after is not None
    assert (after.id, after.sequence) == (before.id, before.sequence + 1)
    assert after.parent == bytes.fromhex(shown[2].digest)
    assert jellyformat.show(tmp_path / "weights.ckpt").labels == {"epoch": "3", "global_step": "6"}
    jellyformat.strip(tmp_path / "after.ckpt")
    Model.load_from_checkpoint(tmp_path / "after.ckpt")


def test_weights_only(tmp_path: Path, expected: str) -> None:
    trainer(SnapshotCallback(), Edits(), writer(tmp_path / "out", save_weights_only=True)).fit(Model())
    check([*(tmp_path / "out").iterdir()], expected)


@pytest.mark.parametrize(
    ("callbacks", "plugin", "kind"),
    [
        ([], lambda: SnapshotCheckpointIO(), "listed"),
        ([], lambda: AsyncCheckpointIO(SnapshotCheckpointIO()), "listed"),
        ([SnapshotCallback], lambda: AsyncCheckpointIO(SnapshotCheckpointIO()), "listed"),
        ([SnapshotCallback], lambda: AsyncCheckpointIO(), "tensor"),
        ([SnapshotCallback], lambda: Own(), "tensor"),
    ],
    ids=["plugin", "async", "callback and async", "callback and async of Lightning", "callback and own plugin"],
)
def test_plugins(tmp_path: Path, expected: str, callbacks: Any, plugin: Any, kind: str) -> None:
    made = trainer(*(each() for each in callbacks), Edits(), writer(tmp_path / "out"), plugins=[plugin()])
    made.fit(Model())
    paths = sorted((tmp_path / "out").iterdir())
    check(paths, expected, kind)
    trainer(epochs=3, enable_checkpointing=False).fit(Model(), ckpt_path=paths[1])


class Own(CheckpointIO):
    """Somebody's plugin, that knows nothing of snapshots."""

    def save_checkpoint(self, checkpoint: Any, path: Any, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(exist_ok=True)
        torch.save(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> Any:
        return torch.load(path, map_location, weights_only=weights_only)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink()


def test_a_link_is_replaced(tmp_path: Path) -> None:
    """As by Lightning alone: ``last.ckpt`` may be a link to a checkpoint, which is not written over."""
    plugin = SnapshotCheckpointIO(jellyformat.snapshot(), strict=True)
    plugin.save_checkpoint({"w": torch.ones(2)}, tmp_path / "epoch=1.ckpt")
    before = (tmp_path / "epoch=1.ckpt").read_bytes()
    (tmp_path / "last.ckpt").symlink_to("epoch=1.ckpt")
    plugin.save_checkpoint({"w": torch.zeros(2)}, tmp_path / "last.ckpt")
    assert not (tmp_path / "last.ckpt").is_symlink()
    assert (tmp_path / "epoch=1.ckpt").read_bytes() == before
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["w"].tolist() == [0, 0]
    assert jellyformat.verify(tmp_path / "last.ckpt").ok


def test_remote(tmp_path: Path, expected: str) -> None:
    made = trainer(SnapshotCallback(), Edits(), writer("memory://run/out", save_last=True))
    made.fit(Model())
    made.save_checkpoint(f"file://{tmp_path}/new/end.ckpt")
    memory = fsspec.filesystem("memory")
    urls = [f"memory:/{path}" for path in sorted(memory.ls("/run/out", detail=False))]
    assert [url.rpartition("/")[2] for url in urls] == ["epoch=0-step=2.ckpt", "epoch=1-step=4.ckpt", "last.ckpt"]
    for url in [*urls, f"file://{tmp_path}/new/end.ckpt"]:
        assert jellyformat.verify(url).ok
        assert jellyformat.load(url).id == expected
    check([tmp_path / "new" / "end.ckpt"], expected)
    trainer(epochs=3, enable_checkpointing=False).fit(Model(), ckpt_path=urls[-1])
    memory.rm("/run", recursive=True)


def test_a_new_fit_at_a_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    made = trainer(SnapshotCallback(), writer(tmp_path / "out"), epochs=1)
    made.fit(Model())
    check([tmp_path / "out" / "epoch=0-step=2.ckpt"], expected)
    Path("train.py").write_text("edited\n")
    made.fit_loop.max_epochs = 2
    made.fit(Model())
    made.save_checkpoint(tmp_path / "weights.ckpt", weights_only=True)
    now = jellyformat.snapshot().id
    assert now != expected
    check([tmp_path / "out" / "epoch=1-step=4.ckpt", tmp_path / "weights.ckpt"], now)


def test_the_snapshot_of_the_fit_goes_before_that_of_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    plugin = AsyncCheckpointIO(SnapshotCheckpointIO())
    Path("train.py").write_text("edited\n")
    now = jellyformat.snapshot().id
    assert now != expected
    trainer(SnapshotCallback(), writer(tmp_path / "out"), epochs=1, plugins=[plugin]).fit(Model())
    check([*(tmp_path / "out").iterdir()], now)


def test_given_snapshots(tmp_path: Path) -> None:
    mine = jellyformat.snapshot(history="full")
    Path("train.py").write_text("edited\n")
    for number, made in enumerate(
        (
            trainer(SnapshotCallback(mine), epochs=1, enable_checkpointing=False),
            trainer(SnapshotCallback(history="full"), epochs=1, enable_checkpointing=False),
            trainer(
                SnapshotCallback(), epochs=1, enable_checkpointing=False,
                plugins=[SnapshotCheckpointIO(history="full", snapshot=mine)],
            ),
        )
    ):  # fmt: skip
        made.fit(Model())
        path = tmp_path / f"{number}.ckpt"
        made.save_checkpoint(path)
        assert jellyformat.load(path).manifest.history.commits == 2
        assert (jellyformat.load(path).id == mine.id) is (number != 1)


# -- training goes on ------------------------------------------------------------------------------------------------


def _fit(directory: Path, callback: bool) -> None:
    callbacks = [SnapshotCallback()] if callback else []
    plugins = [] if callback else [SnapshotCheckpointIO()]
    trainer(*callbacks, writer(directory), plugins=plugins).fit(Model())


def fitted(tmp_path: Path, match: str) -> None:
    """A fit that ends well, with a warning, and with checkpoints that load and have no snapshot."""
    for number, callback in enumerate((True, False)):
        with pytest.warns(SnapshotWarning, match=match):
            _fit(tmp_path / f"{number}", callback)
        paths = sorted((tmp_path / f"{number}").iterdir())
        assert len(paths) == 2
        for path in paths:
            Model.load_from_checkpoint(path)
            with pytest.raises(errors.NoSnapshot):
                jellyformat.open(path)


def test_no_repository(tmp_path: Path) -> None:
    os.chdir(tmp_path)
    fitted(tmp_path, "no snapshot of the code was taken: there is no git repository")
    with pytest.raises(errors.NoRepository):
        trainer(SnapshotCallback(strict=True), enable_checkpointing=False).fit(Model())
    with pytest.raises(errors.NoRepository):
        SnapshotCheckpointIO(strict=True)


def test_a_damaged_repository(tmp_path: Path) -> None:
    for path in Path(".git/objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"garbage")
    fitted(tmp_path, "no snapshot of the code was taken")


@pytest.mark.parametrize("error", [errors.RefusedHost("not into this one"), RuntimeError("a bug")])
def test_it_cannot_be_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(type(jellyformat_torch.ADAPTER), "plan_embed", fails)
    fitted(tmp_path, "the checkpoint was saved without a snapshot of the code")
    with pytest.raises(type(error)):
        trainer(SnapshotCallback(strict=True), writer(tmp_path / "strict")).fit(Model())
    assert not [*tmp_path.glob("strict/*")]


# -- several processes, and the other name of the package ------------------------------------------------------------

_DDP = """
import os, sys, warnings
import pytorch_lightning as pl, torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from jellyformat_lightning import SnapshotCallback, SnapshotCheckpointIO
from jellyformat.training import SnapshotWarning
warnings.simplefilter("ignore")
warnings.simplefilter("error", SnapshotWarning)
class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def training_step(self, batch, index):
        return self.layer(batch).sum()
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())
    def train_dataloader(self):
        return torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=2)
class Sharded(Model):
    def configure_model(self):
        fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])
out = sys.argv[1]
plugin, callback = SnapshotCheckpointIO(), SnapshotCallback()
os.write(1, f"plugin has one: {plugin._taken is not None}\\n".encode())  # whole: another process writes too
shards = ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1, process_group_backend="gloo")
for name, callbacks, plugins, strategy, model in (
    ("callback", [callback], [], "ddp", Model()),
    ("plugin", [], [plugin], "ddp", Model()),
    ("shards", [callback], [], shards, Sharded()),
):
    trainer = pl.Trainer(
        accelerator="cpu", devices=2, strategy=strategy, max_epochs=1, logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[ModelCheckpoint(out, filename=name), *callbacks], plugins=plugins,
    )
    trainer.fit(model)
os.write(1, f"callback has one: {callback._carried is not None}\\n".encode())
"""


@pytest.mark.sampled(3)
def test_ddp(tmp_path: Path, expected: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(_DDP)
    done = subprocess.run([sys.executable, script, tmp_path / "out"], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert sorted(line for line in done.stdout.splitlines() if "has one" in line) == [
        "callback has one: False",
        "callback has one: True",
        "plugin has one: False",
        "plugin has one: True",
    ]
    paths = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in paths] == ["callback.ckpt", "plugin.ckpt", "shards.ckpt"]
    check(paths[:2], expected)
    assert {".metadata", "__0_0.distcp", "__1_0.distcp", "meta.pt"} == {path.name for path in paths[2].iterdir()}
    assert jellyformat.verify(paths[2] / "meta.pt").ok
    assert jellyformat.load(paths[2] / "meta.pt").id == expected

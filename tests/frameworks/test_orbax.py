"""orbax, really saving and restoring, with containers in its checkpoint directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import jellyformat
from jellyformat.errors import BindingMismatch, NoSnapshot, RefusedHost
from jellyformat.snapshots import Snapshot

CONTAINER = "jellyformat.jelly"


@pytest.fixture
def snaps(repository: Path) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of different code."""
    first = jellyformat.snapshot()
    (repository / "train.py").write_text("edited\n")
    return first, jellyformat.snapshot()


def tree(step: int = 0) -> dict[str, Any]:
    values = jnp.arange(12, dtype=jnp.float32).reshape(3, 4) + step
    return {"params": {"kernel": values, "bias": jnp.ones(4, jnp.bfloat16)}, "step": step}


def same(found: Any, expected: Any) -> bool:
    return bool(jax.tree.all(jax.tree.map(np.array_equal, found, expected)))


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def check(directory: Path, snap: Snapshot) -> None:
    report = jellyformat.verify(directory)
    assert report.ok, report
    assert report.host == "directory"
    assert jellyformat.load(directory).id == snap.id


def test_standard_checkpointer(tmp_path: Path, snaps: tuple[Snapshot, Snapshot]) -> None:
    directory, expected = tmp_path / "checkpoint", tree()
    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, expected)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(directory, expected)
        checkpointer.wait_until_finished()
        before = contents(directory)

        def restores() -> bool:
            plain = checkpointer.restore(directory)
            return same(plain, expected) and same(checkpointer.restore(directory, target), expected)

        assert restores()
        for number, snap in enumerate(snaps):
            assert jellyformat.embed(directory, snap, replace=number > 0, bind=True) == "directory"
            check(directory, snap)
            assert restores()
        assert contents(directory).keys() - before.keys() == {CONTAINER}
        metadata = checkpointer.metadata(directory).item_metadata.tree
        assert metadata["params"]["kernel"].shape == (3, 4)
        jellyformat.strip(directory)
        assert contents(directory) == before
        assert restores()
        with pytest.raises(NoSnapshot):
            jellyformat.verify(directory)
        jellyformat.embed(directory, snaps[0])
        checkpointer.save(directory, tree(1), force=True)  # orbax makes the directory anew
        checkpointer.wait_until_finished()
        assert same(checkpointer.restore(directory), tree(1))
        assert not (directory / CONTAINER).exists()


@pytest.mark.parametrize("background", [False, True])
def test_checkpoint_manager(background: bool, tmp_path: Path, snaps: tuple[Snapshot, Snapshot]) -> None:
    root = tmp_path / "run"
    options = ocp.CheckpointManagerOptions(max_to_keep=3, enable_async_checkpointing=background)
    with ocp.CheckpointManager(root, options=options) as manager:
        for step in (1, 2, 3):
            assert manager.save(step, args=ocp.args.StandardSave(tree(step)))
        manager.wait_until_finished()
        before = contents(root)
        for step in (1, 2, 3):
            for number, snap in enumerate(snaps):
                jellyformat.embed(root / str(step), snap, replace=number > 0, bind=True)
                check(root / str(step), snap)
                assert same(manager.restore(step, args=ocp.args.StandardRestore(tree())), tree(step))
        with pytest.raises(RefusedHost) as refused:
            jellyformat.embed(root, snaps[0])
        assert refused.value.requirement == "JF-DIR-001", "the directory of the steps is no checkpoint itself"
        # the same process: a further step, and the oldest is deleted with what lies in it
        assert manager.save(4, args=ocp.args.StandardSave(tree(4)))
        manager.wait_until_finished()
        assert sorted(manager.all_steps()) == [2, 3, 4]
        assert not (root / "1").exists()
    # another process: the steps are listed, the latest one found, restored and deleted
    with ocp.CheckpointManager(root, options=options, item_handlers=ocp.StandardCheckpointHandler()) as manager:
        assert sorted(manager.all_steps()) == [2, 3, 4]
        assert manager.latest_step() == 4
        for step in (2, 3, 4):
            assert same(manager.restore(step), tree(step))
        manager.delete(2)
        manager.wait_until_finished()
        assert sorted(manager.all_steps()) == [3, 4]
        assert not (root / "2").exists()
        check(root / "3", snaps[1])
        jellyformat.strip(root / "3")
        after = contents(root / "3")
        assert after == {name[2:]: data for name, data in before.items() if name.startswith("3/")}
        assert same(manager.restore(3), tree(3))


def test_other_weights(tmp_path: Path, snaps: tuple[Snapshot, Snapshot]) -> None:
    directory = tmp_path / "checkpoint"
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(directory, tree())
        checkpointer.save(tmp_path / "other", tree(1))
        checkpointer.wait_until_finished()
    jellyformat.embed(directory, snaps[0], bind=True)
    (directory / CONTAINER).rename(tmp_path / "other" / CONTAINER)
    assert isinstance(jellyformat.verify(tmp_path / "other").error, BindingMismatch)
    assert jellyformat.load(tmp_path / "other").id == snaps[0].id

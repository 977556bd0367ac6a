"""Further roots and facts of a state: seen, and not restored (SPEC JF-ROO, JF-STA-005)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from craft import assemble, crafted

import jellyformat
from jellyformat import errors
from jellyformat.cli.main import cli
from jellyformat.format.container import Container
from jellyformat.format.model import Head, History, Manifest, Provenance, Root, State, Summary, Worktree
from jellyformat.format.objects import BLOB, TREE, Leaf, build_trees, object_id
from jellyformat.format.records import ObjectRecord, Record
from jellyformat.format.source import BytesSource


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A snapshot with a root and a fact."""
    base = crafted()
    plain = base.parts.state
    root = State("sha1", Head(None, b"refs/heads/main"), plain.index, plain.worktree)
    parts = replace(base.parts, state=replace(plain, roots=(Root(b"helper", root),), facts={"org.example.x": 1}))
    box = Container(BytesSource(assemble(parts, base.records)))
    box.pool.decode()
    path = tmp_path / "x.jelly"
    path.write_bytes(assemble(replace(parts, summary=box.checker.derive()), base.records))
    return path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_roots_are_seen_under_their_names(file: Path, tmp_path: Path) -> None:
    assert jellyformat.verify(file).ok
    assert "helper/src/a.py" in run("ls", str(file))
    assert run("cat", str(file), "helper/b.py") == "new\n"
    assert "helper/src/a.py" in run("diff", str(file))
    run("export", str(file), str(tmp_path / "out"))
    assert (tmp_path / "out/helper/b.py").read_bytes() == (tmp_path / "out/b.py").read_bytes() == b"new\n"


def test_the_main_repository_alone_is_restored(file: Path, tmp_path: Path) -> None:
    """JF-ROO-003, JF-STA-005: what is not put back is said."""
    done = jellyformat.restore(file, tmp_path / "repo")
    assert done.roots == (b"helper",)
    assert done.facts == ("org.example.x",)
    assert sorted(path.name for path in (tmp_path / "repo").iterdir()) == [".git", "b.py", "src"]
    told = run("restore", str(file), str(tmp_path / "again"))
    assert "helper" in told
    assert "org.example.x" in told


def test_files_without_a_repository_are_exported(tmp_path: Path) -> None:
    content = b"x\n"
    trees = build_trees({b"a": Leaf(0o100644, object_id(BLOB, content))}, "sha1")
    records: list[Record] = [ObjectRecord(BLOB, content), ObjectRecord(TREE, trees.contents[trees.root])]
    parts = Manifest(
        state=State("sha1", Head(None, None), None, Worktree(trees.root)),
        summary=Summary(None, (), 1, len(content), (), (), (b"a",)),
        history=History(0),
        provenance=Provenance(0, 0, "tests", more={"git": "none"}),
    )
    path = tmp_path / "x.jelly"
    path.write_bytes(assemble(parts, records))
    assert jellyformat.verify(path).ok
    run("export", str(path), str(tmp_path / "out"))
    assert (tmp_path / "out/a").read_bytes() == content
    with pytest.raises(errors.RefusedRepository):
        jellyformat.restore(path, tmp_path / "repo")
    assert not (tmp_path / "repo").exists()
    with jellyformat.open(path) as box:
        assert box.manifest.provenance.more == {"git": "none"}

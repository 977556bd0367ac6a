"""The public Python face: which names there are, their types, and how what they give is shown."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args, get_type_hints

import plain
import pytest
from gitrepo import git

import jellyformat
from jellyformat.errors import CorruptBlock, NoEnvironment, NoFile, NoSnapshot
from jellyformat.exports.requirements import Package
from jellyformat.format import pool
from jellyformat.format.info import Change

SOURCE = Path(jellyformat.__file__)
TYPES = {
    "bundle": ('("model.pt")', "jellyformat.Bundle"),
    "code": ('("model.pt")', "jellyformat.Code"),
    "diff": ('("model.pt", "other.pt")', "jellyformat.Diff"),
    "embed": ('("model.pt")', "str"),
    "env": ('("model.pt")', "jellyformat.Environment"),
    "export": ('("model.pt", "code")', "jellyformat.Exported"),
    "fix": ("()", "tuple[jellyformat.Left, ...]"),
    "grep": ('("lr = ", "runs", fixed=True)', "list[jellyformat.Match]"),
    "history": ("()", "tuple[jellyformat.HistoryEntry, ...]"),
    "index": ('(["runs"], "all.parquet")', "jellyformat.Indexed"),
    "label": ('("model.pt", {"epoch": 3})', "jellyformat.SnapshotInfo"),
    "load": ('("model.pt")', "jellyformat.Snapshot"),
    "log": ('("runs", "more")', "list[jellyformat.LogEntry]"),
    "open": ('("model.pt")', "jellyformat.Container"),
    "prune": ("()", "jellyformat.Pruned"),
    "redo": ("()", "jellyformat.Stepped"),
    "restore": ('("model.pt")', "jellyformat.Restored"),
    "show": ('("model.pt")', "jellyformat.SnapshotInfo"),
    "sign": ('("model.pt")', "tuple[jellyformat.SignatureCheck, ...]"),
    "signatures": ('("model.pt")', "tuple[jellyformat.SignatureCheck, ...]"),
    "snapshot": ("()", "jellyformat.Snapshot"),
    "strip": ('("model.pt")', "str"),
    "undo": ("()", "jellyformat.Stepped"),
    "verify": ('("model.pt")', "jellyformat.Report"),
}
"""How each verb is called, and what it gives."""
CLASSES = {
    "Bundle", "Change", "Check", "Code", "Container", "Diff", "Edit", "Environment", "Exported", "File",
    "HistoryEntry", "HostWarning", "Indexed", "JellyError", "Left", "LogEntry", "Match", "Omitted", "Package", "Pruned",
    "Report", "Restored", "Run", "SignatureCheck",
    "Snapshot", "SnapshotInfo", "Stepped",
}  # fmt: skip


def test_training_needs_no_import_of_its_own() -> None:
    code = "import jellyformat; jellyformat.training.start, jellyformat.errors.Busy"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- names ---------------------------------------------------------------------------------------------------------


def test_exactly_these_names_are_public() -> None:
    assert set(jellyformat.__all__) == {"__version__", *TYPES, *CLASSES}
    assert jellyformat.__all__ == sorted(jellyformat.__all__)
    assert dir(jellyformat) == jellyformat.__all__
    for name in jellyformat.__all__:
        assert getattr(jellyformat, name) is not None
    for name in TYPES:
        assert inspect.isfunction(getattr(jellyformat, name)), name
    for name in CLASSES:
        assert inspect.isclass(getattr(jellyformat, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = jellyformat.nonsense  # type: ignore[attr-defined]


def test_a_verb_is_a_verb_whatever_was_imported() -> None:
    """A module or room of a verb's name would take its place as soon as it is imported."""
    code = (
        "import pkgutil, importlib, types, jellyformat\n"
        "for found in pkgutil.walk_packages(jellyformat.__path__, 'jellyformat.'):\n"
        "    if not found.name.endswith('__main__'): importlib.import_module(found.name)\n"
        "for name in jellyformat.__all__: assert not isinstance(getattr(jellyformat, name), types.ModuleType), name\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_type_checkers_see_what_is_imported() -> None:
    """What is imported under TYPE_CHECKING is what `_PLACES` finds, under the same names."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        if node.module == "typing":
            continue
        for name in node.names:
            seen[name.asname or name.name] = (str(node.module).removeprefix("jellyformat."), name.name)
    assert seen == jellyformat._PLACES
    assert {*seen, "__version__"} == set(jellyformat.__all__)


def test_all_that_a_verb_gives_is_public() -> None:
    """Nobody has to import what he gets from somewhere else to name its type."""

    def ours(kind: Any) -> Iterator[type]:
        for part in get_args(kind):
            yield from ours(part)
        if inspect.isclass(kind) and kind.__module__.partition(".")[0] == "jellyformat":
            yield kind

    public = {getattr(jellyformat, name) for name in CLASSES}
    for name in TYPES:
        for kind in ours(get_type_hints(getattr(jellyformat, name))["return"]):
            assert kind in public, (name, kind)
    for made in (kind for kind in public if dataclasses.is_dataclass(kind)):
        for field in dataclasses.fields(made):
            if not field.name.startswith("_"):
                for kind in ours(get_type_hints(made)[field.name]):
                    assert kind in public, (made, field.name)


@pytest.mark.sampled(3)
@pytest.mark.slow
def test_no_name_is_any(tmp_path: Path) -> None:
    """mypy knows the type of each name, and of what each verb gives, from the package as it is found by Python."""
    lines = ["from typing_extensions import assert_type", "import jellyformat"]
    lines += [f"reveal_type(jellyformat.{name})" for name in jellyformat.__all__]
    lines += [f"assert_type(jellyformat.{name}{call}, {kind})" for name, (call, kind) in TYPES.items()]
    lines += [
        'assert_type(jellyformat.open("model.pt").files(), list[jellyformat.File])',
        'assert_type(jellyformat.verify("model.pt").checks, tuple[jellyformat.Check, ...])',
        'assert_type(jellyformat.log("runs")[0].changes, tuple[jellyformat.Change, ...] | None)',
        'assert_type(jellyformat.show("model.pt").omitted, tuple[jellyformat.Omitted, ...])',
        'assert_type(jellyformat.env("model.pt").packages, tuple[jellyformat.Package, ...])',
        "assert_type(jellyformat.snapshot().open(), jellyformat.Container)",
    ]
    lines += ["jellyformat.nonsense"]
    (tmp_path / "user.py").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "user.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    revealed = re.findall(r'user\.py:(\d+): note: Revealed type is "(.*)"', done.stdout)
    assert [int(line) for line, _ in revealed] == list(range(3, 3 + len(jellyformat.__all__))), done.stdout
    for line, kind in revealed:
        assert not re.search(r"\bAny\b", kind), (lines[int(line) - 1], kind)
    wrong = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(wrong) == 1, done.stdout
    assert f"user.py:{len(lines)}: error: Module has no attribute" in wrong[0]


# -- what is given -------------------------------------------------------------------------------------------------


@pytest.fixture
def model(repository: Path) -> Path:
    """A checkpoint with a snapshot of the repository."""
    host = repository.parent / "model.bin"
    host.write_bytes(plain.npy(range(50)))
    jellyformat.embed(host, jellyformat.snapshot(repository))
    return host


def test_show(model: Path, repository: Path) -> None:
    found = jellyformat.show(model)
    assert found.snapshot_id == jellyformat.snapshot(repository).id
    assert found.digest == jellyformat.load(model).digest
    assert (found.file, found.host, found.holder) == (str(model), "trailer", None)
    assert found.commit == git(repository, "rev-parse", "HEAD").decode().strip()
    assert (found.ref, found.branch, found.subject) == ("refs/heads/main", "main", "second: wider")
    assert found.staged == (Change("A", b"staged.py"),)
    assert found.unstaged == (("D", b"gone.py"), ("M", b"train.py"))
    assert found.untracked == (b"new file.txt",)
    assert (found.dirty, found.uncommitted) == (True, 4)
    assert found.container_bytes == len(jellyformat.load(model).to_bytes())
    assert jellyformat.load(model).info().snapshot_id == found.snapshot_id
    with jellyformat.open(model) as box:
        assert box.info() == found
    with pytest.raises(NoSnapshot):
        jellyformat.show(repository / "model.py")


def test_diff(model: Path, repository: Path, tmp_path: Path) -> None:
    with jellyformat.diff(model) as found:
        assert [tuple(change) for change in found.changes] == [
            ("D", b"gone.py"), ("A", b"new file.txt"), ("A", b"staged.py"), ("M", b"train.py"),
        ]  # fmt: skip
        patch = b"".join(found.patch())
    git(repository, "stash", "-qu")
    (tmp_path / "patch").write_bytes(patch)
    git(repository, "apply", str(tmp_path / "patch"))
    assert jellyformat.diff(model, repository).changes == ()
    assert b"".join(jellyformat.diff(model, repository).patch()) == b""
    other = tmp_path / "other.jelly"
    (repository / "model.py").write_text("hidden = 64\n")
    (repository / "weights.bin").write_bytes(bytes(5000))
    other.write_bytes(jellyformat.snapshot(repository, max_file_size=4000, oversize="omit").to_bytes())
    found = jellyformat.diff(model, other)
    assert [tuple(change) for change in found.changes] == [("M", b"model.py")]
    assert found.not_compared == (b"weights.bin",)
    assert b"+hidden = 64\n" in b"".join(found.patch())  # not closed, and read only now


def test_a_diff_reads_when_it_is_asked(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing of what was decoded fits into memory, the file is read again for the patch."""
    with jellyformat.diff(model) as found:
        patch = b"".join(found.patch())
    monkeypatch.setattr(pool, "_CACHE_BYTES", 0)
    monkeypatch.setattr(pool, "_RAW_BYTES", 0)
    with jellyformat.diff(model) as found:
        assert b"".join(found.patch()) == patch
        assert str(model) in open_files()
    assert str(model) not in open_files()


def open_files() -> set[str]:
    return {os.readlink(entry.path) for entry in os.scandir("/proc/self/fd") if os.path.lexists(entry.path)}


def test_log(model: Path, repository: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    model.rename(runs / "a.bin")
    (repository / "model.py").write_text("hidden = 64\n")
    (runs / "c.jelly").write_bytes(jellyformat.snapshot(repository).to_bytes())
    data = bytearray((runs / "a.bin").read_bytes())
    data[-90] ^= 1  # in a block: what it was is known, and not what changed
    (runs / "b.bin").write_bytes(data)
    data[len(plain.npy(range(50))) + 150] ^= 1  # in the manifest
    (runs / "d.bin").write_bytes(data)
    (runs / "e.txt").write_text("nothing in it")
    entries = jellyformat.log(runs)
    assert [Path(entry.file).name for entry in entries] == ["a.bin", "b.bin", "c.jelly", "d.bin"]
    first, block, second, manifest = entries
    assert (first.changes, first.damaged) == (None, None)
    assert first.snapshot_id == block.snapshot_id == jellyformat.show(first.file).snapshot_id
    assert block.changes == ()  # the same code by its manifest
    assert block.damaged is not None  # as is seen when the next one is compared with it
    assert (second.damaged, second.since) == (None, first.file)
    assert second.changes == (("M", b"model.py"),)
    assert second.snapshot_id == jellyformat.show(second.file).snapshot_id
    assert (first.host, second.host, first.ref, first.subject) == (
        "trailer", "jelly", "refs/heads/main", "second: wider",
    )  # fmt: skip
    assert (first.digest, first.dirty, first.uncommitted) == (jellyformat.load(first.file).digest, True, 4)
    assert first.created == jellyformat.show(first.file).created
    assert manifest == jellyformat.LogEntry(str(runs / "d.bin"), damaged=manifest.damaged)
    assert manifest.damaged is not None
    (old, new) = jellyformat.log(second.file, runs / "a.bin")
    assert (old.file, new.file, new.changes) == (first.file, second.file, (("M", b"model.py"),))
    with pytest.raises(NoFile):
        jellyformat.log(runs, tmp_path / "nowhere")


def test_log_of_bare_repositories(repository: Path, tmp_path: Path) -> None:
    """Two that have no files on disk were said to have the same, whatever was committed."""
    git(repository, "clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    (tmp_path / "1.jelly").write_bytes(jellyformat.snapshot(tmp_path / "bare.git").to_bytes())
    git(repository, "commit", "-qam", "third")
    git(repository, "push", "-q", str(tmp_path / "bare.git"), "main")
    (tmp_path / "2.jelly").write_bytes(jellyformat.snapshot(tmp_path / "bare.git").to_bytes())
    _, second = jellyformat.log(tmp_path / "1.jelly", tmp_path / "2.jelly")
    assert second.changes == (("D", b"gone.py"), ("A", b"staged.py"), ("M", b"train.py"))


def test_env(model: Path, repository: Path, tmp_path: Path) -> None:
    found = jellyformat.env(model)
    assert found.values["language"] == "python"
    assert found.snapshot_id == jellyformat.show(model).snapshot_id
    names = {item.name for item in found.packages}
    assert "pytest" in names
    assert any(line.startswith("pytest==") for line in found.requirements())
    none = tmp_path / "none.jelly"
    none.write_bytes(jellyformat.snapshot(repository, environment=False).to_bytes())
    with pytest.raises(NoEnvironment, match="environment=False"):
        jellyformat.env(none)


def test_export_takes_what_others_take(model: Path, tmp_path: Path) -> None:
    done = jellyformat.export(model, tmp_path / "code")
    assert (done.directory, done.omitted) == (tmp_path / "code", ())
    with jellyformat.open(model) as box:
        assert jellyformat.export(box, tmp_path / "again").files == done.files
    with model.open("rb") as stream:
        assert jellyformat.export(stream, tmp_path / "third").size == done.size
    for name in ("again", "third"):
        assert (tmp_path / name / "model.py").read_bytes() == (tmp_path / "code/model.py").read_bytes()
    with pytest.raises(NoSnapshot):
        jellyformat.export(tmp_path / "code/model.py", tmp_path / "fourth")
    assert not (tmp_path / "fourth").exists()


# -- how it is shown -----------------------------------------------------------------------------------------------

STATES = ("good", "unknown", "bad", "outdated", "revoked", "unchecked")
HOSTILE = "<script src=//x>&\x1b[31m\u202e\x07"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(attrs)


def given(repository: Path, tmp_path: Path) -> Iterator[object]:
    """What the verbs give, of a repository in which every text is hostile."""
    git(repository, "checkout", "-qb", "<b>&\u202e")
    (repository / HOSTILE.replace("/", "")).write_text("x")
    git(repository, "commit", "-qam", HOSTILE * 400)
    (repository / "train.py").write_text("x")
    git(repository, "remote", "add", "<i>x</i>", "https://example.org/<u>")
    snap = jellyformat.snapshot(repository, exclude=["new*"])
    host = tmp_path / f"model{HOSTILE.replace('/', '')}.bin"
    host.write_bytes(plain.npy(range(50)))
    jellyformat.embed(host, snap)
    yield snap
    yield jellyformat.Snapshot(b"no container")
    with jellyformat.open(host) as box:
        yield box
        yield from box.files()
    yield jellyformat.Indexed(host, 3, 3, 0, 0, 0)
    yield jellyformat.show(host)
    yield jellyformat.env(host)
    yield dataclasses.replace(jellyformat.env(host), packages=(Package(HOSTILE, HOSTILE, HOSTILE),) * 500)
    yield jellyformat.diff(host)
    yield from jellyformat.diff(host).changes
    yield from jellyformat.log(host)
    yield from jellyformat.grep(".", host, within="t*")
    report = jellyformat.verify(host)
    yield report
    yield from report.checks
    yield from (
        jellyformat.SignatureCheck(state, HOSTILE * 99, HOSTILE, HOSTILE, detail=HOSTILE * 99) for state in STATES
    )
    (tmp_path / "damaged.jelly").write_bytes(snap.data[:-1] + bytes((snap.data[-1] ^ 1,)))
    yield jellyformat.verify(tmp_path / "damaged.jelly")
    yield from jellyformat.verify(tmp_path / "damaged.jelly").checks
    yield from jellyformat.log(tmp_path / "damaged.jelly")
    yield dataclasses.replace(report, file=HOSTILE, checks=(jellyformat.Check(HOSTILE, False, HOSTILE * 99),), ok=False)
    yield dataclasses.replace(report, checks=(), ok=False, error=CorruptBlock(HOSTILE))
    yield jellyformat.export(host, tmp_path / HOSTILE.replace("/", ""), any_names=True)
    yield jellyformat.bundle(host)
    yield jellyformat.restore(host, repository, any_names=True)
    yield jellyformat.undo(repository)
    yield jellyformat.redo(repository)
    yield jellyformat.prune(repository)
    yield from jellyformat.history(repository)
    yield from jellyformat.fix(repository)
    yield jellyformat.Left(Path(HOSTILE), HOSTILE, False)
    yield jellyformat.LogEntry(HOSTILE, damaged=CorruptBlock(HOSTILE))
    yield jellyformat.Edit(HOSTILE, HOSTILE.encode() * 99, 1, 2, HOSTILE * 9)
    yield Change(HOSTILE, HOSTILE.encode() * 99)


def test_all_is_shown_in_a_line_and_is_harmless(repository: Path, tmp_path: Path) -> None:
    shown = set()
    tables = set()
    for item in given(repository, tmp_path):
        text = repr(item)
        shown.add(type(item))
        assert text.isprintable(), text
        assert len(text) < 320, text
        assert text.startswith(f"<{type(item).__name__}"), text
        make = getattr(item, "_repr_html_", None)
        html = None if make is None else make()
        if html is None:
            continue
        tables.add(type(item))
        assert html.isprintable(), html
        assert len(html) < 25_000
        found = _Tags()
        found.feed(html)
        assert found.tags <= {"table", "caption", "tr", "th", "td"}
        assert found.attributes <= {("style", "text-align:left")}
        assert html.count("<table>") == html.count("</table>") == 1
    errors = {"Code", "HostWarning", "JellyError", "Omitted", "Package", "Run"}
    assert shown == {getattr(jellyformat, name) for name in CLASSES - errors}
    names = ("Container", "Diff", "Environment", "LogEntry", "Report", "Snapshot", "SnapshotInfo")
    assert tables == {getattr(jellyformat, name) for name in names}


def test_what_a_repr_says(model: Path, repository: Path) -> None:
    snap = jellyformat.load(model)
    commit = git(repository, "rev-parse", "HEAD").decode()[:10]
    words = f"commit {commit} on main, 6 files, 4 uncommitted changes"
    assert repr(snap).startswith(f"<Snapshot {snap.id[:12]}: {words}, ")
    assert repr(jellyformat.show(model)).endswith(f": snapshot {snap.id[:12]}, {words}>")
    with jellyformat.open(model) as box:
        assert repr(box).endswith(f"(trailer): snapshot {snap.id[:12]}, {words}>")
    assert repr(jellyformat.Snapshot(b"no container")).startswith("<Snapshot that is damaged: ")
    report = jellyformat.verify(model)
    assert repr(report).endswith(f": ok, {len(report.checks)} checks>")
    assert "✓" in str(report._repr_html_())
    assert "✗" not in str(report._repr_html_())
    assert repr(jellyformat.diff(model)) == "<Diff: 4 changes>"
    assert "train.py" in jellyformat.diff(model)._repr_html_()
    for text in (f"{commit}", "second: wider", "M train.py", "new file.txt"):
        assert text in snap._repr_html_()  # type: ignore[operator]

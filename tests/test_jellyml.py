"""Checkpoints written by jellyml 1.0.0: found, shown, verified, restored, and bounded whatever a stranger wrote."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import plain
import pytest
from gitrepo import git
from states import STATES
from states import git as git_of_states
from test_packstream import entry, packed
from test_story import jelly

import jellyformat
from jellyformat import errors
from jellyformat.compat.jellyml import convert, parse_bundle
from jellyformat.format.objects import BLOB, COMMIT, TREE, object_id

KEY = "jellyml_code_snapshot"
MESSAGE = "jellyml_snapshot_at_2026-01-02-01234567-89ab-cdef-0123-456789abcdef"


def header(size: int, **changes: object) -> bytes:
    """jellyml's header, as its `_create_snapshot.py` writes it."""
    fields: dict[str, object] = {
        "magic_number": "jelly_ml_snapshot",
        "snapshot_offset": 1024,
        "snapshot_size": size,
        "version": "january-7-2023",
    }
    return json.dumps({**fields, **changes}).encode().ljust(1024, b"\0")


def record(repository: Path, scratch: Path) -> bytes:
    """What jellyml makes of a repository, by the git commands of its `create_git_bundle.py`, in a copy."""
    copy = scratch / "copy"
    shutil.copytree(repository, copy, symlinks=True)
    if git_of_states(copy, "status", "--porcelain"):
        git_of_states(copy, "checkout", "-q", "--detach")
        git_of_states(copy, "add", "-A")
        git_of_states(copy, "commit", "-q", "-m", MESSAGE)
    git_of_states(copy, "bundle", "create", "-q", "../x.bundle", "HEAD")
    shutil.rmtree(copy)
    data = (scratch / "x.bundle").read_bytes()
    return header(len(data)) + data


def checkpoint(path: Path, data: bytes) -> Path:
    """A file laid out as `torch.save` does, with the snapshot among its tensors."""
    plain.save_torch(path, plain.float32(range(1000)), data, bytes(12))
    return path


def torch_checkpoint(path: Path, data: bytes) -> Path:
    """A file that `torch.save` makes, with the snapshot in the saved object."""
    import torch

    tensor = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    torch.save({"weights": torch.arange(1000.0), KEY: tensor, "more": torch.zeros(3)}, path)
    return path


@pytest.fixture(params=[checkpoint, pytest.param(torch_checkpoint, marks=pytest.mark.framework)])
def model(request: pytest.FixtureRequest, repository: Path, tmp_path: Path) -> Path:
    made: Path = request.param(tmp_path / "model.pt", record(repository, tmp_path))
    return made


@pytest.mark.sampled(2)
@pytest.mark.slow
def test_every_reading_command(model: Path, repository: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    commit = git(repository, "rev-parse", "HEAD").decode().strip()
    shown = json.loads(jelly(tmp_path, "show", "model.pt", "--json").stdout)
    assert (shown["host"], shown["head"], shown["history"]) == ("torch", {"ref": None, "commit": commit}, 2)
    assert (shown["staged"], shown["unstaged"]) == ([], ["gone.py", "train.py"])
    assert shown["untracked"] == ["new file.txt", "staged.py"]
    assert (shown["created"], shown["tool"]) == ("2024-03-01T11:00:00Z", "jellyml 1.0.0")
    report = json.loads(jelly(tmp_path, "verify", "model.pt", "--json").stdout)
    assert report["ok"]
    assert report["snapshot_id"] == shown["snapshot_id"]
    jelly(tmp_path, "verify", "model.pt", "--quick")
    listed = jelly(tmp_path, "ls", "model.pt").stdout.decode().splitlines()
    assert listed == [".gitignore", "model.py", "new file.txt", "src/data.bin", "staged.py", "train.py"]
    assert jelly(tmp_path, "cat", "model.pt", "new file.txt").stdout == (repository / "new file.txt").read_bytes()
    git(tmp_path, "clone", "-q", str(repository), "clone")
    git(tmp_path / "clone", "apply", "-", data=jelly(tmp_path, "diff", "model.pt").stdout)
    assert (tmp_path / "clone" / "train.py").read_bytes() == (repository / "train.py").read_bytes()
    (timeline,) = json.loads(jelly(tmp_path, "log", "model.pt", "--json").stdout)
    assert timeline["snapshot_id"] == shown["snapshot_id"]
    jelly(tmp_path, "export", "model.pt", "code")
    for name in listed:
        assert (tmp_path / "code" / name).read_bytes() == (repository / name).read_bytes()
    jelly(tmp_path, "env", "model.pt", code=3)
    assert jelly(tmp_path, "git", "model.pt", "rev-list", "--count", "HEAD").stdout == b"2\n"
    jelly(tmp_path, "extract", "model.pt", "--bundle", "-o", "new.bundle")
    git(tmp_path, "clone", "-q", "new.bundle", "cloned")
    assert git(tmp_path / "cloned", "rev-parse", "HEAD").decode().strip() == commit
    jelly(tmp_path, "extract", "model.pt", "-o", "x.jelly")
    assert jellyformat.verify(tmp_path / "x.jelly").snapshot_id == shown["snapshot_id"]
    assert model.read_bytes() == before


def test_restore(model: Path, repository: Path, tmp_path: Path) -> None:
    mine = git(repository, "status", "--porcelain")
    (repository / "model.py").write_text("later = 1\n")
    later = git(repository, "status", "--porcelain")
    jelly(repository, "restore", str(model))
    assert git(repository, "status", "--porcelain") == b' D gone.py\n M train.py\n?? "new file.txt"\n?? staged.py\n'
    assert (repository / "model.py").read_text() == "hidden = 16\n"
    jelly(repository, "undo")
    assert git(repository, "status", "--porcelain") == later != mine
    jelly(tmp_path, "restore", "model.pt", "fresh")
    assert (tmp_path / "fresh" / "train.py").read_bytes() == (repository / "train.py").read_bytes()
    assert git(tmp_path / "fresh", "log", "--format=%H") == git(repository, "log", "--format=%H")


def test_the_file_keeps_what_it_has(model: Path, repository: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    jelly(tmp_path, "strip", "model.pt", code=4)
    jelly(repository, "embed", str(model), code=4)
    assert model.read_bytes() == before
    old = jellyformat.open(model).snapshot_id
    jelly(repository, "embed", str(model), "--replace")
    assert jellyformat.open(model).form == "listed"
    jelly(tmp_path, "strip", "model.pt")
    assert model.read_bytes() == before
    # in our own form, from now on
    jelly(tmp_path, "embed", "model.pt", "--from", "model.pt", "--replace")
    assert (jellyformat.open(model).snapshot_id, jellyformat.open(model).form) == (old, "listed")
    # and it is no part of the next snapshot
    shutil.copy(model, repository / "old.pt")
    with jellyformat.snapshot(repository).open() as box:
        assert b"old.pt" in box.manifest.ignored


@pytest.mark.framework
def test_torch_loads_what_has_both(repository: Path, tmp_path: Path) -> None:
    import torch

    model = torch_checkpoint(tmp_path / "model.pt", record(repository, tmp_path))
    jelly(repository, "embed", str(model), "--replace")
    assert jellyformat.open(model).form == "listed"
    assert torch.load(model, weights_only=True)["weights"][7] == 7


@pytest.mark.parametrize(
    "name", ["clean", "detached", "old_modes", "shallow", "sha256", "untracked_names", "file_to_directory",
             "submodule_clean", "deleted_all", "symlink_to_directory", "signed_and_encoded", "deep_and_long"]
)  # fmt: skip
def test_states(name: str, tmp_path: Path) -> None:
    """The files are those that `git add -A` takes; the commit below is the repository's own."""
    repo = tmp_path / "repo"
    STATES[name](repo)
    file = checkpoint(tmp_path / "x.pt", record(repo, tmp_path))
    report = jellyformat.verify(file)
    assert report.ok, report.error
    with jellyformat.open(file) as box:
        state = box.manifest.state
        assert state.head.commit is not None
        assert state.head.commit.hex().encode() == git_of_states(repo, "rev-parse", "HEAD").strip()
        assert box.manifest.history.commits == int(git_of_states(repo, "rev-list", "--count", "HEAD"))
        git_of_states(repo, "add", "-A")
        assert state.worktree is not None
        assert state.worktree.tree.hex().encode() == git_of_states(repo, "write-tree").strip()
        # the same every time
        assert box.to_bytes() == jellyformat.load(file).data


@pytest.mark.sampled(3)
@pytest.mark.framework
@pytest.mark.skipif(importlib.util.find_spec("jellyml") is None, reason="pip install --no-deps jellyml==1.0.0")
def test_what_jellyml_itself_writes(repository: Path, tmp_path: Path) -> None:
    by_hand = jellyformat.open(checkpoint(tmp_path / "hand.pt", record(repository, tmp_path)))
    code = "import torch, jellyml; torch.save({'w': torch.zeros(3), **jellyml.create_snapshot()}, '../real.pt')"
    for place in ("home", "data"):
        (tmp_path / place).mkdir()
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "XDG_DATA_HOME": str(tmp_path / "data")}
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, env=environment)
    assert jellyformat.verify(tmp_path / "real.pt").ok
    with jellyformat.open(tmp_path / "real.pt") as box:
        assert box.manifest.state == by_hand.manifest.state
        assert box.manifest.summary == by_hand.manifest.summary
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, env=environment)
    with jellyformat.open(tmp_path / "real.pt") as box:
        assert box.manifest.state.head.commit == bytes.fromhex(git(repository, "rev-parse", "HEAD").decode())
        assert not box.manifest.summary.unstaged
        assert not box.manifest.summary.untracked


# -- made to do harm -----------------------------------------------------------------------------------------------


def made(files: dict[bytes, bytes], message: bytes = b"x", tree: bytes | None = None, **fields: bytes) -> bytes:
    """A record whose tree has these names, as they are, each with its content."""
    blobs = {content: object_id(BLOB, content) for content in files.values()}
    if tree is None:
        tree = b"".join(b"100644 %s\0%s" % (name, blobs[content]) for name, content in sorted(files.items()))
    root = object_id(TREE, tree)
    who = fields.get("who", b"A <a@b> 0 +0000")
    commit = b"tree %s\nauthor %s\ncommitter %s\n\n%s" % (root.hex().encode(), who, who, message)
    entries = [entry(COMMIT, commit), entry(TREE, tree), *(entry(BLOB, content) for content in blobs)]
    return bundled(object_id(COMMIT, commit), packed(*entries))


def bundled(tip: bytes, pack: bytes, lines: bytes = b"# v2 git bundle\n") -> bytes:
    data = lines + tip.hex().encode() + b" HEAD\n\n" + pack
    return header(len(data)) + data


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [b".git", b".GIT", b"..", b"a/../../b", b"git~1", b".g\xe2\x80\x8cit", b"x\\..\\y", b""]
)
def test_unsafe_names(name: bytes, tmp_path: Path) -> None:
    file = checkpoint(tmp_path / "x.pt", made({name: b"evil"}))
    for action in (jellyformat.open, jellyformat.restore, jellyformat.bundle):
        with pytest.raises((errors.UnsafePath, errors.BadObject)):
            action(file)
    assert not jellyformat.verify(file).ok
    if name == b".git":
        jelly(tmp_path, "restore", "x.pt", "out", code=1)
        jelly(tmp_path, "export", "x.pt", "out", code=1)
        jelly(tmp_path, "git", "x.pt", "log", code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.pt"]


def test_odd_commits(tmp_path: Path) -> None:
    """Times beyond the calendar, a message that lies, a tree that is no tree."""
    for who in (b"A <a@b> 99999999999999999999 +0000", b"A <a@b> 5 +9999", b"A <a@b> -5 -0130", b"\xff\x1b[2J"):
        file = checkpoint(tmp_path / "x.pt", made({b"a": b"b"}, who=who))
        assert jellyformat.verify(file).ok
    assert b"\x1b" not in jelly(tmp_path, "show", "x.pt").stdout
    file = checkpoint(tmp_path / "x.pt", made({b"a": b"b"}, MESSAGE.encode()))  # without a commit below it
    with jellyformat.open(file) as box:
        assert box.manifest.summary.untracked == ()
        assert box.read("a") == b"b"
    for tree in (b"100644 a", b"100644 a\0" + bytes(20), b"40000 a\0" + object_id(BLOB, b"b")):
        report = jellyformat.verify(checkpoint(tmp_path / "x.pt", made({b"x": b"b"}, tree=tree)))
        assert isinstance(report.error, (errors.BadObject, errors.MissingObject)), report.error


@pytest.mark.parametrize(
    "changes",
    [{"snapshot_size": 5}, {"snapshot_size": -1}, {"snapshot_size": True}, {"snapshot_offset": 0}, {"version": "later"},
     {"snapshot_size": "x"}, {"snapshot_size": 1 << 70}, {"version": None}, {"snapshot_offset": 1024.5}],
)  # fmt: skip
def test_headers(changes: dict[str, object], tmp_path: Path) -> None:
    data = made({b"a": b"b"})[1024:]
    report = jellyformat.verify(checkpoint(tmp_path / "x.pt", header(len(data), **changes) + data))
    assert not report.ok
    assert report.error is not None
    assert report.error.error_class in ("malformed.host", "unsupported.version")


@pytest.mark.parametrize(
    "head",
    [b'{"magic_number": "jelly_ml_snapshot", ' + b"[" * 900, b'{"magic_number": "jelly_ml_snapshot"',
     b'{"magic_number": "jelly_ml_snapshot"}', b'{"magic_number": "jelly_ml_snapshot", "x": ' + b"[" * 970,
     b'{"magic_number": "jelly_ml_snapshot", "magic_number": 1}'],
)  # fmt: skip
def test_headers_that_are_none(head: bytes, tmp_path: Path) -> None:
    for data in (head, head.ljust(1024, b"\0"), head.ljust(1024, b"[")):
        assert not jellyformat.verify(checkpoint(tmp_path / "x.pt", data)).ok


OID = b"0" * 40


@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"# v2 git bundle\n", b"# v4 git bundle\n\n", b"# v2 git bundle\n-%s x\n\n" % OID,
     b"# v3 git bundle\n@filter=blob:none\n\n", b"# v3 git bundle\n@object-format=md5\n\n",
     b"# v2 git bundle\n@object-format=sha1\n\n", b"# v2 git bundle\n%s HEAD\n%s HEAD\n\n" % (OID, OID),
     b"# v2 git bundle\n%s\n\n" % OID, b"# v2 git bundle\nx HEAD\n\n", b"# v2 git bundle\n" + b"x" * 9999,
     b"# v2 git bundle\n%s0000 HEAD\n\n" % OID, b"# v3 git bundle\n@object-format=sha256\n%s HEAD\n\n" % OID],
)  # fmt: skip
def test_bundles_that_are_none(data: bytes) -> None:
    with pytest.raises(errors.BadHost):
        parse_bundle(data)


def test_a_bundle_without_head_or_commit() -> None:
    good = made({b"a": b"b"})
    other = good[1024:].replace(b" HEAD\n", b" refs/heads/main\n")
    with pytest.raises(errors.BadHost):
        convert(header(len(other)) + other)
    with pytest.raises(errors.MissingObject):
        convert(bundled(bytes(20), packed(entry(BLOB, b"x"))))
    with pytest.raises(errors.BadObject):
        convert(bundled(object_id(BLOB, b"x"), packed(entry(BLOB, b"x"))))


def test_every_byte_counts() -> None:
    """But for the JSON's, which say nothing more."""
    data = made({b"a": b"b" * 100, b"c": b"d"}, b"message\n")
    good = convert(data)
    for place in range(0, len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            assert convert(bytes(changed)) == good
        except errors.FormatError:
            continue
        assert place < 1024 or place == 1027  # version 3 says the same


def test_two_snapshots(tmp_path: Path) -> None:
    one, two = made({b"a": b"b"}), made({b"a": b"c"})
    plain.save_torch(tmp_path / "x.pt", one, two)
    with pytest.raises(errors.BadHost):
        jellyformat.open(tmp_path / "x.pt")
    plain.save_torch(tmp_path / "x.pt", one, one)
    assert jellyformat.open(tmp_path / "x.pt").read("a") == b"b"


def test_what_looks_like_one_elsewhere(tmp_path: Path) -> None:
    """Only a stored tensor of a torch file is one, not the same bytes in another zip, compressed or otherwise named."""
    data = made({b"a": b"b"})
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("x/data/0", data)
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"")
        archive.writestr("x/data/0", data, compress_type=zipfile.ZIP_DEFLATED)
        archive.writestr("x/data/name", data)
        archive.writestr("y/data/0", data)
    (tmp_path / "bare.bin").write_bytes(data)
    for name in ("plain.zip", "x.pt", "bare.bin"):
        with pytest.raises(errors.NoSnapshot):
            jellyformat.open(tmp_path / name)


def test_missing_history_is_not_passed_over(tmp_path: Path) -> None:
    """An old commit whose tree is gone: the bundle is damaged, and nothing is read from it as if it were whole."""
    blob, tree = b"b", b"100644 a\0" + object_id(BLOB, b"b")
    who = b"author A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx"
    old = b"tree %s\n" % (b"1" * 40) + who
    new = b"tree %s\nparent %s\n" % (object_id(TREE, tree).hex().encode(), object_id(COMMIT, old).hex().encode()) + who
    data = packed(entry(COMMIT, new), entry(COMMIT, old), entry(TREE, tree), entry(BLOB, blob))
    with pytest.raises(errors.MissingObject):
        convert(bundled(object_id(COMMIT, new), data))


def test_reading_other_files_does_not_import_it(tmp_path: Path) -> None:
    plain.save_torch(tmp_path / "x.pt", bytes(12))
    code = (
        "import sys, jellyformat\n"
        "try: jellyformat.open('x.pt')\n"
        "except jellyformat.JellyError as error: assert error.exit_code == 3\n"
        "assert not {'jellyformat.compat.jellyml', 'jellyformat.format.collect', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)

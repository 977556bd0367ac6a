"""The attack table: crafted containers, hostile configurations; nothing outside, nothing in ``.git``, nothing run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import craft
import images
import pytest
from craft import Crafted, crafted
from states import Repo, base, git

import jellyformat
from jellyformat import errors
from jellyformat.checkout import plan
from jellyformat.checkout.journal import StepJournal
from jellyformat.checkout.store import Store
from jellyformat.checkout.target import Target, Wanted
from jellyformat.format.container import Container
from jellyformat.format.model import Conflict, Head, History, Index, Manifest, Nested, Operation, State, Worktree
from jellyformat.format.objects import (
    BLOB,
    COMMIT,
    REGULAR,
    SYMLINK,
    TREE,
    Leaf,
    TreeEntry,
    build_trees,
    format_tree,
    object_id,
)
from jellyformat.format.records import ObjectRecord, Record
from jellyformat.format.source import BytesSource
from jellyformat.git import create
from jellyformat.git.repository import Repository

NEW = object_id(BLOB, b"new\n")


def finished(data: bytes) -> bytes:
    """A crafted container with the summary and counts that its author would put in to get past the verifier."""
    box = Container(BytesSource(data))
    box.pool.decode()
    parts: Manifest = replace(box.manifest, summary=box.checker.derive())
    records: list[Record] = [ObjectRecord(place.kind, box.pool.read(oid)) for oid, place in box.pool.places.items()]
    return craft.assemble(parts, records)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository, with work in it."""
    repo = base(tmp_path / "home" / "r")
    repo.append("README.md")
    repo.write("mine.txt", b"mine\n")
    return repo.path


def refuses(data: bytes, repository: Path, *classes: type[errors.JellyError], any_names: bool = True) -> None:
    """Restoring it is refused, with nothing changed in the repository and around it, and so is a new one."""
    file = repository.parent.parent / "evil.jelly"
    file.write_bytes(data)
    before = images.image(repository.parent)
    with pytest.raises(classes) as caught:
        jellyformat.restore(file, repository, any_names=any_names, anyway=True)
    assert caught.value.exit_code in (1, 4)
    assert images.differences(before, images.image(repository.parent)) == []
    assert not (repository / ".git" / "jellyformat" / "journal").exists()
    with pytest.raises(classes):
        jellyformat.restore(file, repository.parent / "fresh", any_names=any_names, anyway=True)
    assert images.differences(before, images.image(repository.parent)) == []


UNSAFE = [
    b"..", b".", b"", b".git", b".GIT", b".Git ", b".git.", b".git. .", b"git~1", b"GIT~1", b".git::$INDEX_ALLOCATION",
    b".g\xe2\x80\x8cit", b"\xef\xbb\xbf.git", b".gi\xe2\x80\x8et",
    b"a\\..\\b", b"..\\up", b".git\\config", b"a/b", b"/etc",
    b"x\\.git\\hooks",
]  # fmt: skip


@pytest.mark.parametrize("name", UNSAFE, ids=repr)
@pytest.mark.parametrize("where", ["root", "below", "index", "head"])
def test_unsafe_names_in_trees(name: bytes, where: str, repository: Path) -> None:
    """One entry of a tree, in the worktree, the index or HEAD."""
    made = crafted()
    tree = b"100644 " + name + b"\0" + NEW
    oid = object_id(TREE, tree)
    extra: list[Record] = [ObjectRecord(TREE, tree)]
    if where == "below":
        above = format_tree([TreeEntry(0o040000, b"dir", oid)])
        extra.append(ObjectRecord(TREE, above))
        oid = object_id(TREE, above)
    state = made.parts.state
    if where in ("root", "below"):
        state = replace(state, worktree=Worktree(tree=oid))
    elif where == "index":
        state = replace(state, index=Index(tree=oid))
    else:
        commit = b"tree %s\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\nx\n" % oid.hex().encode()
        extra.append(ObjectRecord(COMMIT, commit))
        state = replace(state, head=Head(object_id(COMMIT, commit), b"refs/heads/main"))
        summary = replace(made.parts.summary, commit=commit)
        made = Crafted(replace(made.parts, summary=summary, history=History(commits=2)), made.records)
    data = craft.assemble(replace(made.parts, state=state), [*made.records, *extra])
    refuses(data, repository, errors.RefusedPath, errors.BadObject)


@pytest.mark.parametrize(
    "path", [b"../x", b"a/../../x", b".git/hooks/pre-commit", b"/etc/x", b"a//b", b"sub/.GIT/config"]
)
@pytest.mark.parametrize("where", ["empty_directories", "skip_worktree", "intent_to_add", "conflicts", "submodules"])
def test_unsafe_paths_in_the_state(path: bytes, where: str, repository: Path) -> None:
    made = crafted()
    if where == "empty_directories":
        data = made.with_worktree(empty_directories=(path,))
    elif where == "skip_worktree":
        data = made.with_index(skip_worktree=(path,))
    elif where == "intent_to_add":
        data = made.with_index(intent_to_add=((path, REGULAR),))
    elif where == "conflicts":
        data = made.with_index(conflicts=(Conflict(path, None, (REGULAR, NEW), None),))
    else:
        inner = State(
            "sha1", Head(None, b"refs/heads/main"), Index(object_id(TREE, b"")), Worktree(object_id(TREE, b""))
        )
        data = made.with_state(submodules=(Nested(path, inner),))
    refuses(data, repository, errors.UnsafePath, errors.RefusedPath)


@pytest.mark.parametrize(
    "ref", [b"refs/heads/../../config", b"refs/heads/x.lock", b"refs/heads/a\nb", b"HEAD", b"../x"]
)
def test_bad_refs(ref: bytes, repository: Path) -> None:
    made = crafted()
    refuses(made.with_state(head=replace(made.parts.state.head, ref=ref)), repository, errors.BadManifest)


MODES = [b"100664", b"104755", b"020644", b"060644", b"010644", b"140755", b"40755", b"0100644", b"160001"]


@pytest.mark.parametrize("mode", MODES)
def test_odd_modes(mode: bytes, repository: Path) -> None:
    made = crafted()
    tree = mode + b" name\0" + NEW
    parts = replace(made.parts, state=replace(made.parts.state, worktree=Worktree(tree=object_id(TREE, tree))))
    data = craft.assemble(parts, [*made.records, ObjectRecord(TREE, tree)])
    refuses(data, repository, errors.BadObject, errors.MissingObject)


def test_a_name_that_is_link_and_directory(repository: Path) -> None:
    made = crafted()
    target = os.fsencode(repository.parent)
    inner = format_tree([TreeEntry(REGULAR, b"evil", NEW)])
    for root in (
        b"120000 dir\0" + object_id(BLOB, target) + b"40000 dir\0" + object_id(TREE, inner),
        b"40000 dir\0" + object_id(TREE, inner) + b"120000 dir\0" + object_id(BLOB, target),
    ):
        parts = replace(made.parts, state=replace(made.parts.state, worktree=Worktree(tree=object_id(TREE, root))))
        extra = [ObjectRecord(BLOB, target), ObjectRecord(TREE, inner), ObjectRecord(TREE, root)]
        refuses(craft.assemble(parts, [*made.records, *extra]), repository, errors.BadObject)


def linked(name: bytes, target: bytes, **worktree: object) -> bytes:
    """A snapshot with a symbolic link, and more said of its worktree."""
    made = crafted()
    trees = build_trees({name: Leaf(SYMLINK, object_id(BLOB, target))}, "sha1")
    state = replace(made.parts.state, worktree=Worktree(tree=trees.root, **worktree))  # type: ignore[arg-type]
    extra = [ObjectRecord(BLOB, target), *(ObjectRecord(TREE, content) for content in trees.contents.values())]
    return craft.assemble(replace(made.parts, state=state), [*made.records, *extra])


def test_an_empty_directory_below_a_link(repository: Path) -> None:
    """The tree has a link, the list of empty directories a directory below it."""
    outside = repository.parent / "outside"
    outside.mkdir()
    refuses(
        finished(linked(b"way", os.fsencode(outside), empty_directories=(b"way/made",))),
        repository,
        errors.StateMismatch,
    )


def test_a_nested_repository_below_a_link(repository: Path) -> None:
    """A nested state without a commit has no entry in the tree, so that a link can stand above it."""
    outside = repository.parent / "outside"
    outside.mkdir()
    target = os.fsencode(outside)
    made = crafted()
    inner_tree = build_trees({b"config": Leaf(REGULAR, NEW)}, "sha1")
    inner = State("sha1", Head(None, b"refs/heads/main"), Index(inner_tree.root), Worktree(inner_tree.root))
    trees = build_trees({b"way": Leaf(SYMLINK, object_id(BLOB, target))}, "sha1")
    state = replace(made.parts.state, worktree=Worktree(tree=trees.root), submodules=(Nested(b"way/in", inner),))
    extra = [ObjectRecord(BLOB, target)]
    extra += [ObjectRecord(TREE, content) for content in (*trees.contents.values(), *inner_tree.contents.values())]
    refuses(
        finished(craft.assemble(replace(made.parts, state=state), [*made.records, *extra])),
        repository,
        errors.StateMismatch,
    )


def test_a_link_of_the_user_is_not_followed(repository: Path, tmp_path: Path) -> None:
    """Where the snapshot has a directory, the user has a link to somewhere: the link goes, what it names stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("theirs\n")
    (repository / "src" / "train.py").unlink()
    os.rename(repository / "src", repository / "old")
    (repository / "src").symlink_to(outside)
    file = tmp_path / "x.jelly"
    file.write_bytes(finished(crafted().with_leaves({b"src/a.py": Leaf(REGULAR, NEW), b"src/b/c": Leaf(REGULAR, NEW)})))
    before = images.image(repository)
    jellyformat.restore(file, repository, anyway=True)
    assert (repository / "src" / "a.py").read_text() == "new\n"
    assert not (repository / "src").is_symlink()
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"a.py": "theirs\n"}
    jellyformat.undo(repository)
    assert images.differences(before, images.image(repository)) == []


def test_a_link_put_in_the_way_at_the_last_moment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory becomes a link between the look and the write."""
    outside = tmp_path / "outside"
    outside.mkdir()
    file = tmp_path / "x.jelly"
    file.write_bytes(finished(crafted().with_leaves({b"src/a.py": Leaf(REGULAR, NEW)})))
    write = StepJournal.write

    def swap(self: StepJournal, store: Store) -> None:
        write(self, store)
        os.rename(repository / "src", tmp_path / "aside")
        (repository / "src").symlink_to(outside)

    monkeypatch.setattr(StepJournal, "write", swap)
    with pytest.raises(errors.JellyError):
        jellyformat.restore(file, repository, anyway=True)
    assert list(outside.iterdir()) == []


def test_checks_do_not_hang_on_one_line() -> None:
    """The last check before writing, alone: a target that is file and directory at once."""
    target = Target(files={b"a": Wanted(REGULAR, NEW, 4), b"a/b": Wanted(REGULAR, NEW, 4)})
    with pytest.raises(errors.RefusedPath):
        plan.check_consistent(target)


# -- nothing is run --------------------------------------------------------------------------------------------------


CANARY = "#!/bin/sh\necho ran >> '{canary}'\n"


def set_traps(repo: Repo, canary: Path) -> None:
    """Configuration of the user that runs programs wherever git would."""
    script = canary.parent / "trap"
    script.write_text(CANARY.format(canary=canary))
    script.chmod(0o755)
    for name in (
        "post-checkout", "post-index-change", "reference-transaction", "pre-commit", "post-merge", "post-rewrite",
        "pre-auto-gc", "fsmonitor-watchman", "update", "post-update",
    ):  # fmt: skip
        repo.write(f".git/hooks/{name}", CANARY.format(canary=canary).encode(), 0o755)
    trap = str(script)
    for name, value in {
        "core.hooksPath": str(repo.path / ".git" / "hooks"), "core.fsmonitor": trap, "core.editor": trap,
        "core.pager": trap, "core.sshCommand": trap, "core.gitProxy": trap, "core.alternateRefsCommand": trap,
        "filter.evil.clean": trap, "filter.evil.smudge": trap, "filter.evil.process": trap,
        "filter.evil.required": "true",
        "filter.lfs.smudge": trap, "filter.lfs.clean": trap, "filter.lfs.process": trap,
        "diff.external": trap, "diff.evil.textconv": trap, "merge.evil.driver": trap, "gpg.program": trap,
        "credential.helper": f"!{trap}", "submodule.lib.update": f"!{trap}", "uploadpack.packObjectsHook": trap,
        "alias.checkout": f"!{trap}", "alias.status": f"!{trap}", "core.askPass": trap, "sequence.editor": trap,
    }.items():  # fmt: skip
        repo.git("config", name, value)
    repo.write(".gitattributes", b"* filter=evil diff=evil merge=evil ident\n*.bin filter=lfs\n")


@pytest.mark.parametrize("trapped", ["target", "snapshot", "both"])
@pytest.mark.slow
def test_nothing_of_any_configuration_is_run(trapped: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    paths = []
    for name in ("snapshot", "target"):
        repo = base(tmp_path / name)
        repo.write("weights.bin", b"version https://git-lfs.github.com/spec/v1\n")
        repo.write(
            ".gitmodules", b'[submodule "lib"]\n\tpath = lib\n\turl = ext::sh -c "touch ran"\n\tupdate = !touch ran\n'
        )
        if trapped in (name, "both"):
            set_traps(repo, canary)
        repo.write("src/train.py", name.encode())
        paths.append(repo.path)
    canary.unlink(missing_ok=True)
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(paths[0]).data)
    assert not canary.exists()
    log = tmp_path / "strace.log"
    for command in (("restore", str(file), str(paths[1])), ("undo", str(paths[1])), ("redo", str(paths[1]))):
        command_line = [sys.executable, "-m", "jellyformat", *command]
        traced = ["strace", "-f", "-qq", "-e", "trace=execve", "-o", str(log), *command_line]
        done = subprocess.run(traced, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert log.read_text().count("execve(") == 1, "a program was started"
        assert not canary.exists()
    if trapped == "target":  # a filter of the snapshot's hides what is changed, so that it is left out
        assert (paths[1] / "src" / "train.py").read_bytes() == b"snapshot"


def test_embedded_repositories_and_submodules_are_only_files(tmp_path: Path) -> None:
    """A bare repository among the files, with hooks and a configuration; a submodule with URLs that run programs."""
    source = base(tmp_path / "source")
    source.git("init", "-q", "--bare", "trap")
    source.write("trap/hooks/post-checkout", b"#!/bin/sh\ntouch ran\n", 0o755)
    source.write("trap/config", b"[core]\n\tbare = true\n\tfsmonitor = touch ran\n")
    source.write(".gitmodules", b'[submodule "../../x"]\n\tpath = lib\n\turl = -u./payload\n\tupdate = !touch ran\n')
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(source.path).data)
    jellyformat.restore(file, tmp_path / "new", anyway=True)
    assert (tmp_path / "new" / "trap" / "config").read_bytes() == (source.path / "trap" / "config").read_bytes()
    assert not list(tmp_path.rglob("ran"))
    assert not (tmp_path / "new" / ".git" / "modules").exists()


REMOTES = {
    b"origin": [
        b"https://example.org/x.git", b"ssh://git@example.org/x", b"git@example.org:x/y.git",
        b"git://example.org/x", b"/srv/x.git",
    ],
    b"evil": [
        b"ext::sh -c touch% ran", b"-u./payload", b"fd::17", b"--upload-pack=touch ran",
        b"file://x\n[core]\n\tfsmonitor = x",
        b'https://x"\n[core]\n\tpager = x', b"https://-oProxyCommand=x/y", b"-oProxyCommand=x:y", b"x::y",
        b"ssh://-oProxyCommand=x",
        b"https://x\\", b"http://a b", b"https://x;y", b"",
    ],
}  # fmt: skip


def test_only_harmless_remotes_are_set(tmp_path: Path) -> None:
    for url in REMOTES[b"origin"]:
        assert create.is_harmless_remote(b"origin", url), url
    for url in REMOTES[b"evil"]:
        assert not create.is_harmless_remote(b"origin", url), url
    for name in (b"", b"-x", b'a"]\n[core', b"a b", b"..", b"a..b", b"x.lock", b"a/b", b"\xc3\xa4"):
        assert not create.is_harmless_remote(name, REMOTES[b"origin"][0]), name
    made = crafted()
    remotes = tuple(
        sorted((b"r%d" % number, url) for number, url in enumerate([*REMOTES[b"origin"], *REMOTES[b"evil"]]))
    )
    provenance = replace(made.parts.provenance, remotes=remotes)
    file = tmp_path / "x.jelly"
    file.write_bytes(craft.assemble(replace(made.parts, provenance=provenance), made.records))
    done = jellyformat.restore(file, tmp_path / "new", anyway=True)
    config = (tmp_path / "new" / ".git" / "config").read_text()
    assert len(done.remotes) == len(REMOTES[b"origin"])
    listed = git(tmp_path / "new", "config", "--local", "--list", "-z").decode()
    keys = {line.partition("\n")[0].partition(".")[0] for line in listed.split("\0") if line}
    assert keys == {"core", "remote"}
    assert "fsmonitor" not in config
    assert "pager" not in config


def test_two_contents_for_one_id(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository has another content under an id than the snapshot (as a SHA-1 collision would)."""
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(repository).data)
    before = images.image(repository)
    read = Repository.read

    def other(self: Repository, oid: bytes) -> tuple[int, bytes]:
        kind, content = read(self, oid)
        return (kind, content + b"#") if kind == BLOB and content.startswith(b"#!/bin/sh") else (kind, content)

    monkeypatch.setattr(Repository, "read", other)
    with pytest.raises(errors.RefusedRepository, match="another content"):
        jellyformat.restore(file, repository, anyway=True)
    monkeypatch.undo()
    assert images.differences(before, images.image(repository)) == []


@pytest.mark.parametrize("kind", ["rebase", "am", "bisect"])
def test_operations_with_instructions_are_refused(kind: str, repository: Path) -> None:
    data = finished(crafted().with_state(operation=Operation(kind, (), b"exec rm -rf /\n")))
    refuses(data, repository, errors.RefusedRepository)


def test_names_that_not_every_system_has(repository: Path, tmp_path: Path) -> None:
    for leaves in (
        {b"aux.c": Leaf(REGULAR, NEW)}, {b"a:b": Leaf(REGULAR, NEW)}, {b"x ": Leaf(REGULAR, NEW)},
        {b"a": Leaf(REGULAR, NEW), b"A": Leaf(REGULAR, NEW)},
        {"\u00e9".encode(): Leaf(REGULAR, NEW), "e\u0301".encode(): Leaf(REGULAR, NEW)},
    ):  # fmt: skip
        data = finished(crafted().with_leaves(leaves))
        refuses(data, repository, errors.RefusedName, any_names=False)
    (tmp_path / "y.jelly").write_bytes(data)
    jellyformat.restore(tmp_path / "y.jelly", repository, any_names=True, anyway=True)


def test_thin_containers_are_refused(repository: Path) -> None:
    made = crafted()
    oid = bytes(range(20))
    parts = replace(made.parts, history=replace(made.parts.history, prerequisites=(oid,)))
    refuses(craft.assemble(parts, made.records), repository, errors.RefusedRepository)


@pytest.mark.slow
@pytest.mark.sampled(3)
def test_every_flipped_bit_is_refused(repository: Path, tmp_path: Path) -> None:
    data = bytearray(finished(crafted().with_leaves({b"a": Leaf(REGULAR, NEW)})))
    before = images.image(repository)
    file = tmp_path / "x.jelly"
    for place in range(0, len(data), 3):
        data[place] ^= 1
        file.write_bytes(data)
        data[place] ^= 1
        with pytest.raises(errors.JellyError):
            jellyformat.restore(file, repository, anyway=True)
    assert images.differences(before, images.image(repository)) == []


def test_a_repository_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is changed only where git would, and no configuration is edited."""
    if os.geteuid() != 0:
        pytest.skip("only root can make one")
    repo = base(tmp_path / "r")
    file = tmp_path / "x.jelly"
    file.write_bytes(images.take(repo.path).data)
    repo.append("README.md")
    for above, directories, names in os.walk(repo.path):
        for name in (*directories, *names, "."):
            os.lchown(Path(above) / name, 12345, 12345)
    before = images.image(tmp_path)
    with pytest.raises(errors.ForeignRepository) as caught:
        jellyformat.restore(file, repo.path, anyway=True)
    assert "belongs to uid 12345" in caught.value.message
    assert f"git config --global --add safe.directory {repo.path}" in str(caught.value.hint)
    assert images.differences(before, images.image(tmp_path)) == []
    monkeypatch.setenv("SUDO_UID", "12345")
    config = (repo.path / ".git" / "config").read_bytes()
    jellyformat.restore(file, repo.path, anyway=True)
    assert (repo.path / "README.md").read_bytes() == b"# project\n"
    assert (repo.path / ".git" / "config").read_bytes() == config


def test_escapes_are_not_printed(tmp_path: Path) -> None:
    leaves = {b"\x1b]0;owned\x07": Leaf(REGULAR, NEW), b"\x1b[2J": Leaf(REGULAR, NEW)}
    made = crafted()
    made = Crafted(
        replace(made.parts, state=replace(made.parts.state, head=replace(made.parts.state.head, ref=b"refs/heads/a"))),
        made.records,
    )
    file = tmp_path / "\x1b[31mx.jelly"
    file.write_bytes(finished(made.with_leaves(leaves)))
    for command in (["restore", "--any-names", str(file), str(tmp_path / "new")], ["history", str(tmp_path / "new")]):
        done = subprocess.run([sys.executable, "-m", "jellyformat", *command], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr

"""Every reader of git's files against the git program, on what nobody has thought of.

Ignore rules and attributes are in `test_rules`, by-hand cases of the index in `test_gitindex`.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest
import test_rules
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from oracles import Git
from states import GIT_ENVIRONMENT, Repo, git

from jellyformat.checkout import refs
from jellyformat.errors import RefusedRepository
from jellyformat.format.objects import object_id
from jellyformat.git.attributes import Attributes
from jellyformat.git.config import GitConfig, parse_config
from jellyformat.git.conversion import Converter
from jellyformat.git.deltas import delta_from
from jellyformat.git.index import IndexEntry, parse_index
from jellyformat.git.layout import find_repository
from jellyformat.git.objects import ObjectStore
from jellyformat.git.packs import apply_delta
from jellyformat.git.repository import Repository
from jellyformat.git.write import Pack, format_index, make_pack

FORMATS = ("sha1", "sha256")
LENGTH = {"sha1": 20, "sha256": 32}


def examples(number: int) -> settings:
    """So many examples, the same in every run."""
    allowed = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(deadline=None, max_examples=number, derandomize=True, suppress_health_check=allowed)


def run_git(directory: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """git, which may well refuse."""
    environment = {**GIT_ENVIRONMENT, "PATH": os.environ["PATH"]}
    return subprocess.run(["git", *arguments], cwd=directory, env=environment, capture_output=True, check=False)


@cache
def repository(directory: Path, test: str, object_format: str = "sha1") -> Repo:
    """An empty repository that the examples of one test share."""
    return Repo(directory / f"readers-{test}-{object_format}", f"--object-format={object_format}")


# -- the index ----------------------------------------------------------------------------------------------------

names = st.sampled_from([b"a", b"b", b"ab", b"a.c", "ä".encode(), b"\xff", b"x y", b"n" * 130, b"z\n", b"-", b"A"])
paths = st.lists(names, min_size=1, max_size=4).map(b"/".join)
modes = st.sampled_from([0o100644, 0o100755, 0o120000, 0o160000])
entries = st.dictionaries(paths, st.tuples(modes, st.sampled_from([(0,), (0,), (1, 2, 3), (2,), (1, 3)])), max_size=12)


def info(given_entries: Iterable[tuple[bytes, tuple[int, tuple[int, ...]]]], length: int) -> bytes:
    """For ``git update-index -z --index-info``."""
    return b"".join(
        b"%06o %s %d\t%s\0" % (mode, bytes([number % 251 + 1]).hex().encode() * length, stage, path)
        for number, (path, (mode, stages)) in enumerate(given_entries)
        for stage in stages
    )


@pytest.mark.slow
@pytest.mark.parametrize("object_format", FORMATS)
@pytest.mark.parametrize("version", [2, 4])
@examples(30)
@given(data=st.data())
def test_index(tmp_path_factory: pytest.TempPathFactory, object_format: str, version: int, data: st.DataObject) -> None:
    repo = repository(tmp_path_factory.getbasetemp(), "index", object_format)
    git_dir, length = repo.path / ".git", LENGTH[object_format]
    (git_dir / "index").unlink(missing_ok=True)
    first = data.draw(entries)
    added = info(first.items(), length)
    split = data.draw(st.booleans())
    options = (f"--index-version={version}", *(["--split-index"] if split else []))
    repo.git("-c", "splitIndex.maxPercentChange=100", "update-index", *options[:1], "-z", "--index-info", data=added)
    if split:
        repo.git("-c", "splitIndex.maxPercentChange=100", "update-index", *options)
        gone = data.draw(st.lists(st.sampled_from(sorted(first)), unique=True, max_size=4)) if first else []
        second = data.draw(entries)
        # a path has one entry or a conflict: git would write both, and refuse to read that where it is not split
        changes = b"".join(b"0 %s\t%s\0" % (b"0" * 2 * length, path) for path in (*gone, *second))
        changes += info(reversed(second.items()), length)
        repo.git("-c", "splitIndex.maxPercentChange=100", "update-index", "-z", "--index-info", data=changes)
    there = sorted({entry.path for entry in Git(repo.path).index() if entry.stage == 0})
    for flag in ("--skip-worktree", "--assume-unchanged"):
        chosen = data.draw(st.lists(st.sampled_from(there), unique=True, max_size=4)) if there else []
        repo.git(
            "-c", "splitIndex.maxPercentChange=100", "update-index", flag, "-z", "--stdin", data=b"\0".join(chosen)
        )
    if data.draw(st.booleans()):
        repo.write("planned", b"later\n")
        repo.git("add", "-N", "planned")

    def shared(name: str) -> bytes:
        return (git_dir / f"sharedindex.{name}").read_bytes()

    found = parse_index((git_dir / "index").read_bytes(), length, shared)
    assert list(found.entries) == Git(repo.path).index()


stamps = st.builds(
    lambda seconds, nanoseconds: seconds << 32 | nanoseconds, st.integers(0, 2**32 - 1), st.integers(0, 10**9 - 1)
)
numbers = st.integers(0, 2**32 - 1)


@pytest.mark.slow
@pytest.mark.parametrize("object_format", FORMATS)
@examples(40)
@given(
    chosen=entries, stats=st.tuples(stamps, stamps, numbers, numbers, numbers, numbers, numbers),
    flags=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1),
)  # fmt: skip
def test_index_of_ours(
    tmp_path_factory: pytest.TempPathFactory,
    object_format: str,
    chosen: dict[bytes, tuple[int, tuple[int, ...]]],
    stats: tuple[int, int, int, int, int, int, int],
    flags: list[tuple[bool, bool, bool]],
) -> None:
    """What we write, git and we read alike."""
    repo = repository(tmp_path_factory.getbasetemp(), "index_of_ours", object_format)
    mtime, ctime, dev, ino, uid, gid, size = stats
    made = [
        IndexEntry(
            path, bytes([number + 1]) * LENGTH[object_format], mode, stage, size, mtime, ctime, dev, ino, uid, gid,
            *(flags[number % len(flags)] if stage == 0 else (False, False, False)),
        )
        for number, (path, (mode, stages)) in enumerate(chosen.items())
        for stage in stages
    ]  # fmt: skip
    data = format_index(made, object_format)
    (repo.path / ".git/index").write_bytes(data)
    expected = sorted(made, key=lambda entry: (entry.path, entry.stage))
    assert list(parse_index(data, LENGTH[object_format]).entries) == expected
    assert Git(repo.path).index() == expected


# -- configuration ------------------------------------------------------------------------------------------------

# no tabs or carriage returns inside of values: git before 2.45 makes spaces of them
parts = st.sampled_from(
    [
        "a", "B", "x1", "-", " ", "  ", '"', '\\"', "\\\\", "\\n", "\\t", "\\b", "\\x", "\\\n", "#", ";", "=", "\n",
        ".", "ä", "[", "]", "\f",
    ]
)  # fmt: skip
texts = st.lists(parts, max_size=6).map("".join)
sections = st.one_of(
    st.sampled_from(
        [
            "[core]", "[a.B.c]", "[A]", '[A "B.c\\"\\\\d"]', '[a  "b" ]', "[ a]", '[a ""]', "[a-b]", "[a.]",
            "[]",
            '[ "b"]', "[a b]",
        ]
    ),
    texts.map(lambda text: f'[s "{text}"]'),
    texts.map(lambda text: f"[{text}]"),
)  # fmt: skip
lines_of_values = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(["key", "KEY", "k-1", " key", "1k", "k_"]), texts),
    st.builds("{}={}".format, st.sampled_from(["key", "b"]), texts),
    st.sampled_from(["key", "key ", "; comment", "# comment = x", "", "\t", "key # comment", "key = a\\"]),
    texts,
)
configurations = st.lists(st.one_of(sections, lines_of_values, lines_of_values), max_size=7)


# found by many more examples than these
@pytest.mark.slow
@example(lines=["key # comment"], line_end="\n", mark=False, last=True)
@example(lines=["key = a\\", "key = \\\n"], line_end="\n", mark=False, last=False)
@example(lines=["key = a\\"], line_end="\n", mark=False, last=False)
@example(lines=['key = "a\\'], line_end="\n", mark=False, last=False)
@example(lines=['[a  "b" ]'], line_end="\n", mark=False, last=True)
@example(lines=["[]"], line_end="\n", mark=False, last=True)
@example(lines=["key = \f"], line_end="\n", mark=False, last=True)
@examples(200)
@given(lines=configurations, line_end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans(), last=st.booleans())
def test_configuration(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], line_end: str, mark: bool, last: bool
) -> None:
    text = b"\xef\xbb\xbf" * mark + (line_end.join(["[first]", *lines]) + line_end * last).encode()
    file = tmp_path_factory.getbasetemp() / "configuration"
    file.write_bytes(text)
    done = run_git(file.parent, "config", "--file", str(file), "--list", "-z")
    if done.returncode:
        with pytest.raises(RefusedRepository):
            parse_config(text)
        return
    expected = []
    for item in done.stdout.split(b"\0")[:-1]:
        name, newline, value = item.partition(b"\n")
        expected.append((os.fsdecode(name), os.fsdecode(value) if newline else "true"))
    assert list(parse_config(text)) == expected


@pytest.mark.slow
@examples(60)
@given(
    values=st.lists(
        st.one_of(
            st.sampled_from(["", "true", "True", "YES", "on", "off", "No", "false", "maybe", "1G", "0m"]),
            st.from_regex(r"[-+]?(0x)?[0-9a-f]{1,3}[kK]?", fullmatch=True),
        ),
        min_size=1,
        max_size=12,
        unique=True,
    )
)
def test_booleans(tmp_path_factory: pytest.TempPathFactory, values: list[str]) -> None:
    file = tmp_path_factory.getbasetemp() / "booleans"
    for value in values:
        file.write_text(f"[x]\n\ty = {value}\n")
        said = git(file.parent, "config", "--file", file, "--type=bool", "x.y", fails=True).strip()
        config = GitConfig({"x.y": [value]})
        found = {config.boolean("x.y", default=default) for default in (False, True)}
        assert found == {b"true": {True}, b"false": {False}, b"": {False, True}}[said], value


places = st.lists(
    st.sampled_from(["deep", "Deep", "repo", "re", "/", "*", "**", "?", "[a-z]", "./", "~/", ".git", ".", "\\*"]),
    min_size=1,
    max_size=5,
).map("".join)
branches = st.lists(
    st.sampled_from(["main", "ma", "feat", "/", "*", "**", "?", "x", "[m]", "in"]), min_size=1, max_size=4
).map("".join)


@examples(40)
@given(
    directories=st.lists(places, max_size=12, unique=True),
    names=st.lists(branches, max_size=12, unique=True),
    branch=st.sampled_from(["main", "feat/x", "feat/m/x"]),
    in_user=st.booleans(),
)
def test_conditional_includes(
    tmp_path_factory: pytest.TempPathFactory,
    directories: list[str],
    names: list[str],
    branch: str,
    in_user: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    top = tmp_path_factory.getbasetemp() / "deep" / "readers-conditions"
    repo = Repo(top / "repo")
    home = {"HOME": str(top), "GIT_CONFIG_GLOBAL": str(top / ".gitconfig")}
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**GIT_ENVIRONMENT, **home}.items():
        monkeypatch.setenv(name, value)
    (repo.path / ".git/HEAD").write_text(f"ref: refs/heads/{branch}\n")
    conditions = [f"{kind}:{each}" for each in directories for kind in ("gitdir", "gitdir/i")]
    conditions += [f"onbranch:{each}" for each in names]
    text = ""
    for number, condition in enumerate(conditions):
        (top / f"included-{number}").write_text(f"[included]\n\tby = {number}\n")
        quoted = condition.replace("\\", "\\\\")
        text += f'[includeIf "{quoted}"]\n\tpath = {top}/included-{number}\n'
    plain = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n"
    (repo.path / ".git/config").write_text(plain + ("" if in_user else text))
    (top / ".gitconfig").write_text(text if in_user else "")
    said = repo.git("config", "--get-all", "included.by", fails=True, extra=home).decode().split()
    assert Repository(find_repository(repo.path)).settings.values.get("included.by", []) == said


# -- packs --------------------------------------------------------------------------------------------------------


@st.composite
def versions(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Objects, many of them changed from one before."""
    lines = st.sampled_from([b"line %d of a file\n" % number for number in range(40)])
    made: list[tuple[int, bytes]] = []
    for _ in range(draw(st.integers(1, 6))):
        content = b"".join(draw(st.lists(lines, max_size=60)))
        for _ in range(draw(st.integers(0, 5))):
            at, length = draw(st.integers(0, len(content))), draw(st.integers(0, 80))
            content = content[:at] + draw(st.binary(max_size=100)) + content[at + length :]
            made.append((3, content))
        made.append((3, content))
    size = draw(st.sampled_from([0, 1, 15, 16, 127, 128, 2047, 2048, 4096, 65_535, 65_536, 70_000]))
    return [*made, (3, bytes(size)), (3, bytes(size) + b"x")]


def store(repo: Repo, made: Pack) -> None:
    """Put a pack into a repository that has nothing else."""
    objects = repo.path / ".git/objects"
    shutil.rmtree(objects)
    (objects / "pack").mkdir(parents=True)
    (objects / "info").mkdir()
    (objects / f"pack/pack-{made.name}.pack").write_bytes(b"".join(made.data))
    (objects / f"pack/pack-{made.name}.idx").write_bytes(made.index)


@pytest.mark.parametrize("object_format", FORMATS)
@examples(12)
@given(
    chosen=versions(), named=st.booleans(), how=st.sampled_from(["deltas", "reference deltas", "loose", "old index"])
)
def test_packs(
    tmp_path_factory: pytest.TempPathFactory, object_format: str, chosen: list[tuple[int, bytes]], named: bool, how: str
) -> None:
    """git reads what we pack, and we read what git makes of it."""
    repo = repository(tmp_path_factory.getbasetemp(), "packs", object_format)
    expected = {object_id(kind, content, object_format): (kind, content) for kind, content in chosen}
    names = dict.fromkeys(expected, b"file") if named else {}
    store(repo, make_pack(((oid, *item) for oid, item in expected.items()), object_format, names))
    repo.git("fsck", "--full", "--strict", "--no-dangling")
    assert Git(repo.path).objects() == expected
    objects = repo.path / ".git/objects"
    packs = list((objects / "pack").iterdir())
    data = next(path for path in packs if path.suffix == ".pack").read_bytes()
    if how == "loose":
        for path in packs:
            path.unlink()
        repo.git("unpack-objects", "-q", data=data)
    else:
        options = ["--no-reuse-delta", "--depth=30", "--window=20", "--delta-base-offset"]
        options = options[:-1] if how == "reference deltas" else options
        options += ["--index-version=1"] if how == "old index" and object_format == "sha1" else []
        listed = b"".join(oid.hex().encode() + b"\n" for oid in expected)
        repo.git("pack-objects", "-q", *options, objects / "pack/pack", data=listed)
        for path in packs:
            if len(list((objects / "pack").iterdir())) > 2:
                path.unlink()
    found = ObjectStore(bytes(objects), object_format)
    assert {oid: found.read(oid) for oid in expected} == expected


@pytest.mark.slow
@examples(400)
@given(
    base=st.binary(max_size=400),
    pieces=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300), st.binary(max_size=40)), max_size=8),
)
def test_deltas_of_ours(base: bytes, pieces: list[tuple[int, int, bytes]]) -> None:
    base = base * 3
    content = b"".join(base[at : at + length] + new for at, length, new in pieces)
    delta = delta_from(base, content)
    assert delta is None or apply_delta(base, delta) == content


# -- refs ---------------------------------------------------------------------------------------------------------

components = st.sampled_from(["a", "b", "ab", "ä", "x(y)&z", "1", "deep", "-", "@"])
ref_names = st.lists(components, min_size=1, max_size=4).map("/".join)


@pytest.mark.slow
@examples(25)
@given(
    loose=st.dictionaries(ref_names, st.integers(0, 2), max_size=8),
    packed=st.dictionaries(ref_names, st.integers(0, 2), max_size=8),
    links=st.lists(st.one_of(ref_names, st.none()), max_size=4), head=st.one_of(ref_names, st.integers(0, 6)),
)  # fmt: skip
def test_refs(
    tmp_path_factory: pytest.TempPathFactory,
    loose: dict[str, int],
    packed: dict[str, int],
    links: list[str | None],
    head: str | int,
) -> None:
    repo = repository(tmp_path_factory.getbasetemp(), "refs")
    git_dir = repo.path / ".git"
    shutil.rmtree(git_dir / "refs")
    (git_dir / "refs/heads").mkdir(parents=True)
    (git_dir / "packed-refs").unlink(missing_ok=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/none\n")
    tree = repo.git("hash-object", "-w", "-t", "tree", "--stdin", data=b"").strip()
    commits = [repo.git("commit-tree", tree, "-m", str(number)).strip() for number in range(3)]
    for chosen in (packed, loose):
        for name, number in chosen.items():
            repo.git("update-ref", f"refs/heads/{name}", commits[number], fails=True)  # another may be above or below
        if chosen is packed:
            repo.git("pack-refs", "--all")
    for number, target in enumerate(links):  # each to a branch, or to the link before it
        repo.git("symbolic-ref", f"refs/heads/link{number}", f"refs/heads/{target or f'link{number - 1}'}", fails=True)
    if isinstance(head, int) and head < 3:
        (git_dir / "HEAD").write_bytes(commits[head] + b"\n")
    else:
        (git_dir / "HEAD").write_text(f"ref: refs/heads/{f'link{head - 3}' if isinstance(head, int) else head}\n")
    expected = Git(repo.path).refs()
    found = {name: refs.resolve(bytes(git_dir), bytes(git_dir), name) for name in expected}
    assert {name: oid and oid.hex() for name, oid in found.items()} == expected
    said = Repository(find_repository(repo.path)).head()
    assert (said.ref, said.commit and said.commit.hex()) == Git(repo.path).head()


# -- conversions --------------------------------------------------------------------------------------------------

texts_of_files = st.lists(
    st.sampled_from(
        [b"a", b"b ", b"\n", b"\r\n", b"\r", b"\0", b"$Id$", b"$Id: x $", b"$Id: x", "ä".encode(), b"\x1a", b"\x80\x01"]
    ),
    max_size=8,
).map(b"".join)
conversions = st.sampled_from(
    [
        "", "text", "-text", "text=auto", "text eol=lf", "eol=crlf", "text=auto eol=crlf", "-text eol=lf", "crlf",
        "crlf=input", "-crlf", "ident", "text ident", "binary", "text=auto ident", "eol=lf",
    ]
)  # fmt: skip


@pytest.mark.slow
@examples(40)
@given(
    files=st.lists(st.tuples(texts_of_files, texts_of_files, st.booleans(), conversions), min_size=1, max_size=20),
    autocrlf=st.sampled_from(["true", "false", "input"]),
)  # fmt: skip
def test_conversions(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[bytes, bytes, bool, str]], autocrlf: str
) -> None:
    """Whether what is on disk is what git has, when it is converted on the way in: `git add` would say so."""
    repo = repository(tmp_path_factory.getbasetemp(), "conversions")
    for path in repo.path.glob("f*"):
        path.unlink()
    (repo.path / ".git/index").unlink(missing_ok=True)
    repo.git("config", "core.autocrlf", autocrlf)
    repo.git("config", "core.safecrlf", "false")
    repo.write(
        ".git/info/attributes", b"".join(b"f%d %s\n" % (n, words.encode()) for n, (*_, words) in enumerate(files))
    )
    lines = b""
    for number, (stored, content, convert, _) in enumerate(files):
        if convert:  # likely the same
            content = stored.replace(b"\n", b"\r\n").replace(b"$Id$", b"$Id: 12 $")
        repo.write(f"f{number}", content)
        repo.write(f"g{number}", stored)
        lines += b"g%d\n" % number
    oids = repo.git("hash-object", "-w", "--no-filters", "--stdin-paths", data=lines).split()
    listed = b"".join(b"100644 %s 0\tf%d\n" % (oid, number) for number, oid in enumerate(oids))
    repo.git("update-index", "--index-info", data=listed)
    found = Repository(find_repository(repo.path))
    converter = Converter(found, Attributes(lambda path: None, (), (repo.path / ".git/info/attributes").read_bytes()))
    equal, same = set(), set()
    for number, (oid, (stored, *_)) in enumerate(zip(oids, files, strict=True)):
        content = (repo.path / f"f{number}").read_bytes()
        if content == stored:
            equal.add(number)
        elif converter.is_same(b"f%d" % number, bytes.fromhex(oid.decode()), content):
            same.add(number)
    repo.git("add", "-u")
    after = {
        int(name[1:]): line.split()[1]
        for line, _, name in (line.partition(b"\t") for line in repo.git("ls-files", "--stage", "f*").splitlines())
    }
    assert same == {number for number, oid in after.items() if oid == oids[number]} - equal


# -- the documents ------------------------------------------------------------------------------------------------

READERS: dict[str, tuple[str, Callable[..., object]]] = {
    "attributes": ("gitattributes(5)", test_rules.test_attributes),
    "config": ("git-config(1)", test_configuration),
    "conversion": ("gitattributes(5)", test_conversions),
    "deltas": ("gitformat-pack(5)", test_deltas_of_ours),
    "ignore": ("gitignore(5)", test_rules.test_ignore),
    "index": ("gitformat-index(5)", test_index),
    "packs": ("gitformat-pack(5)", test_packs),
    "repository": ("gitrepository-layout(5)", test_refs),
    "wildmatch": ("gitignore(5)", test_rules.test_ignore),
    "write": ("gitformat-index(5)", test_index_of_ours),
}


@pytest.mark.parametrize("name", READERS)
def test_each_reader_names_its_document(name: str) -> None:
    """git's own, and a property test holds it to that."""
    document, test = READERS[name]
    assert document in (importlib.import_module(f"jellyformat.git.{name}").__doc__ or "")
    assert getattr(test, "is_hypothesis_test", False)

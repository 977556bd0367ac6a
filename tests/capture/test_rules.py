"""Ignore rules, attributes and configuration, against the git program."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from states import Repo, git

from jellyformat.errors import RefusedRepository
from jellyformat.git.attributes import Attributes
from jellyformat.git.attributes import Value as AttributeValue
from jellyformat.git.config import Conditions, given_values, parse_config, read_config, user_files
from jellyformat.git.ignore import Ignore
from jellyformat.git.objects import ObjectStore

DIRECTORIES = (b"", b"a/", b"a/b/", b"ab/", b"a/b/c/", b"b/a/")
PATHS = [
    (directory + name, name == b"d" or directory + name + b"/" in DIRECTORIES)
    for directory in DIRECTORIES
    for name in (b"a", b"b.c", b"a b", b"[x]", b"d", b"-")
]
PIECES = (
    "a", "b", ".c", "b.c", "*", "**", "?", "/", "**/", "/**", "/**/", "[a-c]", "[!a]", "[^b]", "[]a]", "[a",
    "[[:alpha:]]", "[[:nope:]]", "[a-]", "[\\]]", "[!]]", "\\", "\\*", "\\[", "!", "#", " ", "\\ ", "d", "d/", "-",
    "[x]", "[b-a]", "***", ".", "[[:alpha:", "[/]", "a/", "[A-Z]", "\t", "\\a",
)  # fmt: skip
patterns = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
rules = st.lists(patterns, min_size=1, max_size=4)
fast = settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@functools.cache
def repository(path: Path) -> Repo:
    """A repository that has the directories of ``PATHS``."""
    repo = Repo(path / "rules")
    for name, is_directory in PATHS:
        place = repo.path / name.decode()
        (place if is_directory else place.parent).mkdir(parents=True, exist_ok=True)
    return repo


def reader(repo: Repo) -> functools.partial[bytes | None]:
    def read(root: Path, name: bytes) -> bytes | None:
        path = root / name.decode()
        return path.read_bytes() if path.is_file() else None

    return functools.partial(read, repo.path)


def ignored_by_git(repo: Repo) -> set[bytes]:
    names = b"\0".join(name for name, _ in PATHS)
    found = repo.git("check-ignore", "-z", "--no-index", "--stdin", data=names, fails=True)
    return {name for name in found.split(b"\0") if name}


def is_ignored(ignore: Ignore, path: bytes, directory: bool) -> bool:
    above = path.split(b"/")[:-1]
    if any(ignore.matches(b"/".join(above[:count]), directory=True) for count in range(1, len(above) + 1)):
        return True
    return ignore.matches(path, directory=directory)


@fast
@given(top=rules, inner=rules, info=rules, line_end=st.sampled_from(["\n", "\r\n"]), fold_case=st.booleans())
def test_ignore(
    tmp_path_factory: pytest.TempPathFactory,
    top: list[str],
    inner: list[str],
    info: list[str],
    line_end: str,
    fold_case: bool,
) -> None:
    repo = repository(tmp_path_factory.getbasetemp())
    repo.write(".gitignore", line_end.join(top).encode())
    repo.write("a/.gitignore", b"\xef\xbb\xbf" + line_end.join(inner).encode())
    repo.write(".git/info/exclude", line_end.join(info).encode())
    repo.git("config", "core.ignoreCase", str(fold_case).lower())
    ignore = Ignore(reader(repo), ((repo.path / ".git/info/exclude").read_bytes(),), fold_case=fold_case)
    found = {path for path, directory in PATHS if is_ignored(ignore, path, directory)}
    assert found == ignored_by_git(repo)


@pytest.mark.parametrize(
    "pattern", ["*a*a*a*a*a*a*a*a*b", "[a-c]*?*a*?*a*[a]*a*b", "**/a/**/a/**/a/**/a/**/a/**/*a*/**/b"]
)
@pytest.mark.parametrize("end", ["b", "c"])
def test_many_stars_are_matched_in_no_time(tmp_path: Path, pattern: str, end: str) -> None:
    """As one regular expression each of these would take longer than anybody lives; some take git hours, too."""
    repo = Repo(tmp_path / "repo")
    repo.write(".gitignore", pattern.encode())
    path = (("a/" * 120 if "/" in pattern else "a" * 240) + end).encode()
    assert Ignore(reader(repo), ()).matches(path, directory=False) is (end == "b")


attribute_words = st.sampled_from(
    [
        "text",
        "-text",
        "!text",
        "text=auto",
        "eol=crlf",
        "!eol",
        "binary",
        "-binary",
        "win",
        "filter=lfs",
        "-x=y",
        "=",
        "bad~",
    ]
)
attribute_lines = st.tuples(
    st.one_of(patterns, patterns.map(lambda text: '"' + text.replace("\\", "\\\\") + '"'), st.just("[attr]win")),
    st.lists(attribute_words, max_size=3),
).map(lambda line: line[0] + " " + " ".join(line[1]))


def shown(value: AttributeValue) -> bytes:
    if isinstance(value, bytes):
        return value
    return {True: b"set", False: b"unset", None: b"unspecified"}[value]


@pytest.mark.slow
@fast
@given(top=st.lists(attribute_lines, max_size=4), inner=st.lists(attribute_lines, max_size=3), info=attribute_lines)
def test_attributes(tmp_path_factory: pytest.TempPathFactory, top: list[str], inner: list[str], info: str) -> None:
    repo = repository(tmp_path_factory.getbasetemp())
    texts: Mapping[str, bytes] = {
        ".gitattributes": "\n".join(top).encode(),
        "a/.gitattributes": "\n".join(inner).encode(),
        ".git/info/attributes": info.encode(),
    }
    for name, text in texts.items():
        repo.write(name, text)
    repo.git("config", "core.ignoreCase", "false")
    names = ("text", "eol", "binary", "win", "filter", "diff", "x")
    files = [path for path, directory in PATHS if not directory]
    asked = repo.git("check-attr", "-z", "--stdin", *names, data=b"\0".join(files))
    items = asked.split(b"\0")
    expected = dict(zip(zip(items[::3], items[1::3], strict=False), items[2::3], strict=False))
    attributes = Attributes(reader(repo), (), texts[".git/info/attributes"])
    found = {(path, name.encode()): shown(attributes.of(path).get(name.encode())) for path in files for name in names}
    assert found == expected


CONFIG = rb"""
; a comment
[core]
	autocrlf = input # why
	bare
	Spaces =  two  words   ; gone
	quoted = " kept " and "#not"
	empty =
	long = one \
  two
	escapes = \"\\\t\n
[Remote "Or\"igin\\x"] url = https://example.org/x;y
	url = second
[branch.Old.Style]
	remote=.
[a "b.c"]
	d-e = 1
"""


def test_configuration_as_git_reads_it(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    (tmp_path / "config").write_bytes(CONFIG)
    listed = git(repo.path, "config", "--file", tmp_path / "config", "--list", "-z").split(b"\0")[:-1]
    expected = [tuple(item.decode().split("\n", 1)) if b"\n" in item else (item.decode(), "true") for item in listed]
    assert list(parse_config(CONFIG)) == expected


@pytest.mark.parametrize(
    "text", [b"key = value", b"[core\nx = 1", b'[a]\nb = "open\n', b"[a]\nb = \\x\n", b"[a]\n1 = 2"]
)
def test_configuration_that_git_refuses(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(text)
    assert not git(tmp_path, "config", "--file", tmp_path / "config", "--list", fails=True).startswith(b"a.b")
    with pytest.raises(RefusedRepository, match=r"line [12] of the git configuration"):
        parse_config(text)


def test_configuration_includes(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "deep/repo")
    (tmp_path / "extra").write_bytes(b"[core]\n\tautocrlf = true\n")
    (tmp_path / "other").write_bytes(b"[x]\n\tonly = there\n")
    (tmp_path / "branch").write_bytes(b"[x]\n\tbranch = main\n")
    for name, value in (
        ("include.path", "../../../extra"),
        ("includeIf.gitdir:deep/.path", str(tmp_path / "branch")),
        ("includeIf.gitdir:/elsewhere/.path", str(tmp_path / "other")),
        ("includeIf.onbranch:ma*.path", "../../../branch"),
        ("includeIf.onbranch:dev/.path", "../../../other"),
    ):
        repo.git("config", "--add", name, value)
    config = read_config(
        [bytes(repo.path / ".git/config")], Conditions((bytes(repo.path / ".git"),), b"refs/heads/main")
    )
    for name in ("core.autocrlf", "x.only", "x.branch"):
        assert (config.get(name) or "") == repo.git("config", name, fails=True).decode().strip()
    assert config.boolean("core.autocrlf", default=False)


def test_configuration_of_the_user(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg"), "GIT_CONFIG_NOSYSTEM": "1"}
    assert user_files(home) == [bytes(tmp_path / "xdg/git/config"), bytes(tmp_path / ".gitconfig")]
    assert user_files({**home, "GIT_CONFIG_GLOBAL": "/x", "GIT_CONFIG_NOSYSTEM": "0"}) == [b"/etc/gitconfig", b"/x"]
    values = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "Core.autoCRLF", "GIT_CONFIG_VALUE_0": "true"}
    assert given_values(values) == {"core.autocrlf": ["true"]}
    assert given_values({"GIT_CONFIG_COUNT": "many"}) == {}


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("packing", ["loose", "packed", "reference deltas", "alternates", "old index"])
def test_objects(tmp_path: Path, object_format: str, packing: str) -> None:
    repo = Repo(tmp_path / "repo", f"--object-format={object_format}")
    for number in range(12):
        text = b"".join(b"line %d of %d\n" % (line, number % 3) for line in range(400))
        repo.write("file", text + b"%d\n" % number)
        repo.write(f"d/{number}", b"\0" * number * 1000)
        repo.commit(f"number {number}")
    if packing == "packed":
        repo.git("gc", "-q", "--aggressive", "--prune=now")
    elif packing == "reference deltas":
        names = repo.git("rev-list", "--objects", "--all").splitlines()
        oids = b"\n".join(line.split()[0] for line in names) + b"\n"
        repo.git("pack-objects", "--no-reuse-delta", "--depth=9", ".git/objects/pack/pack", data=oids)
        repo.git("prune-packed")
        assert not list((repo.path / ".git/objects").glob("??/*"))
    elif packing == "alternates":
        git(tmp_path, "clone", "-q", "--shared", repo.path, tmp_path / "clone")
        repo = Repo(tmp_path / "clone")
    elif packing == "old index":
        if object_format == "sha256":
            pytest.skip("indexes of version 1 are older than SHA-256")
        repo.git("-c", "pack.indexVersion=1", "repack", "-q", "-a", "-d")
        assert next((repo.path / ".git/objects/pack").glob("*.idx")).read_bytes()[:4] != b"\xfftOc"
    store = ObjectStore(bytes(repo.path / ".git/objects"), object_format)
    listing = repo.git("cat-file", "--batch-check", "--batch-all-objects").split(b"\n")[:-1]
    assert len(listing) > 40
    for line in listing:
        oid, kind, size = line.split()
        number, content = store.read(bytes.fromhex(oid.decode()))
        assert (b"", b"commit", b"tree", b"blob", b"tag")[number] == kind
        assert len(content) == int(size) == store.size(bytes.fromhex(oid.decode()))
    with pytest.raises(KeyError):
        store.read(bytes(20 if object_format == "sha1" else 32))


def test_damaged_objects_are_not_given_out(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo", "--object-format=sha256")
    repo.write("file", b"text\n" * 1000)
    repo.commit()
    oid = repo.git("rev-parse", "HEAD:file").strip()
    repo.git("gc", "-q")
    pack = next((repo.path / ".git/objects/pack").glob("*.pack"))
    data = bytearray(pack.read_bytes())
    pack.chmod(0o644)
    for at in range(12, len(data) - 32, 3):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        pack.write_bytes(damaged)
        store = ObjectStore(bytes(repo.path / ".git/objects"), "sha256")
        try:
            assert store.read(bytes.fromhex(oid.decode())) == (3, b"text\n" * 1000)
        except KeyError:
            continue

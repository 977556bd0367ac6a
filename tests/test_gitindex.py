"""The index parser against the git program, and against garbage."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jellyformat.git import index as gitindex
from jellyformat.git.index import BadIndex, IndexEntry, IndexFile, parse_index

_DEBUG = re.compile(
    rb"(\d{6}) ([0-9a-f]+) ([0-3])\t([^\0]*)\0"
    rb"  ctime: (\d+):(\d+)\n  mtime: (\d+):(\d+)\n  dev: (\d+)\tino: (\d+)\n"
    rb"  uid: (\d+)\tgid: (\d+)\n  size: (\d+)\tflags: ([0-9a-f]+)\n"
)


class Repo:
    """A repository made by the git program."""

    def __init__(self, path: Path, object_format: str = "sha1") -> None:
        self.path = path
        self.oid_length = 20 if object_format == "sha1" else 32
        path.mkdir(exist_ok=True)
        self.git("init", "-q", "--object-format", object_format, "-b", "main")

    def git(self, *args: str | bytes, data: bytes | None = None, fails: bool = False) -> bytes:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C",
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_OPTIONAL_LOCKS": "0",
        }  # fmt: skip
        done = subprocess.run(["git", *args], cwd=self.path, input=data, capture_output=True, env=env, check=False)
        assert fails or done.returncode == 0, done.stderr
        return done.stdout

    def write(self, name: str | bytes, content: bytes = b"x\n") -> None:
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "c")

    @property
    def data(self) -> bytes:
        return (self.path / ".git/index").read_bytes()

    def shared(self, name: str) -> bytes:
        return (self.path / f".git/sharedindex.{name}").read_bytes()

    def parse(self) -> IndexFile:
        return parse_index(self.data, self.oid_length, self.shared)

    def as_git_says(self, *options: str) -> list[IndexEntry]:
        raw = self.git("ls-files", "--stage", "--debug", "-z", *options)
        entries, at = [], 0
        while at < len(raw):
            match = _DEBUG.match(raw, at)
            assert match, raw[at : at + 200]
            at = match.end()
            mode, oid, stage, path, *rest, flags = match.groups()
            csec, cnsec, msec, mnsec, dev, ino, uid, gid, size = map(int, rest)
            bits = int(flags, 16)
            entries.append(
                IndexEntry(
                    path, bytes.fromhex(oid.decode()), int(mode, 8), int(stage), size, msec << 32 | mnsec,
                    csec << 32 | cnsec, dev, ino, uid, gid, bits & 0x8000 != 0, bits & 1 << 29 != 0,
                    bits & 1 << 30 != 0,
                )
            )  # fmt: skip
        return entries

    def check(self, *options: str) -> IndexFile:
        index = self.parse()
        assert list(index.entries) == self.as_git_says(*options)
        return index


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "r")


def fill(repo: Repo) -> None:
    for number in range(40):
        repo.write(f"dir{number % 7}/sub/file{number}", b"%d\n" % number)
    repo.write("script", b"#!/bin/sh\n")
    (repo.path / "script").chmod(0o755)
    (repo.path / "link").symlink_to("dir0")
    repo.commit()


def conflict(repo: Repo) -> None:
    fill(repo)
    repo.git("checkout", "-q", "-b", "side")
    repo.write("dir1/sub/file1", b"side\n")
    repo.git("rm", "-q", "dir2/sub/file2")
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write("dir1/sub/file1", b"main\n")
    repo.write("dir2/sub/file2", b"main\n")
    repo.commit()
    repo.git("merge", "-q", "side", fails=True)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_versions(tmp_path: Path, object_format: str, version: int) -> None:
    repo = Repo(tmp_path / "r", object_format)
    fill(repo)
    if version == 3:  # git writes 3 only where something needs it
        repo.git("update-index", "--skip-worktree", "dir3/sub/file3")
    else:
        repo.git("update-index", "--index-version", str(version))
    index = repo.check()
    assert index.version == version
    assert len(index.entries) == 42
    assert {entry.mode for entry in index.entries} == {0o100644, 0o100755, 0o120000}


@pytest.mark.parametrize("version", [2, 4])
def test_all_flags_and_conflicts(repo: Repo, version: int) -> None:
    conflict(repo)
    repo.write("new", b"n\n")
    repo.git("add", "-N", "new")
    repo.git("update-index", "--skip-worktree", "dir3/sub/file3", "script")
    repo.git("update-index", "--assume-unchanged", "dir3/sub/file3", "link")
    repo.git("update-index", "--index-version", str(version))
    by_path = {(entry.path, entry.stage): entry for entry in repo.check().entries}
    assert {path for path, stage in by_path if stage} == {b"dir1/sub/file1", b"dir2/sub/file2"}
    assert {stage for path, stage in by_path if path == b"dir1/sub/file1"} == {1, 2, 3}
    assert {stage for path, stage in by_path if path == b"dir2/sub/file2"} == {1, 2}
    assert [path for (path, _), entry in by_path.items() if entry.intent_to_add] == [b"new"]
    assert [path for (path, _), entry in by_path.items() if entry.skip_worktree] == [b"dir3/sub/file3", b"script"]
    assert [path for (path, _), entry in by_path.items() if entry.assume_valid] == [b"dir3/sub/file3", b"link"]


def test_stat_data(repo: Repo) -> None:
    repo.write("a", b"12345")
    repo.git("add", "a")
    os.utime(repo.path / "a", ns=(1, 1_234_567_890_123_456_789))
    repo.git("update-index", "--really-refresh")
    (entry,) = repo.check().entries
    stat = (repo.path / "a").stat()
    assert entry.mtime == 1_234_567_890 << 32 | 123_456_789
    seconds, nanoseconds = divmod(stat.st_ctime_ns, 10**9)
    assert entry.ctime == seconds << 32 | nanoseconds
    assert (entry.size, entry.ino, entry.dev) == (5, stat.st_ino & 0xFFFFFFFF, stat.st_dev & 0xFFFFFFFF)
    assert (entry.uid, entry.gid) == (stat.st_uid, stat.st_gid)
    assert entry.oid == hashlib.sha1(b"blob 5\x0012345").digest()


def test_empty_index(repo: Repo) -> None:
    repo.git("read-tree", "--empty")
    assert repo.check().entries == ()


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("version", [2, 4])
def test_split_index(tmp_path: Path, version: int, object_format: str) -> None:
    repo = Repo(tmp_path / "r", object_format)
    fill(repo)
    repo.git("config", "splitIndex.maxPercentChange", "100")
    repo.git("update-index", "--index-version", str(version))
    repo.git("update-index", "--split-index")
    assert b"link" in repo.data
    assert repo.check().shared is not None
    repo.write("dir1/sub/file1", b"another\n")
    repo.write("dir6/sub/file6", b"another\n")
    repo.write("dir6/sub/zz", b"added\n")
    repo.write("aaa", b"added\n")
    repo.git("add", "-A")
    repo.git("rm", "-q", "--cached", "dir2/sub/file2", "dir2/sub/file9", "dir6/sub/file20")
    repo.git("update-index", "--skip-worktree", "dir3/sub/file3")
    repo.git("update-index", "--assume-unchanged", "dir3/sub/file3")
    index = repo.check()
    assert index.shared is not None
    raw = gitindex._parse(repo.data, repo.oid_length)
    assert raw.link is not None
    assert raw.nameless >= 3, "the test wants entries that replace"
    assert len(raw.entries) - raw.nameless == 2
    assert len(gitindex._positions(raw.link.deleted, 42)) == 3
    paths = [entry.path for entry in index.entries]
    assert b"aaa" in paths
    assert b"dir2/sub/file2" not in paths


def test_split_index_with_conflict(repo: Repo) -> None:
    fill(repo)
    repo.git("config", "splitIndex.maxPercentChange", "100")
    repo.git("update-index", "--split-index")
    oid = repo.git("hash-object", "-w", "--stdin", data=b"conflict").strip()
    lines = b"0 %s\tscript\n" % (b"0" * 40)
    lines += b"".join(b"100644 %s %d\tscript\n" % (oid, stage) for stage in (1, 2, 3))
    repo.git("update-index", "--index-info", data=lines)
    index = repo.check()
    assert index.shared is not None
    assert [entry.stage for entry in index.entries if entry.path == b"script"] == [1, 2, 3]
    repo.write("script", b"solved\n")
    repo.git("add", "script")
    assert [entry.stage for entry in repo.check().entries if entry.path == b"script"] == [0]


def test_split_index_of_many_entries(repo: Repo) -> None:
    """Runs of ones and zeros in the bitmaps, and words in between."""
    repo.git("config", "splitIndex.maxPercentChange", "100")
    oid = repo.git("hash-object", "-w", "--stdin", data=b"").strip()
    repo.git("update-index", "--index-info", data=b"".join(b"100644 %s\tf%05d\n" % (oid, n) for n in range(3000)))
    repo.git("update-index", "--split-index")
    gone = [*range(70, 600), 1000, 1002, 1063, 1064, *range(2000, 2050), 2999]
    zero = b"0" * 40
    repo.git("update-index", "--index-info", data=b"".join(b"0 %s\tf%05d\n" % (zero, n) for n in gone))
    other = repo.git("hash-object", "-w", "--stdin", data=b"other").strip()
    other_lines = (b"100755 %s\tf%05d\n" % (other, n) for n in range(640, 900))
    repo.git("update-index", "--index-info", data=b"".join(other_lines))
    index = repo.check()
    assert index.shared is not None
    assert len(index.entries) == 3000 - len(gone)


def test_split_index_refused(repo: Repo) -> None:
    fill(repo)
    repo.git("update-index", "--split-index")
    with pytest.raises(BadIndex, match="not at hand"):
        parse_index(repo.data, 20)
    other = Repo(repo.path.parent / "other")
    other.write("x")
    other.git("add", "x")
    with pytest.raises(BadIndex, match="another one"):
        parse_index(repo.data, 20, lambda _: other.data)
    with pytest.raises(BadIndex, match="missing"):
        parse_index(repo.data, 20, other.shared)


def test_extensions_that_may_be_ignored(repo: Repo) -> None:
    fill(repo)
    repo.git("config", "core.fsmonitor", "false")
    repo.git("config", "index.threads", "4")
    repo.git("update-index", "--force-untracked-cache")
    repo.git("status")
    repo.git("update-index", "--index-version", "4")
    assert b"UNTR" in repo.data
    assert b"TREE" in repo.data
    repo.check()


def test_fsmonitor(repo: Repo) -> None:
    fill(repo)
    hook = repo.path / ".git/monitor"
    hook.write_text("#!/bin/sh\nprintf 'token\\0/\\0'\n")
    hook.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(hook))
    repo.git("update-index", "--fsmonitor")
    assert b"FSMN" in repo.data
    index = repo.parse()
    repo.git("config", "--unset", "core.fsmonitor")
    assert list(index.entries) == repo.as_git_says()


def test_entry_offset_table(repo: Repo) -> None:
    """With several threads git writes version 4 in blocks, where the first path of each shares nothing."""
    repo.git("config", "index.threads", "2")
    oid = repo.git("hash-object", "-w", "--stdin", data=b"").strip()
    names = (b"100644 %s\tdirectory/with/a/common/prefix/f%05d\n" % (oid, n) for n in range(25_000))
    repo.git("update-index", "--index-version", "4", "--index-info", data=b"".join(names))
    if os.cpu_count() != 1:
        assert b"IEOT" in repo.data
    assert repo.check().version == 4


@pytest.mark.parametrize("version", [2, 4])
def test_sparse_index(repo: Repo, version: int) -> None:
    fill(repo)
    repo.git("config", "index.version", str(version))
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "dir1", "dir2/sub")
    assert b"sdir" in repo.data
    index = repo.check("--sparse")
    assert index.sparse
    trees = [entry for entry in index.entries if entry.is_tree]
    assert [entry.path for entry in trees] == [b"dir0/", b"dir3/", b"dir4/", b"dir5/", b"dir6/"]
    assert all(entry.skip_worktree and entry.mode == 0o040000 for entry in trees)
    for entry in trees:
        assert repo.git("rev-parse", b"HEAD:" + entry.path[:-1]).strip().decode() == entry.oid.hex()


@pytest.mark.parametrize("version", [2, 4])
def test_long_and_odd_paths(repo: Repo, version: int) -> None:
    oid = repo.git("hash-object", "-w", "--stdin", data=b"").strip()
    long = [b"d/" * half + b"x" * length for half in (0, 2000, 2046, 2047, 5000) for length in (1, 2, 3, 94, 95, 96)]
    long += [b"y" * length for length in (4093, 4094, 4095, 4096, 4097, 70_000)]
    odd = [b"\xff\xfe", b"caf\xe9", "café".encode(), b"tab\there", b"new\nline", b' "quoted"', b"\x01", b"back\\slash"]
    paths = sorted(set(long + odd))
    lines = b"".join(b"100644 %s\t%s\0" % (oid, path) for path in paths)
    repo.git("update-index", "--index-version", str(version), "-z", "--index-info", data=lines)
    assert [entry.path for entry in repo.check().entries] == paths


def test_submodule_entry(repo: Repo) -> None:
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{'12' * 20},sub")
    assert repo.check().entries[0].mode == 0o160000


def rehash(body: bytes, oid_length: int = 20) -> bytes:
    return body + (hashlib.sha1(body) if oid_length == 20 else hashlib.sha256(body)).digest()


def entry_bytes(path: bytes, *, mode: int = 0o100644, flags: int | None = None, extended: bytes = b"") -> bytes:
    bits = min(len(path), 0xFFF) if flags is None else flags
    raw = struct.pack(">10I20sH", 0, 0, 0, 0, 0, 0, mode, 0, 0, 0, b"\x11" * 20, bits) + extended + path
    return raw + bytes(8 - len(raw) % 8)


def index_bytes(*entries: bytes, version: int = 2, count: int | None = None, extensions: bytes = b"") -> bytes:
    number = len(entries) if count is None else count
    return rehash(struct.pack(">4sII", b"DIRC", version, number) + b"".join(entries) + extensions)


def entry_4(strip: bytes, suffix: bytes, length: int) -> bytes:
    bits = min(length, 0xFFF)
    return struct.pack(">10I20sH", 0, 0, 0, 0, 0, 0, 0o100644, 0, 0, 0, b"\x11" * 20, bits) + strip + suffix + b"\0"


def extension(name: bytes, content: bytes = b"") -> bytes:
    return name + struct.pack(">I", len(content)) + content


def test_hand_made_is_right() -> None:
    """What the cases below are made of parses where nothing is wrong."""
    data = index_bytes(entry_bytes(b"a"), entry_bytes(b"b"), extensions=extension(b"ZZZZ", b"any"))
    assert [entry.path for entry in parse_index(data, 20).entries] == [b"a", b"b"]
    data = index_bytes(entry_4(b"\0", b"a" * 200, 200), entry_4(b"\x80\x00", b"b", 73), version=4)
    assert [entry.path for entry in parse_index(data, 20).entries] == [b"a" * 200, b"a" * 72 + b"b"]


def test_skip_hash() -> None:
    data = index_bytes(entry_bytes(b"a"))
    assert parse_index(data[:-20] + bytes(20), 20) == parse_index(data, 20)
    with pytest.raises(BadIndex, match="checksum"):
        parse_index(data[:-20] + bytes(19) + b"\1", 20)


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "cut off"),
    "magic": (rehash(b"DIRX" + bytes(8)), "DIRC"),
    "version": (rehash(b"DIRC" + struct.pack(">II", 5, 0)), "version 5"),
    "count": (index_bytes(entry_bytes(b"a"), count=0xFFFFFFFF), "4294967295 entries"),
    "one too many": (index_bytes(entry_bytes(b"a" * 80), count=2), "cut off"),
    "one too few": (index_bytes(entry_bytes(b"a"), entry_bytes(b"b"), count=1), "extension"),
    "no path": (index_bytes(entry_bytes(b"")), "no path"),
    "no path, later": (index_bytes(entry_bytes(b"a"), entry_bytes(b"")), "no path"),
    "path length": (index_bytes(entry_bytes(b"ab", flags=3)), "length it should"),
    "long path length": (index_bytes(entry_bytes(b"ab", flags=0xFFF)), "length it should"),
    "order": (index_bytes(entry_bytes(b"b"), entry_bytes(b"a")), "not in its place"),
    "twice": (index_bytes(entry_bytes(b"a"), entry_bytes(b"a")), "not in its place"),
    "stage after 0": (index_bytes(entry_bytes(b"a"), entry_bytes(b"a", flags=0x1001)), "not in its place"),
    "stages": (index_bytes(entry_bytes(b"a", flags=0x2001), entry_bytes(b"a", flags=0x1001)), "not in its place"),
    "mode": (index_bytes(entry_bytes(b"a", mode=0o060000)), "mode 60000"),
    "tree without sdir": (index_bytes(entry_bytes(b"a/", mode=0o040000)), "mode 40000"),
    "tree without slash": (index_bytes(entry_bytes(b"a", mode=0o40000), extensions=extension(b"sdir")), "mode 40000"),
    "unknown flags": (index_bytes(entry_bytes(b"a", flags=0x4001, extended=b"\x10\0"), version=3), "unknown flags"),
    "extension": (index_bytes(extensions=extension(b"xtra")), "xtra"),
    "extension length": (index_bytes(extensions=b"TREE\0\0\0\x01"), "over the end"),
    "stray bytes": (index_bytes(extensions=b"TREE\0\0\0"), "stray"),
    "link cut": (index_bytes(extensions=extension(b"link", b"\1" * 19)), "cut off"),
    "link stray": (index_bytes(extensions=extension(b"link", b"\1" * 20 + bytes(24) + b"\0")), "stray"),
    "link bitmap cut": (index_bytes(extensions=extension(b"link", b"\1" * 20 + b"\0" * 11)), "cut off"),
    "strip": (index_bytes(entry_4(b"\1", b"a", 1), version=4), "takes more"),
    "huge strip": (index_bytes(entry_4(b"\xff" * 40 + b"\0", b"a", 1), version=4), "takes more"),
    "bomb": (
        index_bytes(entry_4(b"\0", b"a" * 500_000, 500_000), *[entry_4(b"\0", b"a", 500_001)] * 3000, version=4),
        "too much",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    data, message = BAD[name]
    with pytest.raises(BadIndex, match=message) as caught:
        parse_index(data, 20)
    assert caught.value.error_class == "refused.repository"
    assert caught.value.exit_code == 4


def bitmap(*words: int) -> bytes:
    return struct.pack(f">II{len(words)}QI", 0, len(words), *words, 0)


def run(bit: int, words: int, literals: int) -> int:
    return bit | words << 1 | literals << 33


SHARED = index_bytes(*(entry_bytes(b"f%03d" % n) for n in range(130)))
EMPTY = bitmap(run(0, 0, 0))
BAD_LINKS: dict[str, tuple[bytes, bytes, list[bytes], str]] = {
    "delete over": (bitmap(run(0, 2, 1), 1 << 2), EMPTY, [], "reaches over"),
    "run over": (bitmap(run(1, 3, 0)), EMPTY, [], "reaches over"),
    "huge run": (bitmap(run(1, 0xFFFFFFFF, 0)), EMPTY, [], "reaches over"),
    "literals cut": (bitmap(run(0, 0, 2), 1), EMPTY, [], "cut off"),
    "both": (bitmap(run(0, 0, 1), 4), bitmap(run(0, 0, 1), 4), [entry_bytes(b"")], "both"),
    "too few": (EMPTY, bitmap(run(0, 0, 1), 4), [], "are replaced"),
    "too many": (EMPTY, EMPTY, [entry_bytes(b"")], "are replaced"),
}


def linked(deleted: bytes, replaced: bytes, entries: list[bytes]) -> bytes:
    return index_bytes(*entries, extensions=extension(b"link", SHARED[-20:] + deleted + replaced))


@pytest.mark.parametrize("name", BAD_LINKS)
def test_link_refused(name: str) -> None:
    deleted, replaced, entries, message = BAD_LINKS[name]
    with pytest.raises(BadIndex, match=message):
        parse_index(linked(deleted, replaced, entries), 20, lambda _: SHARED)


def test_link_by_hand() -> None:
    data = linked(
        bitmap(run(1, 1, 1), 0b101),
        bitmap(run(0, 2, 1), 0b10),
        [entry_bytes(b"", mode=0o100755), entry_bytes(b"f0005")],
    )
    index = parse_index(data, 20, lambda _: SHARED)
    expected = [b"f0005", *(b"f%03d" % n for n in range(64, 130) if n not in (64, 66))]
    assert [entry.path for entry in index.entries] == sorted(expected)
    assert [entry.path for entry in index.entries if entry.mode == 0o100755] == [b"f129"]


def test_link_with_nothing_changed() -> None:
    data = index_bytes(extensions=extension(b"link", SHARED[-20:]))
    assert parse_index(data, 20, lambda _: SHARED).entries == parse_index(SHARED, 20).entries


def test_link_to_nothing() -> None:
    """As git reads it: an id of zeros says that there is no shared index."""
    data = index_bytes(entry_bytes(b"a"), extensions=extension(b"link", bytes(20)))
    assert [entry.path for entry in parse_index(data, 20).entries] == [b"a"]


def test_link_adds_over_conflict() -> None:
    """An added entry at stage 0 takes the place of all stages."""
    shared = index_bytes(*(entry_bytes(b"a", flags=stage << 12 | 1) for stage in (1, 2, 3)), entry_bytes(b"b"))
    data = index_bytes(entry_bytes(b"a"), extensions=extension(b"link", shared[-20:] + EMPTY + EMPTY))
    entries = parse_index(data, 20, lambda _: shared).entries
    assert [(entry.path, entry.stage) for entry in entries] == [(b"a", 0), (b"b", 0)]


def test_link_to_sparse_index() -> None:
    shared = index_bytes(entry_bytes(b"a/", mode=0o040000), extensions=extension(b"sdir"))
    data = index_bytes(entry_bytes(b"b"), extensions=extension(b"link", shared[-20:] + EMPTY + EMPTY))
    index = parse_index(data, 20, lambda _: shared)
    assert index.sparse
    assert [entry.is_tree for entry in index.entries] == [True, False]


def test_endless_number() -> None:
    """A number that goes on and on is given up on at once."""
    with pytest.raises(BadIndex, match="takes more") as caught:
        parse_index(index_bytes(entry_4(b"\xff" * 100_000 + b"\0", b"a", 1), version=4), 20)
    assert caught.value.offset is not None
    assert caught.value.offset < 100


def test_link_to_a_split_index() -> None:
    own = linked(EMPTY, EMPTY, [])
    outer = index_bytes(extensions=extension(b"link", own[-20:] + EMPTY + EMPTY))
    with pytest.raises(BadIndex, match="itself split"):
        parse_index(outer, 20, lambda _: own)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, int, Callable[[str], bytes]]]:
    found: list[tuple[bytes, int, Callable[[str], bytes]]] = []
    for number, object_format in enumerate(["sha1", "sha256"]):
        repo = Repo(tmp_path_factory.mktemp("s") / str(number), object_format)
        conflict(repo)
        repo.git("add", "-N", "dir1")
        repo.git("update-index", "--skip-worktree", "script")
        found.append((repo.data, repo.oid_length, repo.shared))
        repo.git("update-index", "--index-version", "4")
        found.append((repo.data, repo.oid_length, repo.shared))
        repo.git("config", "splitIndex.maxPercentChange", "100")
        repo.git("update-index", "--split-index")
        repo.git("rm", "-q", "--cached", "link")
        repo.git("update-index", "--assume-unchanged", "script")
        found.append((repo.data, repo.oid_length, repo.shared))
    return found


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_corruption_is_noticed(samples: list[tuple[bytes, int, Callable[[str], bytes]]], data: st.DataObject) -> None:
    """Any changed bit is noticed; and with a right checksum, garbage raises BadIndex or parses, nothing else."""
    raw, oid_length, shared = data.draw(st.sampled_from(samples))
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        # mostly the beginning and the end: that is where counts, lengths and extensions are
        span = data.draw(st.sampled_from([range(len(raw)), range(0, 140), range(max(0, len(raw) - 300), len(raw))]))
        place = span[data.draw(st.integers(0, len(span) - 1))]
        if data.draw(st.integers(0, 9)) == 0:
            del changed[place:]
            break
        changed[place] ^= data.draw(st.integers(1, 255))
    if bytes(changed) != raw:
        with pytest.raises(BadIndex):
            parse_index(bytes(changed), oid_length, shared)
    # only BadIndex is let through: anything else fails the test
    with contextlib.suppress(BadIndex):
        parse_index(rehash(bytes(changed[:-oid_length]), oid_length), oid_length, shared)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([2, 3, 4]), st.integers(0, 4), st.sampled_from([20, 32]))
def test_garbage(content: bytes, version: int, count: int, oid_length: int) -> None:
    data = rehash(struct.pack(">4sII", b"DIRC", version, count) + content, oid_length)
    with contextlib.suppress(BadIndex):
        parse_index(data, oid_length, lambda _: data)


@pytest.mark.parametrize("version", [2, 4])
def test_hundred_thousand_entries(repo: Repo, version: int) -> None:
    oid = repo.git("hash-object", "-w", "--stdin", data=b"").strip()
    lines = b"".join(b"100644 %s\tsome/directory/%03d/file%06d.py\n" % (oid, n // 100, n) for n in range(100_000))
    repo.git("update-index", "--index-version", str(version), "--index-info", data=lines)
    assert len(parse_index(repo.data, 20).entries) == 100_000

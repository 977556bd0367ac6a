"""What a repository may ask of us in time and memory: every size, count and depth has an end, and is said.

No time is measured: where the work grew with the square of the size, or without an end, these would run for hours.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from states import Repo, base, git, source_text

import jellyformat
from jellyformat import errors
from jellyformat.capture import leaves
from jellyformat.capture.environment import clean_url
from jellyformat.checkout import current, refs
from jellyformat.comparing import _directory_side
from jellyformat.exports import patch
from jellyformat.files.walk import walk
from jellyformat.format import limits
from jellyformat.format.objects import BLOB, COMMIT, TREE, object_id
from jellyformat.git import objects, reading, rules
from jellyformat.git.attributes import Attributes
from jellyformat.git.config import parse_config
from jellyformat.git.ignore import Ignore
from jellyformat.git.index import parse_index
from jellyformat.git.layout import repository_to_change
from jellyformat.git.objects import ObjectStore
from jellyformat.git.packs import apply_delta
from jellyformat.git.reading import Reader

pytestmark = [pytest.mark.slow, pytest.mark.sampled(4)]

MANY = 200_000
PATHS = [b"data/%d/file%d.bin" % (number % 100, number) for number in range(100_000)]


def given(texts: dict[bytes, bytes]) -> Callable[[bytes], bytes | None]:
    return texts.get


# -- rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", [b"/data/%d/file%d.bin", b"file%d_%d.bin", b"*.x%dy%d", b"x%dy%d*", b"\\!%d-%d"], ids=repr
)
def test_many_rules_and_many_paths(line: bytes) -> None:
    text = b"\n".join(line % (number, number) for number in range(MANY)) + b"\n/data/7/file7.bin\n"
    ignore = Ignore(given({b".gitignore": text}), ())
    assert ignore.matches(b"data/7/file7.bin", directory=False)
    assert sum(ignore.matches(path, directory=False) for path in PATHS) in (1, 100)
    attributes = Attributes(given({b".gitattributes": text.replace(b"\n", b" -text\n")}))
    assert sum(attributes.of(path) != {} for path in PATHS) in (1, 100)


def test_many_rules_that_match_the_same() -> None:
    ignore = Ignore(given({b".gitignore": b"file1.bin\nfile1.bin/\n!file1.bin\n" * (MANY // 3)}), ())
    assert not any(ignore.matches(b"%d/file1.bin" % number, directory=False) for number in range(1000))


@pytest.mark.parametrize("line", [b"f%d*?.bin", b"**/a%d/**/[b]*c", b"*%d*?*?*"], ids=repr)
def test_wildcards_without_end_are_refused(line: bytes) -> None:
    text = b"\n".join(line % number for number in range(20_000))
    ignore = Ignore(given({b".gitignore": text}), (), work=rules.Work(comparisons=10**7))
    attributes = Attributes(given({b".gitattributes": text}), work=rules.Work(comparisons=10**7))
    for ask in (lambda path: ignore.matches(path, directory=False), attributes.of):
        with pytest.raises(errors.RefusedRepository, match=r"so many wildcards in its \.gitignore"):
            [ask(path) for path in PATHS]


def test_long_wildcards_count_by_their_length() -> None:
    """Sixteen kilobytes take a hundred times as long to make ready as a hundred bytes do."""
    long = b"\n".join(b"*a" * 8000 + b"%d" % number for number in range(6))
    with pytest.raises(errors.RefusedRepository):
        Ignore(given({}), (long,), work=rules.Work(comparisons=1_000_000))
    short = b"\n".join(b"*a" * 40 + b"%d" % number for number in range(6))
    Ignore(given({}), (short,), work=rules.Work(comparisons=10_000))


def test_too_many_rules_are_refused() -> None:
    for text in (b"#\n" * 1001, b"a\n" * 1001):
        with pytest.raises(errors.RefusedRepository, match="has more than"):
            Ignore(given({b".gitignore": text}), (), work=rules.Work(1000)).matches(b"x", directory=False)
        with pytest.raises(errors.RefusedRepository, match="has more than"):
            Attributes(given({b".gitattributes": text}), work=rules.Work(1000)).of(b"x")


def test_long_lines(tmp_path: Path) -> None:
    """100 MB in one: the regular expression that came of it filled the memory."""
    repo = base(tmp_path / "repo")
    repo.write(".gitattributes", b"*.py text\n" + b"a" * (99 << 20) + b" -text\n")
    repo.write("src/.gitignore", b"b" * (99 << 20) + b"\n*.new\n")
    repo.write("src/x.new")
    repo.write("src/y.py")
    assert jellyformat.snapshot(repo.path, exclude=[".git*"]).manifest.summary.untracked == (b"src/y.py",)
    repo.write("src/.gitignore", b"b*" * (1 << 20))
    with pytest.raises(errors.RefusedRepository, match="a pattern of 2097152 bytes"):
        jellyformat.snapshot(repo.path)
    repo.write("src/.gitignore", b"*\n" * (51 << 20))  # larger than git takes: none
    assert b"src/y.py" in jellyformat.snapshot(repo.path, exclude=[".git*"]).manifest.summary.untracked


def test_macros_in_macros() -> None:
    count = 100_000
    text = b"".join(b"[attr]m%d m%d\n" % (number, number + 1) for number in range(count))
    found = Attributes(given({b".gitattributes": text + b"*.py m0\n[attr]m%d -text\n" % count})).of(b"a.py")
    assert found[b"text"] is False
    assert len(found) == count + 2


# -- configuration ---------------------------------------------------------------------------------------------------


def test_long_urls(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    with (repo.path / ".git/config").open("a") as config:
        for number, url in enumerate(("https://" + ":x" * 5000, "a:" * 8000, "https://u:" + "/" * 16000 + "@h")):
            config.write(f'[remote "r{number}"]\n\turl = "{url}"\n')
        config.write(f'[remote "long"]\n\turl = "{"x:" * 100_000}"\n')
        config.write("".join(f"[remote {chr(34)}n{number}{chr(34)}]\n\turl = x\n" for number in range(50_000)))
    remotes = dict(jellyformat.snapshot(repo.path).manifest.provenance.remotes)
    assert remotes[b"long"] == b"***"
    assert len(remotes) == 1000


@pytest.mark.parametrize("part", ["a:", ":", "@", "a::", "//", "1:", "@a", "?", "\\", "a@b:", "https://"])
def test_urls_are_cleaned_in_one_pass(part: str) -> None:
    for begin in ("", "https://", "//"):
        clean_url((begin + part * (1 << 14))[: 1 << 14])


@pytest.mark.parametrize(
    "text", [b'[a]\nb = """', b"[a]\nb = \\", b"[a]\nb = c ", b"[a\nb", b'[a "\\\\', b"[" + b" ", b"#", b"[a]b\n"],
    ids=repr,
)  # fmt: skip
def test_configurations_of_many_bytes(text: bytes) -> None:
    assert reading.CONFIG <= 16 << 20
    with suppress(errors.RefusedRepository):
        parse_config(text + text[-2:] * (1 << 20), "x")


def test_includes(tmp_path: Path) -> None:
    """Of itself; of so many that one would read for ever; of more than a configuration may have; by any pattern."""
    repo = base(tmp_path / "repo")
    config = (repo.path / ".git/config").read_text()

    def write(text: str, **files: str) -> None:
        (repo.path / ".git/config").write_text(config + text)
        for name, content in files.items():
            (repo.path / ".git" / name).write_text(content)

    write("[include]\n\tpath = config\n")
    with pytest.raises(errors.RefusedRepository, match="included in others, more than 10 deep"):
        jellyformat.snapshot(repo.path)
    write("[include]\n" + "\tpath = a\n" * 100, a="[include]\n" + "\tpath = b\n" * 100, b="[c]\n\td = 1\n")
    with pytest.raises(errors.RefusedRepository, match="more than 1000 files"):
        jellyformat.snapshot(repo.path)
    write("[include]\n\tpath = a\n\tpath = a\n\tpath = a\n", a="#" * (6 << 20))
    with pytest.raises(errors.RefusedRepository, match=r"\.git/a has 6291456 bytes"):
        jellyformat.snapshot(repo.path)
    repo.git("checkout", "-q", "-b", "a" * 200)
    (repo.path / ".git/b").write_text("[core]\n\tbare = maybe\n")
    write(f'[includeIf "onbranch:{"*a" * 60}b"]\n\tpath = /dev/zero\n[include]\n\tpath = "~x\\t\\t"\n')
    jellyformat.snapshot(repo.path)


# -- objects ---------------------------------------------------------------------------------------------------------


def store_of(path: Path, **files: bytes) -> ObjectStore:
    (path / "pack").mkdir(parents=True)
    for name, data in files.items():
        (path / "pack" / name.replace("_", ".")).write_bytes(data)
    return ObjectStore(os.fsencode(path), "sha1")


def loose(path: Path, oid: bytes, data: bytes) -> None:
    place = path / oid.hex()[:2]
    place.mkdir(parents=True, exist_ok=True)
    (place / oid.hex()[2:]).write_bytes(data)


def test_loose_objects_without_end(tmp_path: Path) -> None:
    """A few bytes that stand for gigabytes, that say so or do not."""
    store = store_of(tmp_path)
    bomb = zlib.compressobj()
    zeros = b"".join(bomb.compress(bytes(1 << 24)) for _ in range(256)) + bomb.flush()
    honest = zlib.compress(b"blob 4398046511104\0")[:-4]
    for number, (head, size) in enumerate(
        ((b"blob 5\0", None), (b"blob 9999999999999999999999\0", 9999999999999999999999))
    ):
        oid = bytes([number]) * 20
        packer = zlib.compressobj()
        loose(tmp_path, oid, packer.compress(head) + b"".join(packer.compress(bytes(1 << 24)) for _ in range(64)))
        with pytest.raises(KeyError):
            store.read(oid)
        assert store.size(oid) == size
    oid = b"\7" * 20
    loose(tmp_path, oid, honest)
    assert store.size(oid) == 1 << 42
    loose(tmp_path, b"\6" * 20, zeros)
    assert store.size(b"\6" * 20) is None
    loose(tmp_path, b"\5" * 20, b"")
    os.truncate(tmp_path / "05" / (b"\5" * 19).hex(), 1 << 40)
    assert store.size(b"\5" * 20) is None


def test_deltas_without_end() -> None:
    """A size of a billion bits; instructions that copy terabytes."""
    for delta in (b"\xff" * (1 << 22), b"\x04" + b"\xff" * (1 << 22)):
        with pytest.raises(Exception, match="no end"):
            apply_delta(b"base", delta)
    huge = b"\x04" + b"\x80\x80\x80\x80\x80\x40" + b"\xff\0\0\0\0\xff\xff\xff" * (1 << 20)
    with pytest.raises(Exception, match="a delta makes"):
        apply_delta(b"base", huge)


def test_a_chain_of_deltas_makes_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of deltas of an object of gigabytes are some megabytes, and would be copied for hours."""
    repo = Repo(tmp_path / "r")
    lines = [b"line %d\n" % line for line in range(500)]
    for number in range(12):
        lines[40 * number] = 2 * hashlib.sha256(b"%d" % number).hexdigest().encode() + b"\n"
        repo.write("a.txt", b"".join(lines))
        repo.commit()
    repo.git("repack", "-adfq", "--depth=50", "--window=50")
    packed = repo.git("verify-pack", "-v", *map(str, (repo.path / ".git/objects/pack").glob("*.idx"))).splitlines()
    chains = {line.split()[0].decode(): int(line.split()[5]) for line in packed if len(line.split()) == 7}
    longest = max(chains, key=lambda oid: chains[oid])
    assert chains[longest] > 5
    store = ObjectStore(os.fsencode(repo.path / ".git/objects"), "sha1")
    content = store.read(bytes.fromhex(longest))[1]
    monkeypatch.setattr(objects, "_MOST_MADE", 5 * len(content))
    with pytest.raises(KeyError):
        ObjectStore(os.fsencode(repo.path / ".git/objects"), "sha1").read(bytes.fromhex(longest))
    assert store.read(bytes.fromhex(longest))[1] == content, "what was made before is kept"


def index_of(count: int, oids: list[bytes], offsets: list[int]) -> bytes:
    fan = [sum(oid[0] <= number for oid in oids) for number in range(255)]
    return b"".join(
        (
            b"\xfftOc\0\0\0\2", struct.pack(">256I", *fan, count), *oids, bytes(4 * len(oids)),
            struct.pack(f">{len(offsets)}I", *offsets), bytes(40),
        )
    )  # fmt: skip


def test_pack_indexes_that_lie(tmp_path: Path) -> None:
    """Of four billion objects, of none, cut off, and of no pack: what others have is found all the same."""
    content = b"hello\n"
    oid = object_id(BLOB, content)
    good = b"PACK" + struct.pack(">II", 2, 1) + bytes([0x30 | len(content)]) + zlib.compress(content) + bytes(20)
    every = b"\xfftOc\0\0\0\2" + b"\xff" * 1024
    store = store_of(
        tmp_path, a_idx=every, b_idx=b"", c_idx=b"\xfftOc", d_idx=b"\xfftOc\0\0\0\2", e_idx=index_of(1, [oid], [12]),
        f_idx=index_of(1, [oid], [1 << 30]), f_pack=good, g_idx=index_of(1, [oid], [0xFFFFFFFF]), g_pack=good,
        h_idx=b"\0" * 1024, z_idx=index_of(1, [oid], [12]), z_pack=good,
    )  # fmt: skip
    os.mkfifo(tmp_path / "pack" / "i.idx")
    (tmp_path / "pack" / "j.idx").symlink_to("j.idx")
    os.truncate(tmp_path / "pack" / "h.idx", 1 << 40)
    store = ObjectStore(os.fsencode(tmp_path), "sha1")
    assert store.read(oid) == (BLOB, content)
    with pytest.raises(KeyError):
        store.read(b"\xff" * 20)


def test_many_packs_of_many_objects(tmp_path: Path) -> None:
    """What an archive can hold many times, as one file: the ids of each were kept in memory."""
    oids = sorted(
        bytes([first]) + hashlib.sha256(bytes([first, number])).digest()[:19]
        for first in range(256)
        for number in range(128)
    )
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/0.idx").write_bytes(index_of(len(oids), oids, [12] * len(oids)))
    for number in range(1, 60):
        os.link(tmp_path / "pack/0.idx", tmp_path / f"pack/{number}.idx")
    store = ObjectStore(os.fsencode(tmp_path), "sha1")
    tracemalloc.start()
    try:
        assert not any(store.size(bytes([first]) + bytes(19)) for first in range(256))
        assert tracemalloc.get_traced_memory()[1] < 150 << 20
    finally:
        tracemalloc.stop()


def test_objects_too_large_for_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not unpacked first; what is staged is left out by its size."""
    monkeypatch.setattr(limits, "OBJECT_BYTES", 100_000)
    repo = base(tmp_path / "repo")
    repo.write("large.bin", bytes(200_000))
    repo.git("add", "large.bin")
    repo.remove("large.bin")
    with pytest.raises(errors.RefusedSize, match=r"large\.bin"):
        jellyformat.snapshot(repo.path, max_file_size=50_000)
    repo.commit()
    repo.write("large.bin", bytes(200_000))
    repo.commit()
    with pytest.raises(errors.RefusedRepository, match="has 200000 bytes, more than a container can hold"):
        jellyformat.snapshot(repo.path)


def test_alternates(tmp_path: Path) -> None:
    """In a circle; so many; FIFOs; and more of each than one would wait for."""
    repo, other = base(tmp_path / "repo"), base(tmp_path / "other")
    place = repo.path / ".git/objects/info/alternates"
    expected = jellyformat.snapshot(repo.path).id
    for path, text in (
        (place, f"{other.path}/.git/objects\n"),
        (other.path / ".git/objects/info/alternates", f"{repo.path}/.git/objects\n"),
    ):
        path.write_text(text)
    assert jellyformat.snapshot(repo.path).id == expected
    place.write_bytes(b"/nowhere\0\n/nowhere\n" + os.fsencode(tmp_path) + b"/fifo\n" + b"x" * 5000 + b"\n")
    os.mkfifo(tmp_path / "fifo")
    assert jellyformat.snapshot(repo.path).id == expected
    place.write_text("".join(f"/nowhere/{number}\n" for number in range(1001)))
    with pytest.raises(errors.RefusedRepository, match="more than 1000 others"):
        jellyformat.snapshot(repo.path)


def test_few_trees_that_stand_for_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten directories of ten directories …: they were all walked, until there was no memory left."""
    monkeypatch.setattr(leaves, "_ENTRIES", 50_000)
    repo = base(tmp_path / "repo")
    blob = repo.git("hash-object", "-w", "--stdin", data=b"x").strip()
    line = b"100644 blob " + blob + b"\tf%d\n"
    tree = repo.git("mktree", data=b"".join(line % number for number in range(10))).strip()
    for _ in range(12):
        tree = repo.git(
            "mktree", data=b"".join(b"040000 tree %s\td%d\n" % (tree, number) for number in range(10))
        ).strip()
    commit = repo.git("commit-tree", "-m", "bomb", tree).strip()
    repo.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(errors.RefusedRepository, match="more than 50000 files"):
        jellyformat.snapshot(repo.path)


# -- index -----------------------------------------------------------------------------------------------------------


def test_index_with_a_path_that_has_no_end(tmp_path: Path) -> None:
    """Half a million directories, one in another, were each noted with its whole path."""
    repo = base(tmp_path / "repo")
    path = b"a/" * 500_000 + b"a"
    entry = struct.pack(">10I20sH", *[0] * 6, 0o100644, 0, 0, 0, bytes(20), 0xFFF) + path
    body = struct.pack(">4sII", b"DIRC", 2, 1) + entry + bytes(8 - len(entry) % 8)
    (repo.path / ".git/index").write_bytes(body + hashlib.sha1(body).digest())
    for act in (jellyformat.snapshot, lambda place: current.look(repository_to_change(place))):
        with pytest.raises(errors.RefusedRepository, match="a path has 1000001 bytes"):
            act(repo.path)


def test_index_of_very_many_entries() -> None:
    body = struct.pack(">4sII", b"DIRC", 2, 0xFFFFFFFF) + bytes(1000)
    with pytest.raises(errors.RefusedRepository, match="has 4294967295 entries"):
        parse_index(body + hashlib.sha1(body).digest(), 20)


# -- files of a state, refs ------------------------------------------------------------------------------------------


def deep(path: Path, depth: int) -> None:
    """Directories, one in another."""
    path.mkdir(parents=True)
    fd = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


def test_directories_without_end(tmp_path: Path) -> None:
    """Two thousand, one in another: Python's own walk ends in an error that nobody expects."""
    script = "import sys; from jellyformat.files.walk import walk; print(sum(1 for _ in walk(sys.argv[1])))"
    deep(tmp_path / "top", 1500)
    try:
        done = subprocess.run([sys.executable, "-c", script, tmp_path / "top"], capture_output=True, check=True)
        assert int(done.stdout) > 1000
        repo = base(tmp_path / "repo")
        deep(repo.path / ".git/refs/heads/deep", 1500)
        deep(repo.path / "deep", 1500)
        git_dir = os.fsencode(repo.path / ".git")
        assert len(refs.roots(git_dir, git_dir, 20, 1000) or ()) == 3  # two commits, and none before the first
        snap = jellyformat.snapshot(repo.path)
        assert snap.manifest.state.worktree is not None
        assert [item.reason for item in snap.manifest.state.worktree.omitted] == ["name"]
        with snap.open() as box:
            _directory_side(repo.path, box)
        jellyformat.fix(repo.path)
        deep(repo.path / ".git/rebase-merge/deep", 1500)
        with pytest.raises(errors.RefusedRepository, match="is too much to be kept"):
            current.read_raw(git_dir)
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "top", tmp_path / "repo"], check=True)


def test_walk_is_as_of_the_library(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.link("src/away", "..")
    (repo.path / "src/lib/locked").mkdir()

    def found(walker: Callable[[str], object]) -> dict[str, tuple[set[str], set[str]]]:
        return {place: (set(inner), set(names)) for place, inner, names in walker(str(repo.path))}  # type: ignore[attr-defined]

    assert found(walk) == found(os.walk)
    failed: list[OSError] = []
    assert list(walk(b"/nowhere", failed.append)) == []
    assert len(failed) == 1


def test_reflogs_are_read_by_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = base(tmp_path / "repo")
    monkeypatch.setattr(refs, "_PIECE", 100)
    oids = {hashlib.sha1(b"%d" % number).digest() for number in range(200)}
    log = b"".join(
        b"%s %s A <a@b> 0 +0000\tx\n" % (bytes(20).hex().encode(), oid.hex().encode()) for oid in sorted(oids)
    )
    (repo.path / ".git/logs/refs/heads/other").write_bytes(log)
    git_dir = os.fsencode(repo.path / ".git")
    assert oids <= (refs.roots(git_dir, git_dir, 20, 10_000) or set())
    assert refs.roots(git_dir, git_dir, 20, 100) is None
    os.truncate(repo.path / ".git/logs/refs/heads/other", 1 << 40)
    with pytest.raises(errors.RefusedRepository, match="logs/refs/heads/other has 1099511627776 bytes"):
        refs.roots(git_dir, git_dir, 20, 10_000)


def test_files_of_a_rebase(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    place = repo.path / ".git/rebase-merge"
    place.mkdir()
    (place / "done").write_bytes(b"")
    os.truncate(place / "done", 1 << 40)
    with pytest.raises(errors.RefusedRepository, match="is too much to be kept"):
        current.read_raw(os.fsencode(repo.path / ".git"))


# -- the reader ------------------------------------------------------------------------------------------------------


def test_reader_goes_no_further(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("dir")
    (tmp_path / "dir/link").symlink_to("file")
    place = os.fsencode(tmp_path)
    following, not_following = Reader(), Reader(follow=False)
    for reader in (following, not_following):
        assert reader.read(place, b"dir/file", 7) == b"content"
        assert reader.read(place, b"dir/none", 7) is None
        assert reader.read(place, b"dir/file/none", 7) is None
        assert reader.read(place, b"a\0b", 7) is None
        with pytest.raises(errors.RefusedRepository, match="has 7 bytes, more than the 6"):
            reader.read(place, b"dir/file", 6)
        with pytest.raises(errors.RefusedRepository, match="is a directory"):
            reader.read(place, b"dir", 7)
        assert reader.read(place, b"dir", 7, or_directory=True) is None
        assert reader.names(place, b"dir") == [b"file", b"link"]
        with pytest.raises(errors.RefusedRepository, match="more than 1 names"):
            reader.names(place, b"dir", most=1)
        assert reader.names(place, b"none") == []
        assert list(reader.lines(place, b"dir/file", 7)) == [b"content"]
    assert following.read(place, b"link/link", 7) == b"content"
    assert following.is_directory(place, b"link")
    assert not not_following.is_directory(place, b"link")
    assert not_following.read(place, b"link/file", 7) is None
    with pytest.raises(errors.RefusedRepository, match="symbolic link, and the repository is another user's"):
        not_following.read(place, b"dir/link", 7)
    with pytest.raises(errors.RefusedRepository, match="symbolic link"):
        following.read(place, b"dir/link", 7, link=False)
    assert following.read(b"/dev", b"null", 7) == b""
    assert following.read(b"/proc/self", b"status", 1 << 20), "it says that it has no bytes"
    with pytest.raises(errors.RefusedRepository, match="has more than the 10"):
        following.read(b"/proc/self", b"status", 10)


# -- worktree --------------------------------------------------------------------------------------------------------


def test_encodings_of_python_alone(tmp_path: Path) -> None:
    """punycode takes a time that grows with the square of the size."""
    repo = base(tmp_path / "repo")
    repo.write(".gitattributes", b"*.txt working-tree-encoding=punycode\n*.cfg working-tree-encoding=\xff\0x\n")
    for name in ("a.txt", "b.txt", "c.cfg"):
        repo.write(name, b"x" * 100)
    blob = repo.git("hash-object", "-w", "--no-filters", "a.txt").decode().strip()
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},a.txt")
    repo.write("a.txt", source_text() + b"-" + b"a" * 8_000_000)
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.state.worktree is not None
    assert snap.manifest.state.worktree.converted == ()


def test_differences_of_hostile_texts() -> None:
    """difflib takes a time that grows with the third power of the lines."""
    before = [line for number in range(10_000) for line in (b"x%d\n" % number, b"a\n")]
    after = [line for number in range(10_000) for line in (b"y%d\n" % number, b"a\n")]
    sides = [
        {b"f": patch.Side(0o100644, bytes([len(lines[0])]) * 20, partial(b"".join, lines))} for lines in (before, after)
    ]
    sides[1][b"f"] = patch.Side(0o100644, b"2" * 20, sides[1][b"f"].read)
    assert sum(1 for _ in patch.patch(*sides)) > 10_000


def test_dot_git_that_is_nothing(tmp_path: Path) -> None:
    """As git: it is not the repository around it that was meant."""
    base(tmp_path / "outer")
    place = tmp_path / "outer" / "inner"
    place.mkdir()
    os.mkfifo(place / ".git")
    with pytest.raises(errors.RefusedRepository, match="neither a repository nor a file that says where one is"):
        jellyformat.snapshot(place)
    (place / ".git").unlink()
    (place / ".git").write_text("nothing")
    with pytest.raises(errors.RefusedRepository, match="neither a repository nor a file that says where one is"):
        jellyformat.snapshot(place)
    (place / ".git").unlink()
    (place / ".git").symlink_to(".git")
    with pytest.raises(errors.SystemFailure, match="cannot be read: Too many levels of symbolic links"):
        jellyformat.snapshot(place)


def test_head_that_is_a_link(tmp_path: Path) -> None:
    """As git made it before 2005, and takes it still."""
    repo = base(tmp_path / "repo")
    expected = jellyformat.snapshot(repo.path).id
    (repo.path / ".git/HEAD").unlink()
    (repo.path / ".git/HEAD").symlink_to("refs/heads/main")
    assert repo.git("symbolic-ref", "HEAD").strip() == b"refs/heads/main"
    assert jellyformat.snapshot(repo.path).id == expected


def test_messages_say_nothing_of_what_is_linked(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    (tmp_path / "secret").write_bytes(b"canary: private\n")
    for name in ("HEAD", "refs/heads/main", "packed-refs", "shallow", "MERGE_HEAD", "config", "index", "commondir"):
        path = repo.path / ".git" / name
        content = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        path.symlink_to(tmp_path / "secret")
        try:
            jellyformat.snapshot(repo.path)
        except errors.JellyError as error:
            said = f"{error.message} {error.hint}"
            assert "canary" not in said
        path.unlink()
        if content is not None:
            path.write_bytes(content)


def test_commits_and_trees_of_the_wrong_kind(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    for kind in (BLOB, TREE, COMMIT):
        content = b"x" if kind == BLOB else b""
        oid = object_id(kind, content)
        names = {BLOB: b"blob", TREE: b"tree", COMMIT: b"commit"}
        loose(repo.path / ".git/objects", oid, zlib.compress(names[kind] + b" %d\0" % len(content) + content))
        (repo.path / ".git/refs/heads/main").write_bytes(oid.hex().encode() + b"\n")
        with pytest.raises(errors.JellyError):
            jellyformat.snapshot(repo.path)


def test_git_still_reads_what_we_were_given(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    jellyformat.snapshot(repo.path)
    assert git(repo.path, "fsck", "--strict") is not None

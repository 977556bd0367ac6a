"""What is fuzzed: each target takes bytes, and raises what is no error of ours, or finds a property broken."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import craft
import mending
import plain
import plans
import tables

import jellyformat
from jellyformat.cli import timeline
from jellyformat.cli.log import as_dict
from jellyformat.compat.jellyml import convert
from jellyformat.errors import JellyError
from jellyformat.fleet import index
from jellyformat.format import manifest, records
from jellyformat.format.container import Container
from jellyformat.format.objects import object_id
from jellyformat.format.source import BytesSource, read_all
from jellyformat.git.attributes import Attributes
from jellyformat.git.config import parse_config
from jellyformat.git.ignore import Ignore
from jellyformat.git.index import parse_index
from jellyformat.git.packs import BadPack, apply_delta, delta_sizes, entry_head
from jellyformat.git.write import format_index
from jellyformat.hosts import registry
from jellyformat.hosts.weights import Stream, WeightsAdapter

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "conformance" / "vectors"
CORPUS = Path(__file__).parent / "corpus"
_SMALL = 1 << 14
BOX = plans.make_container(400, 7)


@dataclass(frozen=True)
class Target:
    """Something that is fuzzed.

    Attributes:
        run: Takes bytes; raises for a fault.
        seeds: What is begun with.
        allowed: What it may raise.
        words: What the fuzzer puts anywhere.
    """

    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    allowed: tuple[type[BaseException], ...] = field(default=(JellyError,))
    words: tuple[bytes, ...] = ()

    def __call__(self, data: bytes) -> None:
        """Run it once; what is raised beyond is a fault."""
        with suppress(*self.allowed):
            self.run(data)


def vectors(*names: str) -> Iterator[bytes]:
    """The small files of areas of the conformance suite."""
    for name in names:
        for path in sorted((VECTORS / name).iterdir()):
            if path.suffix != ".json" and path.stat().st_size <= _SMALL:
                yield path.read_bytes()


# -- the format --------------------------------------------------------------------------------------------------------


def check_container(data: bytes) -> None:
    """A container, raw or with its hashes mended: read, verified, and given out again as it is."""
    box = data[1:] if data[:1] == b"\1" else mending.container(data[1:])
    report = jellyformat.verify(io.BytesIO(box))
    if report.error is not None:
        return
    with Container(BytesSource(box)) as opened:
        assert opened.to_bytes() == box
        for file in opened.files():
            assert len(opened.read(file.path)) == file.size


def container_seeds() -> Iterator[bytes]:
    good = craft.assemble(*craft.good())
    yield b"\1" + good
    yield b"\0" + mending.apart(good)
    for box in vectors("state", "records", "objects"):
        with suppress(Exception):
            yield b"\0" + mending.apart(box)


def check_manifest(data: bytes) -> None:
    """One encoding of one value: what is read is written as it was."""
    assert manifest.encode(manifest.decode(data)) == data


def manifest_seeds() -> Iterator[bytes]:
    for seed in container_seeds():
        if seed[:1] == b"\0":
            yield next(mending.split(seed[1:]))


def check_records(data: bytes) -> None:
    """As many records as the first byte says."""
    found = list(records.read_records(data[1:], data[0] if data else 0, 20))
    assert b"".join(records.format_record(record) for record in found) == data[1:]
    for record in found:
        if isinstance(record, records.ObjectRecord):
            object_id(record.kind, record.content)


def record_seeds() -> Iterator[bytes]:
    _, made = craft.good()
    yield bytes((len(made),)) + b"".join(records.format_record(record) for record in made)


# -- hosts -------------------------------------------------------------------------------------------------------------


def check_host(name: str, data: bytes) -> None:
    """A host: looked into, weighed, embedded into and stripped, which gives its bytes back."""
    adapter = next(item for item in registry.adapters() if item.name == name)
    source = BytesSource(data)
    if not adapter.matches(source):
        return
    carried = adapter.find(source)
    if carried is not None:
        carried.container.read_at(0, 4096)
    if isinstance(adapter, WeightsAdapter):
        with suppress(JellyError):
            told = adapter.weights(source, carried)
            for weight in () if told is None else islice(told[1], 1000):
                content = weight.content
                next(content.pieces(_SMALL), b"") if isinstance(content, Stream) else content.read_at(0, _SMALL)
    made = plans.applied(data, adapter.plan_embed(source, BOX))
    own: bytes | None = data
    if carried is not None:
        own = None
        with suppress(JellyError):
            own = plans.applied(data, adapter.plan_strip(source, carried))
            assert carried.host_length in (None, len(own)), "strip gives more or less back"
    try:  # from here on, nothing may be refused
        inside = adapter.find(BytesSource(made))
        assert inside is not None, "embedded, and not found"
        assert read_all(inside.container) == BOX
        stripped = plans.applied(made, adapter.plan_strip(BytesSource(made), inside))
    except JellyError as error:
        raise AssertionError(f"embedded, and then: {error}") from error
    assert own is None or stripped == own, "strip gives other bytes back"


HOSTS = ("torch", "zip", "npz", "safetensors", "hdf5", "gguf", "onnx", "flax", "trailer")
_AREAS = {"torch": ("zip", "trailer"), "zip": ("zip",), "npz": (), "flax": ("flax", "msgpack")}


def host_seeds(name: str) -> Iterator[bytes]:
    yield from vectors(*_AREAS.get(name, (name,)))
    if name == "npz":
        file = io.BytesIO()
        plain.save_npz(file, w=(1.0, 2.0), b=())
        yield file.getvalue()


# -- what git and other tools wrote ------------------------------------------------------------------------------------

PATHS = (b"some/long/path.txt", b"a", b".git", b"d/[x]\xff")
READERS: tuple[Callable[[bytes], object], ...] = (
    lambda data: parse_index(data + hashlib.sha1(data).digest(), 20),
    lambda data: parse_config(data, "config"),
    lambda data: check_ignore(data, fold_case=False),
    lambda data: [Attributes(lambda path: data).of(path) for path in PATHS],
    lambda data: check_delta(data[:64], data[64:]),
    lambda data: entry_head(data, 0, 20),
    lambda data: check_ignore(data, fold_case=True),
)


def check_ignore(data: bytes, *, fold_case: bool) -> None:
    """Rules that stand in each directory, and in the user's own file."""
    ignore = Ignore(lambda path: data, (data,), fold_case=fold_case)
    for path in PATHS:
        for directory in (False, True):
            ignore.matches(path, directory=directory)


def check_delta(base: bytes, delta: bytes) -> None:
    """What a delta makes has the size that it says."""
    assert len(apply_delta(base, delta)) == delta_sizes(delta)[1]


def check_git(data: bytes) -> None:
    """One of git's files, by the first byte; an index with its checksum mended."""
    READERS[data[0] % len(READERS) if data else 0](data[1:])


def git_seeds() -> Iterator[bytes]:
    yield b"\0" + format_index([], "sha1")[:-20]
    yield b'\1[remote "origin"]\n\turl = x ; y\n\tfetch = +a:b\\\n c\n[include]\npath="z\\n"\n'
    for number in (2, 3, 6):
        yield bytes((number,)) + b"*.py\n!/a/**/b[!x-z]?\\ \n#c\n**/d/\n[[:alpha:]]* text=auto -diff eol=lf\n"
    yield b"\4" + bytes(64) + b"\x40\x03\x91\x00\x02\x01a"
    yield b"\5\x95\x0a"


def check_legacy(data: bytes) -> None:
    """A snapshot of jellyml's, raw or in a pack that fits: what it is read as is a container without a fault."""
    record = data[1:] if data[:1] == b"\1" else mending.legacy(data[1:])
    report = jellyformat.verify(io.BytesIO(convert(record)))
    assert report.ok, report.error


def legacy_seeds() -> Iterator[bytes]:
    text = b"tree " + b"0" * 40 + b"\nauthor A <a@b> 5 +0100\ncommitter A <a@b> 1700000000 -0130\n\nhello\n"
    seed = b"\0" + mending.join((b"\0" + text, b"\x01100644 a.py\0" + bytes(20), b"\x02print()\n"))
    assert jellyformat.verify(io.BytesIO(convert(mending.legacy(seed[1:])))).ok
    yield seed
    yield b"\1" + mending.legacy(seed[1:])


# -- restore -----------------------------------------------------------------------------------------------------------


@cache
def pristine() -> tuple[tuple[str, bytes | None], ...]:
    """A repository with a file of its own, and what lies beside it: the content of each file, None of a directory."""
    with tempfile.TemporaryDirectory(prefix="jelly-fuzz-") as name:
        top = Path(name)
        (top / "canary").write_bytes(b"canary")
        (top / "x.jelly").write_bytes(craft.assemble(*craft.good()))
        jellyformat.restore(top / "x.jelly", top / "r")
        (top / "r" / "mine.txt").write_bytes(b"mine")
        shutil.rmtree(top / "r" / ".git" / "jellyformat", ignore_errors=True)
        paths = sorted(top.rglob("*"))
        return tuple((str(path.relative_to(top)), None if path.is_dir() else path.read_bytes()) for path in paths)


@contextmanager
def pristine_copy() -> Iterator[Path]:
    """A directory with a repository and files around it that nobody may touch."""
    with tempfile.TemporaryDirectory(prefix="jelly-fuzz-") as name:
        top = Path(name)
        for path, content in pristine():
            (top / path).mkdir() if content is None else (top / path).write_bytes(content)
        yield top


def image(top: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of all files below, but for what jellyformat keeps, and for objects."""
    found: dict[str, tuple[int, bytes]] = {}
    for above, folders, names in os.walk(top):
        folders[:] = [name for name in folders if (name not in ("objects", "jellyformat") or ".git" not in above)]
        for name in (*names, *folders):
            path = Path(above, name)
            content = (
                os.fsencode(os.readlink(path)) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
            )
            found[str(path.relative_to(top))] = path.lstat().st_mode, content
    return found


def check_restore(data: bytes) -> None:
    """A crafted tree restored over a repository and undone: nothing outside is touched, and all is as it was."""
    with pristine_copy() as top:
        (top / "y.jelly").write_bytes(mending.leaves(data))
        before = image(top)
        try:
            jellyformat.restore(top / "y.jelly", top / "r")
        except JellyError:
            after = image(top)
            assert after == before, f"refused, and not as it was: {changed(before, after)}"
            raise
        after = image(top)
        outside = [path for path in changed(before, after) if not path.startswith("r/")]
        assert not outside, f"outside of the repository: {outside}"
        inside = [path for path in changed(before, after) if path.startswith(("r/.git/hooks", "r/.git/config"))]
        assert not inside, f"in .git: {inside}"
        jellyformat.undo(top / "r")
        again = image(top)
        assert _plain(again) == _plain(before), f"undone, and not as it was: {changed(_plain(before), _plain(again))}"


def _plain(found: dict[str, tuple[int, bytes]]) -> dict[str, tuple[int, bytes]]:
    """Without what changes with every look: the times in an index, git's log."""
    return {path: item for path, item in found.items() if path != "r/.git/index" and "/.git/logs" not in path}


def changed(one: dict[str, tuple[int, bytes]], two: dict[str, tuple[int, bytes]]) -> list[str]:
    return sorted(path for path in one.keys() | two.keys() if one.get(path) != two.get(path))


def restore_seeds() -> Iterator[bytes]:
    yield mending.leaf_parts({b"a.py": b"1\n", b"src/b.py": b"2\n", b".gitignore": b"*.o\n"})
    yield mending.join((b"\2link\0../canary", b"\0up/../../x\0y", b"\1.git/config\0[core]\n"))
    yield mending.join((b"\2d\0..", b"\0d/x\0y"))


# -- capture -----------------------------------------------------------------------------------------------------------


def check_repository(data: bytes) -> None:
    """A repository some of whose files were made up is captured, which changes nothing and gives what verifies."""
    with pristine_copy() as top:
        for name, content in mending.repository(data):
            path = top / "r" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        before = image(top)
        try:
            taken = jellyformat.snapshot(top / "r", environment=False, secrets="allow").to_bytes()
        finally:
            after = image(top)
            assert after == before, f"captured, and not as it was: {changed(before, after)}"
        report = jellyformat.verify(io.BytesIO(taken))
        assert report.ok, report.error


def repository_seeds() -> Iterator[bytes]:
    files = dict(pristine())
    for number, name in enumerate(mending.FILES):
        content = files.get(f"r/{name}") or b""
        yield mending.join((bytes((number,)) + (content[:-20] if name == ".git/index" else content),))
    oid = (files["r/.git/HEAD"] or b"").strip()
    branch = mending.part(".git/HEAD", b"ref: refs/heads/main\n")
    yield mending.join((branch, mending.part(".git/refs/heads/main", oid)))
    yield mending.join(
        (branch, mending.part(".git/packed-refs", b"# pack-refs with: peeled\n%s refs/heads/main\n" % oid))
    )
    yield mending.join((mending.part(".git/objects/info/alternates", b'../objects\n"a\\t"\n#c\n'),))
    yield mending.join((mending.part(".gitattributes", b"* text=auto\n*.py eol=crlf working-tree-encoding=UTF-16\n"),))
    yield mending.join((mending.part(".git/MERGE_HEAD", oid), mending.part(".git/shallow", oid)))
    yield mending.join((mending.part("src/.git", b"gitdir: ../.git\n"),))
    text = b"tree " + b"0" * 40 + b"\nauthor A <a@b> 5 +0100\ncommitter A <a@b> 1700000000 -0130\n\nhello\n"
    parts = (b"\0" + text, b"\x01100644 a.py\0" + bytes(20), b"\x02print()\n")
    yield mending.join(bytes((len(mending.FILES),)) + part for part in parts)


# -- many checkpoints --------------------------------------------------------------------------------------------------

_INDEX_BYTES = 256 << 20
"""For a part of an index: less than the fuzzer has."""


def check_index(data: bytes) -> None:
    """An index, raw or from the values of its columns: what is read is written again, and shown without controls."""
    made = data[1:] if data[:1] == b"\1" else tables.index_of(data[1:])
    with tempfile.TemporaryDirectory(prefix="jelly-fuzz-") as name, patch.object(index, "_MEMORY", _INDEX_BYTES):
        one, two = Path(name, "one.parquet"), Path(name, "two.parquet")
        one.write_bytes(made)
        found = index.read(one)
        index.write(two, found)
        again = index.read(two)
        assert repr(again) == repr(found), "it is written, and read as another one"
        entries = jellyformat.log(one)
        assert len(entries) <= len(found.rows)
        for line in (
            *timeline.plain(entries, timeline.Shown()),
            *timeline.table(entries, timeline.Shown(), colour=False),
        ):
            assert all(char.isprintable() or char == "\t" for char in line), f"it reaches a terminal: {line!r}"
        json.dumps([as_dict(entry) for entry in entries])


TARGETS: dict[str, Target] = {
    "container": Target(check_container, container_seeds),
    "manifest": Target(check_manifest, manifest_seeds),
    "records": Target(check_records, record_seeds),
    **{name: Target(partial(check_host, name), partial(host_seeds, name)) for name in HOSTS},
    "git": Target(check_git, git_seeds, (JellyError, BadPack, IndexError)),
    "legacy": Target(check_legacy, legacy_seeds, (JellyError, zlib.error)),
    "restore": Target(check_restore, restore_seeds),
    "repository": Target(check_repository, repository_seeds),
    "index": Target(check_index, tables.seeds, words=tables.WORDS),
}


def corpus(name: str) -> Iterator[bytes]:
    """What is kept of a target's earlier finds."""
    place = CORPUS / name
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        yield path.read_bytes()

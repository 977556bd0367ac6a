"""Every file of our store, and beside hosts, as something else, and every command: nothing outside is touched.

One run takes a share of them, and every commit takes another; JELLYFORMAT_FULL=1 takes all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import forked
import images
import plain
import pytest
import test_mending
from sample import share
from states import base

import jellyformat
from jellyformat.checkout.store import Store
from jellyformat.cli.main import cli
from jellyformat.git.layout import find_repository

ROOT = os.geteuid() == 0
SHARES = 20
STORE = ".git/jellyformat"

Canaries = dict[str, tuple[object, ...]]


def look(top: Path) -> Canaries:
    """All below a directory: kind, mode, owner, times and content, so that the least touch shows."""
    found: Canaries = {}
    for above, folders, names in os.walk(top):
        for name in (".", *folders, *names):
            path = Path(above) / name
            seen = path.lstat()
            content = b""
            if stat.S_ISREG(seen.st_mode):
                content = path.read_bytes()
            elif stat.S_ISLNK(seen.st_mode):
                content = os.fsencode(path.readlink())
            found[str(path)] = (
                seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_nlink, content,
            )  # fmt: skip
    return found


@dataclass(frozen=True)
class Situation:
    """Who runs commands, and who owns the repository and all else."""

    user: int
    owner: int

    @property
    def environment(self) -> dict[str, str]:
        """Variables: in another user's repository one acts where one has said so."""
        if self.user == self.owner:
            return {}
        return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


@dataclass(frozen=True)
class Place:
    """A directory with a repository ``r`` that was restored into, checkpoints, and beside it what is not to be touched.

    Attributes:
        top: The directory.
        situation: Whose it is, and who runs commands.
    """

    top: Path
    situation: Situation

    @property
    def repository(self) -> Path:
        return self.top / "work" / "r"

    @property
    def store(self) -> Path:
        return self.repository / STORE

    @property
    def outside(self) -> Path:
        return self.top / "outside"

    def own(self) -> None:
        """Give all of it to its owner, and the store to the user who has restored."""
        if os.geteuid() == self.situation.user == self.situation.owner:
            return
        _give(self.top, self.situation.owner)
        _give(self.store, self.situation.user)

    def adopt(self) -> None:
        """As if the store had been here from the beginning."""
        with forked.acting_as(self.situation.user), pytest.MonkeyPatch.context() as patch:
            for name, value in self.situation.environment.items():
                patch.setenv(name, value)
            with Store(find_repository(self.repository)).locked(adopt=True):
                pass

    def canaries(self) -> tuple[Canaries, Canaries]:
        """What may not change."""
        return look(self.outside), look(self.top / "home")

    def run_all(self, commands: Sequence[tuple[str, ...]]) -> Iterator[forked.Done]:
        """Run commands."""
        return forked.run_all(
            self.top / "work", commands, user=self.situation.user, output=self.top / "output", look=self.canaries,
            environment=self.situation.environment,
        )  # fmt: skip


def _give(top: Path, owner: int) -> None:
    os.chown(top, owner, owner, follow_symlinks=False)
    if not top.is_symlink():
        for above, folders, names in os.walk(top):
            for name in (*folders, *names):
                os.chown(Path(above) / name, owner, owner, follow_symlinks=False)


def build(top: Path) -> None:
    """A repository with a history of restores, a second one, checkpoints."""
    repo = base(top / "work" / "r")
    work = top / "work"
    for number, name in enumerate(("x", "y")):
        repo.write("src/train.py", b"version %d\n" % number)
        repo.write(f"extra{number}.txt")
        (work / f"{name}.jelly").write_bytes(images.take(repo.path).data)
        repo.remove(f"extra{number}.txt")
    repo.write("mine.txt", b"mine\n")
    repo.write("gone/one.txt")
    repo.git("add", "mine.txt")
    for name in ("x", "y"):
        jellyformat.restore(work / f"{name}.jelly", repo.path)
        repo.write(f"since-{name}.txt", b"since\n")
    jellyformat.undo(repo.path)
    (work / "model.bin").write_bytes(test_mending.OLD)
    jellyformat.embed(work / "model.bin", jellyformat.load(work / "x.jelly"))
    plain.save_npz(work / "model.npz", a=range(9))
    jellyformat.embed(work / "model.npz", jellyformat.load(work / "x.jelly"))
    outside = top / "outside"
    other = base(outside / "other")
    other.append("README.md")
    (outside / "other/.git/index.lock").write_bytes(b"")
    (outside / "file").write_bytes(b"precious\n")
    (outside / "dir").mkdir()
    for name in ("0-1", "1-2", "new", "old", "kept", "state", "exclude", "record", "state.jelly", "1", "log", "home"):
        (outside / "dir" / name).write_bytes(b"precious\n")
    (outside / "dir/deep/states/7-7").mkdir(parents=True)
    (outside / "dir/deep/states/7-7/kept").write_bytes(b"precious\n")
    (top / "home").mkdir()
    (top / "home/.profile").write_bytes(b"precious\n")


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A directory that any user can look into; in memory, where there is one: what is written waits for no disk."""
    forked.import_all()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    place = Path(tempfile.mkdtemp(prefix="jellyformat-trust-", dir=memory))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def prepared(scratch: Path) -> Path:
    build(scratch / "prepared")
    own = Situation(os.geteuid(), os.geteuid())
    for number in range(2):  # so that all is imported before a child is another user
        place = placed(scratch / "prepared", scratch / "warm", own)
        if number:
            (place.store / "log").write_bytes(b"garbage")
            (place.top / "work" / ".model.npz.jelly-0123456789ab.tmp").mkdir()
        here = Path.cwd()
        os.chdir(place.top / "work")
        try:
            for command in _STORE_COMMANDS + _HOST_COMMANDS:
                with contextlib.suppress(jellyformat.JellyError):
                    cli.main(list(command), standalone_mode=False)
        finally:
            os.chdir(here)
        shutil.rmtree(place.top)
    return scratch / "prepared"


def placed(source: Path, target: Path, situation: Situation) -> Place:
    """A copy of what was prepared, as if it had been made there."""
    shutil.copytree(source, target, symlinks=True)
    place = Place(target, situation)
    place.own()
    place.adopt()
    return place


# -- every part as something else --------------------------------------------------------------------------------------


def _node(path: Path, kind: int, number: int) -> None:
    os.mknod(path, kind | 0o666, os.makedev(1, number))


def _socket(path: Path, place: Place) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _huge(path: Path, place: Place) -> None:
    with path.open("wb") as file:
        file.write(b"\x81")
        file.truncate(1 << 42)


def _linked_copy(path: Path, place: Place) -> None:
    """A link to what was there, which lies elsewhere now: it looks quite right."""
    aside = place.outside / "copy"
    if aside.is_dir() and not aside.is_symlink():
        path.symlink_to(aside)
        return
    path.symlink_to(place.outside / "file")


Plant = Callable[[Path, Place], None]


def _content(data: bytes) -> Plant:
    def plant(path: Path, place: Place) -> None:
        path.write_bytes(data)

    return plant


def _given_away(make: Plant) -> Plant:
    def plant(path: Path, place: Place) -> None:
        make(path, place)
        os.chown(path, 12345, 12345)

    return plant


KINDS: dict[str, Plant] = {
    "link to a file": lambda path, place: path.symlink_to(place.outside / "file"),
    "link to a directory": lambda path, place: path.symlink_to(place.outside / "dir"),
    "link to a repository": lambda path, place: path.symlink_to(place.outside / "other" / ".git"),
    "link to nothing": lambda path, place: path.symlink_to(place.outside / "nothing"),
    "link to itself": lambda path, place: path.symlink_to(path),
    "link to what it was": _linked_copy,
    "FIFO": lambda path, place: os.mkfifo(path),
    "socket": _socket,
    "huge": _huge,
    "garbage": _content(hashlib.sha512(b"x").digest() * 99),
    "empty": _content(b""),
    "directory": lambda path, place: path.mkdir(),
}
AS_ROOT: dict[str, Plant] = {
    "device": lambda path, place: _node(path, stat.S_IFCHR, 5),  # /dev/zero
    "somebody's": _given_away(_content(b"theirs\n")),
    "somebody's directory": _given_away(lambda path, place: path.mkdir()),
}
"""What only root can make."""

_STORE_COMMANDS = [
    ("history", "r"), ("snapshot", "--repo", "r", "-o", "s.jelly"), ("fix", "--dry-run", "r"), ("undo", "r"),
    ("redo", "r"), ("restore", "x.jelly", "r"), ("fix", "r"), ("fix", "--adopt", "r"), ("undo", "r"), ("history", "r"),
]  # fmt: skip
_HOST_COMMANDS = [
    ("show", "model.bin"), ("verify", "model.bin", "model.npz"), ("log", "."), ("fix", "--dry-run", "."),
    ("strip", "model.npz"), ("embed", "model.npz", "--from", "x.jelly"), ("strip", "model.bin"),
    ("embed", "model.bin", "--from", "x.jelly", "--replace"), ("show", "model.bin"), ("fix", "."), ("fix", "model.bin"),
]  # fmt: skip
STORE_PARTS = [
    "", "/lock", "/home", "/here", "/log", "/log.copy", "/journal", "/locks", "/token", "/keeps", "/pending", "/work",
    "/states", "/strays", "/log.tmp", "/journal.tmp", "/states/STATE", "/states/STATE/record",
    "/states/STATE/state.jelly", "/states/STATE/kept", "/states/STATE/kept/1",
]  # fmt: skip
GIT_PARTS = [
    ".git/refs/jellyformat", ".git/refs/jellyformat/state", ".git/refs/jellyformat/state/STATE", ".git/info",
    ".git/info/exclude", ".git/objects", ".git/objects/pack", ".git/shallow", ".git/index", ".git/index.lock",
    ".git/HEAD.lock", ".git.jelly-0123456789ab.tmp",
]  # fmt: skip
HOST_PARTS = [
    ".model.bin.jelly-journal", ".model.npz.jelly-journal", ".model.npz.jelly-0123456789ab.tmp", "model.bin.jelly",
    "model.npz.jelly", ".model.bin.jelly.jelly-0123456789ab.tmp", ".jelly-0123456789ab.tmp",
]  # fmt: skip
ME = os.geteuid()
SITUATIONS = {
    "one's own": Situation(ME, ME),
    **({"an ordinary user's own": Situation(forked.NOBODY, forked.NOBODY)} if ROOT else {}),
    **({"root in another's": Situation(ME, forked.NOBODY)} if ROOT else {}),
}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put(place: Place, part: str, kind: str, plant: Plant) -> None:
    """Put something in the place of a file."""
    state = sorted(path.name for path in (place.store / "states").iterdir())[0]
    path = place.top / "work" / part.replace("STATE", state)
    there = path.parent
    while not there.exists():
        there = there.parent
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link to what it was" and path.is_dir():
        shutil.copytree(path, place.outside / "copy", symlinks=True)
    remove(path)
    plant(path, place)
    while kind not in AS_ROOT and path != there and ROOT:
        os.chown(path, place.situation.owner, place.situation.owner, follow_symlinks=False)
        path = path.parent
    old = place.top / "work" / part
    if part.endswith(".tmp"):  # else it may be of a process that is at work
        os.utime(old, (1, 1), follow_symlinks=False)


def check(prepared: Path, scratch: Path, name: str, part: str, commands: list[tuple[str, ...]], number: int) -> None:
    """Every command, with each kind of thing at ``part``."""
    kinds = {**KINDS, **(AS_ROOT if ROOT else {})}
    for kind in share(list(kinds), SHARES, number):
        place = placed(prepared, scratch / "case", SITUATIONS[name])
        put(place, part, kind, kinds[kind])
        done = list(place.run_all(commands))
        for command, found in zip(commands, done, strict=False):
            case = f"{part} is {kind}, {name}: {command} → {found.code}\n{found.output}"
            assert 0 <= found.code <= 5, case
            assert "Traceback" not in found.output, case
            assert "memory" not in found.output, case
            assert found.untouched, case
            assert SITUATIONS[name].user == ME or not found.late, f"imported late: {found.late}; {case}"
        assert len(done) == len(commands)
        remove(place.top)


PARTS = [*(f"r/{STORE}{part}" for part in STORE_PARTS), *(f"r/{part}" for part in GIT_PARTS)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("part", PARTS)
def test_parts_of_the_store(part: str, name: str, prepared: Path, scratch: Path) -> None:
    number = PARTS.index(part) + 5 * list(SITUATIONS).index(name)
    check(prepared, scratch, name, part, _STORE_COMMANDS, number)


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("part", HOST_PARTS)
def test_parts_beside_hosts(part: str, name: str, prepared: Path, scratch: Path) -> None:
    number = HOST_PARTS.index(part) + 5 * list(SITUATIONS).index(name)
    check(prepared, scratch, name, part, _HOST_COMMANDS, number)


@pytest.mark.parametrize("name", SITUATIONS)
def test_where_all_is_as_it_was(name: str, prepared: Path, scratch: Path) -> None:
    """The commands do what they are for, in each situation: what is refused above is refused for what was put there."""
    for commands in (_STORE_COMMANDS, _HOST_COMMANDS):
        place = placed(prepared, scratch / "case", SITUATIONS[name])
        for command, done in zip(commands, place.run_all(commands), strict=True):
            assert (done.code, done.untouched) == (0, True), f"{command}: {done.output}"
        remove(place.top)

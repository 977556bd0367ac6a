"""A process that has imported all it needs and forks a child for each fault, which waits until strace has attached.

Run as ``python -m tests.faults.zygote``. For each line ``SCENARIO DIRECTORY`` on stdin it says the child's pid; at the
next line the child goes on, and its exit status is said: the exit code of the error, or -9 where it was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import saves

from jellyformat import snapshots
from jellyformat.errors import JellyError
from jellyformat.files.change import apply_plan, locked, repair
from jellyformat.files.journal import HostJournal
from jellyformat.files.newfile import write_new_file
from jellyformat.files.plans import Append, Copy, Rewrite, Truncate
from jellyformat.format.frames import format_header
from jellyformat.snapshots import Snapshot
from jellyformat.training.saving import save_beside

OLD = bytes(range(251)) * 80
OTHER = b"another file\n" * 100
# in the order that keeps a zip loadable: the end is staged behind a hole, then comes what goes into the hole
FRESH = Append(len(OLD), ((40_000, b"S" * 300), (len(OLD), b"C" * 15_000), (len(OLD) + 15_000, b"E" * 300)), 35_380)
REPLACE = Append(9_000, ((30_000, b"S" * 300), (9_000, b"C" * 9_000), (18_000, b"E" * 300)), 18_300)
REWRITE = Rewrite((b"head" * 30, Copy(100, 15_000), b"middle", Copy(0, 20_080)))


@dataclass(frozen=True)
class Scenario:
    """Something to be broken off.

    Attributes:
        run: What the child does in a directory with ``host`` (OLD).
        changed: The file that changes.
        before: Its content before; None: there is none.
        after: Its content when all has gone well.
    """

    run: Callable[[Path], object]
    changed: str
    before: bytes | None
    after: bytes

    def prepare(self, directory: Path) -> None:
        """Make the directory's files."""
        (directory / "host").write_bytes(OLD)
        if self.changed != "host" and self.before is not None:
            (directory / self.changed).write_bytes(self.before)


class BrokenOff(Scenario):
    """The host was half changed by a process that is dead."""

    def prepare(self, directory: Path) -> None:
        super().prepare(directory)
        with locked(directory / "host") as host:
            journal = HostJournal.begin(host.target, host.fd, REPLACE.keep)
            for offset, data in REPLACE.writes[:2]:
                os.pwrite(host.fd, data, offset)
            journal.close()


FRESH_DONE = OLD + b"C" * 15_000 + b"E" * 300
REPLACE_DONE = OLD[:9_000] + b"C" * 9_000 + b"E" * 300
REWRITE_DONE = b"head" * 30 + OLD[100:15_100] + b"middle" + OLD
NEW = [b"one" * 1000, b"two" * 1000]

SCENARIOS: dict[str, Scenario] = {
    "append": Scenario(lambda d: apply_plan(d / "host", FRESH), "host", OLD, FRESH_DONE),
    "replace": Scenario(lambda d: apply_plan(d / "host", REPLACE), "host", OLD, REPLACE_DONE),
    "truncate": Scenario(lambda d: apply_plan(d / "host", Truncate(9_000)), "host", OLD, OLD[:9_000]),
    "rewrite": Scenario(lambda d: apply_plan(d / "host", REWRITE), "host", OLD, REWRITE_DONE),
    "append-out": Scenario(lambda d: apply_plan(d / "host", FRESH, out=d / "out"), "out", None, FRESH_DONE),
    "rewrite-over": Scenario(
        lambda d: apply_plan(d / "host", REWRITE, out=d / "out", overwrite=True), "out", OTHER, REWRITE_DONE
    ),
    "new": Scenario(lambda d: write_new_file(d / "out", NEW), "out", None, b"".join(NEW)),
    "new-over": Scenario(lambda d: write_new_file(d / "out", NEW, overwrite=True), "out", OTHER, b"".join(NEW)),
    "recover": BrokenOff(lambda d: repair(d / "host"), "host", OLD, OLD),
}


def embed(directory: Path, *, in_place: bool) -> Callable[[], object]:
    """Putting the snapshot ``jelly`` into its host, whatever is there."""
    snap = Snapshot((directory / "jelly").read_bytes())
    return lambda: snapshots.embed(directory / "host", snap, replace=True, in_place=in_place)


def save(directory: Path) -> Callable[[], object]:
    """Saving a file that cannot carry the snapshot ``jelly``, over an older one that has another beside it."""
    snap = Snapshot((directory / "jelly").read_bytes())
    return lambda: save_beside(directory / "host", lambda path: Path(path).write_text(SAVED), snap, strict=True)


SAVED = '{"loss": [0.5, 0.25, 0.125]}\n' * 400

HOSTS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "embed": partial(embed, in_place=False),
    "strip": lambda d: partial(snapshots.strip, d / "host"),
    "embed-in-place": partial(embed, in_place=True),
    "strip-in-place": lambda d: partial(snapshots.strip, d / "host", in_place=True),
    "save": save,
    "mend-host": lambda d: partial(repair, d / "host"),
    **{f"save-{kind}": partial(saves.begin, kind) for kind in saves.SAVES},
}
"""What is done to a real checkpoint ``host`` with the container ``jelly``."""


def child(name: str, directory: str, ready: int, go: int) -> int:
    """Wait for the tracer, do it, and give the exit code."""
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER_ANY: strace is no parent of this
    place = Path(directory)
    action = HOSTS[name](place) if name in HOSTS else partial(SCENARIOS[name].run, place)
    os.write(ready, b"r")  # what was done to get ready is not to be traced
    os.read(go, 1)
    try:
        action()
    except JellyError as error:
        return error.exit_code
    return 0


def warm_up() -> None:
    """Import and load what is only loaded when it is needed: not each child is to do that anew."""
    container = format_header(b"frame", 1, 77) + b"frame"
    head = b'{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    hosts = (b"\x93NUMPY", b"PK\5\6" + bytes(18), len(head).to_bytes(8, "little") + head + b"1")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "jelly").write_bytes(container)
        for data in hosts:
            (directory / "host").write_bytes(data)
            for step in ("embed", "strip", "embed-in-place", "strip-in-place"):
                with contextlib.suppress(JellyError):
                    HOSTS[step](directory)()
            assert (directory / "host").read_bytes() == data


def main() -> None:
    """Serve until stdin ends."""
    warm_up()
    while line := sys.stdin.readline():
        name, directory = line.split()
        if name.startswith("save-"):  # once, and not in each child
            saves.warm_up(name.removeprefix("save-"))
        read, write = os.pipe()
        is_ready, ready = os.pipe()
        pid = os.fork()
        if not pid:
            code = 70
            try:
                os.close(write)
                code = child(name, directory, ready, read)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        os.close(read)
        os.close(ready)
        os.read(is_ready, 1)
        os.close(is_ready)
        print(pid, flush=True)
        sys.stdin.readline()
        os.write(write, b"g")
        os.close(write)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()

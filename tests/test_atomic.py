"""Changing files whole or not at all: results, refusals, journals and locks. Crashes are in faults/."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jellyformat.errors import Busy, NoFile, RefusedExists, RefusedHost, SystemFailure
from jellyformat.files import change as atomic
from jellyformat.files import journal, newfile, platform
from jellyformat.files.change import apply_plan, locked, repair
from jellyformat.files.journal import HostJournal, journal_path
from jellyformat.files.newfile import write_new_file
from jellyformat.files.plans import Append, Copy, Plan, Rewrite, Truncate

OLD = bytes(range(256)) * 40
ROOT = Path(__file__).parents[1]
APPEND = Append(10_000, ((12_000, b"staged"), (10_000, b"container" * 100), (10_900, b"end")), 10_903)
BACK = ((10_000, bytes(240)), (10_008, OLD[10_008:]), (10_000, OLD[10_000:10_008]))
ORDERED = Append(10_000, ((10_000, b"filler" * 100), (10_000, b"container" * 50)), 10_600, BACK)


def model(old: bytes, plan: Plan) -> bytes:
    """What a plan makes of a host, in memory."""
    if isinstance(plan, Rewrite):
        parts = (old[p.offset : p.offset + p.length] if isinstance(p, Copy) else p for p in plan.segments)
        return b"".join(parts)
    new = bytearray(old)
    if isinstance(plan, Append):
        if plan.back is not None:
            del new[plan.keep :]
        for offset, data in plan.writes:
            if data:
                new.extend(bytes(max(0, offset + len(data) - len(new))))
                new[offset : offset + len(data)] = data
    del new[plan.length :]
    return bytes(new) + bytes(plan.length - len(new))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    path.write_bytes(OLD)
    return path


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


@st.composite
def cases(draw: st.DrawFn) -> tuple[bytes, Plan]:
    old = draw(st.binary(max_size=200))
    kind = draw(st.sampled_from(["append", "truncate", "rewrite"]))
    if kind == "truncate":
        return old, Truncate(draw(st.integers(0, len(old))))
    if kind == "append":
        keep = draw(st.integers(0, len(old)))
        writes = draw(st.lists(st.tuples(st.integers(keep, 500), st.binary(max_size=60)), max_size=4))
        back = draw(st.sampled_from([None, ((keep, old[keep:]),)]))
        return old, Append(keep, tuple(writes), draw(st.integers(keep, 600)), back)
    copies = st.integers(0, len(old)).flatmap(
        lambda offset: st.integers(0, len(old) - offset).map(lambda length: Copy(offset, length))
    )
    return old, Rewrite(tuple(draw(st.lists(st.one_of(st.binary(max_size=50), copies), max_size=6))))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_as_in_memory(tmp_path: Path, case: tuple[bytes, Plan]) -> None:
    old, plan = case
    path, out = tmp_path / "h", tmp_path / "out"
    path.write_bytes(old)
    out.unlink(missing_ok=True)
    apply_plan(path, plan, out=out)
    assert out.read_bytes() == model(old, plan)
    assert path.read_bytes() == old
    apply_plan(path, plan)
    assert path.read_bytes() == model(old, plan)
    assert names(tmp_path) == ["h", "out"]


def test_writes_are_in_order_and_synced(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order keeps zips loadable at every instant; a sync after each write keeps the order on the disk."""
    inode, calls = host.stat().st_ino, list[tuple[str, int]]()
    pwrite, fsync, ftruncate = os.pwrite, os.fsync, os.ftruncate

    def record(name: str, fd: int, number: int) -> None:
        info = os.fstat(fd)
        kind = "host" if info.st_ino == inode else "directory" if stat.S_ISDIR(info.st_mode) else "journal"
        calls.append((f"{name} {kind}", number))

    def fake_pwrite(fd: int, data: bytes, offset: int) -> int:
        record("write", fd, offset)
        return pwrite(fd, data, offset)

    def fake_fsync(fd: int) -> None:
        record("sync", fd, 0)
        fsync(fd)

    def fake_ftruncate(fd: int, length: int) -> None:
        record("cut", fd, length)
        ftruncate(fd, length)

    monkeypatch.setattr(os, "pwrite", fake_pwrite)
    monkeypatch.setattr(os, "fsync", fake_fsync)
    monkeypatch.setattr(os, "ftruncate", fake_ftruncate)
    apply_plan(host, APPEND)
    first = next(i for i, call in enumerate(calls) if call[0] == "write host")
    assert [name for name, _ in calls[:first]][-2:] == ["sync journal", "sync directory"]
    assert calls[first : first + 8] == [
        ("write host", 12_000), ("sync host", 0), ("write host", 10_000), ("sync host", 0),
        ("write host", 10_900), ("sync host", 0), ("cut host", 10_903), ("sync host", 0),
    ]  # fmt: skip
    assert [name for name, _ in calls[first + 8 :]] == ["write journal", "sync journal", "sync directory"]
    host.write_bytes(OLD)
    calls.clear()
    apply_plan(host, ORDERED)
    first = next(i for i, call in enumerate(calls) if call[0] == "cut host")
    assert [name for name, _ in calls[:first]][-2:] == ["sync journal", "sync directory"]
    assert calls[first : first + 8] == [
        ("cut host", 10_000), ("sync host", 0), ("write host", 10_000), ("sync host", 0),
        ("write host", 10_000), ("sync host", 0), ("cut host", 10_600), ("sync host", 0),
    ]  # fmt: skip
    host.write_bytes(OLD)
    broken_off(host, plan=ORDERED)
    calls.clear()
    repair(host)
    way_back = [
        ("cut host", 10_000), ("sync host", 0), ("write host", 10_000), ("sync host", 0),
        ("write host", 10_008), ("sync host", 0), ("write host", 10_000), ("sync host", 0),
    ]  # fmt: skip
    assert calls[:-1] == way_back

    def failing_pwrite(fd: int, data: bytes, offset: int) -> int:
        if bytes(data[:9]) == b"container":
            raise OSError(errno.EIO, "broken")
        return fake_pwrite(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", failing_pwrite)
    calls.clear()
    with pytest.raises(SystemFailure):
        apply_plan(host, ORDERED)
    assert calls[-9:-1] == way_back
    assert host.read_bytes() == OLD


@pytest.mark.parametrize("what", ["rewrite", "out", "over", "new"])
def test_new_files_are_synced_before_they_have_their_name(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """After a power loss a name must not stand for an empty file."""
    calls: list[str] = []
    fsync, replace, hardlink_to = os.fsync, Path.replace, Path.hardlink_to

    def fake_fsync(fd: int) -> None:
        calls.append("sync directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def fake_replace(path: Path, target: Path) -> Path:
        calls.append("name")
        return replace(path, target)

    def fake_link(path: Path, target: Path) -> None:
        if ".jelly-" in target.name:  # else it is the old file's second name
            calls.append("name")
        hardlink_to(path, target)

    monkeypatch.setattr(os, "fsync", fake_fsync)
    monkeypatch.setattr(Path, "replace", fake_replace)
    monkeypatch.setattr(Path, "hardlink_to", fake_link)
    out = tmp_path / "out"
    if what == "rewrite":
        apply_plan(host, Rewrite((b"new",)))
    elif what == "new":
        write_new_file(out, [b"new"])
    else:
        if what == "over":
            out.write_bytes(b"old")
        apply_plan(host, APPEND, out=out, overwrite=True)
    assert calls == ["sync file", "name", "sync directory"]


def test_in_place_keeps_the_inode_and_rewrite_the_rest(host: Path) -> None:
    host.chmod(0o640)
    inode = host.stat().st_ino
    apply_plan(host, APPEND)
    apply_plan(host, Truncate(10_000))
    assert host.stat().st_ino == inode
    apply_plan(host, Rewrite((b"new", Copy(5, 10))))
    assert host.read_bytes() == b"new" + OLD[5:15]
    assert stat.S_IMODE(host.stat().st_mode) == 0o640


def test_rewrite_keeps_extended_attributes(host: Path, tmp_path: Path) -> None:
    try:
        os.setxattr(host, "user.note", b"kept")
    except OSError:
        pytest.skip("the filesystem of the tests has no extended attributes; choose another with --basetemp")
    apply_plan(host, Rewrite((b"new",)), out=tmp_path / "out")
    apply_plan(host, Rewrite((b"new",)))
    assert os.getxattr(host, "user.note") == b"kept"
    assert os.getxattr(tmp_path / "out", "user.note") == b"kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_rewrite_keeps_the_owner(host: Path) -> None:
    os.chown(host, 1234, 4321)
    host.chmod(0o2750)
    apply_plan(host, Rewrite((b"new",)))
    info = host.stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (1234, 4321, 0o2750)


def test_symbolic_link(host: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "last.pt"
    link.symlink_to("../model.pt")
    for plan in (APPEND, Rewrite((b"new",))):
        before = host.read_bytes()
        apply_plan(link, plan)
        assert link.is_symlink()
        assert host.read_bytes() == model(before, plan)
    assert names(tmp_path / "elsewhere") == ["last.pt"]


def test_hard_links(host: Path, tmp_path: Path) -> None:
    (tmp_path / "other").hardlink_to(host)
    for plan in (APPEND, Truncate(3), Rewrite((b"new",))):
        with pytest.raises(RefusedHost, match="hard links"):
            apply_plan(host, plan)
    assert host.read_bytes() == OLD
    assert host.samefile(tmp_path / "other")
    apply_plan(host, Rewrite((b"new",)), out=tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"new"


@pytest.mark.parametrize(
    "plan",
    [
        Append(10_241, (), 10_241),
        Append(-1, (), 5),
        Append(100, ((99, b"x"),), 200),
        Append(100, (), 99),
        Append(100, (), 100, ()),
        Append(100, (), 100, ((99, OLD[99:]),)),
        Append(100, (), 100, ((100, OLD[100:-1]),)),
        Truncate(10_241),
        Truncate(-1),
        Rewrite((Copy(0, 10_241),)),
        Rewrite((Copy(-1, 1),)),
        Rewrite((Copy(5, -1),)),
    ],
)
def test_plan_that_does_not_fit(host: Path, plan: Plan, tmp_path: Path) -> None:
    for out in (None, tmp_path / "out"):
        with pytest.raises(RefusedHost, match="does not fit"):
            apply_plan(host, plan, out=out)
    assert host.read_bytes() == OLD
    assert names(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("plan", [APPEND, Truncate(5), Rewrite((b"new",))])
def test_changed_meanwhile(host: Path, tmp_path: Path, plan: Plan) -> None:
    for change in ("content", "length", "replaced", "gone"):
        host.write_bytes(OLD)
        with locked(host) as opened:
            if change == "content":
                os.utime(host, ns=(1, 1))
            elif change == "length":
                os.truncate(host, 10_001)
            elif change == "replaced":
                (tmp_path / "n").write_bytes(OLD)
                (tmp_path / "n").replace(host)
            else:
                host.unlink()
            before = host.read_bytes() if host.exists() else None
            for out in (None, tmp_path / "out"):
                with pytest.raises(Busy, match="meanwhile"):
                    opened.apply(plan, out=out)
        assert (host.read_bytes() if host.exists() else None) == before
        assert names(tmp_path) == ([] if before is None else ["model.pt"])


@pytest.mark.parametrize("change", ["behind", "own", "anew", "replaced", "gone"])
def test_changed_while_it_is_appended_to(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """What somebody else writes between two of our writes is not touched, and the change is not said to be done."""
    calls = 0

    def meanwhile(fd: int) -> None:
        nonlocal calls
        platform.sync(fd)
        calls += 1
        if calls != 1:
            return
        if change == "replaced":
            (tmp_path / "n").write_bytes(b"theirs")
            (tmp_path / "n").replace(host)
        elif change == "gone":
            host.unlink()
        else:
            with host.open("wb" if change == "anew" else "rb+") as file:
                file.seek(0, os.SEEK_END if change == "behind" else os.SEEK_SET)
                file.write(b"theirs")

    monkeypatch.setattr("jellyformat.files.inplace.sync", meanwhile)
    with pytest.raises(Busy, match="somebody else wrote") as caught:
        apply_plan(host, Append(len(OLD), ((len(OLD), b"ours" * 10),), len(OLD) + 40))
    assert "was not touched" in (caught.value.hint or "")
    assert calls == 1
    found = host.read_bytes() if change != "gone" else b""
    expected = {
        "behind": OLD + b"ours" * 10 + b"theirs",
        "own": b"theirs" + OLD[6:] + b"ours" * 10,
        "anew": b"theirs",
        "replaced": b"theirs",
        "gone": b"",
    }
    assert found == expected[change]
    assert names(tmp_path) == ([] if change == "gone" else ["model.pt"])
    if change != "gone":
        assert repair(host) is None
        assert host.read_bytes() == found


def test_out(host: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_bytes(b"mine")
    out.chmod(0o600)
    with pytest.raises(RefusedExists, match="exists already"):
        apply_plan(host, APPEND, out=out)
    assert out.read_bytes() == b"mine"
    apply_plan(host, APPEND, out=out, overwrite=True)
    assert out.read_bytes() == model(OLD, APPEND)
    assert names(tmp_path) == ["model.pt", "out"]
    (tmp_path / "same").symlink_to("model.pt")
    for same in (host, tmp_path / "same"):
        with pytest.raises(RefusedExists, match="itself"):
            apply_plan(host, APPEND, out=same, overwrite=True)
        with pytest.raises(RefusedExists, match="exists already"):
            apply_plan(host, APPEND, out=same)
    assert host.read_bytes() == OLD
    with pytest.raises(SystemFailure, match=r"directory .*nowhere does not exist"):
        apply_plan(host, APPEND, out=tmp_path / "nowhere" / "out")


def test_out_that_appears_meanwhile(tmp_path: Path) -> None:
    """The name is taken while the content is still being made: what is there stays."""
    path = tmp_path / "new"

    def data() -> Iterator[bytes]:
        yield b"one"
        path.write_bytes(b"somebody's")

    with pytest.raises(RefusedExists):
        write_new_file(path, data())
    assert path.read_bytes() == b"somebody's"
    assert names(tmp_path) == ["new"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """Devices and pipes. A pipe of our own here: a test that fails must not replace the system's devices."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("pipe")
    for overwrite in (False, True):
        for path in (pipe, link):
            with pytest.raises(RefusedExists):
                write_new_file(path, [b"x"], overwrite=overwrite)
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_without_hard_links(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_new_file(tmp_path / "a", [b"1", b"2"])
    write_new_file(tmp_path / "a", [b"3"], overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"3"
    with pytest.raises(RefusedExists):
        newfile._link_new(host, tmp_path / "a")
    apply_plan(host, Rewrite((b"new",)))
    assert host.read_bytes() == b"new"
    assert names(tmp_path) == ["a", "model.pt"]


def test_without_copy_file_range(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: int) -> int:
        raise OSError(errno.EXDEV, "not here")

    monkeypatch.setattr(os, "copy_file_range", refuse, raising=False)
    monkeypatch.setattr(atomic, "_PIECE", 1000)
    plan = Rewrite((b"a", Copy(3, 5000), b"b", Copy(0, 10_240)))
    apply_plan(host, plan, out=tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == model(OLD, plan)


def test_copies_begin_with_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem that can share blocks between files shares whole ones only."""
    host, old = tmp_path / "host", random.Random(0).randbytes(20_000)
    host.write_bytes(old)
    copied: list[tuple[int, int, int]] = []
    copy = os.copy_file_range

    def fake(source: int, target: int, count: int, offset: int, at: int) -> int:
        copied.append((offset, at, count))
        return copy(source, target, count, offset, at)

    monkeypatch.setattr(os, "copy_file_range", fake)
    for head, offset, begin in ((b"h" * 8292, 100, 100), (b"h" * 8293, 100, 0), (b"h" * 50, 4146, 50), (b"", 0, 0)):
        copied.clear()
        plan = Rewrite((head, Copy(offset, 20_000 - offset)))
        apply_plan(host, plan, out=tmp_path / "out", overwrite=True)
        assert (tmp_path / "out").read_bytes() == head + old[offset:]
        assert copied[0] == (offset - begin, len(head) - begin, 20_000 - offset + begin)


def test_write_new_file(tmp_path: Path) -> None:
    path = tmp_path / "new"
    mask = os.umask(0o027)
    try:
        write_new_file(path, iter([b"a", b"", b"b" * 100_000]))
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"a" + b"b" * 100_000
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with pytest.raises(RefusedExists):
        write_new_file(path, [b"x"])
    path.chmod(0o604)
    write_new_file(path, [b"x"], overwrite=True)
    assert path.read_bytes() == b"x"
    assert stat.S_IMODE(path.stat().st_mode) == 0o604

    def failing() -> Iterator[bytes]:
        yield b"some"
        raise KeyboardInterrupt

    for target in (path, tmp_path / "other"):
        with pytest.raises(KeyboardInterrupt):
            write_new_file(target, failing(), overwrite=True)
    assert path.read_bytes() == b"x"
    assert names(tmp_path) == ["new"]


def test_long_names(tmp_path: Path) -> None:
    for name in ("n" * 255, "ü" * 127, os.fsdecode(b"\xff" * 255)):
        path = tmp_path / name
        write_new_file(path, [OLD])
        apply_plan(path, APPEND)
        apply_plan(path, Rewrite((b"new",)))
        assert path.read_bytes() == b"new"


def test_what_is_no_file(tmp_path: Path) -> None:
    for write in (True, False):
        with pytest.raises(NoFile, match="does not exist"), locked(tmp_path / "none", write=write):
            pass
        with pytest.raises(SystemFailure, match=r"directory|regular"), locked(tmp_path, write=write):
            pass
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SystemFailure, match="not a regular file"), locked(tmp_path / "fifo"):
        pass
    with pytest.raises(NoFile):
        repair(tmp_path / "none")


HOLD = """
import sys
from pathlib import Path
from jellyformat.files.change import locked
with locked(Path(sys.argv[1]), write=sys.argv[2] == "write"):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("first", "second", "busy"),
    [("write", True, True), ("write", False, True), ("read", True, True), ("read", False, False)],
)
def test_two_processes(host: Path, first: str, second: bool, busy: bool) -> None:
    command = [sys.executable, "-c", HOLD, str(host), first]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        if busy:
            with pytest.raises(Busy, match="another process"), locked(host, write=second):
                pass
        else:
            with locked(host, write=second) as opened:
                assert opened.source.read_at(0, 10) == OLD[:10]
        assert other.stdin is not None
        other.stdin.close()
    with locked(host, write=second):
        pass


def test_forked_process_does_not_hold_the_lock(host: Path) -> None:
    """Data loader workers, forked while a checkpoint was being embedded, live on."""
    read, write = os.pipe()
    with locked(host) as opened:
        pid = os.fork()
        if not pid:
            os.close(write)
            os.read(read, 1)
            os._exit(0)
        opened.apply(APPEND)
    try:
        apply_plan(host, Truncate(10_000))
    finally:
        os.close(write)
        os.close(read)
        os.waitpid(pid, 0)


def broken_off(host: Path, steps: int = 2, plan: Append = APPEND) -> Path:
    """As a process leaves it that dies after some writes."""
    with locked(host) as opened:
        book = HostJournal.begin(opened.target, opened.fd, plan.keep, plan.back)
        for offset, data in plan.writes[:steps]:
            os.pwrite(opened.fd, data, offset)
        book.close()
    return journal_path(host)


def test_recover(host: Path, tmp_path: Path) -> None:
    path = broken_off(host)
    assert host.read_bytes() != OLD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    done = repair(host)
    assert done is not None
    assert "broken off" in done
    assert host.read_bytes() == OLD
    assert names(tmp_path) == ["model.pt"]
    assert repair(host) is None


@pytest.mark.parametrize("write", [True, False])
def test_next_command_recovers(host: Path, write: bool) -> None:
    broken_off(host)
    with locked(host, write=write) as opened:
        assert opened.source.read_at(0, 1 << 20) == OLD
        assert (opened.repaired is not None) == write


@pytest.mark.parametrize("plan", [APPEND, ORDERED], ids=["any order", "ordered"])
def test_recover_of_a_long_tail(host: Path, plan: Append, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_PIECE", 7)
    broken_off(host, 3, plan)
    repair(host)
    assert host.read_bytes() == OLD


@pytest.mark.parametrize("plan", [APPEND, ORDERED], ids=["any order", "ordered"])
def test_torn_journal(host: Path, plan: Append) -> None:
    """A journal that is not whole was never acted upon: the host is not touched, whatever it looks like."""
    path = broken_off(host, plan=plan)
    whole, now = path.read_bytes(), host.read_bytes()
    for length in [*range(0, len(whole), 11), len(whole) - 1]:
        path.write_bytes(whole[:length])
        done = repair(host)
        assert done is not None
        assert "never finished" in done
        assert host.read_bytes() == now
        assert not path.exists()
    for place in range(len(whole) - 1):
        if place == 8:
            continue  # the version, below
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        repair(host)
        assert host.read_bytes() == now
    path.write_bytes(whole + b"\0")
    repair(host)
    assert host.read_bytes() == now
    path.write_bytes(whole)
    repair(host)
    assert host.read_bytes() == OLD


def test_journal_of_a_later_version(host: Path) -> None:
    path = broken_off(host)
    whole, now = path.read_bytes(), host.read_bytes()
    path.write_bytes(whole[:8] + b"\4" + whole[9:])
    with pytest.raises(RefusedHost, match="later version"):
        repair(host)
    assert path.exists()
    assert host.read_bytes() == now


def test_journal_that_is_done(host: Path) -> None:
    path = broken_off(host, 3)
    now = host.read_bytes()
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    done = repair(host)
    assert done is not None
    assert "completed" in done
    assert host.read_bytes() == now
    assert not path.exists()


@pytest.mark.parametrize("how", ["renamed over", "written anew", "written shorter", "one page"])
def test_host_replaced_after_the_crash(host: Path, tmp_path: Path, how: str) -> None:
    """A training that goes on has written its checkpoint again: nothing of the journal may reach it."""
    path = broken_off(host)
    new = {"written shorter": b"short", "one page": OLD[:9000] + b"?" + OLD[9001:]}.get(how, b"new" * 5000)
    if how == "renamed over":
        new = OLD
        new += b"x"  # the own bytes are the same, but it is another file
        (tmp_path / "n").write_bytes(new)
        (tmp_path / "n").replace(host)
    else:
        host.write_bytes(new)
    done = repair(host)
    assert done is not None
    assert "replaced" in done
    assert host.read_bytes() == new
    assert not path.exists()


def test_journal_of_a_living_process(host: Path, tmp_path: Path) -> None:
    """The host was renamed over while another process changes the old one: its journal stays."""
    with locked(host) as opened:
        book = HostJournal.begin(opened.target, opened.fd, APPEND.keep)
        (tmp_path / "n").write_bytes(b"new")
        (tmp_path / "n").replace(host)
        with pytest.raises(Busy):
            repair(host)
        assert book.path.exists()
        book.remove()
    assert names(tmp_path) == ["model.pt"]


def test_another_journal_is_not_removed(host: Path) -> None:
    with locked(host) as opened:
        book = HostJournal.begin(opened.target, opened.fd, APPEND.keep)
        book.path.unlink()
        book.path.write_bytes(b"another")
        book.remove()
    assert journal_path(host).read_bytes() == b"another"


def test_host_replaced_just_before_it_is_locked(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, new = platform.lock, tmp_path / "n"
    new.write_bytes(b"new")

    def replace_first(fd: int, *, shared: bool = False) -> bool:
        if new.exists():
            new.replace(host)
        return lock(fd, shared=shared)

    monkeypatch.setattr(atomic, "lock", replace_first)
    apply_plan(host, Append(3, ((3, b"tail"),), 7))
    assert host.read_bytes() == b"newtail"

    def replace_always(fd: int, *, shared: bool = False) -> bool:
        new.write_bytes(b"new")
        new.replace(host)
        return lock(fd, shared=shared)

    monkeypatch.setattr(atomic, "lock", replace_always)
    with pytest.raises(Busy, match="all the time"), locked(host):
        pass


def test_journal_that_is_not_ours(host: Path, tmp_path: Path) -> None:
    """Somebody who can write to the directory, but not to the host, must not reach the host."""
    path = broken_off(host)
    now = host.read_bytes()
    path.replace(tmp_path / "planted")
    path.symlink_to("planted")
    others: dict[str, Callable[[], object]] = {
        "link": lambda: None,
        "directory": path.mkdir,
        "FIFO": lambda: os.mkfifo(path),
        "second name": lambda: path.hardlink_to(tmp_path / "planted"),
        "somebody's notes": lambda: path.write_bytes(b"notes of mine"),
    }
    for kind, make in others.items():
        make()
        assert repair(host) is None, kind
        with pytest.raises(Busy, match="in the way"):
            apply_plan(host, APPEND)
        assert host.read_bytes() == now
        path.rmdir() if kind == "directory" else path.unlink()


def test_journal_made_to_do_harm(host: Path) -> None:
    """It has the number of the host and a right checksum, but its writes lie before the end of the host's own bytes,
    or say that they are longer than anything."""
    broken_off(host, plan=ORDERED)
    path, now = journal_path(host), host.read_bytes()
    fields = journal._HEAD.unpack(path.read_bytes()[: journal._HEAD.size])
    for place, length in ((0, 4), (fields[3] - 1, 4), (fields[3], 1 << 60), ((1 << 64) - 1, 4)):
        content = journal._HEAD.pack(*fields) + journal._WRITE.pack(place, length) + b"evil"
        path.write_bytes(content + hashlib.sha256(content).digest() + b"\0")
        done = repair(host)
        assert done is not None
        assert "never finished" in done
        assert host.read_bytes() == now


def test_journal_without_end(host: Path, tmp_path: Path) -> None:
    """Of another file, or larger than any: it is not read to its end."""
    path = broken_off(host)
    head, now = path.read_bytes()[: journal._HEAD.size], host.read_bytes()
    for inode, size in ((1, journal.LIMIT), (host.stat().st_ino, 1 << 43)):
        fields = list(journal._HEAD.unpack(head))
        fields[2], fields[4] = inode, fields[3] + size - journal._HEAD.size - journal._FOOT
        with path.open("wb") as file:
            file.write(journal._HEAD.pack(*fields))
            try:
                file.truncate(size)
            except OSError:
                pytest.skip("this filesystem has no such large files")
        done = repair(host)
        assert host.read_bytes() == now
        assert (done is None) == (size > journal.LIMIT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_journal_of_another_user(host: Path) -> None:
    path = broken_off(host)
    now = host.read_bytes()
    os.chown(path, 1234, 1234)
    assert repair(host) is None
    assert host.read_bytes() == now
    assert path.exists()


def test_interrupted(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at every sync: the old state, or the new one when all was done."""
    fsync, count, stop_at = os.fsync, 0, 0

    def interrupt(fd: int) -> None:
        nonlocal count
        count += 1
        if count == stop_at:
            raise KeyboardInterrupt
        fsync(fd)

    monkeypatch.setattr(os, "fsync", interrupt)
    old_tail = Append(5000, ((11_000, b"staged"), (5000, b"c" * 3000), (8000, b"end")), 8003)
    for plan in (APPEND, old_tail, Truncate(5000), Rewrite((b"new", Copy(0, 100)))):
        for stop_at in range(1, 100):  # noqa: B007
            host.write_bytes(OLD)
            count = 0
            try:
                apply_plan(host, plan)
            except KeyboardInterrupt:
                # an append is complete once its journal says so: only what tidies up was interrupted then
                assert host.read_bytes() in ((OLD, model(OLD, plan)) if isinstance(plan, Append) else (OLD,))
                assert names(tmp_path) == ["model.pt"]
            else:
                break
        assert stop_at > 1
        assert count < stop_at
        assert host.read_bytes() == model(OLD, plan)


def test_rolling_back_fails_too(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, inode, count = os.fsync, host.stat().st_ino, 0

    def fail(fd: int) -> None:
        nonlocal count
        if os.fstat(fd).st_ino == inode:
            count += 1
            if count > 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(SystemFailure, match="half changed") as caught:
            apply_plan(host, APPEND)
    assert f'jellyformat.fix("{host}")' in str(caught.value)
    assert f"jelly fix {host}" in str(caught.value.to_json()["hint"])
    assert journal_path(host).exists()
    repair(host)
    assert host.read_bytes() == OLD
    assert names(tmp_path) == ["model.pt"]


LIMITED = """
import resource, sys
from pathlib import Path
from jellyformat.files.change import apply_plan
from jellyformat.errors import SystemFailure
from jellyformat.files.plans import Append
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
try:
    apply_plan(Path(sys.argv[1]), Append(9_000, ((9_000, b"n" * 10_000),), 19_000))
except SystemFailure as error:
    print(error.message)
"""


def test_write_that_stops_half_way(host: Path, tmp_path: Path) -> None:
    """A real short write: the system takes 6,000 of 10,000 bytes and refuses the others."""
    command = [sys.executable, "-c", LIMITED, str(host)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "File too large" in done.stdout
    assert host.read_bytes() == OLD
    assert names(tmp_path) == ["model.pt"]


def test_temporary_files_of_the_dead_are_swept(host: Path, tmp_path: Path) -> None:
    dead = tmp_path / ".model.pt.jelly-0123456789ab.tmp"
    dead.write_bytes(b"half")
    second_name = tmp_path / ".model.pt.jelly-0123456789ac.tmp"
    second_name.hardlink_to(host)
    others = [tmp_path / ".model.pt2.jelly-0123456789ab.tmp", tmp_path / "model.pt.jelly-0123456789ab.tmp"]
    for other in others:
        other.write_bytes(b"")
    with newfile.temporary(host, 0o600) as (_, living):
        repair(host)
        assert living.exists()
    assert not dead.exists()
    assert not second_name.exists()
    dead.write_bytes(b"half")
    apply_plan(host, APPEND, out=tmp_path / "out")
    assert dead.exists(), "reading sweeps nothing"
    write_new_file(host, [OLD], overwrite=True)
    assert not dead.exists()
    assert all(other.exists() for other in others)
    assert host.read_bytes() == OLD


def test_import_is_light() -> None:
    heavy = ("numpy", "torch", "rich", "pygit2", "click")
    code = f"import sys, jellyformat.files.change; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("plan", [APPEND, ORDERED])
def test_a_file_that_nobody_has_seen_needs_no_journal(tmp_path: Path, plan: Append) -> None:
    with newfile.temporary_folder(tmp_path) as folder:
        for path in (folder / "model.pt", tmp_path / "model.pt"):
            path.write_bytes(OLD)
            journal_path(path).mkdir()  # so that there can be none
        apply_plan(folder / "model.pt", plan)
        assert (folder / "model.pt").read_bytes() == model(OLD, plan)
        with pytest.raises(Busy, match="is not a journal"):
            apply_plan(tmp_path / "model.pt", plan)
        assert (tmp_path / "model.pt").read_bytes() == OLD
    assert not newfile.is_held(folder)


def test_a_file_that_nobody_has_seen_is_put_back(disk_of: Callable[[str], Path]) -> None:
    """There is no room for all of it."""
    with newfile.temporary_folder(disk_of("1m")) as folder:
        path = folder / "model.pt"
        path.write_bytes(OLD)
        with pytest.raises(SystemFailure) as caught:
            apply_plan(path, Append(10_000, ((10_000, b"begin"), (10_005, bytes(2 << 20))), 10_005 + (2 << 20)))
        assert "the file is as it was" in str(caught.value.hint)
        assert path.read_bytes() == OLD

"""What killed processes leave beside the user's files: found, told, and mended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

from jellyformat.errors import Busy, NoFile
from jellyformat.files import newfile
from jellyformat.files.change import locked
from jellyformat.files.journal import HostJournal, journal_path
from jellyformat.files.plans import Append
from jellyformat.files.platform import directories
from jellyformat.fixing import Left, repair_files

OLD = bytes(range(256)) * 40
APPEND = Append(10_000, ((12_000, b"staged"), (10_000, b"container" * 100), (10_900, b"end")), 10_903)
KILLED_SAVE = """
    import os, signal, sys
    from jellyformat.training.saving import save_beside
    def write(path):
        with open(path, "wb") as file:
            file.write(b"half a checkpoint")
        if sys.argv[2] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        print("saving", flush=True)
        sys.stdin.readline()
    save_beside(sys.argv[1], write, None, strict=True)
"""


def broken_off(host: Path) -> None:
    """A change of ``host`` that stopped half way."""
    host.write_bytes(OLD)
    with locked(host) as opened:
        book = HostJournal.begin(opened.target, opened.fd, APPEND.keep)
        for offset, data in APPEND.writes[:2]:
            os.pwrite(opened.fd, data, offset)
        book.close()


def killed_save(target: Path) -> Path:
    """A framework's save call that was killed; the directory it was saving into."""
    before = set(target.parent.iterdir())
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED_SAVE), target, "kill"])
    assert done.returncode == -signal.SIGKILL
    (folder,) = set(target.parent.iterdir()) - before
    return folder


def told(found: list[Left]) -> list[tuple[str, bool]]:
    return [(left.path.name, left.mended) for left in found]


def names(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir())


def test_half_done_change(tmp_path: Path) -> None:
    host = tmp_path / "model.pt"
    broken_off(host)
    half = host.read_bytes()
    assert half != OLD
    for place in (host, tmp_path):
        found = repair_files(place, dry_run=True)
        assert told(found) == [("model.pt", True)]
        assert "broken off" in found[0].what
        assert host.read_bytes() == half
        assert journal_path(host).exists()
    link = tmp_path / "last.pt"
    link.symlink_to("model.pt")
    assert told(repair_files(link)) == [("model.pt", True)]
    assert host.read_bytes() == OLD
    assert names(tmp_path) == ["last.pt", "model.pt"]
    assert repair_files(link) == []
    assert repair_files(tmp_path) == []


def test_killed_save(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    target = tmp_path / "below" / "model.pt"
    folder = killed_save(target)
    (left,) = repair_files(target, dry_run=True)
    assert (left.path, left.mended) == (folder, True)
    assert "17 bytes" in left.what
    assert folder.exists()
    with pytest.raises(NoFile):
        repair_files(target.with_name("other.pt"))
    assert told(repair_files(tmp_path)) == [(folder.name, True)]
    assert names(target.parent) == []


def test_the_next_save_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    from jellyformat.training.saving import save_beside

    target = tmp_path / "model.pt"
    killed_save(target)
    save_beside(target, lambda path: Path(path).write_bytes(b"whole"), None, strict=True)
    assert names(tmp_path) == ["model.pt"]
    assert target.read_bytes() == b"whole"


def test_a_living_save_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "model.pt"
    command = [sys.executable, "-c", textwrap.dedent(KILLED_SAVE), str(target), "live"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as saving:
        assert saving.stdout is not None
        assert saving.stdout.readline() == "saving\n"
        assert repair_files(tmp_path) == []
        newfile.sweep_folders(tmp_path)
        saving.communicate("\n")
    assert saving.returncode == 0
    assert names(tmp_path) == ["model.pt"]
    assert target.read_bytes() == b"half a checkpoint"


def test_temporary_files(tmp_path: Path) -> None:
    host = tmp_path / "model.pt"
    host.write_bytes(OLD)
    stale = [
        ".model.pt.jelly-0123456789ab.tmp",
        ".gone.pt.jelly-0123456789ab.tmp",
        ".jelly.model.pt.jelly.jelly-0123456789ab.tmp",  # of its sidecar
    ]
    others = [".model.pt.jelly-xyz.tmp", "model.pt.jelly-0123456789ab.tmp", ".jelly-notes.tmp"]
    for name in stale + others:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / stale[0]).write_bytes(b"")
    with newfile.temporary(tmp_path / "new.pt", 0o600) as (_, living):
        assert told(repair_files(tmp_path, dry_run=True)) == [(name, True) for name in sorted(stale)]
        assert told(repair_files(host)) == [(stale[2], True), (stale[0], True)]
        assert told(repair_files(tmp_path)) == [(stale[1], True)]
        assert living.exists()
    assert names(tmp_path) == sorted([".git", "model.pt", *others])
    assert names(tmp_path / ".git") == [stale[0]]
    assert host.read_bytes() == OLD


def test_journal_without_its_file(tmp_path: Path) -> None:
    host, elsewhere = tmp_path / "model.pt", tmp_path / "moved.pt"
    broken_off(host)
    host.rename(elsewhere)
    (left,) = repair_files(tmp_path)
    assert (left.path, left.mended) == (journal_path(host), False)
    assert journal_path(host).exists(), "it is what the file can be mended with"
    elsewhere.rename(host)
    assert told(repair_files(tmp_path)) == [("model.pt", True)]
    assert host.read_bytes() == OLD


def test_long_names(tmp_path: Path) -> None:
    host = tmp_path / ("m" * 250)
    broken_off(host)
    assert told(repair_files(tmp_path)) == [(host.name, True)]
    assert host.read_bytes() == OLD


def test_somebody_at_work(tmp_path: Path) -> None:
    host = tmp_path / "model.pt"
    broken_off(host)
    code = textwrap.dedent("""
        import sys
        from pathlib import Path
        from jellyformat.files.change import _open
        _open(Path(sys.argv[1]), Path(sys.argv[1]), True)
        print(1, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen([sys.executable, "-c", code, str(host)], stdin=-1, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Busy):
            repair_files(host)
        assert told(repair_files(tmp_path)) == [("model.pt", False)]
        other.communicate()
    assert told(repair_files(tmp_path)) == [("model.pt", True)]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NoFile):
        repair_files(tmp_path / "missing.pt")
    with pytest.raises(NoFile):
        repair_files(tmp_path / "missing" / "model.pt")


def test_a_directory_that_was_swept_before_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that sign at once: one took the other's directory for left over, as it was not locked yet."""
    opened: list[bytes] = []

    def late(name: bytes, parent: int | None = None, *, follow: bool = False) -> int:
        opened.append(name)
        if len(opened) == 1:
            newfile.sweep_folders(tmp_path)  # as another process does
            assert list(tmp_path.iterdir()) == []
        return directories.open_directory(name, parent, follow=follow)

    monkeypatch.setattr(newfile, "directories", SimpleNamespace(**{**vars(directories), "open_directory": late}))
    with newfile.temporary_folder(tmp_path) as place:
        assert place.is_dir()
        assert len(opened) > 1
    assert list(tmp_path.iterdir()) == []

"""A filesystem with the faults of others, by FUSE: what lies in one directory, seen in another through these faults.

python tests/mounts.py SOURCE MOUNTPOINT FAULT,…

| fault | whose it is |
|---|---|
| lock | flock fails: Lustre mounted without `-o flock`, NFS without a lock daemon |
| link | there are no hard links: gcsfuse, s3fs |
| fsync | fsync fails with EINVAL: some clients of object stores, FUSE filesystems without it |
| overwrite | a file is written from its beginning to its end, once: Mountpoint for S3 |
| mmap | files cannot be mapped: FUSE with direct I/O |
| late | a rename is seen only after a moment: NFS with cached attributes, some object stores |
| stale | what is open and was replaced cannot be read any more: NFS |
| fold | names are the same whatever their case: macOS, Windows |
| nfd | names are kept decomposed: HFS+ |
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FAULTS = ("lock", "link", "fsync", "overwrite", "mmap", "late", "stale", "fold", "nfd")
LATE = 0.3
"""Seconds until a rename is seen."""


def _serve(source: str, mountpoint: str, faults: set[str]) -> None:
    import mfusepy

    class Faulty(mfusepy.Operations):  # type: ignore[misc]  # it has no types
        """Calls passed on, but for the faults."""

        use_ns = True

        def __init__(self) -> None:
            self.opened: dict[int, str] = {}
            self.later: dict[str, threading.Timer] = {}

        def _real(self, path: str) -> str:
            place = source
            for name in filter(None, path.split("/")):
                if "nfd" in faults:
                    name = unicodedata.normalize("NFD", name)
                if "fold" in faults and not os.path.lexists(os.path.join(place, name)):
                    with contextlib.suppress(OSError):
                        there = {other.casefold(): other for other in os.listdir(place)}
                        name = there.get(name.casefold(), name)
                place = os.path.join(place, name)
            return place

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            found = os.fstat(fh) if fh is not None and fh in self.opened else os.lstat(self._real(path))
            keys = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks")
            times = {f"st_{name}time": getattr(found, f"st_{name}time_ns") for name in "amc"}
            return {**{key: getattr(found, key) for key in keys}, **times}

        def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
            real = self._real(path)
            found = []
            for name in (".", "..", *os.listdir(real)):
                with contextlib.suppress(FileNotFoundError):
                    seen = os.lstat(os.path.join(real, name))
                    found.append((name, {"st_ino": seen.st_ino, "st_mode": seen.st_mode}, 0))
            return found

        def readlink(self, path: str) -> str:
            return os.readlink(self._real(path))

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(self._real(path), mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(self._real(path))

        def unlink(self, path: str) -> None:
            os.unlink(self._real(path))

        def symlink(self, target: str, source: str) -> None:
            os.symlink(source, self._real(target))

        def rename(self, old: str, new: str) -> None:
            before, after = self._real(old), self._real(new)
            if "late" in faults:
                timer = threading.Timer(LATE, os.rename, (before, after))
                timer.start()
            else:
                os.rename(before, after)

        def link(self, target: str, source: str) -> None:
            if "link" in faults:
                raise OSError(errno.EOPNOTSUPP, "")
            os.link(self._real(source), self._real(target), follow_symlinks=False)

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(self._real(path), mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            os.chown(self._real(path), uid, gid, follow_symlinks=False)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(self._real(path), ns=times or (time.time_ns(), time.time_ns()), follow_symlinks=False)

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return self._kept(path, os.open(self._real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))

        def open(self, path: str, flags: int) -> int:
            if "overwrite" in faults and flags & (os.O_RDWR | os.O_WRONLY) and not flags & os.O_TRUNC:
                raise OSError(errno.EPERM, "")
            real = self._real(path)
            writes = flags & (os.O_RDWR | os.O_WRONLY)
            return self._kept(path, os.open(real, (os.O_RDWR if writes else os.O_RDONLY) | flags & os.O_TRUNC))

        def _kept(self, path: str, fd: int) -> int:
            self.opened[fd] = path
            return fd

        def release(self, path: str, fh: int) -> None:
            self.opened.pop(fh, None)
            os.close(fh)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            if "stale" in faults:
                try:
                    same = os.path.samestat(os.lstat(self._real(self.opened[fh])), os.fstat(fh))
                except FileNotFoundError:
                    same = False
                if not same:
                    raise OSError(errno.ESTALE, "")
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            if "overwrite" in faults and offset != os.fstat(fh).st_size:
                raise OSError(errno.EINVAL, "")
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            if "overwrite" in faults and length:
                raise OSError(errno.EPERM, "")
            os.truncate(self._real(path) if fh is None else fh, length)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            if "fsync" in faults:
                raise OSError(errno.EINVAL, "")
            os.fsync(fh)

        def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
            if "fsync" in faults:
                raise OSError(errno.EINVAL, "")

        def statfs(self, path: str) -> dict[str, int]:
            found = os.statvfs(source)
            return {
                key: getattr(found, key)
                for key in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_files", "f_frsize", "f_namemax")
            }

        if "lock" in faults:

            def flock(self, path: str, fh: int, op: int) -> int:
                raise OSError(errno.EOPNOTSUPP, "")

    options: dict[str, Any] = {
        "entry_timeout": 0,
        "attr_timeout": 0,
        "negative_timeout": 0,
        "use_ino": True,
        "hard_remove": True,
    }
    if "mmap" in faults:
        options["direct_io"] = True
    mfusepy.FUSE(Faulty(), mountpoint, foreground=True, nothreads=False, default_permissions=False, **options)


def reason() -> str | None:
    """Why no such filesystem can be mounted here; None where one can."""
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"no FUSE library: {error}"
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        return "only root mounts, and where there is FUSE"
    return None


@contextlib.contextmanager
def mounted(source: Path, mountpoint: Path, *faults: str) -> Iterator[Path]:
    """The directory, through the faults, at ``mountpoint``, which is made."""
    mountpoint.mkdir()
    command = [sys.executable, __file__, str(source), str(mountpoint), ",".join(faults)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
        try:
            for _ in range(600):
                if mountpoint.is_mount() or server.poll() is not None:
                    break
                time.sleep(0.05)
            assert mountpoint.is_mount(), server.stderr.read() if server.stderr else ""
            yield mountpoint
        finally:
            time.sleep(LATE if "late" in faults else 0)
            subprocess.run(["umount", "-l", str(mountpoint)], check=False)
            server.terminate()


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], set(filter(None, sys.argv[3].split(","))))

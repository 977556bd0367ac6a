"""The system calls of a run that changed a directory, from what strace has seen.

A recording is true to the run: played to its end, it gives the directory that the run has left.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from disk import Disk, Inode, Op, Sync, scan

TRACED = (
    "trace=/^(openat|open|creat|close|dup.*|fcntl|read|lseek|write|writev|pwrite64|pwritev2?|copy_file_range|sendfile"
    "|ftruncate|fallocate|fsync|fdatasync|sync|syncfs|rename.*|link|linkat|symlink|symlinkat|unlink|unlinkat|mkdir"
    "|mkdirat|rmdir|chmod|fchmod|fchmodat2?|mmap|ioctl)$"
)
OPTIONS = ("-xx", "-s", str(1 << 26))
"""For strace: all bytes, in hexadecimal."""
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


class Recording:
    """The calls of a run that changed a directory.

    Args:
        place: The directory; before the run.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root, _ = scan(place)
        self.events: list[Op | Sync] = []
        self.live = Disk(self.root)
        self._files: dict[int, list[Any]] = {}
        mask = os.umask(0)
        os.umask(mask)
        self._mask = mask

    @property
    def ops(self) -> list[Op]:
        """What changed something."""
        return [event for event in self.events if isinstance(event, Op)]

    def read(self, log: str) -> None:
        """Take in what strace has seen, and check it against what the run has left."""
        for line in log.splitlines():
            match = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", line)
            if match is None or match[3].startswith("-"):
                continue
            strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(match[2])]
            self._call(match[1], _STRING.sub("$", match[2]), strings, int(match[3]))
        self._check()

    def _check(self) -> None:
        """Raises AssertionError where what was recorded is not what happened; takes the files' times."""
        left, _ = scan(self.place)
        found = dict(Disk(left).walk())
        told = dict(self.live.walk())
        assert found.keys() == told.keys(), sorted(found.keys() ^ told.keys())
        for _, inode in Disk(self.root).walk():
            inode.number = None  # another file may have it by now
        for path, inode in told.items():
            there = found[path]
            assert (inode.kind, self.live.data(inode)) == (there.kind, there.data), path
            if not stat.S_ISLNK(inode.kind):
                assert self.live.mode(inode) == there.mode, (path, oct(self.live.mode(inode)), oct(there.mode))
            inode.mtime, inode.number = there.mtime, there.number

    # -- calls -------------------------------------------------------------------------------------------------------

    def _do(self, op: Op) -> None:
        self.events.append(op)
        self.live.apply(op)

    def _at(self, base: str, path: bytes) -> tuple[Inode, bytes] | None:
        """The directory and the name of a path; None: outside."""
        top = os.fsencode(self.place)
        match = re.fullmatch(rb"/proc/self/fd/(\d+)", path)
        if match is not None:
            return (self._files[int(match[1])][0], b"") if int(match[1]) in self._files else None
        if path.startswith(b"/"):
            if path != top and not path.startswith(top + b"/"):
                return None
            here, path = self.root, path[len(top) + 1 :]
        elif base != "AT_FDCWD" and int(base) in self._files:
            here = self._files[int(base)][0]
        else:
            return None
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        for part in parts[:-1]:
            here = self.live.entries(here)[part]
        return here, parts[-1] if parts else b""

    def _find(self, base: str, path: bytes) -> Inode | None:
        found = self._at(base, path)
        if found is None:
            return None
        here, name = found
        return here if not name else self.live.entries(here).get(name)

    def _call(self, call: str, text: str, strings: list[bytes], result: int) -> None:
        args = [part.strip() for part in text.split(",")]
        if call in ("openat", "open", "creat"):
            self._open(args if call == "openat" else ["AT_FDCWD", *args], strings[0], result)
        elif call in ("mkdir", "mkdirat"):
            mode = int(args[-1], 8) & ~self._mask
            self._new(args[0] if call == "mkdirat" else "AT_FDCWD", strings[0], Inode(stat.S_IFDIR, mode), call)
        elif call in ("symlink", "symlinkat"):
            base = args[1] if call == "symlinkat" else "AT_FDCWD"
            self._new(base, strings[1], Inode(stat.S_IFLNK, 0o777, strings[0]), call)
        elif call in ("unlink", "rmdir", "unlinkat"):
            found = self._at(args[0] if call == "unlinkat" else "AT_FDCWD", strings[0])
            if found is not None:
                self._do(Op(call, ((*found, None),)))
        elif call.startswith(("rename", "link")):
            self._name(call, args, strings)
        elif call in ("chmod", "fchmodat", "fchmodat2"):
            inode = self._find("AT_FDCWD" if call == "chmod" else args[0], strings[0])
            if inode is not None:
                self._do(Op(call, inode=inode, mode=int(args[1 if call == "chmod" else 2], 8)))
        elif call == "sync":
            self.events.append(Sync(None))
        elif args[0].isdigit():
            self._on_file(call, args, strings, result)

    def _open(self, args: list[str], path: bytes, fd: int) -> None:
        found = self._at(args[0], path)
        self._files.pop(fd, None)
        if found is None:
            return
        assert "O_TMPFILE" not in args[2], "files without a name are not replayed"
        here, name = found
        inode = here if not name else self.live.entries(here).get(name)
        if inode is None:
            mode = int(args[3], 8) & ~self._mask
            inode = Inode(stat.S_IFREG, mode)
            self._do(Op("openat", ((here, name, inode),)))
        elif "O_TRUNC" in args[2] and self.live.data(inode):
            self._do(Op("ftruncate", inode=inode, length=0))
        self._files[fd] = [inode, 0, "O_APPEND" in args[2]]

    def _new(self, base: str, path: bytes, inode: Inode, call: str) -> None:
        found = self._at(base, path)
        if found is not None:
            self._do(Op(call, ((*found, inode),)))

    def _name(self, call: str, args: list[str], strings: list[bytes]) -> None:
        at = call in ("renameat", "renameat2", "linkat")
        assert "RENAME_EXCHANGE" not in args[-1]
        source = self._at(args[0] if at else "AT_FDCWD", strings[0])
        target = self._at(args[2] if at else "AT_FDCWD", strings[1])
        assert (source is None) == (target is None), (call, strings)
        if source is None or target is None:
            return
        inode = self.live.entries(source[0])[source[1]]
        if call.startswith("link"):
            self._do(Op(call, ((*target, inode),)))
        elif self.live.entries(target[0]).get(target[1]) is not inode:
            self._do(Op(call, ((*source, None), (*target, inode))))

    def _on_file(self, call: str, args: list[str], strings: list[bytes], result: int) -> None:
        fd = int(args[0])
        if call == "sendfile" or call == "copy_file_range":
            self._copied(call, args, result)
            return
        opened = self._files.get(fd)
        if opened is None:
            return
        inode = opened[0]
        if call == "close":
            del self._files[fd]
        elif call.startswith("dup") or (call == "fcntl" and "F_DUPFD" in args[1]):
            self._files[result] = opened
        elif call == "read":
            opened[1] += result
        elif call == "lseek":
            opened[1] = result
        elif call in ("write", "writev"):
            data = b"".join(strings)[:result]
            offset = len(self.live.data(inode)) if opened[2] else opened[1]
            self._do(Op(call, inode=inode, offset=offset, data=data))
            opened[1] = offset + result
        elif call.startswith("pwrite"):
            at = -1 if call != "pwritev2" else -2
            self._do(Op(call, inode=inode, offset=int(args[at]), data=b"".join(strings)[:result]))
        elif call == "ftruncate":
            self._do(Op(call, inode=inode, length=int(args[1])))
        elif call == "fchmod":
            self._do(Op(call, inode=inode, mode=int(args[1], 8)))
        elif call in ("fsync", "fdatasync"):
            self.events.append(Sync(inode))
        elif call == "syncfs":
            self.events.append(Sync(None))
        elif call == "fallocate":
            self._allocated(inode, args)
        elif call == "mmap":
            assert "PROT_WRITE" not in args[2] or "MAP_SHARED" not in args[3], "written through memory"
        elif call == "ioctl":
            assert "FICLONE" not in args[1], "cloned"

    def _allocated(self, inode: Inode, args: list[str]) -> None:
        offset, length = int(args[2]), int(args[3])
        inode.sparse = True
        if "INSERT" in args[1] or "COLLAPSE" in args[1]:
            self._do(Op("fallocate", inode=inode, offset=offset, moved=length if "INSERT" in args[1] else -length))
        elif "PUNCH" in args[1] or "ZERO" in args[1]:
            length = max(0, min(length, len(self.live.data(inode)) - offset))
            self._do(Op("fallocate", inode=inode, offset=offset, data=bytes(length)))
        elif "KEEP_SIZE" not in args[1]:
            self._do(Op("fallocate", inode=inode, length=max(offset + length, len(self.live.data(inode)))))

    def _copied(self, call: str, args: list[str], result: int) -> None:
        out, source = (int(args[0]), int(args[1])) if call == "sendfile" else (int(args[2]), int(args[0]))
        target = self._files.get(out)
        if target is None or not result:
            return
        given = [re.match(r"\[(\d+)", args[number]) for number in ((2, 2) if call == "sendfile" else (1, 3))]
        origin = self._files[source]
        start = origin[1] if given[0] is None else int(given[0][1])
        offset = target[1] if given[1] is None or call == "sendfile" else int(given[1][1])
        data = self.live.data(origin[0])[start : start + result]
        self._do(Op(call, inode=target[0], offset=offset, data=data))
        if given[0] is None:
            origin[1] += result
        if given[1] is None or call == "sendfile":
            target[1] = offset + result

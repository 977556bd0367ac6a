"""Other systems, simulated: what Windows and macOS lack is taken away, before anything of ours is imported.

python tests/elsewhere.py windows -m jellyformat show model.pt

Or as a plugin of pytest, so that tests run so: `JELLY_SYSTEM=windows pytest -p elsewhere tests/test_cli.py`.

What is simulated: modules and calls that are missing; the name of the system; on Windows also that a file that is open
gives its name to no other, that a directory cannot be opened, that files are text unless they are opened as bytes, and
that only a range of bytes can be locked. Paths stay those of this system.
"""

from __future__ import annotations

import errno
import os
import runpy
import stat
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

SYSTEMS = ("windows", "macos", "bare")
_MODULES = ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty")
_ONLY_POSIX = (
    "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_PATH", "O_TMPFILE", "O_SYNC", "O_DSYNC",
    "SEEK_DATA", "SEEK_HOLE", "chown", "lchown", "fchown", "fchmod", "fork", "forkpty", "getegid", "geteuid", "getgid",
    "getuid", "getpgid", "getpgrp", "getsid", "killpg", "mkfifo", "mknod", "major", "minor", "nice", "pread", "preadv",
    "pwrite", "pwritev", "readv", "writev", "sendfile", "statvfs", "fstatvfs", "sync", "fdatasync", "uname", "wait",
    "getloadavg", "sysconf", "confstr", "pathconf", "register_at_fork", "setsid", "setpgid", "fchdir", "chroot",
    "pipe2", "posix_fallocate", "posix_fadvise", "lockf",
)  # fmt: skip
_ONLY_LINUX = (
    "O_PATH", "O_TMPFILE", "copy_file_range", "listxattr", "getxattr", "setxattr", "removexattr", "memfd_create",
    "sched_getaffinity", "sched_setaffinity", "posix_fallocate", "posix_fadvise", "splice", "eventfd", "preadv",
    "pwritev", "pipe2",
)  # fmt: skip
_SIGNALS = ("SIGHUP", "SIGQUIT", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGCHLD")
_O_BINARY, _O_NOINHERIT = 1 << 27, 1 << 26
_VERSION = SimpleNamespace(major=10, minor=0, build=19045)
_FCNTL_OF_LINUX = ("F_SETLEASE", "F_GETLEASE", "F_SETSIG", "F_GETSIG", "F_NOTIFY")


def pretend(system: str) -> None:
    """Make this process one of another system, for what is imported from now on.

    Args:
        system: ``windows``, ``macos``, or ``bare``: Windows with a filesystem that has no hard links either.
    """
    import platform
    import shutil
    import ssl  # noqa: F401  # and others that ask which system it is when they are imported
    import subprocess
    import sysconfig
    import tempfile
    import urllib.request  # noqa: F401
    import uuid  # noqa: F401

    import click  # noqa: F401

    for name in ("pygit2", "zstandard", "msgpack", "numpy", "torch", "safetensors.numpy", "fsspec", "dulwich.repo"):
        if name in ("numpy", "torch", "safetensors.numpy") and not os.environ.get("JELLY_FRAMEWORKS"):
            continue
        try:
            __import__(name)
        except ImportError:
            continue
    platform.platform()
    sysconfig.get_paths()
    tempfile._O_TMPFILE_WORKS = False  # type: ignore[attr-defined]  # it asks only once whether there is such a flag
    which, real = shutil.which, sys.platform

    def found(*arguments: Any, **options: Any) -> Any:
        sys.platform, here = real, sys.platform
        try:
            return which(*arguments, **options)
        finally:
            sys.platform = here

    shutil.which = found
    if system == "macos":
        _as_macos()
    else:
        _as_windows(links=system != "bare")
    assert subprocess.Popen is not None
    os.environ["JELLY_SYSTEM"] = system


def _as_macos() -> None:
    import fcntl

    for name in _ONLY_LINUX:
        _forget(os, name)
    for name in _FCNTL_OF_LINUX:
        _forget(fcntl, name)
    fcntl.F_FULLFSYNC = 51  # type: ignore[attr-defined]  # what macOS has
    sys.platform = "darwin"


def _as_windows(*, links: bool) -> None:
    import fcntl
    import signal
    import time

    sys.modules["msvcrt"] = _locking(fcntl)
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]  # so that to import it fails
    for name in {*_ONLY_POSIX, *_ONLY_LINUX} | (set() if links else {"link"}):
        _forget(os, name)
    for name in _SIGNALS:
        _forget(signal, name)
    for name in ("clock_gettime", "CLOCK_BOOTTIME"):
        _forget(time, name)
    os.O_BINARY, os.O_NOINHERIT = _O_BINARY, _O_NOINHERIT  # type: ignore[attr-defined]  # what Windows has
    os.supports_dir_fd.clear()
    os.supports_fd.clear()
    real_open = os.open
    flags_known = os.O_RDWR | os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_APPEND

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        caller = sys._getframe(1).f_code.co_filename
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if "jellyformat" in caller and not flags & _O_BINARY:
            raise AssertionError(f"{path} is opened as text in {caller}")
        flags &= ~(_O_BINARY | _O_NOINHERIT)
        if "jellyformat" in caller and flags & ~flags_known:
            raise OSError(errno.EINVAL, "flags that Windows has not", path)
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real_open(path, flags | 0o2000000, mode)

    os.open = opened
    for name in ("replace", "rename", "unlink", "remove"):
        setattr(os, name, _of_closed_files(getattr(os, name)))
    for name in ("stat", "lstat", "mkdir", "rmdir", "symlink", "readlink", "chmod", "utime", "access", "link"):
        if hasattr(os, name):
            setattr(os, name, _by_name(getattr(os, name)))
    scandir = os.scandir

    def listed(path: Any = ".") -> Any:
        if isinstance(path, int):
            raise TypeError("scandir: path should be string, bytes, os.PathLike or None, not int")
        return scandir(path)

    os.scandir = listed
    sys.getwindowsversion = lambda: _VERSION  # type: ignore[attr-defined]  # what Windows has
    sys.platform = "win32"


def _forget(module: ModuleType, name: str) -> None:
    if hasattr(module, name):
        delattr(module, name)


def _of_closed_files(call: Callable[..., None]) -> Callable[..., None]:
    """A call that takes names from files: not of those that are open in this process."""
    status, opened, listed = os.stat, os.fstat, os.listdir

    def checked(*paths: Any, dir_fd: Any = None, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
        if (dir_fd, src_dir_fd, dst_dir_fd) != (None, None, None):
            raise NotImplementedError("dir_fd unavailable on this platform")
        for path in paths:
            try:
                named = status(path, follow_symlinks=False)
            except OSError:
                continue
            for number in listed("/proc/self/fd"):
                try:
                    same = os.path.samestat(named, opened(int(number)))
                except OSError:
                    continue
                if same and stat.S_ISREG(named.st_mode):
                    raise PermissionError(errno.EACCES, "The process cannot access the file: it is in use", path)
        call(*paths)

    return checked


def _by_name(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that takes neither descriptors nor names in open directories."""

    def checked(path: Any, *more: Any, **options: Any) -> Any:
        given = [options.pop(name, None) for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")]
        if any(value is not None for value in given):
            raise NotImplementedError("dir_fd unavailable on this platform")
        if isinstance(path, int):
            raise NotImplementedError("descriptors unavailable on this platform")
        return call(path, *more, **options)

    return checked


def _locking(fcntl: Any) -> ModuleType:
    """The part of ``msvcrt`` that locks bytes; another process, or another opening of the file, cannot lock them."""
    module = ModuleType("msvcrt")
    F_OFD_SETLK = 37

    def locking(fd: int, mode: int, count: int) -> None:
        import struct

        at = os.lseek(fd, 0, os.SEEK_CUR)
        kind = fcntl.F_UNLCK if mode == 0 else fcntl.F_WRLCK
        try:
            fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, at, count, 0))
        except OSError as error:
            if error.errno == errno.EBADF:  # only Linux wants it to be open for writing
                return
            raise PermissionError(errno.EACCES, "Permission denied") from error

    module.locking, module.LK_NBLCK, module.LK_UNLCK = locking, 2, 0  # type: ignore[attr-defined]
    return module


def main() -> None:
    """``SYSTEM -m MODULE ARGUMENT …``, or ``SYSTEM -c CODE ARGUMENT …``."""
    _, system, how, what, *arguments = sys.argv
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    pretend(system)
    if how == "-m":
        sys.argv = [what, *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *arguments]
        exec(compile(what, "<code>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()


def pytest_configure() -> None:
    """As a plugin of pytest: once it has its own files open, and before a test is imported."""
    pretend(os.environ["JELLY_SYSTEM"])

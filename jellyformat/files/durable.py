"""Writing files so that it lasts: whole writes, syncs that reach the disk, and system errors said for people."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from jellyformat.errors import JellyError, NoFile, SystemFailure
from jellyformat.files.platform import NEW, REGULAR, CannotSync, directories, pwrite, sync
from jellyformat.hints import Hint, option

NO_PERMISSION = frozenset((errno.EACCES, errno.EPERM, errno.EROFS))
"""Numbers of system errors that say so."""
_NO_SPACE = frozenset((errno.ENOSPC, errno.EDQUOT))
_CANNOT = frozenset((errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP))
_CANNOT_MOVE = frozenset((errno.EXDEV, errno.EBUSY))
_CANNOT_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS))


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of ``data`` at ``offset`` (bytes); what one call cannot take ends with a page. Raises OSError."""
    view = memoryview(data)
    while view:
        written = pwrite(fd, view[: (1 << 30) - offset % 4096], offset)
        view = view[written:]
        offset += written


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk, where the filesystem can do that. Raises OSError."""
    try:
        fd = directories.open_directory(os.fsencode(path), follow=True)
    except PermissionError:  # one may write into it, but not read it
        return
    try:
        sync_names(fd)
    finally:
        directories.close(fd)


def sync_names(fd: int) -> None:
    """`sync_directory` by a descriptor."""
    try:
        directories.sync(fd)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


@contextlib.contextmanager
def kept_times(path: Path) -> Iterator[None]:
    """What a body does in the directory ``path`` leaves its time of modification as it was, as far as can be.

    Programs tell by it which checkpoint is the oldest, and delete that.
    """
    before = None
    with contextlib.suppress(OSError):
        before = path.stat()
    try:
        yield
    finally:
        if before is not None:
            set_back(path, before)


def set_back(place: Path | int, before: os.stat_result) -> None:
    """Give a file or directory, or what a descriptor is of, the time of modification that it had ``before``."""
    with contextlib.suppress(OSError, NotImplementedError, TypeError):  # not its owner; no such call for descriptors
        now = os.fstat(place) if isinstance(place, int) else place.stat()
        if now.st_mtime_ns != before.st_mtime_ns:
            os.utime(place, ns=(now.st_atime_ns, before.st_mtime_ns))


def hidden_name(name: str, ending: str) -> str:
    """A name for a helper file of the file ``name``: ``.<name><ending>``, shortened where it would be too long."""
    raw = os.fsencode(name)
    if len(raw) + len(ending) > 250:
        name = hashlib.sha256(raw).hexdigest()
    return f".{name}{ending}"


def create(path: Path, parts: Iterable[bytes], mode: int = 0o600) -> None:
    """Write a new file, whole and on the disk, or not at all; its name lasts once the directory is synced.

    Args:
        path: It must not exist.
        parts: Its content.
        mode: Its permissions, before the umask.

    Raises:
        OSError: it exists, or the system failed.
    """
    fd = directories.open_file(os.fsencode(path), os.O_WRONLY | NEW, mode)
    try:
        with open(fd, "wb", buffering=1 << 20) as file:
            file.writelines(parts)
            file.flush()
            sync(fd)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


_ELSEWHERE: Final = Hint("write somewhere else with ", option("out", "OUT"))


@contextlib.contextmanager
def system_errors(path: Path, after: str, *, output: bool = True, elsewhere: str = _ELSEWHERE) -> Iterator[None]:
    """Turn an OSError of the body into an error for people.

    Args:
        path: The file this is about.
        after: What is to be said of the state things are in now, such as ``"it is as it was"``.
        output: Whether an output is written, which may be put somewhere else; False where a repository is worked on.
        elsewhere: How it is put there.

    Raises:
        SystemFailure: for every OSError.
    """
    try:
        yield
    except OSError as error:
        raise explained(error, path, after, output=output, elsewhere=elsewhere) from error


def is_helper(name: str) -> bool:
    """Whether a file is one of ours beside the user's, by its name: people know nothing of them."""
    return ".jelly-" in Path(name).name


def explained(
    error: OSError, path: Path, after: str, *, output: bool = True, elsewhere: str = _ELSEWHERE
) -> JellyError:
    """The error for people that says what ``error`` says, of ``path``; the other arguments are as above."""
    number, reason = error.errno, error.strerror or str(error)
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(path)
    # it is the directory that cannot be written to
    where = f"the directory {Path(named).parent}" if is_helper(named) else named
    if number in _NO_SPACE:
        message, hint = f"there is no space left to write {path} ({reason})", "free some space and run it again"
    elif number in NO_PERMISSION and not output:
        message, hint = f"there is no permission for {where} ({reason})", "change its owner or permissions"
    elif number in _CANNOT_MOVE and not output:
        message = f"{where} cannot be moved to where it would be kept ({reason})"
        hint = "it is a mount point, or in the image of a container: restore into a directory that does not exist"
    elif number in NO_PERMISSION:
        message = f"there is no permission to write to {where} ({reason})"
        hint = Hint("change the permissions, or ", elsewhere)
    elif number == errno.EIO:
        message = f"the disk reported an I/O error at {path} ({reason})"
        hint = "look at the system's log; copy what matters to another disk"
    elif number == errno.EISDIR:
        message, hint = f"{where} is a directory", "name a file"
    elif isinstance(error, CannotSync) or number in _CANNOT or (number == errno.EINVAL and type(error) is OSError):
        can = "say what is on the disk" if isinstance(error, CannotSync) else "do what this needs"
        message = f"the filesystem of {path} cannot {can} ({reason})"
        way = Hint("write a new file with ", option("copy"), " or ", option("out", "OUT"), "; ")
        way = way if output and elsewhere is _ELSEWHERE else Hint("")
        hint = Hint(way, "the command doctor DIR says what it can do")
    elif number in (errno.ENOENT, errno.ENOTDIR):
        message, hint = f"{where} does not exist", "check the path"
    else:
        message, hint = f"{path}: {reason}", ""
    return SystemFailure(message, hint=Hint(after, "; " if after and hint else "", hint))


def missing(path: Path) -> JellyError:
    """The error for a file that is not there, or of which the system does not say whether it is."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError as error:
        return explained(error, path, "nothing was changed", output=False)
    return NoFile(f"{path} does not exist", hint="check the path")


def read_regular(path: bytes) -> bytes:
    """The content of a regular file; a link is not followed.

    Raises:
        OSError: it is not there, not readable, or something else.
    """
    fd = directories.open_file(path, REGULAR)
    if not stat.S_ISREG(os.fstat(fd).st_mode):  # looked at first: Python leaves the descriptor of a directory open
        os.close(fd)
        raise IsADirectoryError(os.fsdecode(path))
    with open(fd, "rb") as file:
        return file.read()


def is_file(path: Path) -> bool:
    """Whether a regular file is there, links followed; False too where the system does not say."""
    return _is(path, stat.S_ISREG)


def is_directory(path: Path) -> bool:
    """Whether a directory is there, links followed; False too where the system does not say."""
    return _is(path, stat.S_ISDIR)


def is_there(path: Path) -> bool:
    """Whether anything is there, links followed; False too where the system does not say."""
    return _is(path, lambda _: True)


def _is(path: Path, test: Callable[[int], bool]) -> bool:
    try:
        return test(path.stat().st_mode)
    except (OSError, ValueError):  # a name that is too long, a directory that may not be searched, a NUL
        return False

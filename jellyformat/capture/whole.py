"""Directories that are left out as one (SPEC JF-WRK), and ignored ones that are one path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set

from jellyformat.capture.options import Scan
from jellyformat.format.model import Omitted
from jellyformat.format.trees import directories_of


def shorten(scan: Scan, ignored: Iterable[bytes], kinds: Mapping[bytes, str]) -> None:
    """Directories that were walked for what was asked for, and of which nothing was taken, are one path again.

    Args:
        scan: What was found.
        ignored: The directories that git ignores.
        kinds: Those that are left out by what they are, each with the reason.
    """
    reasons = set(kinds.values())
    lost = [
        item.path for item in scan.omitted if item.reason not in reasons or kinds.keys().isdisjoint(above(item.path))
    ]
    used = directories_of(dict.fromkeys((*scan.leaves, *scan.nested, *lost)))
    whole: list[bytes] = []
    for path in sorted(ignored):
        if path not in used and not (whole and path.startswith(whole[-1])):
            whole.append(path + b"/")
    if whole:
        scan.ignored[:] = [*_outside(scan.ignored, set(whole)), *whole]
    last = b"\0"
    for path, reason in sorted(kinds.items()):
        if path not in used and not path.startswith(last):
            last = path + b"/"
            leave_out(scan, path, reason)


def leave_out(scan: Scan, directory: bytes, reason: str, size: int | None = None) -> int:
    """Leave a directory out as one; the bytes that are no longer needed of what was read.

    Args:
        scan: What was found; nothing of the directory is tracked, and no repository lies in it.
        directory: Its path.
        reason: Why.
        size: Of all in it, in bytes.
    """
    inside = directory + b"/"
    for path in [path for path in scan.leaves if path.startswith(inside)]:
        del scan.leaves[path]
    needed = {leaf.oid for leaf in scan.leaves.values()}
    freed = [oid for oid in scan.contents if oid not in needed]
    length = sum(len(scan.contents.pop(oid)) for oid in freed)
    for paths in (scan.ignored, scan.empty_directories):
        paths[:] = [path for path in paths if not path.startswith(inside) and path != directory]
    scan.omitted[:] = [item for item in scan.omitted if not item.path.startswith(inside)]
    scan.omitted.append(Omitted(inside, reason, size))
    return length


def taken(scan: Scan, inside: bytes) -> int:
    """The bytes of what was read from disk of the files whose paths begin so."""
    return sum(
        len(scan.contents[leaf.oid])
        for path, leaf in scan.leaves.items()
        if path.startswith(inside) and leaf.oid in scan.contents
    )


def too_large(scan: Scan, over: Mapping[bytes, int], limit: int, is_whole: Callable[[bytes], bool]) -> bytes | None:
    """The directory that is to be left out as one, since all that is new together is over a limit; None for none.

    It is the smallest one that is over the limit alone; where there is none, the largest that holds what is over.

    Args:
        scan: What was found.
        over: The files that there was no room for, each with its bytes.
        limit: Bytes that all new files may have together.
        is_whole: Whether a directory can be left out as one.
    """
    sizes: dict[bytes, int] = {}
    new = [(path, len(scan.contents[leaf.oid])) for path, leaf in scan.leaves.items() if leaf.oid in scan.contents]
    for path, size in (*new, *over.items()):
        for directory in above(path):
            sizes[directory] = sizes.get(directory, 0) + size
    holding = {directory for path in over for directory in above(path)}
    whole = [(size, -len(path), path) for path, size in sizes.items() if is_whole(path)]
    alone = [item for item in whole if item[0] > limit]
    if alone:
        return min(alone)[2]
    some = [item for item in whole if item[2] in holding]
    return max(some)[2] if some else None


def above(path: bytes) -> Iterator[bytes]:
    """The directories that a path lies in, the outermost first; a ``/`` at its end does not count."""
    at = path.find(b"/")
    while 0 <= at < len(path) - 1:
        yield path[:at]
        at = path.find(b"/", at + 1)


def _outside(paths: Iterable[bytes], directories: Set[bytes]) -> Iterator[bytes]:
    """The paths that are neither in one of the directories, which end in ``/``, nor one of them."""
    for path in paths:
        if directories.isdisjoint((path, *(directory + b"/" for directory in above(path)))):
            yield path

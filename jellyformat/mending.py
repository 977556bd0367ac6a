"""What killed processes have left behind beside the user's files: found, and mended or removed.

Half done changes have a journal (``journal``); what was never finished is a temporary file, or a directory that a
framework was saving into (``newfile``). Whose process still lives is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat import fileio, journal, newfile
from jellyformat.atomic import recover
from jellyformat.errors import JellyError
from jellyformat.healing import heal
from jellyformat.lookup import SUFFIX
from jellyformat.registry import opened


@dataclass(frozen=True)
class Left:
    """Something that a killed process left behind.

    Attributes:
        path: The file that was half changed, or the temporary file or directory.
        what: What it is, or was, for people.
        mended: Whether it has been, or with ``dry_run`` would be, mended or removed.
    """

    path: Path
    what: str
    mended: bool


def mend_files(path: str | os.PathLike[str], *, dry_run: bool = False) -> list[Left]:
    """Complete or take back half done changes, and remove temporary files and directories whose process is dead.

    Args:
        path: A file: only what belongs to it. A directory: everything in it and below it but ``.git``.
        dry_run: Only say what there is.

    Returns:
        What was found, in the order of names.

    Raises:
        NoFile: there is no such file, nor anything that belongs to it.
        Busy: another process is at work on the file ``path``.
        SystemFailure: it cannot be read, or not mended.
    """
    given = Path(path)
    if given.is_dir():
        found: list[Left] = []

        def note(error: OSError) -> None:
            if isinstance(error, FileNotFoundError):  # gone since it was listed
                return
            place = Path(os.fsdecode(error.filename))
            found.append(Left(place, f"a directory that cannot be read ({error.strerror})", False))

        for above, folders, names in os.walk(given, onerror=note):
            found += _in_directory(Path(above), names, sorted(folders), dry_run)
            folders[:] = sorted(name for name in folders if name != ".git" and not newfile.FOLDER.fullmatch(name))
        return found
    target = Path(os.path.realpath(given))
    if not target.parent.is_dir():
        raise fileio.missing(given)
    with fileio.system_errors(given, "nothing was changed"):
        here = sorted(entry.name for entry in target.parent.iterdir())
    found = []
    begins = tuple(newfile.temporary_begin(path) for path in (target, target.with_name(target.name + SUFFIX)))
    for name in here:
        beside = newfile.TEMPORARY.fullmatch(name) and name.startswith(begins)
        if beside or (newfile.FOLDER.fullmatch(name) and os.path.lexists(target.parent / name / target.name)):
            found += _stale(target.parent / name, dry_run)
    if target.name in here:
        found += [left for left in [_half_done(target, dry_run)] if left is not None]
    elif not found:
        raise fileio.missing(given)
    return found


def _in_directory(here: Path, names: list[str], folders: list[str], dry_run: bool) -> Iterator[Left]:
    """What is left in one directory."""
    for name in sorted(names):
        if newfile.TEMPORARY.fullmatch(name):
            yield from _stale(here / name, dry_run)
    for name in folders:
        if newfile.FOLDER.fullmatch(name):
            yield from _stale(here / name, dry_run)
    journals = {name for name in names if name.endswith(journal.ENDING)}
    for name in sorted(names) if journals else ():
        book = journal.journal_path(here / name).name
        if book in journals:
            journals.discard(book)
            try:
                left = _half_done(here / name, dry_run)
            except JellyError as error:
                left = Left(here / name, error.message, False)
            if left is not None:
                yield left
    for name in sorted(journals):
        if (here / name).is_file() and journal.is_journal(here / name):
            yield Left(here / name, "half of a change, but its file is gone: move that back, or remove this", False)


def _half_done(target: Path, dry_run: bool) -> Left | None:
    """The change of ``target`` that was broken off, mended."""
    if not os.path.lexists(journal.journal_path(target)):
        return None
    if dry_run:
        with opened(target) as fd, fileio.system_errors(target, "nothing was changed"):
            what = heal(target, fd, dry_run=True)
    else:
        what = recover(target)
    return None if what is None else Left(target, what.removeprefix(f"{target}: "), True)


def _stale(path: Path, dry_run: bool) -> list[Left]:
    """A temporary file or directory, if its process is dead, removed."""
    size = _size(path)
    try:
        if not newfile.remove_stale(path, dry_run=dry_run):
            return []
    except FileNotFoundError:
        return []
    except OSError as error:
        return [Left(path, f"a temporary file that cannot be removed ({error.strerror})", False)]
    return [Left(path, f"a temporary file of {size} bytes, never finished", True)]


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a directory."""
    if path.is_dir() and not path.is_symlink():
        return sum(file.lstat().st_size for file in path.iterdir())
    try:
        return path.lstat().st_size
    except OSError:
        return 0

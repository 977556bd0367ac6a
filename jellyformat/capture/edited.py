"""Modules that the process had loaded before the capture read their files, and that were changed since it began.

What runs is what was loaded. Where a file has another text by the time it is read, the snapshot has that text, and says
so (SPEC JF-EXT-004).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from jellyformat.capture import program
from jellyformat.capture.watch import say
from jellyformat.errors import JellyError, NoPath
from jellyformat.format import limits
from jellyformat.format.container import Container
from jellyformat.format.extensions import EDITED
from jellyformat.format.frames import with_extensions
from jellyformat.format.paths import check_path, show_name
from jellyformat.format.source import BytesSource
from jellyformat.git.reading import FOLLOWING

_MOST = 100_000
_SHOWN = 3


class Loaded:
    """The modules that are loaded from a worktree, as a capture begins that reads it.

    Args:
        worktree: Its absolute path; None for that of a bare repository.
    """

    def __init__(self, worktree: bytes | None) -> None:
        self._top = None if worktree is None else os.path.realpath(worktree) + b"/"
        self._before = self._changed()

    def note(self, container: bytes) -> bytes:
        """The container that was captured, with the modules that it has otherwise than they were loaded; it is said.

        Args:
            container: What was captured.
        """
        paths = self._edited(container)
        if not paths:
            return container
        say(_told(paths))
        return with_extensions(container, {EDITED: [*paths]})

    def _changed(self) -> dict[bytes, int | None]:
        """The modules' files and their modification times, in nanoseconds; None for one that is gone."""
        found: dict[bytes, int | None] = {}
        for file in _files() if self._top is not None else ():
            path = os.path.realpath(os.fsencode(file))
            if self._top is None or not path.startswith(self._top):
                continue
            try:
                found[path[len(self._top) :]] = os.stat(path).st_mtime_ns
            except FileNotFoundError:
                found[path[len(self._top) :]] = None
            except OSError:
                continue
        return found

    def _edited(self, container: bytes) -> list[bytes]:
        before, after = self._before, self._changed()
        suspects = {path for files in (before, after) for path, changed in files.items() if _is_late(changed)}
        if not suspects:
            return []
        with Container(BytesSource(container)) as box:
            return [
                path
                for path in sorted(suspects)
                if self._is_edited(path, box, late=path in before and _is_late(before[path]))
            ][:_MOST]

    def _is_edited(self, path: bytes, box: Container, *, late: bool) -> bool:
        """Whether a snapshot has a file as it became, and not as it was when the process began.

        Args:
            path: Its path.
            box: The snapshot.
            late: Whether it had been changed when the capture began; else it was while that was at work.
        """
        place, name = os.path.split((self._top or b"") + path)
        try:
            check_path(path)
            captured = box.read(path)
            return late or FOLLOWING.read(place, name, limits.OBJECT_BYTES) == captured
        except NoPath:  # ignored, or gone
            return late and not os.path.lexists(place + b"/" + name)
        except (JellyError, OSError):
            return False


def _files() -> Iterator[str]:
    """The files of modules that are not installed; no module is asked for what it would have to be imported for."""
    for module in list(sys.modules.values()):
        try:
            file = object.__getattribute__(module, "__dict__").get("__file__")
        except AttributeError:
            continue
        if isinstance(file, str) and os.path.isabs(file) and not program.is_installed(file):
            yield file


def _is_late(changed: int | None) -> bool:
    return changed is None or changed > program.STARTED


def _told(paths: list[bytes]) -> str:
    """What is said of them."""
    names = ", ".join(show_name(path) for path in paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return (
        f"changed since the program began, which has loaded it: {names}{more}; the snapshot has the new text, "
        "which may not be what runs"
    )

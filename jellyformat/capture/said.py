"""What is said of a snapshot that has, or lacks, what its user may not expect: with what it is, and the way on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from jellyformat.capture import watch
from jellyformat.capture.whole import above
from jellyformat.errors import CaptureWarning
from jellyformat.format.info import omissions
from jellyformat.format.model import Manifest, State
from jellyformat.format.paths import show_name
from jellyformat.format.summary import Flat
from jellyformat.format.text import size_text
from jellyformat.format.trees import directories_of
from jellyformat.hints import Hint, option

MUCH = 20_000_000
"""Bytes of new content that are said."""
_SHOWN = 3
_MOST_OF_IT = 0.9
_SPECIAL = b"\\*?[!# "


class Volume:
    """Adds up what is new in a snapshot: of untracked directories all together, else by file."""

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}
        self._untracked: set[bytes] = set()

    def add(self, prefix: bytes, sizes: Mapping[bytes, int], tracked: Mapping[bytes, object]) -> None:
        """Add the new content of one repository.

        Args:
            prefix: Its place in the outermost.
            sizes: Bytes of each path that is new or changed.
            tracked: The paths that its index has.
        """
        directories = directories_of(dict.fromkeys(tracked))
        whole: dict[bytes, int] = {}
        for path, size in sizes.items():
            if path not in tracked:
                for directory in above(path):
                    if directory not in directories:
                        whole[directory] = whole.get(directory, 0) + size
        for path, size in sizes.items():
            name = path
            for directory in above(path):  # the innermost that has most of what the outermost has
                if directory not in whole:
                    continue
                if name == path:
                    name, most = directory + b"/", whole[directory]
                elif whole[directory] >= _MOST_OF_IT * most:
                    name = directory + b"/"
            self._sizes[prefix + name] = self._sizes.get(prefix + name, 0) + size
            if path not in tracked:
                self._untracked.add(prefix + name)

    def say(self) -> None:
        """Warn if it is much."""
        total = sum(self._sizes.values())
        if total <= MUCH:
            return
        largest = sorted(self._sizes, key=lambda name: -self._sizes[name])[:_SHOWN]
        largest = [name for name in largest if 20 * self._sizes[name] >= total] or largest  # small ones are no help
        named = ", ".join(f"{show_name(name)} ({size_text(self._sizes[name])})" for name in largest)
        more = f" and {len(self._sizes) - len(largest)} more" if len(self._sizes) > len(largest) else ""
        lines = "  ".join(_line(name) for name in largest if name in self._untracked)
        way = f"; to leave it out, add to .gitignore: {lines}" if lines else ""
        watch.say(
            f"{size_text(total)} that are not committed went into the snapshot: {named}{more}{way}",
            CaptureWarning,
        )


def say_alone(place: bytes, reason: str) -> None:
    """Warn that files are taken without the repository that they are in."""
    watch.say(
        f"the files of {os.fsdecode(place)} are taken alone, without commit, branch and what was staged: {reason}",
        CaptureWarning,
    )


def say_filtered(paths: Sequence[bytes]) -> None:
    """Warn of files that a filter may conceal, and that were left out."""
    if not paths:
        return
    watch.say(
        Hint(
            "left out of the snapshot, new or changed under a filter that may be there to conceal them: "
            f"{_first(paths)}; to take them as they are on disk: ",
            option("include", tuple(os.fsdecode(path) for path in paths[:_SHOWN])),
        ),
        CaptureWarning,
    )


def say_committed(state: State, flat_of: Callable[[State], Flat]) -> None:
    """Warn of files that were to be left out, and that HEAD's commit has all the same.

    Args:
        state: What was captured.
        flat_of: The trees of a state, flattened.
    """
    kept: list[bytes] = []
    for prefix, part in state.parts():
        left = [item.path for item in part.worktree.omitted if item.reason == "excluded"] if part.worktree else []
        head = flat_of(part).head if left else {}
        within = directories_of(head)
        kept += [prefix + path for path in left if path in head or path.rstrip(b"/") in within]
    if kept:
        watch.say(
            f"left out as on disk, but still in the snapshot, for HEAD's commit has it: {_first(kept)}", CaptureWarning
        )


def say_empty(name: str, parts: Manifest) -> None:
    """Warn of a snapshot without a file.

    Args:
        name: The repository, for people.
        parts: What was captured.
    """
    if parts.summary.files:
        return
    left = [item.path for item in omissions(parts)]
    why = [
        f"{len(paths)} {what} ({', '.join(map(show_name, paths[:_SHOWN]))}{', …' if len(paths) > _SHOWN else ''})"
        for what, paths in (("ignored by git", parts.ignored), ("left out", left))
        if paths
    ]
    watch.say(
        Hint(
            f"the snapshot of {name} has no file in it{': ' + ', '.join(why) if why else ''}; "
            "is it the repository of your code? Name that one: ",
            option("repo", "DIR"),
            *((", or take what is left out: ", option("include", ("GLOB",))) if why else ()),
        ),
        CaptureWarning,
    )


def _first(paths: Sequence[bytes]) -> str:
    """The first of some paths, and how many more there are."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(map(show_name, paths[:_SHOWN])) + more


def _line(path: bytes) -> str:
    """The line of a .gitignore at the top that matches a path alone."""
    quoted = b"".join(b"\\" + bytes([byte]) if byte in _SPECIAL else bytes([byte]) for byte in path)
    return "/" + quoted.decode("utf-8", "backslashreplace")

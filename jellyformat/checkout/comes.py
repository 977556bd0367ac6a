"""New directories that come whole: written beside, with all that is in them, and put in place by one rename each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from jellyformat.checkout.plan import WorktreePlan, ancestors
from jellyformat.checkout.staging import Staging
from jellyformat.errors import RefusedName
from jellyformat.format.paths import show_name


class NewDirectories:
    """Those directories of a plan that come whole: they are not there, and nothing but new files goes into them.

    Args:
        plan: The plan.
        staging: Where they are written.
        repositories: Paths of new repositories, whose ``.git`` comes by itself.
        whole: As for the `WorktreePlanner`; without it, there are none.
    """

    def __init__(
        self, plan: WorktreePlan, staging: Staging, repositories: Iterable[bytes], *, whole: bool = True
    ) -> None:
        self._plan, self._staging = plan, staging
        self.tops: dict[bytes, bytes] = {}
        """Places of the outermost ones, by path."""
        self._places: dict[bytes, bytes] = {}
        mixed: set[bytes] = set()
        for path in chain(self._others(), (path + b"/.git" for path in repositories)):
            for above in ancestors(path):
                if above in mixed:
                    break
                mixed.add(above)
        for path in sorted(plan.directories) if whole else ():
            above, _, name = path.rpartition(b"/")
            if path in mixed:
                continue
            if above in self._places:
                self._places[path] = self._places[above] + b"/" + name
            else:
                self._places[path] = self.tops[path] = staging.next_new()

    def _others(self) -> Iterator[bytes]:
        """What is no new file or directory, or what could not be moved with others."""
        plan = self._plan
        yield from plan.trees
        yield from (path for path, (wanted, found) in plan.puts.items() if found is not None or wanted.kept)
        # a directory that may not be written to cannot be moved
        yield from (path + b"/" for path, mode in plan.directories.items() if mode != mode | 0o700)

    def __contains__(self, directory: bytes) -> bool:
        return directory in self._places

    def make(self) -> None:
        """Make them, empty. Raises OSError; RefusedName: as `one_name`."""
        for path, place in self._places.items():
            try:
                self._staging.directory(place, self._plan.directories[path])
            except FileExistsError as error:
                raise one_name(path) from error

    def place(self, path: bytes) -> bytes | None:
        """The place of a file that comes with one of them; None for any other."""
        above, _, name = path.rpartition(b"/")
        place = self._places.get(above)
        return None if place is None else place + b"/" + name


def one_name(path: bytes) -> RefusedName:
    """The error for a filesystem that takes a path for another one of the snapshot."""
    return RefusedName(
        f"this filesystem takes {show_name(path)} for another name in the same directory",
        requirement="JF-PTH-003",
        hint="nothing was changed; restore to a filesystem that tells them apart",
    )

"""What has to be moved, made and put so that a worktree becomes what is wanted; nothing is changed here."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jellyformat.checkout.current import Present, hash_path
from jellyformat.checkout.target import Target, Wanted
from jellyformat.errors import RefusedPath
from jellyformat.format.objects import EXECUTABLE, REGULAR, SYMLINK
from jellyformat.format.paths import show_name


@dataclass
class WorktreePlan:
    """What to do, in this order.

    Attributes:
        parks: What goes away, with what it was like.
        directories: What is made, with the mode.
        puts: What comes, with what is there before (a file or link) or None.
        trees: Directories that come back, with their place in the store.
        modes: What gets another mode, with what it was like.
        same: Paths that are as wanted.
        unavailable: Paths whose content nobody has.
    """

    parks: dict[bytes, os.stat_result] = field(default_factory=dict)
    directories: dict[bytes, int] = field(default_factory=dict)
    puts: dict[bytes, tuple[Wanted, os.stat_result | None]] = field(default_factory=dict)
    trees: dict[bytes, bytes] = field(default_factory=dict)
    modes: dict[bytes, tuple[os.stat_result, int]] = field(default_factory=dict)
    same: set[bytes] = field(default_factory=set)
    unavailable: list[bytes] = field(default_factory=list)
    covered: Callable[[bytes], bool] = lambda path: False


def ancestors(path: bytes) -> Iterable[bytes]:
    """The directories above a path, the nearest first, without the root."""
    while path := path.rpartition(b"/")[0]:
        yield path


def _is_below(path: bytes, directories: set[bytes]) -> bool:
    """Whether the path, or a directory above it, is one of these."""
    return path in directories or (bool(directories) and any(above in directories for above in ancestors(path)))


def without_privileges(mode: int, found: os.stat_result) -> int:
    """The permissions that what was ``found`` is to get: a file keeps set-user-ID and the like, or does not get them.

    A journal or a record, which may be anybody's, must not make a program of root's out of a file.
    """
    if stat.S_ISDIR(found.st_mode):
        return stat.S_IMODE(mode)
    return mode & 0o1777 | found.st_mode & 0o6000


def check_consistent(target: Target) -> set[bytes]:
    """All directories of the target; none of them may be a file as well.

    Raises:
        RefusedPath: a path is both, or there twice.
    """
    leaves = target.files.keys() | target.trees.keys()
    directories = set(target.directories) | {prefix[:-1] for prefix in target.repositories if prefix}
    directories |= target.gitlinks.keys()
    above: set[bytes] = set()
    for path in [*leaves, *directories]:
        for parent in ancestors(path):
            if parent in above:
                break
            above.add(parent)
    directories |= above
    both = directories & leaves
    if both or target.files.keys() & target.trees.keys():
        name = show_name(min(both)) if both else "a path"
        raise RefusedPath(
            f"refused: {name} is both a file and a directory of the snapshot",
            hint="nothing was written; such a container was made to do harm, do not use it",
        )
    return directories


class WorktreePlanner:
    """Compares what is there with what is wanted.

    Args:
        present: What is there.
        target: What is wanted.
        stays: Paths that stay, with all that is below them, whatever the target says, unless it wants something there.
        is_available: Whether the bytes of a wanted file can be had.
        umask: The process's umask, for new directories.
        whole: Whether a directory goes as a whole where all in it goes; else its files go, and it stays, empty.
    """

    def __init__(
        self,
        present: Present,
        target: Target,
        stays: Iterable[bytes],
        is_available: Callable[[Wanted], bool],
        umask: int,
        *,
        whole: bool = True,
    ) -> None:
        self._whole = whole
        self._present, self._target = present, target
        self._available, self._umask = is_available, umask
        self._directories = check_consistent(target)
        self._left = {path.rstrip(b"/") for path in target.left}
        self._asked = {*stays, *self._left}
        self._stays = {path for path in {*present.stays, *self._asked} if path not in target.files}
        self._filtered = {part.prefix + path for part in present.repositories.values() for path in part.scan.filtered}
        self._file_mode = present.outer.repository.settings.boolean("core.filemode", default=True)
        self._real: dict[bytes, bool] = {b"": True}
        self._bare: set[bytes] = set()
        """Directories in which nothing is found, since they, or one above, are not there or go."""
        self.plan = WorktreePlan(covered=self._is_covered)

    def make(self) -> WorktreePlan:
        """The plan."""
        plan = self.plan
        self._repositories()
        for prefix in sorted(self._target.repositories.keys() - self._present.repositories.keys()):
            self._clear(prefix + b".git")
        for path in sorted(self._target.trees):
            self._clear(path)
            plan.trees[path] = self._target.trees[path]
        for path, wanted in sorted(self._target.files.items()):
            self._file(path, wanted)
        for path in sorted(self._directories):
            self._directory(path)
        # even what cannot be read goes from there, by its name: git would wait for a FIFO at a path it knows
        for path in sorted(self._target.absent - self._asked - self._directories):
            if not _is_below(path, self._left) and self._is_below_directories(path):
                self._clear(path)
        self._unwanted()
        for path in [path for path in plan.parks if any(above in plan.parks for above in ancestors(path))]:
            del plan.parks[path]  # it goes with what is above it
        return plan

    # -- parts ---------------------------------------------------------------------------------------------------

    def _repositories(self) -> None:
        """Repositories that are there and not wanted go whole, or only their ``.git`` where files are wanted there."""
        present, target = self._present, self._target
        gone = {prefix[:-1] for prefix in present.repositories if prefix and prefix not in target.repositories}
        inside = (*target.files, *target.trees, *self._directories, *self._stays)
        above = {path for item in inside for path in ancestors(item)}
        for path in sorted(gone | present.opaque):
            if self._is_covered(path) or _is_below(path, self._stays):
                continue
            if path in target.gitlinks and self._is_clean(path, target.gitlinks[path]):
                self._stays.add(path)
            elif path in above and path not in present.opaque:
                git = path + b"/.git"
                self.plan.parks[git] = os.lstat(present.path(git))
            else:
                self._park(path)

    def _is_clean(self, path: bytes, commit: bytes) -> bool:
        """Whether git would say nothing of the submodule that is there."""
        if path in self._present.opaque:
            return True
        part = self._present.repositories[path + b"/"]
        if part.head.commit != commit or part.operation is not None:
            return False
        flat = part.flat
        return dict(flat.head) == dict(flat.index) == dict(flat.worktree) and not any(
            entry.stage for entry in part.entries
        )

    def _file(self, path: bytes, wanted: Wanted) -> None:
        found = self._clear(path, keep_file=True)
        if found is not None and self._is_same(path, wanted, found):
            mode = self._mode(wanted, found)
            # a file that has another name, in a cache or the like, must not get another mode there
            anew = found.st_nlink > 1 and not wanted.filtered and self._available(wanted)
            if mode is not None and (wanted.kept is not None or anew):
                self.plan.puts[path] = wanted, found
                return
            self.plan.same.add(path)
            if mode is not None:
                self.plan.modes[path] = found, mode
        elif wanted.kept is None and not self._available(wanted):
            self.plan.unavailable.append(path)
        else:
            self.plan.puts[path] = wanted, found

    def _is_same(self, path: bytes, wanted: Wanted, found: os.stat_result) -> bool:
        if stat.S_ISLNK(found.st_mode) != (wanted.mode == SYMLINK) or not (
            stat.S_ISLNK(found.st_mode) or stat.S_ISREG(found.st_mode)
        ):
            return False
        known = self._present.files.get(path)
        if wanted.filtered:
            return known is not None and known[1] is not None and known[1].oid == wanted.oid
        if wanted.oid is None:
            return wanted.kept is None
        if known is not None and known[1] is not None and path not in self._filtered:
            return known[1].oid == wanted.oid
        if wanted.size is not None and wanted.size != found.st_size:
            return False
        object_format = self._present.outer.repository.object_format
        return hash_path(self._present.path(path), found.st_size, object_format) == wanted.oid

    def _mode(self, wanted: Wanted, found: os.stat_result) -> int | None:
        """The mode a file has to get; None where it is right."""
        if stat.S_ISLNK(found.st_mode):
            return None
        now = stat.S_IMODE(found.st_mode)
        if wanted.permissions is not None:
            mode = without_privileges(wanted.permissions, found)
            return mode if now != mode else None
        if not self._file_mode or wanted.mode not in (REGULAR, EXECUTABLE):
            return None
        executable = wanted.mode == EXECUTABLE
        if bool(now & 0o100) == executable:
            return None
        return now | (0o111 & ~self._umask) if executable else now & ~0o111

    def _directory(self, path: bytes) -> None:
        wanted = self._target.directories.get(path)
        found = self._clear(path, keep_directory=True)
        if found is None:
            self.plan.directories[path] = 0o777 & ~self._umask if wanted is None else wanted
        elif wanted is not None and stat.S_IMODE(found.st_mode) != wanted:
            self.plan.modes[path] = found, wanted

    def _unwanted(self) -> None:
        """What is there and not wanted goes; a directory of which all goes, goes as a whole."""
        present, target = self._present, self._target
        stay = [*target.files, *target.trees, *self._stays]
        stay += [path.removesuffix(b"/") + b"/" for path in present.ignored]
        blocked = set(self._directories)
        for path in stay:
            if path.endswith(b"/"):
                blocked.add(path[:-1])
            for above in ancestors(path.removesuffix(b"/")):
                if above in blocked:
                    break
                blocked.add(above)
        blocked.update(path for path in self._stays)
        for above in [item for path in self._directories for item in ancestors(path)]:
            blocked.add(above)
        for path in (*present.files, *present.directories):
            if path in target.files or path in blocked or not path or self._is_covered(path):
                continue
            if _is_below(path, self._stays):
                continue
            if not self._whole and path in present.directories:
                continue
            top = path
            for above in ancestors(path):
                if above in blocked or not self._whole:
                    break
                top = above
            self._park(top)

    # -- helpers -------------------------------------------------------------------------------------------------

    def _park(self, path: bytes) -> None:
        self.plan.parks[path] = os.lstat(self._present.path(path))

    def _is_covered(self, path: bytes) -> bool:
        """Whether the path goes with something at it or above it."""
        parks = self.plan.parks
        return path in parks or any(above in parks for above in ancestors(path))

    def _clear(self, path: bytes, *, keep_file: bool = False, keep_directory: bool = False) -> os.stat_result | None:
        """What is in the way of ``path`` goes; what is at it and may be replaced or stay is returned."""
        directory = path.rpartition(b"/")[0]
        if directory in self._bare:
            return None
        for above in reversed(list(ancestors(path))):
            if self._is_covered(above) or not self._is_real(above):
                self._bare.add(directory)
                return None
        if self._is_covered(path):
            return None
        try:
            found = os.lstat(self._present.path(path))
        except FileNotFoundError:
            return None
        is_directory = stat.S_ISDIR(found.st_mode)
        if (keep_directory and is_directory) or (keep_file and not is_directory):
            return found
        self._park(path)
        return None

    def _is_below_directories(self, path: bytes) -> bool:
        """Whether all above ``path`` are directories; else there is nothing at it, and what is above may be wanted."""
        for above in reversed(list(ancestors(path))):
            try:
                if not stat.S_ISDIR(os.lstat(self._present.path(above)).st_mode):
                    return False
            except FileNotFoundError:
                return False
        return True

    def _is_real(self, directory: bytes) -> bool:
        """Whether there is a directory; a file or link in its place goes."""
        if directory not in self._real:
            try:
                found = os.lstat(self._present.path(directory))
            except FileNotFoundError:
                self._real[directory] = False
                return False
            self._real[directory] = stat.S_ISDIR(found.st_mode)
            if not self._real[directory]:
                self.plan.parks[directory] = found
        return self._real[directory]

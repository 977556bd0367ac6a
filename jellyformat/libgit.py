"""Objects with SHA-1 ids, read by libgit2."""

from __future__ import annotations

import os

import pygit2

from jellyformat.errors import RefusedRepository


class LibgitObjects:
    """The objects of one repository.

    Args:
        directory: Its ``objects`` directory.

    Raises:
        RefusedRepository: libgit2 cannot open it.
    """

    def __init__(self, directory: bytes) -> None:
        try:
            self._odb = pygit2.Odb(os.fsdecode(directory))
        except (pygit2.GitError, KeyError, ValueError) as error:
            raise RefusedRepository(
                f"the objects at {os.fsdecode(directory)} cannot be read: {error}",
                hint="nothing was changed; `git fsck` in the repository says more",
            ) from error

    def read(self, oid: bytes) -> tuple[int, bytes]:
        """Kind and content of an object by raw id.

        Raises:
            KeyError: the repository does not have it.
        """
        try:
            kind, content = self._odb.read(oid.hex())
        except (pygit2.GitError, ValueError) as error:
            raise KeyError(oid.hex()) from error
        return int(kind), content

    def size(self, oid: bytes) -> int | None:
        """Size in bytes of an object by raw id; None where the repository does not have it."""
        try:
            return int(self._odb.read_header(oid.hex())[1])
        except (pygit2.GitError, KeyError, ValueError):
            return None

"""Files without git: a directory that is in no repository, or in one that cannot be read (SPEC JF-STA-002)."""

from __future__ import annotations

import os

from jellyformat.format.model import Head
from jellyformat.git.layout import Layout
from jellyformat.git.repository import Repository

_NOWHERE = os.fsencode(os.devnull) + b"/git"
"""A git directory in which there is nothing, and nothing can be."""


class FilesAlone(Repository):
    """A directory, seen as a repository in which nothing was ever committed or staged.

    What its ``.gitignore`` and the user's own rules ignore is ignored; nothing of a ``.git`` in it is looked at.

    Args:
        directory: Its absolute path.
        why: What provenance says: ``none``, there was no repository; ``unreadable``, it cannot be read.
    """

    def __init__(self, directory: bytes, why: str) -> None:
        self.why = why
        super().__init__(Layout(_NOWHERE, _NOWHERE, directory))

    def head(self) -> Head:
        """Neither a commit nor a ref."""
        return Head(None, None)

    def fingerprint(self) -> tuple[object, ...]:
        """Nothing that could change."""
        return ()

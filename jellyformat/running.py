"""The files of a snapshot in a directory of their own, and what the user runs there: this runs code of a snapshot.

`run`, `code` and `bisect` with a command are all that does, and only by the user's word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jellyformat.errors import SystemFailure
from jellyformat.exports.child import Signals
from jellyformat.exports.files import export
from jellyformat.files import newfile
from jellyformat.git.related import has_commit_of
from jellyformat.hints import Hint, command
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable

VARIABLE = "JELLYFORMAT_FILE"
"""The environment variable that holds the checkpoint's whole path."""
_PREFIX = "jellyformat-run-"


def run(file: str, arguments: Sequence[str], directory: Path | None = None, *, any_names: bool = False) -> int:
    """Run a program in a directory that holds the files of a snapshot. It has the rights of the user.

    Args:
        file: The path of a checkpoint, or its URL; the program finds it in ``JELLYFORMAT_FILE``.
        arguments: The program and its arguments.
        directory: A new or empty directory to put the files into, which stays; None: a temporary one.
        any_names: Write names too that not every system can hold.

    Returns:
        Its exit status; 128 and the signal's number where a signal ended it.

    Raises:
        NoSnapshot: the file carries none.
        FormatError, Refused: it is damaged or made to do harm. Nothing was run.
        SystemFailure: the program cannot be started, or the files cannot be written.
    """
    environment = {**os.environ, VARIABLE: file if "://" in file else str(Path.cwd() / file)}
    with Signals() as signals, unpacked(file, directory, any_names=any_names) as (place, lock):
        try:
            code = signals.call(arguments, environment, lock, place)
        except OSError as error:
            raise SystemFailure(
                f"{arguments[0]} cannot be run: {error.strerror}",
                hint=Hint("nothing was changed; ", command("ls", file), " lists the files it could be"),
            ) from error
    return 128 - code if code < 0 else code


@contextmanager
def unpacked(
    file: Readable, directory: Path | None = None, *, any_names: bool = False
) -> Iterator[tuple[Path, int | None]]:
    """The files of a snapshot in a directory, for as long as they are needed; and the descriptor of its lock, if any.

    Temporary ones of processes of this user that were killed are removed first.

    Raises:
        JellyError: as `jellyformat.export`.
    """
    if directory is not None:
        export(file, directory, any_names=any_names)
        yield directory, None
        return
    with newfile.scratch_folder(_PREFIX) as (made, lock):
        place = made / "code"
        export(file, place, any_names=any_names)
        yield place, lock


def is_known(file: Readable) -> bool:
    """Whether the repository around the current directory has the commit that a snapshot was captured on.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: it is damaged.
    """
    with open_container(file) as box:
        return has_commit_of(".", box.manifest)

"""Which files and directories a snapshot is not put into without being asked for twice (SPEC JF-HST and JF-DIR)."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jellyformat.errors import RefusedHost
from jellyformat.files import durable
from jellyformat.format.source import Source
from jellyformat.hints import Hint, option
from jellyformat.hosts import directories, pointers

_DVC = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}\Z")
_CODE = re.compile(
    r"\.(?:bash|bat|c|cc|cfg|cmake|cpp|css|cuh?|cxx|diff|f90|go|h|hpp|html|ini|ipynb|java|jl|jsx?|lua|md|mk|patch|pl"
    r"|ps1|py|pyi|pyx|r|rb|rs|rst|scala|sh|slurm|sql|swift|tex|toml|tsx?|zsh)",
    re.IGNORECASE,
)
"""What the names of files with code, and texts about it, end in."""


def check_no_directory(path: Path) -> None:
    """Raises RefusedHost for a directory of no kind that is known (JF-DIR-001)."""
    if durable.is_directory(path):
        check_no_pointer_in(path)
        raise RefusedHost(
            f"{path} is a directory, and none that is known as a checkpoint ({directories.KNOWN})",
            requirement="JF-DIR-001",
            hint=Hint(
                "nothing was changed; name a file in it, or, if all of it is one checkpoint, add ", option("directory")
            ),
        )


def check_no_pointer_in(path: Path) -> None:
    """Raises RefusedHost for a directory with files that are still to be fetched."""
    found = pointers.pointer_in(path)
    if found is not None:
        raise _pointer(*found)


def check_no_pointer(path: Path, source: Source) -> None:
    """Raises RefusedHost for a file that is still to be fetched: then another one has its name."""
    found = pointers.pointer(source)
    if found is not None:
        raise _pointer(path, found)


def _pointer(path: Path, found: tuple[str, str]) -> RefusedHost:
    what, way = found
    return RefusedHost(f"{path} is {what}, not the file itself", hint=f"nothing was changed; fetch that first: {way}")


def check_no_store(path: Path) -> None:
    """Raises RefusedHost for a file in a store in which the name is the hash of the content, and which many share."""
    real = Path(os.path.realpath(path))
    if real.parent.name == "blobs" and durable.is_directory(real.parent.with_name("snapshots")):
        store = "Hugging Face's cache"
    elif "/annex/objects/" in str(real):
        store = "git-annex"
    elif _DVC.search(str(real)):
        store = "DVC's cache"
    else:
        return
    raise RefusedHost(
        f"{path} is in a store ({store}: {real}), in which it has the name of its content's hash, and others read it",
        hint=Hint(
            "nothing was changed; write a file of your own with ",
            option("out", "OUT"),
            ", or name its directory, if that is a model's",
        ),
    )


def check_no_code(path: Path, source: Source) -> None:
    """Raises RefusedHost for a file with nothing in it, and one of code: somebody may have mistaken it for another."""
    if not source.size:
        what = "is empty"
    elif _CODE.fullmatch(path.suffix) or source.read_at(0, 2) == b"#!":
        what = "looks like code or a text, not like a checkpoint"
    else:
        return
    raise RefusedHost(
        f"{path} {what}",
        hint=Hint(
            "nothing was changed; if it is the file that is meant, put the snapshot beside it with ", option("sidecar")
        ),
    )

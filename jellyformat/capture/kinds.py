"""What untracked directories and files are, told by what is in them: environments, caches, trackers (SPEC JF-WRK).

None of it is code that the user wrote, and all of it comes and goes while the code stays the same.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping

from jellyformat.files.platform import REGULAR
from jellyformat.files.platform.directories import open_file

ENVIRONMENT, CACHE, TRACKER = "environment", "cache", "tracker"

_NAMED = {
    **dict.fromkeys((b"node_modules", b"bower_components", b"site-packages", b"dist-packages"), ENVIRONMENT),
    **dict.fromkeys((b"__pypackages__", b".tox", b".nox", b".pixi", b".conda", b".direnv"), ENVIRONMENT),
    **dict.fromkeys((b"__pycache__", b".cache", b".pytest_cache", b".mypy_cache", b".ruff_cache"), CACHE),
    **dict.fromkeys((b".hypothesis", b".ipynb_checkpoints", b".pytype", b".eggs", b".gradle", b".parcel-cache"), CACHE),
    **dict.fromkeys((b".aim", b".guild", b".neptune", b".comet", b".clearml"), TRACKER),
}
"""Names that nobody gives to anything else."""
_RUNS = frozenset((b"runs", b"outputs", b"multirun", b"tb_logs", b"tensorboard", b"lightning_logs"))
"""Where trackers write, if that is what is in there."""
_WANDB = (b"run-", b"offline-run-", b"latest-run", b"debug.log", b"debug-internal.log", b"sweep-")
_EVENTS = b"events.out.tfevents."
_OURS = re.compile(rb"\.(?:.+\.)?jelly-(?:[0-9a-f]{12}\.tmp|journal|undone)", re.DOTALL)
_CODE = (b".py", b".ipynb")
_CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
"""What a CACHEDIR.TAG begins with (https://bford.info/cachedir/)."""
_LOOKED_AT, _DEPTH = 2000, 4
"""Names that are looked at below a directory to tell what it is, and how deep."""

Names = Mapping[bytes, bool]
"""What is in a directory: names, and whether each is a directory itself."""


def kind_of(path: bytes, names: Names, *, shared: bool) -> str | None:
    """The reason for which a directory is left out as one; None where it is not.

    Args:
        path: The directory, absolute.
        names: What is in it.
        shared: Whether something in it is tracked: then the untracked rest is meant, and what a directory is, its name
            has to say too.
    """
    name = path.rpartition(b"/")[2]
    named = _NAMED.get(name) or _tracker(path, name, names)
    if named is not None or shared:
        return named
    if _is_environment(names):
        return ENVIRONMENT
    if names.get(b"CACHEDIR.TAG") is False and _begins(path + b"/CACHEDIR.TAG", _CACHE_TAG):
        return CACHE
    return TRACKER if names.get(b".hydra") else None


def is_tracked_run(name: bytes) -> bool:
    """Whether a file is a tracker's, TensorBoard's or MLflow's, by its name."""
    return name.startswith(_EVENTS) or name == b"mlflow.db"


def is_ours(name: bytes) -> bool:
    """Whether a name is one of ours for what is there while a checkpoint is saved or changed, or was set aside by undo.

    Another process may be at work beside the capture: its checkpoint is none of the code, and half there.
    """
    return _OURS.fullmatch(name) is not None


def _is_environment(names: Names) -> bool:
    """Whether it is a virtual environment of Python's or conda's, and nobody works in it."""
    if any(name.endswith(_CODE) for name in names):
        return False
    return names.get(b"pyvenv.cfg") is False or names.get(b"conda-meta") is True


def _tracker(path: bytes, name: bytes, names: Names) -> str | None:
    if name in (b"mlruns", b"mlartifacts"):
        found = any(item.isdigit() or item in (b".trash", b"models") for item in names)
    elif name == b"wandb":
        found = any(item.startswith(_WANDB) for item in names)
    else:
        found = name in _RUNS and _has_runs(path)
    return TRACKER if found else None


def _has_runs(path: bytes) -> bool:
    """Whether a tracker's files lie somewhere below a directory, and no code."""
    seen: list[bytes] = []

    def is_run(names: Names, place: bytes) -> bool:
        marks = (
            any(item.startswith(_EVENTS) for item in names),
            names.get(b".hydra") is True,
            place.rpartition(b"/")[2].startswith(b"version_") and b"hparams.yaml" in names,  # Lightning
            b"args.yaml" in names and (b"weights" in names or b"results.csv" in names),  # Ultralytics
        )
        return any(marks)

    return _walk(path, 0, seen, is_run) is True


def _walk(path: bytes, depth: int, seen: list[bytes], is_run: Callable[[Names, bytes], bool]) -> bool | None:
    """True for a run below a directory, False for code, None for neither in what was looked at."""
    try:
        with os.scandir(path) as found:
            names = {os.fsencode(item.name): item.is_dir(follow_symlinks=False) for item in found}
    except OSError:
        return None
    seen += names
    if any(name.endswith(_CODE) for name in names):
        return False
    result = True if is_run(names, path) else None
    for name in sorted(name for name, is_directory in names.items() if is_directory):
        if depth < _DEPTH and len(seen) < _LOOKED_AT:
            below = _walk(path + b"/" + name, depth + 1, seen, is_run)
            if below is False:
                return False
            result = result or below
    return result


def _begins(path: bytes, text: bytes) -> bool:
    """Whether a regular file begins with a text."""
    try:
        fd = open_file(path, REGULAR)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and os.read(fd, len(text)) == text
    except OSError:
        return False
    finally:
        os.close(fd)

"""Directories that are one checkpoint, told by what is in them (SPEC 14.7)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat import fileio, registry
from jellyformat.errors import JellyError
from jellyformat.source import FileSource

HOST = "directory"
"""The kind of host that a directory is."""
FILE_NAME = "jellyformat.jelly"
"""The file in the directory that holds the container."""
DCP, HUGGING_FACE, ORBAX, OTHER = "dcp", "huggingface", "orbax", "other"
_CONFIGS = ("config.json", "adapter_config.json")
_INDEX_HEAD = 1 << 16
_INDEX_BYTES = 1 << 26
"""An index of more bytes is not read: those of models with a trillion weights have twenty million."""


@dataclass(frozen=True)
class Directory:
    """A directory of checkpoint files.

    Attributes:
        path: Where it is.
        kind: ``dcp``, ``huggingface``, ``orbax``; ``other`` for one of no kind that carries a snapshot all the same.
    """

    path: Path
    kind: str

    @property
    def file(self) -> Path:
        """The file in it that holds the container."""
        return self.path / FILE_NAME


def named_by(path: Path) -> Directory | None:
    """The directory that ``path`` stands for: itself, or that of the model whose index it is; None for other files.

    Raises:
        SystemFailure: it cannot be read.
    """
    if is_index(path):
        return Directory(path.parent, HUGGING_FACE)
    if not fileio.is_directory(path):
        return None
    with fileio.system_errors(path, "nothing was changed"):
        kind = kind_of(path)
    if kind is None and fileio.is_file(path / FILE_NAME):  # a framework's save call has put it there
        kind = OTHER
    return None if kind is None else Directory(path, kind)


def unknown(path: Path) -> tuple[str, str]:
    """Message and hint for a directory that is none of these."""
    return (
        f"{path} is a directory, and none that is known as a checkpoint",
        "nothing was changed; name a file in it; directories that are known: torch distributed checkpoints, "
        "Hugging Face model folders, orbax",
    )


def kind_of(path: Path) -> str | None:
    """The kind of a directory, told by the files in it; None where it is of none. Raises OSError."""
    with os.scandir(path) as entries:
        names = {entry.name for entry in entries if entry.is_file()}
    if ".metadata" in names and any(name.endswith(".distcp") for name in names):
        return DCP if _head(path / ".metadata", 1) == b"\x80" else None  # a pickle, which stays unopened
    if any(_is_json(path / name) for name in ("_CHECKPOINT_METADATA", "_METADATA") if name in names):
        return ORBAX
    is_model = any(_is_json(path / name) for name in _CONFIGS if name in names)
    if any(is_index(path / name) for name in names) or (is_model and any(True for _ in weight_files(path))):
        return HUGGING_FACE
    return None


def is_index(path: Path) -> bool:
    """Whether a file says in which files the tensors of a model are, as ``model.safetensors.index.json`` does."""
    if ".index." not in path.name or not path.name.endswith(".json"):
        return False
    head = _head(path, _INDEX_HEAD)
    return head.lstrip().startswith(b"{") and b'"weight_map"' in head


def weight_files(path: Path) -> Iterator[Path]:
    """The files with weights in a Hugging Face folder: safetensors, or where there are none torch files; sorted."""
    names = sorted(entry.name for entry in path.iterdir() if entry.name.endswith((".safetensors", ".bin")))
    for suffix, host in ((".safetensors", "safetensors"), (".bin", "torch")):
        found = [path / name for name in names if name.endswith(suffix) and _host_kind(path / name) == host]
        if found:
            yield from found
            return


def missing_file(path: Path) -> str | None:
    """A file that an index in a Hugging Face folder names and that is not in the folder; None where all are.

    An index that cannot be read as one names itself.
    """
    for index in sorted(entry for entry in path.iterdir() if is_index(entry)):
        names = _indexed(index)
        if names is None:
            return index.name
        for name in sorted(names):
            is_name = name and not {"/", "\0"} & set(name) and name.encode("utf-8", "replace").decode() == name
            if not is_name or not fileio.is_file(path / name):
                return name
    return None


def _indexed(index: Path) -> set[str] | None:
    """The files that an index names; None where it cannot be read as one."""
    try:
        with registry.opened(index) as fd:
            source = FileSource.of(fd)
            if source.size > _INDEX_BYTES:
                return None
            names = list(json.loads(source.read_at(0, source.size))["weight_map"].values())
    except (JellyError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return set(names) if all(isinstance(name, str) for name in names) else None


def data_files(directory: Directory) -> Iterator[tuple[bytes, Path]]:
    """The files whose bytes are the weights of a directory whose tensors are not told apart: relative names, paths."""
    if directory.kind == DCP:
        for file in sorted(directory.path.glob("*.distcp")):
            if fileio.is_file(file):
                yield os.fsencode(file.name), file
        return
    for above, inner, names in os.walk(directory.path):
        inner.sort()
        for name in sorted(names):
            file = Path(above, name)
            if file != directory.file and fileio.is_file(file):
                yield os.fsencode(file.relative_to(directory.path).as_posix()), file


def carriers(path: Path) -> Iterator[Path]:
    """The files of what a snapshot is put into that are no part of the snapshot: weights, not the code beside them."""
    directory = named_by(path)
    if directory is None:
        yield path
    elif directory.kind == HUGGING_FACE:
        yield from weight_files(directory.path)
    else:
        yield from (file for _, file in data_files(directory))


def _host_kind(path: Path) -> str | None:
    try:
        with registry.opened(path) as fd:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return registry.adapter_for(FileSource.of(fd)).name
    except JellyError:
        pass
    return None


def _is_json(path: Path) -> bool:
    return _head(path, _INDEX_HEAD).lstrip().startswith(b"{")


def _head(path: Path, length: int) -> bytes:
    try:
        with registry.opened(path) as fd:
            return FileSource.of(fd).read_at(0, length) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except JellyError:
        return b""

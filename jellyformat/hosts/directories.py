"""Directories that are one checkpoint, told by what is in them (SPEC JF-DIR)."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jellyformat.errors import JellyError, NoSnapshot, OnlyPointer
from jellyformat.files import durable
from jellyformat.files.walk import walk
from jellyformat.format.source import FileSource
from jellyformat.hints import Hint, command
from jellyformat.hosts import pointers, registry

HOST = "directory"
"""The kind of host that a directory is."""
FILE_NAME = "jellyformat.jelly"
"""The file in the directory that holds the container."""
DCP, HUGGING_FACE, ORBAX, OTHER = "dcp", "huggingface", "orbax", "other"
KNOWN = "those of torch.distributed.checkpoint, Hugging Face models and orbax are"
"""The kinds that are told, for people."""
_CONFIGS = ("config.json", "adapter_config.json")
_INDEX_HEAD = 1 << 16
_SPACE = b"\t\n\r "
"""White space, as JSON has it."""
_TEXT_HEAD = 8000
"""Bytes at the beginning of a file in which a NUL tells that it is no text, as git looks for it."""
_INDEX_BYTES = 1 << 26
"""An index of more bytes is not read: those of models with a trillion weights have twenty million."""


@dataclass(frozen=True)
class Directory:
    """A directory of checkpoint files.

    Attributes:
        path: Where it is.
        kind: ``dcp``, ``huggingface``, ``orbax``; ``other`` for one of no kind that carries a snapshot, or is to.
    """

    path: Path
    kind: str

    @property
    def file(self) -> Path:
        """The file in it that holds the container."""
        return self.path / FILE_NAME


def named_by(path: Path, *, any_kind: bool = False) -> Directory | None:
    """The directory that ``path`` stands for: itself, or that of the model whose index it is; None for other files.

    Args:
        path: The file or directory.
        any_kind: Whether a directory of no kind counts, too.

    Raises:
        SystemFailure: it cannot be read.
    """
    if is_index(path):
        return Directory(path.parent, HUGGING_FACE)
    if not durable.is_directory(path):
        return None
    with durable.system_errors(path, "nothing was changed"):
        kind = kind_of(path)
    if kind is None and (any_kind or durable.is_file(path / FILE_NAME)):  # as somebody has asked for
        kind = OTHER
    return None if kind is None else Directory(path, kind)


def check_known(path: Path) -> None:
    """Raises NoSnapshot for a directory of no kind that carries nothing."""
    if durable.is_directory(path):
        found = pointers.pointer_in(path)
        if found is not None:
            raise OnlyPointer(
                f"{found[0]} is {found[1][0]}, not the file itself", hint=f"fetch that first: {found[1][1]}"
            )
        raise NoSnapshot(
            f"{path} carries no snapshot: it is a directory, and none that is known as a checkpoint ({KNOWN})",
            hint=Hint("to look for snapshots in the files below it: ", command("log", str(path))),
        )


def kind_of(path: Path) -> str | None:
    """The kind of a directory, told by the files in it; None where it is of none. Raises OSError."""
    with os.scandir(path) as entries:
        names = {entry.name for entry in entries if entry.is_file()}
    parts = ".metadata" in names and any(name.endswith(".distcp") for name in names)
    if parts and _head(path / ".metadata", 1) == b"\x80":  # a pickle, which stays unopened
        return DCP
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
    return head.lstrip(_SPACE).startswith(b"{") and b'"weight_map"' in head


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
            if not is_name or not durable.is_file(path / name):
                return name
    return None


def _indexed(index: Path) -> set[str] | None:
    """The files that an index names; None where it cannot be read as one."""
    try:
        with registry.open_file(index) as fd:
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
            if durable.is_file(file):
                yield os.fsencode(file.name), file
        return
    for above, inner, names in walk(os.fspath(directory.path)):
        inner.sort()
        for name in sorted(names):
            file = Path(above, name)
            if file != directory.file and durable.is_file(file):
                yield os.fsencode(file.relative_to(directory.path).as_posix()), file


def carriers(path: Path) -> Iterator[Path]:
    """The files of what a snapshot is put into that are no part of the snapshot: weights, not the code beside them."""
    directory = named_by(path, any_kind=True)
    if directory is None:
        yield path
    elif directory.kind == OTHER:  # whose code may lie there too
        yield from (file for _, file in data_files(directory) if b"\0" in _head(file, _TEXT_HEAD))
    elif directory.kind == HUGGING_FACE:
        yield from weight_files(directory.path)
    else:
        yield from (file for _, file in data_files(directory))


def _host_kind(path: Path) -> str | None:
    try:
        with registry.open_file(path) as fd:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                return registry.adapter_for(FileSource.of(fd)).name
    except JellyError:
        pass
    return None


def _is_json(path: Path) -> bool:
    return _head(path, _INDEX_HEAD).lstrip(_SPACE).startswith(b"{")


def _head(path: Path, length: int) -> bytes:
    try:
        with registry.open_file(path) as fd:
            return FileSource.of(fd).read_at(0, length) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except JellyError:
        return b""

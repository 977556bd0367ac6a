"""Signatures of OpenSSF model signing beside checkpoints: which files they are of, and would not be of any more."""

from __future__ import annotations

import base64
import binascii
import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jellyformat.errors import HostWarning, JellyError, RefusedHost
from jellyformat.files import durable
from jellyformat.format.source import FileSource, read_exactly
from jellyformat.hints import Hint, option
from jellyformat.hosts import registry, ties

NAME = "model.sig"
"""What a signature is called where nobody says otherwise."""
_MOST = 16 << 20
"""Bytes of a signature: it names every file."""
_ABOVE = 8
"""Directories above a file in which a signature of all below is looked for."""
_TYPE = "https://model_signing/"


def check_not_signed(path: Path, *, sidecar: bool) -> None:
    """Raises RefusedHost for a file whose bytes a signature of OpenSSF model signing is of.

    Args:
        path: The file that would be changed.
        sidecar: Whether a sidecar is a way on.
    """
    found = covering(path)
    if found is None:
        return
    beside = Hint("put the snapshot beside it with ", option("sidecar"), ", or ") if sidecar else Hint()
    raise RefusedHost(
        f"{path} is signed (OpenSSF model signing, {found}), and would not be any more",
        hint=Hint("nothing was changed; ", beside, f"remove {found.name}, do it, and sign again"),
    )


def warn_of(file: Path) -> None:
    """Warn that a file of ours is put into a folder that is signed, which model_signing then does not take as it is.

    Args:
        file: A sidecar, or a snapshot's file in a directory; it may be there already.

    Warns:
        HostWarning: it is.
    """
    for signature in _signatures(file):
        statement = _statement(signature)
        root = None if statement is None else _root(signature, statement)
        if statement is None or root is None or not file.is_relative_to(root):
            continue
        way = "sign the folder again"
        if file.relative_to(root).as_posix() not in _resources(statement):
            way = f"let model_signing verify it with --ignore_unsigned_files, or {way}"
        warnings.warn(
            f"{file.name} is put into a folder that is signed ({signature}), and the signature is not of it: {way}",
            HostWarning,
            stacklevel=3,
        )
        return


def covering(path: Path) -> Path | None:
    """The signature that is of a file as it is; None where there is none, or the file was changed since."""
    real = Path(os.path.realpath(path))
    for place in dict.fromkeys((path.absolute(), real)):
        for signature in _signatures(place):
            if _is_of(signature, place):
                return signature
    return None


def _signatures(path: Path) -> Iterator[Path]:
    """Where the signature of a file may lie."""
    beside = path.with_name(path.name + ".sig")
    if durable.is_file(beside):
        yield beside
    for directory in list(path.parents)[:_ABOVE]:
        if durable.is_file(directory / NAME):
            yield directory / NAME


def _root(signature: Path, statement: dict[str, Any]) -> Path | None:
    """The folder that a signature is of: that in which it lies, or one there; None where it is of one file."""
    names = _resources(statement)
    if set(names) == {"."}:
        return None
    inside = signature.parent / _subject(statement)
    return inside if inside.is_dir() else signature.parent


def _is_of(signature: Path, path: Path) -> bool:
    statement = _statement(signature)
    if statement is None:
        return False
    root = _root(signature, statement)
    if root is None:
        name = "." if path == signature.with_suffix("") or path.name == _subject(statement) else None
    else:
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else None
    found = _resources(statement).get(name or "")
    if found is None:
        return False
    algorithm, digest = found
    try:
        with registry.open_file(path) as fd:
            return algorithm != "sha256" or ties.sha256_of(FileSource.of(fd)).hex() == digest
    except JellyError:
        return False


def _statement(signature: Path) -> dict[str, Any] | None:
    """What a signature says that it is of; nothing of it is checked. None where it is another kind of file."""
    try:
        with registry.open_file(signature) as fd:
            source = FileSource.of(fd)
            text = read_exactly(source, 0, source.size) if source.size <= _MOST else b""
        payload = base64.b64decode(json.loads(text)["dsseEnvelope"]["payload"], validate=True)
        statement = json.loads(payload)
        is_ours = isinstance(statement, dict) and str(statement.get("predicateType")).startswith(_TYPE)
        return statement if is_ours else None
    except (JellyError, ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return None


def _subject(statement: dict[str, Any]) -> str:
    """The name of what is signed, without directories."""
    try:
        return Path(str(statement["subject"][0]["name"]).replace("\0", "")).name
    except (LookupError, TypeError):
        return ""


def _resources(statement: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The files that are signed: the algorithm and digest of each by its name; of parts of files none."""
    found: dict[str, tuple[str, str]] = {}
    try:
        for item in statement["predicate"]["resources"]:
            name, algorithm = str(item["name"]), str(item["algorithm"])
            parts = name.rsplit(":", 2)
            if statement["predicate"]["serialization"]["method"] == "shards" and len(parts) == 3:
                name, algorithm = parts[0], "shards"
            found[name] = (algorithm, str(item["digest"]))
    except (LookupError, TypeError):
        return found
    return found

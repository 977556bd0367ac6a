"""The registered extensions that say what a checkpoint is: labels, note, run, edited, signatures (SPEC JF-EXT)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from jellyformat.errors import BadManifest, JellyError
from jellyformat.format import fields, manifest
from jellyformat.format.model import Manifest
from jellyformat.format.msgpack import Value

LABELS: Final = "labels"
NOTE: Final = "note"
RUN: Final = "run"
EDITED: Final = "edited"
SIGNATURES: Final = "signatures"
SIDECAR: Final = "sidecar"
UNSIGNED: Final = frozenset((SIGNATURES, SIDECAR))
"""Extensions that no signature covers: itself, and beside which file the container lies."""
KEPT: Final = (LABELS, NOTE, RUN)
"""Extensions that say what a checkpoint is, whichever snapshot it carries."""

SSHSIG: Final = "sshsig"
NAMESPACE: Final = "container@jellyformat.org"
_SIGNED: Final = b"jellyformat container 1\0"

_LABELS_MOST: Final = 1000
_KEY_MOST: Final = 128
_VALUE_MOST: Final = 4096
_NOTE_MOST: Final = 65_536
_RUN_ID: Final = 16
_DIGEST: Final = 32
_EDITED_MOST: Final = 100_000
_SIGNATURES_MOST: Final = 64
_FORMAT_MOST: Final = 64
_SIGNATURE_MOST: Final = 65_536
Extensions = Mapping[str, Value]


@dataclass(frozen=True)
class Run:
    """Which checkpoint of which run: ``id`` is the run's, 16 bytes; ``parent`` the digest of the one before."""

    id: bytes
    sequence: int
    parent: bytes | None = None


@dataclass(frozen=True)
class Signature:
    """A signature over `signed_bytes`, in a format such as ``sshsig``."""

    format: str
    signature: bytes


def labels_of(extensions: Extensions) -> dict[str, str]:
    """The labels of a checkpoint; empty where there are none.

    Raises:
        BadManifest: they are not as they have to be (JF-EXT-001).
    """
    if LABELS not in extensions:
        return {}
    with _faults(LABELS, "JF-EXT-001"):
        found = fields.open_map(extensions[LABELS], LABELS)
        labels = {key: fields.string(value, LABELS) for key, value in found.items()}
        fit = len(labels) <= _LABELS_MOST and all(
            _is_key(key) and len(value.encode()) <= _VALUE_MOST for key, value in labels.items()
        )
        if not fit:
            raise fields.wrong(LABELS, "of labels of the lengths allowed")
        return labels


def _is_key(key: str) -> bool:
    if not 1 <= len(key.encode()) <= _KEY_MOST:
        return False
    return key.isprintable() or not any(ord(char) < 0x20 or ord(char) == 0x7F for char in key)


def note_of(extensions: Extensions) -> str | None:
    """The note of a checkpoint; None where there is none.

    Raises:
        BadManifest: it is not as it has to be (JF-EXT-002).
    """
    if NOTE not in extensions:
        return None
    with _faults(NOTE, "JF-EXT-002"):
        note = fields.string(extensions[NOTE], NOTE)
        if len(note.encode()) > _NOTE_MOST:
            raise fields.wrong(NOTE, f"of {_NOTE_MOST} bytes at most")
        return note


def run_of(extensions: Extensions) -> Run | None:
    """Which checkpoint of which run it is; None where that is not said.

    Raises:
        BadManifest: it is not as it has to be (JF-EXT-003).
    """
    if RUN not in extensions:
        return None
    with _faults(RUN, "JF-EXT-003"):
        item = fields.closed_map(extensions[RUN], Run, RUN)
        run = Run(
            id=fields.oid(item["id"], _RUN_ID, "id"),
            sequence=fields.integer(item["sequence"], "sequence"),
            parent=fields.optional(item["parent"], lambda part, name: fields.oid(part, _DIGEST, name), "parent"),
        )
        if run.sequence == 0 and run.parent is not None:
            raise fields.wrong("parent", "nil of the first checkpoint")
        return run


def edited_of(extensions: Extensions) -> tuple[bytes, ...]:
    """The paths that changed between the start of the program and the capture; empty where none are said.

    Raises:
        BadManifest, UnsafePath, PathLimit: they are not as they have to be (JF-EXT-004).
    """
    if EDITED not in extensions:
        return ()
    with _faults(EDITED, "JF-EXT-004"):
        found = fields.sorted_array(extensions[EDITED], fields.long_path, EDITED)
        if len(found) > _EDITED_MOST:
            raise fields.wrong(EDITED, f"of {_EDITED_MOST} paths at most")
        return found


def signatures_of(extensions: Extensions) -> tuple[Signature, ...]:
    """The signatures of a container; empty where there are none.

    Raises:
        BadManifest: they are not as they have to be (JF-EXT-005).
    """
    if SIGNATURES not in extensions:
        return ()
    with _faults(SIGNATURES, "JF-EXT-005"):
        found = tuple(_signature(part) for part in fields.array(extensions[SIGNATURES], SIGNATURES))
        if not 1 <= len(found) <= _SIGNATURES_MOST:
            raise fields.wrong(SIGNATURES, f"1 to {_SIGNATURES_MOST}")
        return found


def _signature(value: Value) -> Signature:
    item = fields.closed_map(value, Signature, SIGNATURES)
    found = Signature(fields.string(item["format"], "format"), fields.binary(item["signature"], "signature"))
    if not (1 <= len(found.format.encode()) <= _FORMAT_MOST and 1 <= len(found.signature) <= _SIGNATURE_MOST):
        raise fields.wrong(SIGNATURES, "of the lengths allowed")
    return found


class _faults:  # reads as what it catches
    """Faults of an extension are named by its own requirement."""

    def __init__(self, name: str, requirement: str) -> None:
        self._name, self._requirement = name, requirement

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BadManifest):
            raise BadManifest(f"the extension {self._name}: {error.message}", requirement=self._requirement) from error
        if isinstance(error, JellyError):
            error.requirement = self._requirement


def check(found: Manifest) -> int:
    """Check the extensions that are registered; how many of them are there.

    Raises:
        BadManifest, UnsafePath, PathLimit: one is not as it has to be (JF-EXT-001 to 005), or a thin container is
            signed (JF-SIG-001).
    """
    extensions = found.extensions
    for read in (labels_of, note_of, run_of, edited_of, signatures_of):
        read(extensions)
    if SIGNATURES in extensions and found.history.prerequisites:
        raise BadManifest("a container that builds on commits it does not have is signed", requirement="JF-SIG-001")
    return len(extensions.keys() & {LABELS, NOTE, RUN, EDITED, SIGNATURES})


def to_value(item: Run | Signature) -> Value:
    """The value of the extension `run`, or of one of `signatures`."""
    return manifest.to_value(item)


def signed_bytes(found: Manifest) -> bytes:
    """What a signature of a container is made over (SPEC JF-EXT): its manifest without what no signature covers.

    The manifest has the SHA-256 of every block, so that everything in the container is signed.
    """
    kept = {name: value for name, value in found.extensions.items() if name not in UNSIGNED}
    return _SIGNED + manifest.encode(replace(found, extensions=kept))

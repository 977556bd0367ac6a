"""Labels and notes of a checkpoint as they are stored: as text, and without what is secret in them (SPEC JF-EXT)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jellyformat.capture import arguments
from jellyformat.capture.environment import clean_text
from jellyformat.capture.secrets import blank_secrets
from jellyformat.errors import BadManifest, JellyError, Usage
from jellyformat.format import extensions, frames
from jellyformat.format.extensions import KEPT, LABELS, NOTE, RUN, SIGNATURES
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource
from jellyformat.hosts import lookup

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|nan|[+-]?inf(?:inity)?|true|false", re.IGNORECASE)
_SPOKEN = re.compile(r"pass|pwd|pin(?![a-z])|secret|credential|otp", re.IGNORECASE)
"""What a secret that is a number is called."""


def text_of(value: object) -> str:
    """A label's value as text: numbers as JSON writes them, those of numpy and torch too."""
    if isinstance(value, str):
        return value
    item: Any = getattr(value, "item", None)
    if callable(item) and getattr(value, "size", 1) != 0:
        try:
            value = item()  # of an array or tensor of one number
        except (RuntimeError, TypeError, ValueError):
            return str(value)
    return json.dumps(value) if value is None or isinstance(value, (bool, int, float)) else str(value)


def cleaned(labels: Mapping[str, object]) -> dict[str, str]:
    """Labels as they are stored, guarded as a command line is: values whose names say that they are secret are
    blanked, and what looks like a secret within others. A number is a metric, not a token, whatever its name.

    Raises:
        Usage: a label has no name, or is longer than allowed, or there are too many (JF-EXT-001).
    """
    found = {_clean_name(name): _clean_value(name, text_of(value)) for name, value in labels.items()}
    try:
        return extensions.labels_of({LABELS: dict[str, Value](found)})
    except (BadManifest, UnicodeEncodeError) as error:
        raise Usage(
            "a label has a name of 1 to 128 bytes without controls and a value of 4,096 bytes at most, "
            "and a checkpoint has 1,000 labels at most",
            requirement="JF-EXT-001",
            hint="nothing was changed",
        ) from error


def fitting(labels: Mapping[str, object]) -> dict[str, object]:
    """Of what a framework says, all that can be a label: the name of a metric may be anything."""
    found: dict[str, object] = {}
    for name, value in labels.items():
        with suppress(Usage):
            cleaned({str(name): value})
            found[str(name)] = value
    return found


def cleaned_note(note: str) -> str:
    """A note as it is stored, without what looks like a secret.

    Raises:
        Usage: it is longer than allowed (JF-EXT-002).
    """
    found = "\n".join(_inside(line) for line in note.split("\n"))
    try:
        return extensions.note_of({NOTE: found}) or ""
    except (BadManifest, UnicodeEncodeError) as error:
        raise Usage(
            "a note is text of 65,536 bytes at most", requirement="JF-EXT-002", hint="nothing was changed"
        ) from error


def _clean_name(name: str) -> str:
    """A label's name without what looks like a secret."""
    return blank_secrets(name.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _clean_value(name: str, value: str) -> str:
    if _NUMBER.fullmatch(value.strip()) and not _SPOKEN.search(name):
        return value
    return arguments.HIDDEN if arguments.is_secret(name, value) else _inside(value)


def _inside(text: str) -> str:
    return clean_text(arguments.without_secrets(text)).decode("utf-8", "surrogateescape")


def labelled(
    data: bytes,
    labels: Mapping[str, object],
    note: str | None = None,
    *,
    remove: Collection[str] = (),
    more: Mapping[str, Value] | None = None,
    drop_signatures: bool = False,
) -> bytes:
    """A container with other labels and another note; its blocks are copied as they are.

    Args:
        data: The whole container.
        labels: New values by name; other labels stay.
        note: The new note; an empty one takes it away; None leaves it.
        remove: Names of labels to take away.
        more: Further extensions to be set.
        drop_signatures: Take away signatures that would no longer hold.

    Raises:
        Usage: a label or note is longer than allowed.
        FormatError: the container is damaged.
        RefusedSigned: it is signed (JF-SIG-002).
    """
    source = BytesSource(data)
    old = extensions.labels_of(frames.read_manifest(source, frames.read_header(source)).extensions)
    new = cleaned({name: value for name, value in {**old, **labels}.items() if name not in remove})
    changes: dict[str, Value] = dict(more or {})
    if new != old:
        changes[LABELS] = dict[str, Value](new) or None
    if note is not None:
        changes[NOTE] = cleaned_note(note) or None
    return frames.with_extensions(data, changes, drop_signatures=drop_signatures)


def for_host(
    data: bytes,
    labels: Mapping[str, object],
    note: str | None,
    replaced: Path | None,
    *,
    drop_signatures: bool = False,
) -> bytes:
    """A container with the labels and note of the checkpoint that it is put into.

    Args:
        data: The whole container.
        labels: As for `labelled`.
        note: As for `labelled`.
        replaced: A checkpoint whose own snapshot says which it is, where this one does not say it; None for none.
        drop_signatures: As for `labelled`.

    Raises:
        As `labelled`.
    """
    old: extensions.Extensions = {}
    if replaced is not None:
        with suppress(JellyError), lookup.named(replaced) as named:  # where there is none, or it is damaged
            found = lookup.read_extensions(lookup.container_in(named).container)
            extensions.labels_of(found)  # what is not as it has to be is not kept
            old = {name: found[name] for name in KEPT if name in found}
    if old:
        source = BytesSource(data)
        mine = frames.read_manifest(source, frames.read_header(source)).extensions
        if SIGNATURES not in mine:
            if LABELS in old:
                old = {**old, LABELS: {**extensions.labels_of(old), **extensions.labels_of(mine)}}
            data = frames.with_extensions(data, {**old, **{name: mine[name] for name in (NOTE, RUN) if name in mine}})
    if not labels and note is None:
        return data
    return labelled(data, labels, note, drop_signatures=drop_signatures)

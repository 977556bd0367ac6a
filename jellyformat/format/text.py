"""Text for people: what others wrote made visible, sizes and times, tables for notebooks."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

_LONGEST = 200
"""Characters of one value in a table."""


def visible(text: str | bytes) -> str:
    """Text of a stranger for a terminal or page: no escapes, no controls, nothing that turns the writing around."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def brief(text: str | bytes, most: int = 60) -> str:
    """`visible`, and cut off behind ``most`` characters."""
    shown = visible(text[: 4 * most])  # as many bytes may make one character
    return shown if len(shown) <= most and len(text) <= 4 * most else shown[: most - 1] + "…"


def plural(count: int, word: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def size_text(size: int) -> str:
    """A size in bytes for people."""
    if size < 1000:
        return f"{size} B"
    for unit in ("kB", "MB", "GB"):
        size_in_unit = size / {"kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
        if size_in_unit < 1000 or unit == "GB":
            return f"{size_in_unit:.3g} {unit}" if size_in_unit < 1000 else f"{size_in_unit:.0f} {unit}"
    raise AssertionError


def timestamp(seconds: int) -> str:
    """ISO 8601 in UTC; what lies beyond the calendar as the number of seconds."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def decoded(raw: bytes) -> str:
    """A path or name as text: other than UTF-8 as surrogates, from which Python's ``os.fsencode`` makes the bytes."""
    return raw.decode("utf-8", "surrogateescape")


def html_table(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A small table for a notebook: nothing of a title or value is taken for markup, and no value is long."""
    import html

    def cell(tag: str, text: str) -> str:
        return f'<{tag} style="text-align:left">{html.escape(brief(text, _LONGEST))}</{tag}>'

    lines = "".join(f"<tr>{cell('th', name)}{cell('td', value)}</tr>" for name, value in rows)
    return f"<table>{cell('caption', title)}{lines}</table>"

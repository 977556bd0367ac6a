"""A timeline as text: a table for people, and one line a checkpoint for programs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import click

import jellyformat
from jellyformat.cli.output import safe_name, safe_path
from jellyformat.cli.show import branch
from jellyformat.errors import JellyError
from jellyformat.exports.edits import Edit
from jellyformat.format.text import plural, visible
from jellyformat.selecting import directory_of, path_matches
from jellyformat.timeline import patch_of

_NAMED = 3
"""Files that are named of a larger change."""
_IN_FULL = 100
"""Characters of all that changed, said on one line."""
_LABELS = 6
"""Columns of labels that nobody chose."""
_WIDEST, _DIGITS = 32, 6
"""Characters of a label's text, and digits of its number, in a table."""
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_red", "bright_cyan", "bright_yellow")
_FIXED = ("file", "time", "branch", "commit", "code")
_SIGNED = "signed"


@dataclass(frozen=True)
class Shown:
    """What is shown of each checkpoint.

    Attributes:
        columns: Names of columns and labels that were asked for; None for the ordinary ones.
        stat: Whether each file that changed has a line.
        patch: Whether what changed is shown as a patch.
        glob: Which files' changes are shown; None for all.
        asked: Labels that were asked for: they stand in front of others.
        width: Columns of the terminal; None for no bound.
        in_order: Whether the checkpoints stand in the order in which they were made.
    """

    columns: tuple[str, ...] | None = None
    stat: bool = False
    patch: bool = False
    glob: str | None = None
    asked: tuple[str, ...] = ()
    width: int | None = None
    in_order: bool = True

    @property
    def facts(self) -> tuple[str, ...]:
        """Columns in front of all others, which no label of the same name hides: the file is always there."""
        if self.columns is None:
            return _FIXED
        return () if "file" in self.columns else ("file",)


def plain(found: Iterable[jellyformat.LogEntry], shown: Shown) -> Iterator[str]:
    """One line a checkpoint: columns, all labels and what changed in the code, with tabs between."""
    for entry in found:
        if shown.columns is None:
            labels = " ".join(f"{visible(name)}={visible(value)}" for name, value in entry.labels.items())
            cells = [_fact(entry, name) for name in ("time", "file", "branch", "commit", "code")]
            cells += [labels, "; ".join(filter(None, (change_text(entry, shown.glob), edited_text(entry))))]
        else:
            cells = [_fact(entry, name) for name in shown.facts] + [_cell(entry, name) for name in shown.columns]
        yield "\t".join(cells)
        yield from _details(entry, shown)


def table(found: list[jellyformat.LogEntry], shown: Shown, *, colour: bool) -> Iterator[str]:
    """A table, each checkpoint a line; a change of the code stands in front of the first that has it."""
    if not found:
        return
    chosen, same = (shown.columns, []) if shown.columns is not None else _labels(found, shown.asked)
    facts_shown = _fixed(found) if shown.columns is None else shown.facts
    columns = [*facts_shown, *chosen]
    facts = len(facts_shown)
    rows = [
        [
            _fact(entry, name) if at < facts else _short(_cell(entry, name), name in entry.labels)
            for at, name in enumerate(columns)
        ]
        for entry in found
    ]
    heads = [
        _head(name, at < facts or (shown.columns is not None and _is_fact(name))) for at, name in enumerate(columns)
    ]
    columns, heads, rows = _fitting(columns, heads, rows, None if shown.columns is not None else shown.width)
    widths = [max(_width(row[at]) for row in [heads, *rows]) for at in range(len(columns))]
    yield _style(_line(heads, columns, widths), colour, bold=True)
    before: tuple[str | None, tuple[bytes, ...]] = (None, ())
    for entry, row in zip(found, rows, strict=True):
        if entry.edited and before != (entry.snapshot_id, entry.edited):
            yield _style(f"  ! {edited_text(entry)}", colour, fg="yellow")
        before = (entry.snapshot_id, entry.edited)
        words = change_text(entry, shown.glob) if shown.in_order else ""
        if words:
            yield _style(f"  ↓ {words}", colour, fg="green")
        yield _coloured(row, columns, widths, entry, colour)
        if entry.damaged is not None:
            yield _style(f"    damaged: {visible(entry.damaged.message)}", colour, fg="red")
        yield from _details(entry, shown)
    if same:
        yield _style("the same in all: " + ", ".join(same), colour, dim=True)


def change_text(entry: jellyformat.LogEntry, glob: str | None) -> str:
    """What changed in the code since the checkpoint before, on one line; nothing where that is nothing."""
    if not entry.edits:
        return ""
    edits = [edit for edit in entry.edits if glob is None or path_matches(edit.path, glob)]
    said: list[str] = []
    counted: list[Edit] = []
    left = _IN_FULL
    for edit in edits:
        small = _small(edit)
        fits = 0 < len(small) <= left
        if fits:  # however much changed elsewhere
            said.append(small)
            left -= len(small)
        if not fits or edit.text is None:
            counted.append(edit)
    words = ", ".join([*said, *map(_counted, counted[:_NAMED])])
    if len(counted) > _NAMED:
        words += f" and {plural(len(counted) - _NAMED, 'more file')}"
    elsewhere = entry.changes is None and entry.since is not None  # in another run
    return f"{words}, since {safe_name(entry.since or '')}" if elsewhere and words else words


def _small(edit: Edit) -> str:
    """What is said in full of a change: all of it, or the values that changed among more."""
    return "" if edit.said is None else f"{visible(edit.said)} ({safe_path(edit.path)})"


def edited_text(entry: jellyformat.LogEntry) -> str:
    """What the program had loaded before it was changed and captured; nothing where that is nothing."""
    if not entry.edited:
        return ""
    more = f" and {len(entry.edited) - _NAMED} more" if len(entry.edited) > _NAMED else ""
    names = ", ".join(map(safe_path, entry.edited[:_NAMED]))
    return f"changed after the program had loaded it, maybe not what ran: {names}{more}"


def _counted(edit: Edit) -> str:
    return " ".join(part for part in (edit.change, safe_path(edit.path), edit.counts()) if part)


def _details(entry: jellyformat.LogEntry, shown: Shown) -> Iterator[str]:
    """What changed, file by file, or line by line."""
    if not entry.edits:
        return
    if shown.stat:
        for edit in entry.edits:
            if shown.glob is None or path_matches(edit.path, shown.glob):
                said = "" if edit.said is None else f"  {visible(edit.said)}"
                yield f"    {_counted(edit)}{said}"
    if shown.patch:
        try:
            for lines in patch_of(entry, shown.glob):
                yield from ("    " + _harmless(line) for line in lines.removesuffix(b"\n").split(b"\n"))
        except JellyError as error:
            yield f"    damaged: {visible(error.message)}"


def _harmless(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return "".join(char if char.isprintable() or char == "\t" else visible(char) for char in text)


def _is_fact(name: str) -> bool:
    return name in (*_FIXED, _SIGNED)


def _head(name: str, is_fact: bool) -> str:
    """What stands above a column; a label is not taken for what is known of every checkpoint."""
    if is_fact:
        return name.upper()
    return f'"{visible(name)}"' if name.isupper() and _is_fact(name.lower()) else visible(name)


def _cell(entry: jellyformat.LogEntry, name: str) -> str:
    """A label, or what else is known under that name; for a terminal."""
    if name in entry.labels and name != _SIGNED:  # else anybody could write down who signed it
        return visible(entry.labels[name])
    return _fact(entry, name)


def _fact(entry: jellyformat.LogEntry, name: str) -> str:
    """What is known of every checkpoint, for a terminal."""
    if name == "time":
        return (entry.created or "").replace("T", " ")  # with its Z: --since takes it as it stands
    if name == "file":
        return safe_name(entry.file)
    if name == "branch":
        return "" if entry.commit is None and entry.ref is None else branch(entry.ref)
    if name == "commit":
        none = "without git" if entry.ref is None else "no commit"
        return none if entry.commit is None else entry.commit[:10] + "+" * bool(entry.dirty)
    if name == "code":
        return (entry.snapshot_id or "")[:12]
    if name == "run":
        return safe_name(directory_of(entry.file)) if entry.run is None else entry.run.id.hex()[:8]
    if name == "sequence":
        return "" if entry.run is None else str(entry.run.sequence)
    if name == _SIGNED:
        return ", ".join(item.in_short().removeprefix("good, by ") for item in entry.signatures)
    if name == "changes":
        return change_text(entry, None)
    found = {"host": entry.host, "note": entry.note, "subject": entry.subject, "since": entry.since}.get(name)
    return "" if found is None else visible(found)


def _labels(found: list[jellyformat.LogEntry], asked: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """The labels that differ; and those that do not, with their values."""
    there = dict.fromkeys(name for entry in found for name in entry.labels)
    names = dict.fromkeys((*(name for name in asked if name in there), *there))
    differ, same = [], []
    for name in names:
        values = {entry.labels.get(name) for entry in found}
        if len(values) > 1 or len(found) == 1 or name in asked:
            differ.append(name)
        else:
            same.append(f"{visible(name)}={visible(found[0].labels[name])}")
    return tuple(differ[:_LABELS]), same


def _fixed(found: list[jellyformat.LogEntry]) -> tuple[str, ...]:
    """The columns in front of the labels: where one is signed, by whom."""
    return (*_FIXED, _SIGNED) if any(entry.signatures for entry in found) else _FIXED


def _fitting(
    columns: list[str], heads: list[str], rows: list[list[str]], width: int | None
) -> tuple[list[str], list[str], list[list[str]]]:
    """The columns that fit into a width: labels are left out from the right."""

    def total() -> int:
        return sum(max(_width(row[at]) for row in [heads, *rows]) + 2 for at in range(len(columns))) - 2

    while width is not None and total() > width and len(columns) > len(_FIXED) + 1:
        columns, heads, rows = columns[:-1], heads[:-1], [row[:-1] for row in rows]
    return columns, heads, rows


def _short(text: str, is_label: bool) -> str:
    """A value for a table: of a label so many digits as tell checkpoints apart."""
    if not is_label or len(text) <= _DIGITS + 2:
        return text
    try:
        return f"{float(text):.{_DIGITS}g}"
    except ValueError:
        return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _line(cells: list[str], columns: list[str], widths: list[int]) -> str:
    """Cells side by side; labels, most of them numbers, to the right."""
    return "  ".join(
        _padded(cell, width, right=name not in _FIXED) for cell, name, width in zip(cells, columns, widths, strict=True)
    ).rstrip()


def _coloured(row: list[str], columns: list[str], widths: list[int], entry: jellyformat.LogEntry, colour: bool) -> str:
    """A line in which the same code has the same colour."""
    if not colour or entry.snapshot_id is None:
        return _line(row, columns, widths)
    shade = _COLOURS[int(entry.snapshot_id[:8], 16) % len(_COLOURS)]
    cells = []
    for cell, name, width in zip(row, columns, widths, strict=True):
        padded = _padded(cell, width, right=name not in _FIXED)
        cells.append(click.style(padded, fg=shade) if name == "code" else padded)
    return "  ".join(cells).rstrip()


def _style(text: str, colour: bool, **style: object) -> str:
    return click.style(text, **style) if colour else text  # type: ignore[arg-type]


def _width(text: str) -> int:
    """Columns of a terminal that text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _padded(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks

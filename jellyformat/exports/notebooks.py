"""Notebooks compared cell by cell, by nbdime; it runs nothing here, neither git nor diff."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator

from jellyformat.format.paths import show_name

_MOST_CELLS, _MOST_LINES, _MOST_CHARACTERS = 160_000, 25_000_000, 100_000_000
"""Pairs of cells, of lines, and of characters in lines that one notebook has alone: nbdime compares each with each, and
takes some seconds for as many."""


def cells(path: bytes, old: bytes, new: bytes, *, colour: bool) -> bytes | None:
    """How two versions of a notebook differ, cell by cell; None where one is no notebook that nbdime reads, or where
    nbdime would take minutes.

    Args:
        path: Its path in the snapshots.
        old: Its bytes before.
        new: Its bytes after.
        colour: Whether terminal colours are in it.

    Raises:
        ImportError: nbdime is not installed.
    """
    from nbdime import diff_notebooks
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_notebook_diff
    from nbformat import from_dict

    try:
        # straight from JSON: nbformat would say on stderr what it thinks of a stranger's notebook
        read = [json.loads(content) for content in (old, new)]
        if _is_too_much(*read):
            return None
        one, two = map(from_dict, read)  # type: ignore[no-untyped-call, unused-ignore]
        difference = diff_notebooks(one, two)
        out = io.StringIO()
        config = PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=colour)
        pretty_print_notebook_diff(f"a/{show_name(path)}", f"b/{show_name(path)}", one, difference, config)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, RecursionError):
        return None
    return out.getvalue().encode("utf-8", "backslashreplace")


def _is_too_much(one: object, two: object) -> bool:
    """Whether comparing two notebooks takes too long."""
    lines = [Counter(line for text in _texts(item) for line in text.splitlines()) for item in (one, two)]
    alone = [sum(len(line) for line in mine if line not in other) for mine, other in (lines, lines[::-1])]
    cells = [len(item["cells"]) for item in (one, two) if isinstance(item, dict)]
    return (
        alone[0] * alone[1] > _MOST_CHARACTERS
        or lines[0].total() * lines[1].total() > _MOST_LINES
        or cells[0] * cells[-1] > _MOST_CELLS
    )


def _texts(value: object, *, other: bool = False) -> Iterator[str]:
    """The texts in a notebook that nbdime compares by their letters: no image, and nothing else that is no text.

    Args:
        value: What stands in it.
        other: Whether it is what an output has of each type.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            yield "".join(value)
            return
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not other or key.startswith("text/"):
                yield from _texts(item, other=key == "data")

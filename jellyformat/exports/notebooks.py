"""Notebooks compared cell by cell, by nbdime; it runs nothing here, neither git nor diff."""

from __future__ import annotations

import io
import json

from jellyformat.format.paths import show_name


def cells(path: bytes, old: bytes, new: bytes, *, colour: bool) -> bytes | None:
    """How two versions of a notebook differ, cell by cell; None where one is no notebook that nbdime reads.

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
        one, two = (from_dict(json.loads(content)) for content in (old, new))  # type: ignore[no-untyped-call, unused-ignore]
        difference = diff_notebooks(one, two)
        out = io.StringIO()
        config = PrettyPrintConfig(out=out, use_git=False, use_diff=False, use_color=colour)
        pretty_print_notebook_diff(f"a/{show_name(path)}", f"b/{show_name(path)}", one, difference, config)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError, RecursionError):
        return None
    return out.getvalue().encode("utf-8", "backslashreplace")

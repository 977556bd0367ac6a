"""The notebook that the caller runs in, if any: found without importing anything, read as it is on disk."""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def _shell() -> Any:
    """The running IPython kernel's shell; None outside of one."""
    ipython = sys.modules.get("IPython")
    try:
        shell = ipython.get_ipython() if ipython is not None else None
        return shell if getattr(shell, "kernel", None) is not None else None
    except Exception:  # whatever a half-imported IPython raises, capture goes on
        return None


def current() -> bytes | None:
    """The absolute path of the notebook the caller runs in; None outside of one, or where that cannot be known.

    VS Code says it in a variable of the notebook, Jupyter servers in ``JPY_SESSION_NAME``.
    """
    shell = _shell()
    if shell is None:
        return None
    named = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    if not isinstance(named, str) or not named.endswith(".ipynb"):
        return None
    path = os.path.realpath(os.fsencode(named))
    return path if os.path.isfile(path) else None


def has_unsaved_changes(path: bytes) -> bool | None:
    """Whether the cell that is running is not in the notebook as it is on disk; None where it is, or is not known.

    More cannot be told from inside the kernel: other cells may have been changed and not run.
    """
    shell = _shell()
    try:
        cell = shell.history_manager.input_hist_raw[-1]
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        saved = {_text(item["source"]) for item in cells if item["cell_type"] == "code"}
    except Exception:  # a notebook of another form, or a shell without a history
        return None
    return None if not isinstance(cell, str) or _text(cell) in saved else True


def _text(source: str | list[str]) -> str:
    return (source if isinstance(source, str) else "".join(source)).strip()

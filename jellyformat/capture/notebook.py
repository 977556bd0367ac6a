"""The notebook that the caller runs in, if any: found without importing anything, read as it is on disk."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from jellyformat.capture.program import has_prompt, is_interactive


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
    saved, run = _saved(path), _run()
    return True if saved is not None and run and run[-1] not in saved else None


def remark(worktree: bytes | None) -> str | None:
    """What was typed and is in no snapshot, for people; None outside of prompts and notebooks, and where all is saved.

    Args:
        worktree: That of the repository that is captured.
    """
    if _shell() is None:
        return _AT_A_PROMPT if has_prompt() else _IN_AN_EDITOR if is_interactive() else None
    path = current()
    if path is None:
        return _UNKNOWN
    name = os.fsdecode(os.path.basename(path))
    if worktree is None or not path.startswith(os.path.realpath(worktree) + b"/"):
        return f"the notebook {name} is not in the repository: it is not in the snapshot"
    saved, run = _saved(path), _run()
    if saved is None:
        return f"whether the cells that were run are saved in {name} cannot be told: it cannot be read as a notebook"
    missing = len({cell for cell in run if cell not in saved})
    if not missing:
        return None
    cells = "1 cell that was run is" if missing == 1 else f"{missing} cells that were run are"
    return f"{cells} not in {name} as it is saved, and so not in the snapshot: save the notebook first"


_AT_A_PROMPT = "what is typed at a prompt is in no snapshot: only what is in files of the repository is"
_IN_AN_EDITOR = "the snapshot has the notebook's cells only as they are saved in the repository"
_UNKNOWN = "which notebook this is cannot be told: the snapshot has its cells only as they are saved in the repository"


def _saved(path: bytes) -> set[str] | None:
    """The cells of a notebook as it is on disk; None where it has another form."""
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        return {_text(item["source"]) for item in cells if item["cell_type"] == "code"}
    except Exception:  # whatever lies there
        return None


def _run() -> list[str]:
    """The cells that were run in this session, the one that is running last."""
    try:
        found = _shell().history_manager.input_hist_raw
        return [text for cell in found if isinstance(cell, str) and (text := _text(cell))]
    except Exception:  # a shell without a history
        return []


def _text(source: str | list[str]) -> str:
    return (source if isinstance(source, str) else "".join(source)).strip()

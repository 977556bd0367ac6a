"""The current directory is no place for modules or programs: what lies there may be anybody's.

Nothing is imported here that Python has not loaded itself before it looks at the current directory, and there is no
`from __future__`, which is an import as well.
"""

import os
import sys


def leave_current_directory() -> None:
    """Take the current directory off the paths that modules and programs are found by, in a process that is ours.

    ``python -m`` puts it first. What it holds may have come out of somebody's snapshot, and a file ``secrets.py`` there
    would be run in place of Python's own, or a file ``git`` in place of the system's. `safe_entries` says which modules
    stay, `program_path` which programs; those that we start find theirs as we do.
    """
    sys.path[:] = safe_entries()
    if "PATH" in os.environ:
        os.environ["PATH"] = program_path()


def program_path() -> str:
    """``PATH`` without entries that are empty or relative: they stand for the current directory, or lead from there.

    It is never empty itself, which would again stand for it.
    """
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(filter(os.path.isabs, entries)) or os.defpath


def find_program(name: str) -> str | None:
    """The path of a program, looked for in `program_path`; None where there is none."""
    import shutil  # only now: at the beginning, the current directory may still be on the path

    return shutil.which(name, path=program_path())


def safe_entries() -> list[str]:
    """``sys.path`` without the current directory, whether it stands there empty, relative or in full.

    It stays where the user has said so: where ``PYTHONPATH`` names it by an absolute path, or where something installed
    does (an editable install), which comes behind Python's own modules and cannot stand in for them.
    """
    try:
        here = os.getcwd()  # noqa: PTH109  # pathlib may not be loaded yet
    except OSError:  # it was removed
        here = ""
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    named = {os.path.normpath(entry) for entry in given.split(os.pathsep) if os.path.isabs(entry)}  # noqa: PTH117
    standard = os.path.dirname(getattr(os, "__file__", ""))  # noqa: PTH120
    kept: list[str] = []
    behind = False
    for entry in sys.path:
        behind = behind or entry == standard
        if os.path.isabs(entry) and (behind or os.path.normpath(entry) != here or here in named):  # noqa: PTH117
            kept.append(entry)
    return kept


def is_running(package: str) -> bool:
    """Whether Python was started to run ``package``, or a module of it, with ``-m``, and is looking for it now."""
    arguments = getattr(sys, "argv", None)
    if not isinstance(arguments, list) or arguments[:1] != ["-m"]:  # a program that embeds Python may have none
        return False
    option = sys.orig_argv[-len(arguments)]  # what stands in front of the module's own arguments
    module = option.partition("m")[2] if option.startswith("-") else option
    return module == package or module.startswith(package + ".")

"""The program that runs: its file, and when it began. Of the standard library alone: adapters import it."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import time
import weakref
from functools import lru_cache
from types import FrameType

_OURS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_IMPORTED = re.compile(r"^(?:from|import)\s+([\w.]+)", re.MULTILINE)
_SLACK = 20_000_000
"""Nanoseconds that Python takes at least from its start to the first line of a program; the system tells the start to
a hundredth of a second."""


def _started() -> int:
    """When the process began, in nanoseconds since 1970; where the system does not say, when this was imported."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        ago = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.time_ns()
    return time.time_ns() - int(ago * 1e9) + _SLACK


STARTED = _started()
"""When the process began, in nanoseconds since 1970."""


def is_interactive() -> bool:
    """Whether code is typed in while the process lives: at a prompt, which IPython and its kernels set, too, or in the
    editor of marimo, whose kernel has none."""
    return has_prompt() or _is_in_editor()


def has_prompt() -> bool:
    """Whether this is a prompt, or a kernel of IPython: there is no program's file."""
    return hasattr(sys, "ps1")


def _is_in_editor() -> bool:
    try:
        return bool(sys.modules["marimo"].app_meta().mode == "edit")
    except Exception:  # it is not there, or another one
        return False


def program_file() -> str | None:
    """The file of the program that runs, links followed; None where there is none.

    An installed launcher is no such program. What it runs is, where that is told in the same process: the script that
    ``python -m cProfile`` runs, the module that a console script calls, where these are not installed themselves.
    """
    if has_prompt():
        return None
    main = sys.modules.get("__main__")
    file = _real(getattr(main, "__file__", None))
    if file is None or not is_installed(file):
        return file
    if os.path.dirname(file) in _scripts():
        return _called_by(main)
    argv = getattr(sys, "argv", None)
    script = _real(argv[0]) if isinstance(argv, list) and argv else None
    return script if script is not None and os.path.isfile(script) and not is_installed(script) else None


@lru_cache(maxsize=8192)  # it is asked of every module that is loaded, at each save
def is_installed(file: str) -> bool:
    """Whether a file, links followed, belongs to Python or to an installed package, this one among them."""
    return bool({"site-packages", "dist-packages"} & set(file.split(os.sep))) or file.startswith(_installed())


def _real(file: object) -> str | None:
    """A path with its links followed; None for what is none."""
    if not isinstance(file, str) or not file or file.startswith("<"):
        return None
    try:
        return os.path.realpath(file)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=1)
def _schemes() -> tuple[dict[str, str], ...]:
    user = sysconfig.get_preferred_scheme("user")
    return sysconfig.get_paths(), sysconfig.get_paths(user)


@lru_cache(maxsize=1)
def _scripts() -> tuple[str, ...]:
    """Where console scripts are installed; on Windows each is an archive there."""
    return tuple(os.path.realpath(paths["scripts"]) for paths in _schemes())


@lru_cache(maxsize=1)
def _installed() -> tuple[str, ...]:
    """What the paths of installed files begin with."""
    names = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
    found = {os.path.realpath(paths[name]) + os.sep for paths in _schemes() for name in names if paths.get(name)}
    standard = os.path.dirname(os.path.realpath(os.__file__))  # of a virtual environment's base
    return (*sorted(found), standard + os.sep, _OURS + os.sep)


def _called_by(main: object) -> str | None:
    """The file of the module that a console script calls; None where that is installed, as most are."""
    try:
        source = main.__loader__.get_source("__main__")  # type: ignore[attr-defined]
    except Exception:  # a program of another kind
        return None
    for name in _IMPORTED.findall(source or ""):
        file = _real(getattr(sys.modules.get(name), "__file__", None))
        if file is not None and not is_installed(file):
            return file
    return None


def calling_file() -> str | None:
    """The file of the function that calls, the outermost that is not installed; None at a prompt or in a notebook.

    It is asked for where the program is a launcher: that is how the test that ``pytest`` runs is found, or the function
    that a worker of a cluster does.
    """
    if is_interactive():
        return None
    found = None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names = frame.f_globals
        if not str(names.get("__name__", "")).startswith("jellyformat"):
            # a function of the main script was sent without its code's file, but with its module's
            for file in (_real(frame.f_code.co_filename), _real(names.get("__file__"))):
                if file is not None and os.path.isfile(file) and not is_installed(file):
                    found = file
        frame = frame.f_back
    return found


class _Code:
    """The code that is loaded: for each module, what another takes the place of when it is loaded again."""

    def __init__(self) -> None:
        self._known: dict[str, weakref.ref[object]] = {}

    def is_loaded_again(self) -> bool:
        """Whether a module, or the main script, was loaded again since this was asked last."""
        found = {}
        for name, module in list(sys.modules.items()):
            try:
                names = object.__getattribute__(module, "__dict__")
            except AttributeError:
                continue
            file = names.get("__file__")
            if isinstance(file, str) and not is_installed(file):
                found[name] = weakref.ref(names.get("__spec__") or module)
        again = any(name in self._known and self._known[name]() is not loaded() for name, loaded in found.items())
        self._known.update(found)
        return again


CODE = _Code()
"""What this process has loaded that is not installed."""

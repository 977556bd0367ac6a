"""Commands run in a child of a process that has imported all they need: as any user, within a time, without a trace of
a fault that is not said properly."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from jellyformat.cli import main

LIMIT = 60
"""Seconds for a command; then it is taken to wait for something that never comes."""
_MEMORY = 3 << 30
"""Bytes of address space for a child, beyond what the parent has."""
NOBODY = 65534


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        code: Its exit status; 99 where something was raised that is no error of ours, and what a signal gives where the
            process ended.
        output: What it has printed.
        untouched: Whether what was looked at is what it was.
        late: Modules that it has imported: another user may not be able to.
    """

    code: int
    output: str
    untouched: bool = True
    late: tuple[str, ...] = ()


def run_all(
    place: Path,
    commands: Sequence[Sequence[str]],
    *,
    user: int,
    output: Path,
    look: Callable[[], object],
    environment: Mapping[str, str],
) -> Iterator[Done]:
    """Run commands in a child, one after the other.

    Args:
        place: The current directory.
        commands: The arguments of each.
        user: As whom.
        output: A directory for what is printed.
        look: Called before the first and after each of them: gives something of which nothing may change.
        environment: Variables that are set.

    Returns:
        How each ended; those that did not begin are not among them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    output.mkdir(exist_ok=True)
    output.chmod(0o777)
    child = os.fork()
    if child == 0:
        try:
            os.environ.update(environment)
            _become(user, place)
            before = look()
            for number, command in enumerate(commands):
                (output / f"{number}.done").write_text(json.dumps(_run(command, output / str(number), look, before)))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    for number in range(len(commands)):
        done = output / f"{number}.done"
        if not (output / str(number)).exists():
            return
        said = (output / str(number)).read_text("utf-8", "replace")
        if not done.exists():
            yield Done(os.waitstatus_to_exitcode(status) or 99, said)
            return
        code, untouched, late = json.loads(done.read_text())
        yield Done(code, said, untouched, tuple(late))


def _become(user: int, place: Path) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(place)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if user != os.geteuid():
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _run(
    command: Sequence[str], output: Path, look: Callable[[], object], before: object
) -> tuple[int, bool, list[str]]:
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for number in (1, 2):
        os.dup2(fd, number)
    os.close(fd)
    sys.stdout = sys.stderr = os.fdopen(1, "w", closefd=False)
    modules = set(sys.modules)
    code = 0
    signal.alarm(LIMIT)
    try:
        sys.argv = ["jellyformat", *command]
        main.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        code = 99
        traceback.print_exc()
    signal.alarm(0)
    sys.stdout.flush()
    return code, look() == before, sorted(set(sys.modules) - modules)


@contextlib.contextmanager
def acting_as(user: int) -> Iterator[None]:
    """What this process does meanwhile, that user does."""
    me = os.geteuid()
    if user != me:
        os.seteuid(user)
    try:
        yield
    finally:
        if user != me:
            os.seteuid(me)


def import_all() -> None:
    """Import what the commands import only when they are called: a child of another user may not be able to."""
    import concurrent.futures.thread  # noqa: F401
    import importlib.metadata  # noqa: F401
    import multiprocessing.util

    for name in main._COMMANDS:
        import_module(f"jellyformat.cli.{name}")
    assert multiprocessing.util

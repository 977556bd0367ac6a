"""``doctor``: what is installed, and what a directory's filesystem can do."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import warnings
from importlib import metadata
from pathlib import Path

import click

from jellyformat.cli.output import common, json_option, print_json, safe_name
from jellyformat.errors import JellyError, NoFile
from jellyformat.files import durable
from jellyformat.files.newfile import temporary_folder
from jellyformat.files.platform import directories, probe
from jellyformat.format.text import visible
from jellyformat.hosts import registry
from jellyformat.searchpath import find_program
from jellyformat.version import __version__

_NO_CHANGE = "say --copy or -o OUT, and embed and strip write a new file; restore is refused"
_WITHOUT = {
    "rename": "nothing can be written safely here",
    "lock": _NO_CHANGE,
    "write-anywhere": _NO_CHANGE,
    "fsync": f"a power cut may lose what was just written; {_NO_CHANGE}",
    "fsync-names": "a power cut may undo what was just done",
    "hard-links": "restore is refused",
    "mmap": "capturing a repository with packs is slower",
    "symbolic-links": "snapshots with symbolic links cannot be exported here",
    "modes": "files lose whether they are programs",
    "case": "two names that differ by case alone are refused",
    "unicode-forms": "two names that differ by their Unicode form alone are refused",
    "insert-range": "embed --in-place is refused for safetensors and HDF5",
    "reflink": "a new file is a full copy",
    "attributes": "a new file has no extended attributes",
}
"""What it means for people that a filesystem cannot do something."""
_NEEDED = frozenset(("rename", "lock", "write-anywhere", "fsync", "hard-links"))
"""Where it cannot do one of these, we refuse something."""
_LIMIT = 20
"""Seconds that git has to say its version."""


@click.command("doctor")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@json_option
@common
def command(directory: Path | None, as_json: bool) -> int:
    """Say what is installed: versions, adapters, git. With DIRECTORY: what its filesystem can do, too.

    What a filesystem can do is tried with files in a temporary directory in DIRECTORY, which is removed again. Without
    DIRECTORY nothing is written.

    Exit codes: 0 all is well, 3 there is no DIRECTORY, 4 something would be refused there, 5 something is broken.
    """
    packages, adapters, git = _packages(), _adapters(), _git()
    found: list[probe.Feature] = []
    if directory is not None:
        if not durable.is_directory(directory):
            raise NoFile(f"{directory} is no directory", hint="nothing was written; check the path")
        with (
            durable.kept_times(directory),
            durable.system_errors(directory, "nothing was left behind", elsewhere="name another directory"),
            temporary_folder(directory) as place,
        ):
            found = probe.features(place)
    broken = [line for line in (*packages.values(), *(text for _, text in adapters)) if line.startswith("BROKEN")]
    lacking = [feature for feature in found if feature.name in _NEEDED and not feature.works]
    if as_json:
        print_json(
            {
                "jellyformat": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "packages": packages,
                "adapters": dict(adapters),
                "git": git,
                "restore": directories.HELD,
                "directory": None if directory is None else str(directory),
                "filesystem": None if directory is None else probe.filesystem_of(directory),
                "features": {feature.name: feature.works for feature in found},
                "ok": not broken and not lacking,
            }
        )
    else:
        _print(packages, adapters, git, directory, found)
    return 5 if broken else 4 if lacking else 0


def _print(
    packages: dict[str, str],
    adapters: list[tuple[str, str]],
    git: str | None,
    directory: Path | None,
    found: list[probe.Feature],
) -> None:
    _line("jellyformat", f"{__version__}, in {Path(__file__).parents[1]}")
    _line("Python", f"{platform.python_version()} ({sys.executable})")
    _line("system", platform.platform())
    for name, text in packages.items():
        _line(name, text)
    _line("git", git or "not found: the command jelly git needs it, and all else does without", git is not None)
    if not directories.HELD:
        _line("restore", "refused on this system; export writes the files, extract --bundle the history", False)
    for name, text in adapters:
        _line(f"adapter {name}", text)
    if directory is None:
        click.echo("To see what a filesystem can do, name a directory: jelly doctor DIRECTORY (it tries a few files)")
        return
    kind = probe.filesystem_of(directory)
    click.echo(f"{safe_name(directory)}" + (f" ({visible(kind)})" if kind else ""))
    for feature in found:
        why = f" ({feature.detail})" if feature.detail else ""
        _line(feature.name, "yes" if feature.works else f"no{why}: {_WITHOUT[feature.name]}", feature.works)


def _line(name: str, text: str, well: bool | None = None) -> None:
    fault = text.startswith("BROKEN")
    mark = "✗" if fault else "·" if well is None else "✓" if well else "-"
    click.echo(f"  {mark} {name:<18} {visible(text)}")


def _packages() -> dict[str, str]:
    """The packages that we cannot do without, each with its version, or what is wrong with it."""
    found: dict[str, str] = {}
    try:
        required = metadata.requires("jellyformat") or []
    except metadata.PackageNotFoundError:
        return {"installation": "BROKEN: jellyformat is on the path, and not installed: pip install jellyformat"}
    for line in required:
        match = re.match(r"([\w.-]+)\s*(?:>=\s*([\d.]+))?$", line.partition(";")[0].strip())
        if match is None or "extra ==" in line:
            continue
        name, least = match[1], match[2] or "0"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = f"BROKEN: not installed; pip install '{name}>={least}'"
            continue
        old = _numbers(version) < _numbers(least)
        found[name] = f"BROKEN: {version} is older than {least}" if old else version
    return found


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _adapters() -> list[tuple[str, str]]:
    """Each adapter, and the module it comes from, or why it does not load."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            found = [(adapter.name, type(adapter).__module__) for adapter in registry.adapters()]
        except JellyError as error:
            return [("none", f"BROKEN: {error}")]
    faults = [("?", f"BROKEN: {warning.message}") for warning in said if warning.category is UserWarning]
    return sorted(found) + faults


def _git() -> str | None:
    """The git program and its version; None where there is none that runs."""
    program = find_program("git")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = done.stdout.strip().removeprefix("git version ")
    return f"{version} ({program})" if done.returncode == 0 else None

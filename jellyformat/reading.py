"""What is in a snapshot, from its manifest alone: `show` and `env`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jellyformat.errors import NoEnvironment
from jellyformat.exports import requirements
from jellyformat.exports.requirements import Package
from jellyformat.format.info import SnapshotInfo
from jellyformat.format.msgpack import Value
from jellyformat.format.text import brief, html_table, plural
from jellyformat.hints import Hint, option
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable


@dataclass(frozen=True, repr=False)
class Environment:
    """The environment that was noted at a capture (SPEC JF-PRV). All of it is what whoever made the snapshot wrote.

    Attributes:
        file: The file that was named.
        snapshot_id: 64 hex digits.
        values: What was noted, by name.
        packages: The packages in it.
    """

    file: str
    snapshot_id: str
    values: Mapping[str, Value]
    packages: tuple[Package, ...]

    def requirements(self) -> list[str]:
        """The packages as lines for ``pip install -r``; what pip could not install elsewhere stands in a comment.

        Packages that are not on PyPI come from whoever made the snapshot: look at the lines before you install them.
        """
        return list(requirements.requirements(self.values))

    def __repr__(self) -> str:
        return f"<Environment {brief(self.file)}: {brief(self._platform())}, {plural(len(self.packages), 'package')}>"

    def _repr_html_(self) -> str:
        rows = [("platform", self._platform())]
        rows += [(item.name, item.version) for item in self.packages[:_SHOWN]]
        more = len(self.packages) - _SHOWN
        return html_table(f"Environment of {self.file}", [*rows, *([("…", f"{more} more")] if more > 0 else [])])

    def _platform(self) -> str:
        words = (self.values.get(key) for key in ("language", "version", "platform"))
        return " ".join(word for word in words if isinstance(word, str))


_SHOWN = 30


@dataclass(frozen=True)
class Difference:
    """Something besides the code that differs between two snapshots.

    Attributes:
        kind: ``command``, ``label``, ``note``, ``environment`` or ``package``.
        name: What it is: ``command``, a label, ``note``, a key of the environment, a package.
        old: What it was; None where it was not there.
        new: What it is; None where it is gone.
    """

    kind: str
    name: str
    old: str | None
    new: str | None


def compare_env(file: Readable, other: Readable) -> list[Difference]:
    """How the environments, commands and labels of two snapshots differ (SPEC JF-PRV, JF-EXT).

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        other: Another.

    Raises:
        NoSnapshot: one carries none.
        FormatError: host or manifest are damaged.
        SystemFailure: one cannot be read.
    """
    one, two = (_noted(show(item)) for item in (file, other))
    return [Difference(*key, one.get(key), two.get(key)) for key in {**one, **two} if one.get(key) != two.get(key)]


def _noted(info: SnapshotInfo) -> dict[tuple[str, str], str]:
    """What was noted besides the code, by kind and name."""
    found = {("command", "command"): " ".join(info.argv)} if info.argv else {}
    found |= {("label", name): value for name, value in info.labels.items()}
    if info.note is not None:
        found["note", "note"] = info.note
    for key, value in info.environment.items():
        if key == "packages":
            continue
        parts = value.items() if isinstance(value, dict) else [("", value)]
        for name, part in parts:
            found["environment", f"{key}.{name}".rstrip(".")] = part if isinstance(part, str) else str(part)
    for package in sorted(requirements.packages_of(info.environment)):
        origin = "" if package.origin is None else f" ({package.origin})"
        found["package", package.name] = package.version + origin
    return found


def show(file: Readable) -> SnapshotInfo:
    """What is in the snapshot of a file: commit, changes, time, sizes, environment. No tensor or block is read.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: host or manifest are damaged.
        SystemFailure: the file cannot be read.
    """
    with open_container(file) as box:
        return box.info()


def env(file: Readable) -> Environment:
    """The environment that was noted when the snapshot of a file was captured (SPEC JF-PRV).

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.

    Raises:
        NoSnapshot: the file carries none.
        NoEnvironment: none was noted.
        FormatError: host or manifest are damaged.
        SystemFailure: the file cannot be read.
    """
    info = show(file)
    if not info.environment:
        raise NoEnvironment(
            f"the snapshot in {info.file} has no environment noted",
            hint=Hint("it was captured with ", option("environment", False)),
        )
    packages = tuple(requirements.packages_of(info.environment))
    return Environment(info.file, info.snapshot_id, info.environment, packages)

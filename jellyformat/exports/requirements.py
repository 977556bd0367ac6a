"""The packages of a captured environment as lines of a requirements file (PEP 508)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jellyformat.format.msgpack import Value
from jellyformat.format.text import visible

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_URL = re.compile(r"(git|hg|svn|bzr)\+(https?|ssh|git)://[^\s$;\\'\"<>]+|https?://[^\s$;\\'\"<>]+")
"""pip puts environment variables in place of ``${NAME}``, and goes on behind a backslash: neither comes through."""


class Package(NamedTuple):
    """A package that was installed; ``origin`` where that was from elsewhere than an index, or editable."""

    name: str
    version: str
    origin: str | None


def packages_of(environment: Mapping[str, Value]) -> list[Package]:
    """The packages noted; what a stranger wrote there that is none is passed over."""
    found: list[Package] = []
    noted = environment.get("packages")
    for item in noted if isinstance(noted, list) else ():
        match item:
            case [str(name), str(version), str() | None as origin]:
                found.append(Package(name, version, origin))
    return found


def requirements(environment: Mapping[str, Value]) -> Iterator[str]:
    """The lines that pip installs the packages from; what it could not install stands in a comment.

    Args:
        environment: The open map ``environment`` of a manifest (SPEC JF-PRV). Nothing in it is trusted.
    """
    for name, version, origin in packages_of(environment):
        if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version)):
            yield f"# {visible(name)} {visible(version)}  (no name and version that pip knows)"
        elif origin is None:
            yield f"{name}=={version}"
        elif _URL.fullmatch(origin):
            yield f"{name} @ {origin}"
        elif _URL.fullmatch(source := origin.removeprefix("editable ")):
            yield f"# {name} @ {source}  ({version}; it was installed editable)"
        else:
            yield f"# {name}=={version}  (from {visible(origin)})"

"""The packages of a captured environment as lines of a requirements file (PEP 508)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from jellyformat.msgpack import Value

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]*")
_URL = re.compile(r"(git|hg|svn|bzr)\+(https?|ssh|git)://[^\s$;\\'\"<>]+|https?://[^\s$;\\'\"<>]+")
"""pip puts environment variables in place of ``${NAME}``, and goes on behind a backslash: neither comes through."""


def packages_of(environment: Mapping[str, Value]) -> list[tuple[str, str, str | None]]:
    """Name, version and origin of the packages noted; what a stranger wrote there that is none is passed over."""
    found: list[tuple[str, str, str | None]] = []
    noted = environment.get("packages")
    for item in noted if isinstance(noted, list) else ():
        match item:
            case [str(name), str(version), str() | None as origin]:
                found.append((name, version, origin))
    return found


def requirements(environment: Mapping[str, Value]) -> Iterator[str]:
    """The lines that pip installs the packages from; what it could not install stands in a comment.

    Args:
        environment: The open map ``environment`` of a manifest (SPEC 7.5). Nothing in it is trusted.
    """
    for name, version, origin in packages_of(environment):
        if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version)):
            yield f"# {_line(name)} {_line(version)}  (no name and version that pip knows)"
        elif origin is None:
            yield f"{name}=={version}"
        elif _URL.fullmatch(origin):
            yield f"{name} @ {origin}"
        elif _URL.fullmatch(source := origin.removeprefix("editable ")):
            yield f"# {name} @ {source}  ({version}; it was installed editable)"
        else:
            yield f"# {name}=={version}  (from {_line(origin)})"


def _line(text: str) -> str:
    """Text of a snapshot within one line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)

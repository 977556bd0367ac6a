"""git's configuration (git-config(1)): files parsed, includes followed, later values winning. Read-only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from jellyformat.errors import RefusedRepository
from jellyformat.wildmatch import translate

_INCLUDES = 10
_SECTION = re.compile(rb'\[\s*([-.A-Za-z0-9]+)\s*(?:"((?:[^"\\\n]|\\[^\n])*)"\s*)?\]')
_KEY = re.compile(rb"([A-Za-z][-A-Za-z0-9]*)[ \t]*(=?)")
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"b": b"\b", b"\\": b"\\", b'"': b'"'}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off", "")


@dataclass
class GitConfig:
    """Values by name (``section.subsection.key``, section and key in lower case), the last one counting."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """The value, None where there is none; a key without a value is ``true``."""
        found = self.values.get(name)
        return found[-1] if found else None

    def boolean(self, name: str, *, default: bool) -> bool:
        """A value as git reads booleans."""
        value = self.get(name)
        if value is None:
            return default
        lowered = value.strip().lower()
        if lowered in _TRUE or lowered in _FALSE:
            return lowered in _TRUE
        try:
            return int(lowered, 0) != 0
        except ValueError:
            return default

    def named(self, section: str, key: str) -> Iterator[tuple[str, list[str]]]:
        """The subsections of ``section`` that have ``key``, with its values; sorted."""
        for name, found in sorted(self.values.items()):
            if name.startswith(section + ".") and name.endswith("." + key) and name.count(".") >= 2:
                yield name[len(section) + 1 : -len(key) - 1], found


@dataclass(frozen=True)
class Conditions:
    """What conditional includes ask for: where the repository is, and its branch (None: detached)."""

    git_dir: bytes
    branch: bytes | None


def read_config(paths: list[bytes], conditions: Conditions | None = None) -> GitConfig:
    """The configuration in some files, those that count more later; one that does not exist says nothing.

    Raises:
        RefusedRepository: one cannot be understood.
    """
    config = GitConfig()
    for path in paths:
        _read(path, config, conditions, 0)
    return config


def user_files(environment: Mapping[str, str]) -> list[bytes]:
    """The configuration files of the system and the user, as git looks for them."""
    home = environment.get("HOME", "")
    found: list[str] = []
    if environment.get("GIT_CONFIG_NOSYSTEM", "").lower() not in (*_TRUE, "1"):
        found.append(environment.get("GIT_CONFIG_SYSTEM", "/etc/gitconfig"))
    if "GIT_CONFIG_GLOBAL" in environment:
        found.append(environment["GIT_CONFIG_GLOBAL"])
    else:
        found.append(os.fsdecode(user_directory(environment)) + "/config")
        found.append(home + "/.gitconfig" if home else "")
    return [os.fsencode(path) for path in found if path.startswith("/")]


def user_directory(environment: Mapping[str, str]) -> bytes:
    """Where git looks for ``ignore`` and ``attributes`` of the user."""
    base = environment.get("XDG_CONFIG_HOME") or environment.get("HOME", "") + "/.config"
    return os.fsencode(base + "/git")


def given_values(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Values given by ``GIT_CONFIG_COUNT`` and the variables that go with it."""
    found: dict[str, list[str]] = {}
    count = environment.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0):
        name = environment.get(f"GIT_CONFIG_KEY_{number}")
        value = environment.get(f"GIT_CONFIG_VALUE_{number}")
        if name and value is not None:
            found.setdefault(_canonical(name), []).append(value)
    return found


def _canonical(name: str) -> str:
    section, _, rest = name.partition(".")
    middle, dot, key = rest.rpartition(".")
    return f"{section.lower()}.{middle}{dot}{key.lower()}"


def _read(path: bytes, config: GitConfig, conditions: Conditions | None, depth: int) -> None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return
    for name, value in parse_config(data, os.fsdecode(path)):
        config.values.setdefault(name, []).append(value)
        if depth < _INCLUDES and name.endswith(".path") and _is_included(name, path, conditions):
            target = os.path.expanduser(os.fsencode(value))
            _read(os.path.join(os.path.dirname(path), target), config, conditions, depth + 1)


def _is_included(name: str, path: bytes, conditions: Conditions | None) -> bool:
    if name == "include.path":
        return True
    if not name.startswith("includeif.") or conditions is None:
        return False
    kind, _, rest = name[len("includeif.") : -len(".path")].partition(":")
    pattern = os.fsencode(rest)
    if kind == "onbranch":
        branch = (conditions.branch or b"").removeprefix(b"refs/heads/")
        pattern += b"**" if pattern.endswith(b"/") else b""
        return conditions.branch is not None and re.fullmatch(translate(pattern), branch, re.DOTALL) is not None
    if kind not in ("gitdir", "gitdir/i"):
        return False
    if pattern.startswith(b"./"):
        pattern = os.path.dirname(os.path.realpath(path)) + pattern[1:]
    pattern = os.path.expanduser(pattern)
    pattern = pattern if pattern.startswith(b"/") else b"**/" + pattern
    pattern += b"**" if pattern.endswith(b"/") else b""
    flags = re.DOTALL | (re.IGNORECASE if kind == "gitdir/i" else 0)
    places = {conditions.git_dir, os.path.realpath(conditions.git_dir)}
    return any(re.fullmatch(translate(pattern), place, flags) for place in places)


@lru_cache(maxsize=64)
def parse_config(data: bytes, file: str = "") -> tuple[tuple[str, str], ...]:
    """Names and values of a configuration file, in order.

    Args:
        data: Its content.
        file: Its name, for the message.

    Raises:
        RefusedRepository: it is no configuration.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    found: list[tuple[str, str]] = []
    section = None
    at, end = 0, len(data)
    while at < end:
        char = data[at : at + 1]
        if char.isspace():
            at += 1
        elif char in b"#;":
            at = (data.find(b"\n", at) + 1) or end
        elif char == b"[":
            match = _SECTION.match(data, at)
            if match is None:
                raise _bad(file, data, at)
            section = os.fsdecode(match[1].lower())
            if match[2] is not None:
                section += "." + os.fsdecode(re.sub(rb"\\(.)", rb"\1", match[2]))
            at = match.end()
        else:
            match = _KEY.match(data, at)
            if match is None or section is None:
                raise _bad(file, data, at)
            value = b"true"
            stop = match.end()
            if match[2]:
                value, stop = _value(file, data, stop)
            found.append((f"{section}.{os.fsdecode(match[1].lower())}", os.fsdecode(value)))
            at = stop
    return tuple(found)


def _value(file: str, data: bytes, at: int) -> tuple[bytes, int]:
    """The value that begins at ``at``, and where its line ends."""
    out = bytearray()
    kept = 0  # spaces at the end do not count, unless they were quoted
    quoted = False
    while at < len(data):
        char = data[at : at + 1]
        at += 1
        if char == b"\n":
            if quoted:
                raise _bad(file, data, at - 1)
            break
        if char == b'"':
            quoted = not quoted
            kept = len(out)
        elif char == b"\\":
            escape = data[at : at + 1]
            at += 1
            if escape == b"\n":
                continue
            if escape not in _ESCAPES:
                raise _bad(file, data, at - 1)
            out += _ESCAPES[escape]
            kept = len(out)
        elif quoted or not (char.isspace() or char in b"#;"):
            out += char
            kept = len(out)
        elif char in b"#;":
            at = data.find(b"\n", at)
            at = len(data) if at < 0 else at
        elif out:
            out += char
    return bytes(out[:kept]), at


def _bad(file: str, data: bytes, at: int) -> RefusedRepository:
    line = data.count(b"\n", 0, at) + 1
    return RefusedRepository(
        f"line {line} of the git configuration {file} cannot be read",
        hint="nothing was changed; `git config --list` says more",
    )

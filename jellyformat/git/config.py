"""git's configuration (git-config(1)): files parsed, includes followed, later values winning. Read-only."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from jellyformat.errors import RefusedRepository
from jellyformat.git import reading
from jellyformat.git.reading import FOLLOWING, Reader
from jellyformat.git.wildmatch import path_matcher
from jellyformat.searchpath import find_program

_INCLUDES = 10
_FILES = 1000
"""Files of one configuration."""
_LONGEST_SECTION = 1 << 16
"""Bytes of the line that begins a section."""
_NAMES, _NAMES_TIMES = 1 << 16, 8
"""Characters that the names of a file's values may have together, and for each byte of it: all of a section's name
stands in front of each of its keys."""
_LONGEST_PATTERN = 1 << 12
_SMALL = 1 << 16
"""Bytes of a file whose values are remembered."""
_SECTION = re.compile(rb'\[(?!\])([-.A-Za-z0-9]*)(?:[ \t\r]+"([^"\\\n]*(?:\\[^\n][^"\\\n]*)*)")?\]')
_KEY = re.compile(rb"([A-Za-z][-A-Za-z0-9]*)[ \t]*(=|(?=\n)|\Z)")
_BLANK = b" \t\r\n"
_NUMBER = re.compile(r"[-+]?(0x[0-9a-f]{1,9}|0[0-7]{0,9}|[1-9][0-9]{0,9})[kmg]?")
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"b": b"\b", b"\\": b"\\", b'"': b'"'}
_PLAIN, _QUOTED = re.compile(rb'[^ \t\r\n"\\#;]+'), re.compile(rb'[^\n"\\]+')
_LEADS_OUTSIDE = frozenset(("core.worktree", "core.excludesfile", "core.attributesfile"))
"""What names files outside of a repository."""
_BRANCHES = b"refs/heads/"
_URLS = b"remote.*.url:"
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
        number = _NUMBER.fullmatch(lowered)
        return default if number is None else number[1].strip("0x") != ""

    def named(self, section: str, key: str) -> Iterator[tuple[str, list[str]]]:
        """The subsections of ``section`` that have ``key``, with its values; sorted."""
        for name, found in sorted(self.values.items()):
            if name.startswith(section + ".") and name.endswith("." + key) and name.count(".") >= 2:
                yield name[len(section) + 1 : -len(key) - 1], found


@dataclass(frozen=True)
class Conditions:
    """What conditional includes ask for.

    Attributes:
        git_dirs: Where the repository is: as it was named, and without links.
        branch: The full name of its branch; None where HEAD is detached.
        urls: Those of all remotes; None while they are being looked for: then all that asks for some is included.
    """

    git_dirs: tuple[bytes, ...]
    branch: bytes | None
    urls: tuple[bytes, ...] | None = None


def read_config(paths: list[bytes], conditions: Conditions | None = None) -> GitConfig:
    """The configuration in some files of the user's, those that count more later.

    One that does not exist, or may not be read, says nothing.

    Raises:
        RefusedRepository: one cannot be understood.
    """
    config = GitConfig()
    for path in paths:
        _Files(config, conditions, FOLLOWING, lenient=True).read(path, 0)
    return config


def read_local_config(paths: list[bytes], conditions: Conditions | None, reader: Reader) -> GitConfig:
    """The configuration in files of a repository, those that count more later.

    Where links are not followed, what it names outside of the repository counts for nothing.

    Raises:
        RefusedRepository: one cannot be understood.
        OSError: one cannot be read.
    """
    config = GitConfig()
    for path in paths:
        _Files(config, conditions, reader, lenient=False).read(path, 0)
    if not reader.follow:
        for name in _LEADS_OUTSIDE & config.values.keys():
            del config.values[name]
    return config


def protected_config(environment: Mapping[str, str]) -> GitConfig:
    """The configuration that no repository can say anything in: the system's, the user's and the environment's."""
    config = read_config(user_files(environment))
    read_given(config, environment, None)
    return config


def read_given(config: GitConfig, environment: Mapping[str, str], conditions: Conditions | None) -> None:
    """Add the values that the environment gives, and what they include.

    Raises:
        RefusedRepository: one cannot be understood.
    """
    files = _Files(config, conditions, FOLLOWING, lenient=True)
    for name, values in given_values(environment).items():
        for value in values:
            files.take(b"", name, value, 0)


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
    """Values given by ``GIT_CONFIG_COUNT`` and the variables that go with it, and by ``git -c``."""
    found: dict[str, list[str]] = {}
    count = environment.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0):
        name = environment.get(f"GIT_CONFIG_KEY_{number}")
        value = environment.get(f"GIT_CONFIG_VALUE_{number}")
        if name and value is not None:
            found.setdefault(_canonical(name), []).append(value)
    try:
        given = shlex.split(environment.get("GIT_CONFIG_PARAMETERS", ""))
    except ValueError:
        given = []
    for item in given:
        name, equals, value = item.partition("=")
        found.setdefault(_canonical(name), []).append(value if equals else "true")
    return found


def expanded(value: str) -> bytes | None:
    """A path of a configuration, ``~/``, ``~user/`` and ``%(prefix)/`` replaced; None where they stand for nothing."""
    if value.startswith("%(prefix)/"):
        program = find_program("git")
        if program is None:
            return None
        prefix = os.path.dirname(os.path.dirname(os.path.realpath(program)))
        return os.fsencode(prefix + value[len("%(prefix)") :])
    try:
        path = os.path.expanduser(os.fsencode(value))
    except ValueError:  # a user with a NUL in the name
        return None
    return None if path.startswith(b"~") else path


def _canonical(name: str) -> str:
    section, _, rest = name.partition(".")
    middle, dot, key = rest.rpartition(".")
    return f"{section.lower()}.{middle}{dot}{key.lower()}"


class _Files:
    """Reads one file and what it includes: neither too many nor too much.

    Args:
        config: Where the values go.
        conditions: What conditional includes ask for.
        reader: Opens them; where it follows no links, nothing is included.
        lenient: Whether a file that may not be read says nothing.
    """

    def __init__(self, config: GitConfig, conditions: Conditions | None, reader: Reader, *, lenient: bool) -> None:
        self._config, self._conditions, self._reader, self._lenient = config, conditions, reader, lenient
        self._files, self._bytes = _FILES, reading.CONFIG

    def read(self, path: bytes, depth: int) -> None:
        """Read a file. Raises RefusedRepository, OSError."""
        if self._files == 0:
            raise RefusedRepository(
                f"the git configuration includes more than {_FILES} files, {os.fsdecode(path)} among them",
                hint="nothing was changed; `git config --list --show-origin` shows them",
            )
        self._files -= 1
        try:
            data = self._reader.read(*os.path.split(path), self._bytes, or_directory=self._lenient)
        except PermissionError:
            if self._lenient or depth:  # as git: the repository's own has to be known
                return
            raise
        if data is None:
            return
        self._bytes -= len(data)
        for name, value in parse_config(data, os.fsdecode(path)):
            self.take(path, name, value, depth)

    def take(self, path: bytes, name: str, value: str, depth: int) -> None:
        """Take a value of a file (of none: an empty path), and what it includes. Raises as `read`."""
        self._config.values.setdefault(name, []).append(value)
        follow = self._reader.follow and name.endswith(".path")
        if follow and _is_included(name, path, self._conditions):
            self._include(path, value, depth)

    def _include(self, path: bytes, value: str, depth: int) -> None:
        if depth == _INCLUDES:
            raise RefusedRepository(
                f"the git configuration {os.fsdecode(path)} is included in others, more than {_INCLUDES} deep",
                hint="nothing was changed; is it included in itself?",
            )
        target = expanded(value)
        if target is not None and (path or os.path.isabs(target)):
            self.read(os.path.join(os.path.dirname(path), target), depth + 1)


def _is_included(name: str, path: bytes, conditions: Conditions | None) -> bool:
    if name == "include.path":
        return True
    if not name.startswith("includeif.") or conditions is None:
        return False
    kind, _, rest = name[len("includeif.") : -len(".path")].partition(":")
    pattern = os.fsencode(rest)
    if len(pattern) > _LONGEST_PATTERN:
        return False
    if kind == "onbranch":
        branch = conditions.branch or b""
        return branch.startswith(_BRANCHES) and _matches(pattern, branch[len(_BRANCHES) :])
    if kind == "hasconfig" and pattern.startswith(_URLS):
        matches = path_matcher(pattern[len(_URLS) :])
        return conditions.urls is None or any(matches(url) for url in conditions.urls)
    if kind not in ("gitdir", "gitdir/i"):
        return False
    return any(_is_place(pattern, path, place, fold_case=kind == "gitdir/i") for place in conditions.git_dirs)


def _is_place(pattern: bytes, path: bytes, git_dir: bytes, *, fold_case: bool) -> bool:
    """Whether a git directory is where a ``gitdir`` condition of the file at ``path`` says."""
    home = os.environ.get("HOME")
    if pattern.startswith(b"~/") and home:
        pattern = os.path.realpath(os.fsencode(home)) + pattern[1:]
    else:
        pattern = expanded(os.fsdecode(pattern)) or pattern
    if pattern.startswith(b"./"):
        if not path:
            return False
        # the directory of the file is no pattern, whatever is in its name
        before = os.path.dirname(os.path.realpath(path)).rstrip(b"/") + b"/"
        begin = git_dir[: len(before)]
        if begin != before and not (fold_case and begin.lower() == before.lower()):
            return False
        pattern, git_dir = _whole(pattern)[2:], git_dir[len(before) :]
    elif not pattern.startswith(b"/"):
        pattern = b"**/" + pattern
    return _matches(pattern, git_dir, fold_case=fold_case)


def _matches(pattern: bytes, text: bytes, *, fold_case: bool = False) -> bool:
    return bool(path_matcher(_whole(pattern), fold_case=fold_case)(text))


def _whole(pattern: bytes) -> bytes:
    """A pattern, of a directory with all that is in it."""
    return pattern + b"**" if pattern.endswith(b"/") else pattern


def parse_config(data: bytes, file: str = "") -> tuple[tuple[str, str], ...]:
    """Names and values of a configuration file, in order.

    Args:
        data: Its content.
        file: Its name, for the message.

    Raises:
        RefusedRepository: it is no configuration.
    """
    return _parsed(data, file) if len(data) <= _SMALL else _parsed_large(data, file)


def _parse(data: bytes, file: str) -> tuple[tuple[str, str], ...]:
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    found: list[tuple[str, str]] = []
    section = None
    room = _NAMES + _NAMES_TIMES * len(data)
    at, end = 0, len(data)
    while at < end:
        char = data[at : at + 1]
        if char in _BLANK:
            at += 1
        elif char in b"#;":
            at = (data.find(b"\n", at) + 1) or end
        elif char == b"[":
            match = _SECTION.match(data, at, at + _LONGEST_SECTION)
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
            name = f"{section}.{os.fsdecode(match[1].lower())}"
            room -= len(name)
            if room < 0:
                raise RefusedRepository(
                    f"the git configuration {file} has a long section with too many keys",
                    hint="nothing was changed; `git config --list` shows them",
                )
            found.append((name, os.fsdecode(value)))
            at = stop
    return tuple(found)


_parsed = lru_cache(maxsize=64)(_parse)
_parsed_large = lru_cache(maxsize=2)(_parse)


def _value(file: str, data: bytes, at: int) -> tuple[bytes, int]:
    """The value that begins at ``at``, and where its line ends."""
    out = bytearray()
    kept = 0  # spaces at the end do not count, unless they were quoted
    quoted = False
    while at < len(data):
        run = (_QUOTED if quoted else _PLAIN).match(data, at)
        if run is not None:
            out += run[0]
            kept = len(out)
            at = run.end()
            continue
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
            if escape in (b"\n", b""):  # the end of the file is the end of a line
                kept = len(out)
                continue
            if escape not in _ESCAPES:
                raise _bad(file, data, at - 1)
            out += _ESCAPES[escape]
            kept = len(out)
        elif char in b"#;":
            at = data.find(b"\n", at)
            at = len(data) if at < 0 else at
        elif out:
            out += char
    else:
        if quoted:
            raise _bad(file, data, at - 1)
    return bytes(out[:kept]), at


def _bad(file: str, data: bytes, at: int) -> RefusedRepository:
    line = data.count(b"\n", 0, at) + 1
    return RefusedRepository(
        f"line {line} of the git configuration {file} cannot be read",
        hint="nothing was changed; `git config --list` says more",
    )

"""Allowed signers, as ssh-keygen(1) has them: who may sign, with which key, for what and when."""

from __future__ import annotations

import calendar
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jellyformat.errors import Usage
from jellyformat.format.source import FileSource, read_exactly
from jellyformat.hosts.registry import open_file
from jellyformat.trust import sshsig

_MOST: Final = 16 << 20
"""Bytes of a file of signers, or of revoked keys."""
_LONGEST: Final = 1 << 20
"""Bytes of a line."""
_BLANK: Final = b" \t\r"
_DATE: Final = re.compile(r"(\d{8}|\d{12}|\d{14})(Z|UTC)?")
_OPTION: Final = re.compile(rb'([A-Za-z-]+)(?:=("[^"\\]*"))?(?:,|(?=[ \t])|\Z)')


@dataclass(frozen=True)
class Signer:
    """A line of a file of allowed signers.

    Attributes:
        line: As it stands there.
        principals: Patterns of names, with commas between.
        key: A public key, as RFC 4253 writes it.
        is_authority: Whether the key signs certificates, and not by itself.
        namespaces: Patterns of what it may sign; None for all.
        since: From when it holds, in seconds since 1970; None for ever.
        until: Until when.
    """

    line: bytes
    principals: str
    key: bytes
    is_authority: bool = False
    namespaces: str | None = None
    since: int | None = None
    until: int | None = None

    def holds_at(self, moment: float) -> bool:
        """Whether the key is valid at a time."""
        return (self.since is None or moment >= self.since) and (self.until is None or moment <= self.until)

    def holds_for(self, namespace: str) -> bool:
        """Whether the key may sign what this namespace stands for."""
        return self.namespaces is None or matches(namespace, self.namespaces)


@dataclass(frozen=True)
class Signers:
    """Who may sign.

    Attributes:
        known: The lines that can be read.
        odd: The numbers of those that cannot.
    """

    known: tuple[Signer, ...] = ()
    odd: tuple[int, ...] = ()

    def of(self, key: bytes, authority: bytes | None) -> Iterator[Signer]:
        """The lines that a signature may be by: those with its key, or with the key that signed its certificate."""
        for signer in self.known:
            if signer.key == (authority if signer.is_authority else key):
                yield signer


def read_signers(path: Path) -> Signers:
    """The allowed signers in a file. A line that cannot be read stands for nobody, and the others stay.

    Raises:
        NoFile: there is none.
        Usage: it is too large.
        SystemFailure: it cannot be read.
    """
    known: list[Signer] = []
    odd: list[int] = []
    for number, line in enumerate(read_bounded(path).split(b"\n"), 1):
        text = line.strip(_BLANK)
        if not text or text.startswith(b"#"):
            continue
        signer = parse_line(text)
        if signer is None:
            odd.append(number)
        else:
            known.append(signer)
    return Signers(tuple(known), tuple(odd))


def read_bounded(path: Path) -> bytes:
    """All of a regular file.

    Raises:
        NoFile: there is none.
        Usage: it is too large, or no regular file.
        SystemFailure: it cannot be read.
    """
    with open_file(path) as fd:
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
        source = FileSource.of(fd)
        if not is_regular or source.size > _MOST:
            raise Usage(f"{path} is no file of keys, or has more than {_MOST >> 20} MB", hint="nothing was changed")
        return read_exactly(source, 0, source.size)


def parse_line(text: bytes) -> Signer | None:
    """A line of a file of allowed signers; None where it is none."""
    if len(text) > _LONGEST or b"\0" in text or b"\r" in text:
        return None
    if text.startswith(b'"'):
        raw, quote, rest = text[1:].partition(b'"')
        if not quote or rest[:1] not in (b" ", b"\t"):
            return None
    else:
        raw, _, rest = text.replace(b"\t", b" ").partition(b" ")
        rest = text[len(raw) :]
    rest = rest.lstrip(_BLANK)
    try:
        principals = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not principals or '"' in principals:
        return None
    key = sshsig.public_key(rest)
    if key is not None:
        return Signer(text, principals, key)
    options, rest = _options(rest)
    key = sshsig.public_key(rest)
    if options is None or key is None:
        return None
    return _with_options(text, principals, key, options)


def _options(text: bytes) -> tuple[dict[str, str | None] | None, bytes]:
    """The options that a text begins with, by name; and what is behind them. None where they are none."""
    found: dict[str, str | None] = {}
    at = 0
    while at < len(text) and text[at : at + 1] not in (b" ", b"\t"):
        match = _OPTION.match(text, at)
        if match is None:
            return None, b""
        name = match[1].decode("ascii").lower()
        if name in found:
            return None, b""
        try:
            found[name] = None if match[2] is None else match[2].decode("utf-8").strip('"')
        except UnicodeDecodeError:
            return None, b""
        at = match.end()
    return found, text[at:].lstrip(_BLANK)


def _with_options(text: bytes, principals: str, key: bytes, options: dict[str, str | None]) -> Signer | None:
    if not options or not options.keys() <= {"cert-authority", "namespaces", "valid-after", "valid-before"}:
        return None
    if options.get("cert-authority") is not None or any(
        options[name] is None for name in options if name != "cert-authority"
    ):
        return None
    since, until = (moment_of(options.get(name) or "") for name in ("valid-after", "valid-before"))
    if ("valid-after" in options and since is None) or ("valid-before" in options and until is None):
        return None
    if since is not None and until is not None and until <= since:
        return None
    return Signer(text, principals, key, "cert-authority" in options, options.get("namespaces"), since, until)


def moment_of(text: str) -> int | None:
    """A time as ssh-keygen reads it, ``YYYYMMDD[HHMM[SS]][Z]``, in seconds since 1970; None where it is none."""
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        parsed = time.strptime(found[1], {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}[len(found[1])])
        seconds = calendar.timegm(parsed) if found[2] else int(time.mktime(parsed))
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None


def matches(text: str, patterns: str) -> bool:
    """Whether a text is what some patterns ask for, as ssh_config(5) has them: ``*``, ``?``, ``!`` for none of them."""
    found = False
    for pattern in patterns.split(","):
        if matches_one(text, pattern.removeprefix("!")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def matches_one(text: str, pattern: str) -> bool:
    """Whether a text is what one pattern asks for; in time that grows with both lengths alone."""
    at = star = 0
    back = -1
    position = 0
    while at < len(text):
        if position < len(pattern) and pattern[position] == "*":
            back, star = position, at
            position += 1
        elif position < len(pattern) and pattern[position] in ("?", text[at]):
            position += 1
            at += 1
        elif back >= 0:
            star += 1
            position, at = back + 1, star
        else:
            return False
    return not pattern[position:].strip("*")


def first_name(principals: str) -> str | None:
    """A name that patterns ask for, to ask ssh-keygen with: the first that does not begin with ``!``."""
    return next((name for name in principals.split(",") if name and not name.startswith("!")), None)

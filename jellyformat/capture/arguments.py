"""Command lines without what is secret in them: values of options that say so, and secrets within values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

HIDDEN = "***"
_NAMES = frozenset(
    (
        *("key", "token", "tokens", "password", "passwd", "passphrase", "pass", "passcode", "pw", "pwd", "pat", "pin"),
        *("secret", "secrets", "credential", "credentials", "creds", "auth", "bearer", "cookie", "sas", "sig", "dsn"),
    )
)
_WITHIN = re.compile(r"key|token|passw|passphrase|secret|credential|auth", re.IGNORECASE)
_NO_SECRET = re.compile(r"tokeni[sz]|authors?\b|keyword|keyboard|(?:max|num|min|new|n)[-_.]?tokens", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|true|false|none|null|yes|no", re.IGNORECASE)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_HEADER = re.compile(r"[\"']?(?P<name>[\w.-]{1,80})[\"']?\s{0,4}:\s{0,4}")
_INSIDE = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]{1,80})(?P<between>[\"']?\s{0,4}(?:=>|[:=])\s{0,4})(?![{\[])"
    r"(?P<value>\"[^\"]*\"|'[^']*'|(?:Bearer|Basic|Token)\s+[^\s,;&}\]\"']+|[^\s,;&}\]\"']+)"
)
_GLUED = re.compile(r"-p(?=.*[^a-z]).{3,}", re.DOTALL)
_LONGEST = 1 << 16
"""Characters of an argument that is looked into; nobody types a longer one."""


def clean(argv: Sequence[str], clean_value: Callable[[str], bytes]) -> tuple[bytes, ...]:
    """A command line with what is secret blanked: ``--api-key=…``, ``--token …``, ``logger={api_key: …}``.

    Args:
        argv: The arguments.
        clean_value: What else is done with an argument, or what of it is shown.
    """
    cleaned: list[bytes] = []
    before = ""
    for argument in argv:
        name, equals, value = argument.partition("=")
        if before and not argument.startswith("--") and _follows(before, argument):
            cleaned.append(HIDDEN.encode())
            before = ""
            continue
        before = argument if argument.startswith("-") and not equals else ""
        if len(argument) > _LONGEST or _GLUED.fullmatch(argument):
            cleaned.append(os.fsencode(argument[:2]) + HIDDEN.encode())
        elif equals and is_secret(name, value):
            cleaned.append(os.fsencode(name) + b"=" + HIDDEN.encode())
        else:
            cleaned.append(clean_value(name + equals + without_secrets(value) if equals else without_secrets(argument)))
    return tuple(cleaned)


def _follows(option: str, value: str) -> bool:
    """Whether the value of an option that stands before it is a secret."""
    if option in ("-p", "--pat"):
        return True
    if option in ("-u", "--user", "-U", "--proxy-user"):
        return ":" in value
    if option in ("-H", "--header"):
        header = _HEADER.match(value)
        return header is not None and is_secret(header["name"], value[header.end() :])
    return is_secret(option, value)


def is_secret(name: str, value: str) -> bool:
    """Whether a value of this name is a secret: ``hub_token``, ``+a.api_key``, ``apiKey``; not ``max_tokens=512``."""
    name = name[-256:]
    parts = {part.lower() for part in _PART.findall(name)}
    if parts & _NAMES:
        return not (_NO_SECRET.search(name) and _NUMBER.fullmatch(value.strip()))
    return _WITHIN.search(_NO_SECRET.sub("", name)) is not None


def without_secrets(text: str) -> str:
    """Text without the values in it whose names say that they are secret."""

    def blanked(match: re.Match[str]) -> str:
        if not is_secret(match["name"], match["value"]) or match["value"].startswith("//"):
            return match[0]
        return f"{match['name']}{match['between']}{HIDDEN}"

    return _INSIDE.sub(blanked, text)

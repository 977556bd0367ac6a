"""Secrets in files: private keys, tokens of well-known services, passwords that are written down.

Fixed bytes are looked for first, and no expression can backtrack over more than a bounded length: the time is linear
in the size of the file. What was found is named by its kind and line, and never shown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.capture.secret_rules import FILES, TEXTS, TOKENS, Rule

_MOST = 20
"""Findings of one file; more would say nothing new."""


@dataclass(frozen=True)
class Finding:
    """A secret, by where it is and what it seems to be; ``value`` is for comparison only and must not be shown."""

    line: int
    kind: str
    value: bytes


@dataclass(frozen=True)
class _Found:
    """A secret: where it begins and ends in the content."""

    start: int
    end: int
    kind: str


_RUN = re.compile(rb"[A-Za-z0-9_+/=.,;:@%&?#~$!*-]{14,}")
"""What tokens are made of. The anchors of nearly all of them are looked for in these runs alone, a tenth of a text."""
_ANCHORS = tuple((anchor, rule) for rule in TOKENS for anchor in rule.anchors)
_EXACT = tuple((anchor, rule) for rule in TEXTS for anchor in rule.anchors if not rule.fold_case)
_FOLDED = tuple((anchor, rule) for rule in TEXTS for anchor in rule.anchors if rule.fold_case)

_BEFORE = re.compile(rb"(?<!\\)[A-Za-z0-9_]\Z|\\[A-Za-mo-qsu-z0-9_]\Z")
"""What goes on in a token; not the letter of ``\\n``, ``\\r`` or ``\\t``, as in the outputs of a notebook."""
_BACKWARD = {
    b"-us": re.compile(rb"(?:(?<![0-9a-z])|(?<=\\n))[0-9a-f]{32}\Z"),
    b"_mmk": re.compile(rb"(?:(?<![A-Za-z0-9])|(?<=\\n))[A-Za-z0-9]{6}_[A-Za-z0-9]{29}\Z"),
    b".atlasv1.": re.compile(rb"[A-Za-z0-9]{14}\Z"),
}
"""What has to stand before the anchors of tokens that are told by their end."""
_REACH = 64

_WORDS = (b"password", b"passwd", b"passphrase", b"pwd", b"secret", b"token", b"key", b"credential", b"auth")
_ASSIGNED = re.compile(
    rb"s?[\"'`]?\]?[ \t]{0,8}(?:(?:::?=|=>|={1,3}|!=|:|(?P<comma>,))[ \t]{0,8}@?[bruf]{0,2}"
    rb"(?:\"(?P<double>[^\"\s\\$<>{}()]{6,200})\"|'(?P<single>[^'\s\\$<>{}()]{6,200})'|`(?P<back>[^`\s\\$<>{}()]{6,200})`"
    rb"|(?(comma)(?!)|(?P<bare>[A-Za-z0-9+/=_.~|:-]{14,200})(?![A-Za-z0-9+/=_.~({\[-]))))"
)
_CALLED = re.compile(rb"(?:\.assign)?\(\"(?P<double>[^\"\s\\$<>{}()]{6,200})\"")
_PASSWORD_WORDS = (b"password", b"passwd", b"passphrase", b"pwd")
_KEY_NAME = re.compile(
    rb"(?:api|access|secret|private|auth|account|service|signing|master|encryption|license|app|subscription|storage"
    rb"|shared|client|webhook|consumer|deploy|admin|bot|user|session|refresh|bearer|id|csrf|oauth2?|personal|identity"
    rb"|[a-z]{0,20}(?:api|access|secret|auth))[ _.-]{0,2}\Z",
    re.IGNORECASE,
)

_ALLOWED = re.compile(rb"pragma: ?allowlist ?secret|gitleaks:allow|nosecret", re.IGNORECASE)
_EXAMPLE = re.compile(
    rb"EXAMPLE|x{6}|\*{4}|\.{4}|0{8}|changeme|change[_-]me|placeholder|your[_-]?|dummy|redacted|12345678|abcdefgh|insert[_-]",
    re.IGNORECASE,
)
_PASSWORDS = frozenset((b"password", b"passwd", b"secret", b"token", b"password123", b"hunter2", b"example", b"foobar"))
_FEWEST_KINDS = 8
"""Different bytes in what is random; a token with fewer was made up for a test or a text."""
_UNSPEAKABLE = re.compile(rb"[bcdfghjklmnpqrstvwxz]{5}", re.IGNORECASE)
_WORD, _PART = re.compile(rb"[A-Za-z0-9]+"), re.compile(rb"[0-9]+|[a-z]+|[A-Z]+")
_KEY_END = re.compile(rb"-----END[A-Z0-9 ]{0,60}-----")
_TOKEN_END, _PART_END = re.compile(rb"[\s\"'`<>,;&|()\[\]{}]"), re.compile(rb"[\s\"'`<>,;&|()\[\]{}/]")


def find_secrets(path: bytes, content: bytes) -> list[Finding]:
    """What looks like secrets in a file, by line.

    Args:
        path: Its path; the name alone tells what some files are for.
        content: Its bytes.
    """
    found: list[_Found] = []
    name = path.rpartition(b"/")[2].lower()
    for kind, names, pattern in FILES:
        if names.fullmatch(name):
            for match in pattern.finditer(content):
                if not (kind.startswith("password in a conf") and _is_no_password(match["value"])):
                    found.append(_Found(*match.span("value"), kind))
                if len(found) >= _MOST:
                    break
    for item in _scan(content):
        found.append(item)
        if len(found) >= 2 * _MOST:
            break
    return _with_lines(found, content)[:_MOST]


def blank_secrets(text: bytes) -> bytes:
    """``text`` with everything in it that looks like a secret replaced by ``***``, to the end of each token."""
    out: list[bytes] = []
    at = 0
    for item in sorted(_scan(text, all_of_them=True), key=lambda item: item.start):
        if item.end <= at:
            continue
        if item.start >= at:
            out += (text[at : item.start], b"***")
        ending = _TOKEN_END if b"/" in text[item.start : item.end] else _PART_END
        if item.kind.endswith("private key"):  # all lines of it
            ending = _KEY_END
        end = ending.search(text, item.end)
        at = len(text) if end is None else end.end() if ending is _KEY_END else end.start()
    return b"".join(out) + text[at:]


def _scan(content: bytes, *, all_of_them: bool = False) -> Iterator[_Found]:
    """Secrets of all kinds; with ``all_of_them``, those that seem to be made up too."""
    for anchor, rule, at in _places(content):
        match = _match(anchor, rule, content, at)
        if match is None:
            continue
        group = "value" if "value" in rule.pattern.groupindex else 0
        start, end = match.span(group)
        if anchor in _BACKWARD:
            start = _begin(anchor, content, start)
        value = content[start:end]
        if not all_of_them and _is_made_up(value):
            continue
        if rule.random and not looks_random(value, 12):
            continue
        yield _Found(start, end, rule.kind)
    yield from _assigned(content, all_of_them)


def _places(content: bytes) -> Iterator[tuple[bytes, Rule, int]]:
    """Where an anchor stands in the content."""
    starts: list[int] = []
    offsets: list[int] = []
    pieces: list[bytes] = []
    length = 0
    for run in _RUN.finditer(content):
        starts.append(run.start())
        offsets.append(length)
        pieces.append(run[0])
        length += len(run[0]) + 1
    runs = b"\n".join(pieces)
    for anchor, rule in _ANCHORS:
        at = runs.find(anchor)
        while at >= 0:
            piece = bisect_right(offsets, at) - 1
            yield anchor, rule, starts[piece] + at - offsets[piece]
            at = runs.find(anchor, at + len(anchor))
    for anchor, rule in _EXACT:
        yield from ((anchor, rule, at) for at in _finds(content, anchor))
    lowered = content.lower()
    for anchor, rule in _FOLDED:
        yield from ((anchor, rule, at) for at in _finds(lowered, anchor))


def _finds(content: bytes, anchor: bytes) -> Iterator[int]:
    at = content.find(anchor)
    while at >= 0:
        yield at
        at = content.find(anchor, at + len(anchor))


def _match(anchor: bytes, rule: Rule, content: bytes, at: int) -> re.Match[bytes] | None:
    if rule.begins and at and _BEFORE.search(content, max(0, at - 2), at):
        return None
    if anchor in _BACKWARD and _begin(anchor, content, at) == at:
        return None
    return rule.pattern.match(content, at)


def _begin(anchor: bytes, content: bytes, at: int) -> int:
    """Where a token begins that is told by its end, at ``at``."""
    before = _BACKWARD[anchor].search(content, max(0, at - _REACH), at)
    return at if before is None else before.start()


# -- what is assigned to a name that says so ---------------------------------------------------------------------------


def _assigned(content: bytes, all_of_them: bool) -> Iterator[_Found]:
    """``api_key = "…"``, ``"password": "…"`` and the like."""
    lowered = content.lower()
    for word in _WORDS:
        is_password = word in _PASSWORD_WORDS
        for at in _finds(lowered, word):
            end = at + len(word)
            match = _ASSIGNED.match(content, end) or (_CALLED.match(content, end) if word != b"key" else None)
            if match is None or match.lastgroup is None:
                continue
            start, stop = match.span(match.lastgroup)
            value = content[start:stop]
            if _is_made_up(value):
                continue
            quoted = match.lastgroup != "bare"
            if is_password and quoted:
                if not _is_no_password(value):
                    yield _Found(start, stop, "password")
                continue
            before = lowered[max(0, at - _REACH) : at]
            if before.rstrip(b" _-.").endswith(b"public"):
                continue
            named = word == b"secret" or _KEY_NAME.search(before) is not None
            if looks_random(value, 14, strict=not (named or is_password)):
                yield _Found(start, stop, word.decode() if word != b"auth" else "credential")


def _is_no_password(value: bytes) -> bool:
    """Whether a value, written down as a password, stands for one: a name, a place, a word, an example."""
    if _is_made_up(value) or len(value) < 6 or value.isalpha() or value.isdigit():
        return True
    if re.fullmatch(
        rb"[a-z_.:/-]+|[A-Z_.-]+|[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_]\w*)+|[\w.-]*:[\w.:-]*|/.*|https?:.*", value
    ):
        return True  # only small letters with dashes, a constant, an attribute, a type, a path, a URL
    return len(set(value)) < 5 or b"password" in value.lower()


def looks_random(value: bytes, least: int, *, strict: bool = False) -> bool:
    """Whether a token was drawn by a machine: letters and digits that take turns often, few of them the same.

    Args:
        value: The token, what it begins with included.
        least: How many bytes it has to have.
        strict: For what may be anything: longer, and no UUID, hash or place in a file.
    """
    parts = _PART.findall(value)
    letters = sum(len(part) for part in parts if not part.isdigit())
    digits = sum(len(part) for part in parts if part.isdigit())
    count = letters + digits
    if len(value) < least or count < 0.8 * len(value) or not digits:
        return False
    if not letters:
        return not strict and digits >= 15 and len(set(value)) > 4
    if len(set(value)) < _FEWEST_KINDS:
        return False
    if strict and (
        len(value) < 20 or re.fullmatch(rb"[0-9a-f]+(?:-[0-9a-f]+)*", value) or b"/" in value or b":" in value
    ):
        return False
    changes = len(parts) - len(_WORD.findall(value))  # within what stands between dots, dashes and the like
    if strict:
        return changes * 5 >= count
    return changes * 6 >= count or (changes >= 2 and _UNSPEAKABLE.search(value) is not None)


def _is_made_up(value: bytes) -> bool:
    """Whether a value is an example of what a secret looks like."""
    if _EXAMPLE.search(value) or value.lower() in _PASSWORDS:
        return True
    return len(value) >= 20 and len(set(value[4:])) < _FEWEST_KINDS


def _with_lines(found: list[_Found], content: bytes) -> list[Finding]:
    if not found:
        return []
    ends = [match.start() for match in re.finditer(b"\n", content)]
    findings: list[Finding] = []
    seen_to = -1
    for item in sorted(found, key=lambda item: (item.start, -item.end)):
        line = bisect_right(ends, item.start - 1) if item.start else 0
        line_start = ends[line - 1] + 1 if line else 0
        line_end = ends[line] if line < len(ends) else len(content)
        if item.start <= seen_to or _ALLOWED.search(content[line_start : min(line_end, line_start + 4096)]):
            continue
        seen_to = item.end - 1
        findings.append(Finding(line + 1, item.kind, content[item.start : item.end]))
    return findings

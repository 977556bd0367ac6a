"""Secrets in files: private keys, tokens of well-known services, files that are made to hold passwords.

Each rule begins with fixed bytes that are looked for first, and no expression can backtrack over more than a bounded
length: the time is linear in the size of the file. What was found is named by its kind and line, and never shown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_MOST = 20
"""Findings of one file; more would say nothing new."""


@dataclass(frozen=True)
class Finding:
    """A secret, by where it is and what it seems to be; ``value`` is for comparison only and must not be shown."""

    line: int
    kind: str
    value: bytes


@dataclass(frozen=True)
class _Rule:
    kind: str
    anchors: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    fold_case: bool = False


def _rule(kind: str, anchors: str, pattern: str, *, fold_case: bool = False) -> _Rule:
    flags = re.IGNORECASE if fold_case else 0
    return _Rule(kind, tuple(anchors.encode().split()), re.compile(pattern.encode(), flags), fold_case)


_END = r"(?![A-Za-z0-9_])"
_NAMED = r"[\"']?\]?\s{0,3}(?:=|:|=>|,)\s{0,3}[\"']?"

_RULES = (
    _rule(
        "private key", "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----\s{0,4}(?:[\\\w+/=]{8}|Proc-Type)",
    ),
    _rule("PuTTY private key", "PuTTY-User-Key-File-", r"PuTTY-User-Key-File-\d: \S"),
    _rule("age secret key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    _rule("AWS access key", "AKIA ASIA", r"A[KS]IA[A-Z2-7]{16}" + _END),
    _rule(
        "AWS secret key",
        "aws_secret secretaccesskey",
        r"(?:aws_secret\w{0,20}|secretaccesskey)" + _NAMED + r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        fold_case=True,
    ),
    _rule("Google API key", "AIza", r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    _rule("Google OAuth secret", "GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    _rule("Google OAuth token", "ya29.", r"ya29\.[0-9A-Za-z_-]{60}"),
    _rule("Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    _rule("Azure shared access key", "SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/]{43}="),
    _rule("Azure client secret", "8Q~ 7Q~", r"[78]Q~[A-Za-z0-9_.~-]{31,34}" + _END),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36}"),
    _rule("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{82}"),
    _rule("GitLab token", "glpat- gldt- glrt- glptt-", r"gl(?:pat|dt|rt|ptt)-[A-Za-z0-9_-]{20}"),
    _rule("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{34}" + _END),
    _rule("Hugging Face token", "api_org_", r"api_org_[A-Za-z0-9]{34}" + _END),
    _rule("OpenAI key", "T3BlbkFJ", r"T3BlbkFJ[A-Za-z0-9_-]{20}"),
    _rule("OpenAI key", "sk-proj- sk-svcacct- sk-admin-", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40}"),
    _rule("Anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,8}\d\d-[A-Za-z0-9_-]{80}"),
    _rule("OpenRouter key", "sk-or-v1-", r"sk-or-v1-[0-9a-f]{64}"),
    _rule(
        "Weights & Biases key",
        "wandb_api_key wandb.login",
        r"wandb(?:_api_key|\.login\(\s{0,4}key)" + _NAMED + r"(?:local-)?[0-9a-f]{40}" + _END,
        fold_case=True,
    ),
    _rule("Slack token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xapp-", r"x(?:ox[abeprs]|app)-[0-9A-Za-z-]{20}"),
    _rule(
        "Slack webhook", "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows)/T[0-9A-Za-z_]{6,12}/[0-9A-Za-z_/]{18}",
    ),
    _rule("Discord webhook", "/api/webhooks/", r"/api/webhooks/\d{17,20}/[0-9A-Za-z_-]{60}"),
    _rule("Telegram token", ":AA", r":AA[0-9A-Za-z_-]{33}" + _END),
    _rule("Stripe key", "k_live_", r"k_live_[0-9a-zA-Z]{24}"),
    _rule("SendGrid key", "SG.", r"SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),
    _rule("npm token", "npm_", r"npm_[A-Za-z0-9]{36}" + _END),
    _rule("npm token", "_authToken=", r"_authToken=(?!\$)[A-Za-z0-9._/+=-]{16}"),
    _rule("PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50}"),
    _rule("Databricks token", "dapi", r"dapi[0-9a-f]{32}" + _END),
    _rule("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[por]_v1_[0-9a-f]{64}"),
    _rule("Docker Hub token", "dckr_pat_", r"dckr_pat_[A-Za-z0-9_-]{27}"),
    _rule("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}" + _END),
    _rule("Vault token", "hvs.", r"hvs\.[A-Za-z0-9_-]{80}"),
    _rule("Kubernetes client key", "client-key-data:", r"client-key-data:\s{1,4}[A-Za-z0-9+/]{40}"),
    _rule(
        "password in a URL", "://",
        r"://[^\s:/@\"'<>{}$%*\[\]]{1,64}:(?P<value>[^\s:/@\"'<>{}$%*\[\]]{6,128})@[A-Za-z0-9.-]{1,253}",
    ),
)  # fmt: skip

_EXACT = tuple((anchor, rule) for rule in _RULES for anchor in rule.anchors if not rule.fold_case)
_FOLDED = tuple((anchor, rule) for rule in _RULES for anchor in rule.anchors if rule.fold_case)

_BEFORE = re.compile(rb"(?<!\\)[A-Za-z0-9_]\Z|\\[A-Za-mo-qsu-z0-9_]\Z")
"""What goes on in a token; not the letter of ``\\n``, ``\\r`` or ``\\t``, as in the outputs of a notebook."""
_LEFT_FREE = frozenset(("k_live_", "T3BlbkFJ", ":AA", "8Q~", "7Q~", "://", "/api/webhooks/", "hooks.slack.com/"))
"""Anchors that do not begin a token: something may stand before them."""

_ALLOWED = re.compile(rb"pragma: ?allowlist ?secret|gitleaks:allow|nosecret", re.IGNORECASE)
_EXAMPLE = re.compile(rb"EXAMPLE|x{6}|\*{4}|\.{4}|0{8}|changeme|placeholder|your[_-]?|dummy|redacted", re.IGNORECASE)
_PASSWORDS = frozenset((b"password", b"passwd", b"secret", b"token", b"password123", b"hunter2", b"example", b"foobar"))
_FEWEST_KINDS = 8
"""Different bytes in what is random; a token with fewer was made up for a test or a text."""

_DOTENV = re.compile(
    rb"^[ \t]{0,8}(?:export[ \t]{1,4})?[A-Za-z_][A-Za-z0-9_]{0,80}[ \t]?=[ \t]?"
    rb"(?P<value>[^\s#$\"']\S{0,200}|[\"'][^\s\"'$][^\n]{0,200})",
    re.MULTILINE,
)
_NETRC = re.compile(rb"\bpassword[ \t]{1,8}(?P<value>\S{1,200})")
_PYPIRC = re.compile(rb"^[ \t]{0,8}password[ \t]{0,4}[=:][ \t]{0,4}(?P<value>[^\s%]\S{0,200})", re.MULTILINE)
_AUTH = re.compile(rb"\"auth\"\s{0,4}:\s{0,4}\"(?P<value>[A-Za-z0-9+/=]{8,400})\"")
_CREDENTIALS = re.compile(rb"^https?://[^\s:@/]{1,100}:(?P<value>[^\s@/]{1,200})@", re.MULTILINE)
_KEY_STORE = re.compile(rb"\A(?P<value>[\x30\xfe\xce].{8})", re.DOTALL)
_TERRAFORM = re.compile(
    rb"^[ \t]{0,8}\w{0,40}(?:password|secret|token|key)\w{0,40}[ \t]{0,8}=[ \t]{0,8}\"(?P<value>[^\"\s$]{6,200})\"",
    re.MULTILINE,
)

_ENVIRONMENT = re.compile(rb"\.env(?:\.(?!(?:example|sample|template|dist|defaults?|schema|test)\b)[\w.-]+)?|\.envrc")
_FILES: tuple[tuple[str, re.Pattern[bytes], re.Pattern[bytes]], ...] = (
    ("value in an environment file", _ENVIRONMENT, _DOTENV),
    ("password in .netrc", re.compile(rb"[._]netrc"), _NETRC),
    ("password in .pypirc", re.compile(rb"\.pypirc"), _PYPIRC),
    ("stored git password", re.compile(rb"\.git-credentials"), _CREDENTIALS),
    ("Kaggle key", re.compile(rb"kaggle\.json"), re.compile(rb"\"key\"\s{0,4}:\s{0,4}\"(?P<value>[0-9a-f]{32})\"")),
    ("registry login", re.compile(rb"\.dockercfg|\.dockerconfigjson|config\.json"), _AUTH),
    ("key store", re.compile(rb".+\.(?:p12|pfx|jks|keystore|bks)"), _KEY_STORE),
    ("value in a Terraform file", re.compile(rb".+\.tfvars"), _TERRAFORM),
)  # fmt: skip


def find_secrets(path: bytes, content: bytes) -> list[Finding]:
    """What looks like secrets in a file, by line.

    Args:
        path: Its path; the name alone tells what some files are for.
        content: Its bytes.
    """
    found: dict[tuple[int, int], tuple[str, bytes]] = {}
    name = path.rpartition(b"/")[2].lower()
    for kind, names, pattern in _FILES:
        if names.fullmatch(name):
            for match in pattern.finditer(content):
                found.setdefault(match.span("value"), (kind, match["value"]))
                if len(found) >= _MOST:
                    break
    lowered = content.lower()
    likely = [(anchor, rule, content) for anchor, rule in _EXACT if anchor in content]
    likely += [(anchor, rule, lowered) for anchor, rule in _FOLDED if anchor in lowered]
    for anchor, rule, searched in likely:
        for match in _matches(anchor, rule, searched, content):
            value = match["value"] if "value" in rule.pattern.groupindex else match[0]
            if not _is_made_up(value) and len(found) < _MOST:
                found.setdefault(match.span(), (rule.kind, value))
    return _with_lines(found, content)


def _matches(anchor: bytes, rule: _Rule, searched: bytes, content: bytes) -> Iterator[re.Match[bytes]]:
    bounded = anchor.decode() not in _LEFT_FREE
    at = searched.find(anchor)
    while at >= 0:
        match = rule.pattern.match(content, at)
        if match is not None and not (bounded and _BEFORE.search(content, max(0, at - 2), at)):
            yield match
        at = searched.find(anchor, at + len(anchor))


def _is_made_up(value: bytes) -> bool:
    """Whether a value is an example of what a secret looks like."""
    if _EXAMPLE.search(value) or value.lower() in _PASSWORDS:
        return True
    return len(value) >= 20 and len(set(value[4:])) < _FEWEST_KINDS


def _with_lines(found: dict[tuple[int, int], tuple[str, bytes]], content: bytes) -> list[Finding]:
    if not found:
        return []
    ends = [match.start() for match in re.finditer(b"\n", content)]
    findings: list[Finding] = []
    seen_to = -1
    for (start, end), (kind, value) in sorted(found.items()):
        line = bisect_right(ends, start - 1) if start else 0
        line_start = ends[line - 1] + 1 if line else 0
        line_end = ends[line] if line < len(ends) else len(content)
        if start <= seen_to or _ALLOWED.search(content[line_start : min(line_end, line_start + 4096)]):
            continue
        seen_to = end - 1
        findings.append(Finding(line + 1, kind, value))
    return findings


def blank_secrets(text: bytes) -> bytes:
    """``text`` with everything in it that looks like a secret replaced by ``***``."""
    for finding in find_secrets(b"", text):
        text = text.replace(finding.value, b"***")
    return text

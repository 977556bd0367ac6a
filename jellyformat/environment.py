"""Where and with what a snapshot was made (SPEC 7.4 and 7.5). Never environment variables."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from importlib import metadata

from jellyformat.model import Provenance
from jellyformat.msgpack import Value
from jellyformat.version import __version__

_SECRET_OPTION = re.compile(r"-{0,2}[\w.-]*(key|token|passw(or)?d|secret|credential|auth)[\w.-]*", re.IGNORECASE)
_HIDDEN = b"***"
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/@]*@", re.IGNORECASE)
_QUERY = re.compile(r"\?.*$")


def provenance(remotes: Iterable[tuple[str, str]], started: float, *, argv: bool) -> Provenance:
    """The provenance of a snapshot begun at ``started`` (seconds since 1970).

    Args:
        remotes: Name and URL of each remote; credentials are taken out here.
        started: When the capture began.
        argv: Whether the command line is noted.
    """
    offset = time.localtime(started).tm_gmtoff or 0
    return Provenance(
        time=int(started),
        zone=offset // 60,
        tool=f"jellyformat {__version__}",
        argv=clean_argv(sys.argv) if argv else (),
        remotes=tuple(sorted((os.fsencode(name), os.fsencode(clean_url(url))) for name, url in remotes)),
    )


def clean_url(url: str) -> str:
    """A remote URL without user name, password, or query."""
    return _QUERY.sub("", _CREDENTIALS.sub(r"\1", url)) if "://" in url else url


def clean_argv(argv: list[str]) -> tuple[bytes, ...]:
    """A command line with the values of options that look secret blanked: ``--api-key=…``, ``--token …``."""
    cleaned: list[bytes] = []
    hide = False
    for argument in argv:
        name, equals, _ = argument.partition("=")
        secret = _SECRET_OPTION.fullmatch(name) is not None
        if hide and not argument.startswith("-"):
            cleaned.append(_HIDDEN)
            hide = False
            continue
        hide = secret and not equals and argument.startswith("-")
        cleaned.append(os.fsencode(name) + b"=" + _HIDDEN if secret and equals else os.fsencode(clean_url(argument)))
    return tuple(cleaned)


def collect_environment() -> dict[str, Value]:
    """Interpreter, platform, installed distributions, and accelerators where a framework has already found them."""
    import platform

    found: dict[str, Value] = {
        "language": "python",
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "packages": [list(package) for package in _packages()],
        "accelerators": list(_accelerators()),
    }
    return found


def _packages() -> list[tuple[str, str, str | None]]:
    """Name, version and origin of each installed distribution; of two of one name the first on the path."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for distribution in metadata.distributions():
        try:
            name, version = distribution.metadata["Name"], distribution.version
            origin = _origin(distribution.read_text("direct_url.json"))
        except (OSError, ValueError, KeyError, AttributeError):
            continue  # a broken installation says nothing; that is no reason not to capture
        if isinstance(name, str) and isinstance(version, str):
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), (name, version, origin))
    return [found[key] for key in sorted(found)]


def _origin(text: str | None) -> str | None:
    """Where a distribution came from, if not from an index (PEP 610)."""
    if text is None:
        return None
    data = json.loads(text)
    url = clean_url(str(data.get("url", "")))
    vcs = data.get("vcs_info")
    if isinstance(vcs, dict):
        return f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    if isinstance(data.get("dir_info"), dict) and data["dir_info"].get("editable"):
        return f"editable {url}"
    return url or None


def _accelerators() -> list[str]:
    """The GPUs, as torch reports them, if it is imported and has started CUDA already."""
    torch = sys.modules.get("torch")
    try:
        cuda = torch.cuda if torch is not None else None
        if cuda is None or not cuda.is_initialized():
            return []
        names = [str(cuda.get_device_name(number)) for number in range(cuda.device_count())]
        return [*names, f"CUDA {torch.version.cuda}"] if torch is not None else names
    except Exception:  # whatever a half-imported framework raises, capture goes on
        return []

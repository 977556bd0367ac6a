"""Where and with what a snapshot was made (SPEC 7.4 and 7.5). Never environment variables."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from urllib.parse import unquote, urlsplit

from jellyformat import notebooks
from jellyformat.errors import JellyError
from jellyformat.guard import blank_secrets
from jellyformat.model import Provenance
from jellyformat.msgpack import Value
from jellyformat.repository import Repository, find
from jellyformat.version import __version__

_SECRET_OPTION = re.compile(
    r"-{0,2}[\w.-]*(key|token|passw(or)?d|passphrase|secret|credential|auth)[\w.-]*", re.IGNORECASE
)
_HIDDEN = b"***"
_NAME = re.compile(r"^Name:[ \t]*(\S+)[ \t\r]*$", re.MULTILINE)
_VERSION = re.compile(r"^Version:[ \t]*(\S+)[ \t\r]*$", re.MULTILINE)
_CREDENTIALS = re.compile(
    r"^((?:[a-z0-9+.-]+::)*[a-z][a-z0-9+.-]*://)(?:[^/?#]*@|[^/@]*:(?!\d+(?:/|$))[^@]*@)", re.IGNORECASE
)
_BEHIND_PATH = re.compile(r"[?#].*$", re.DOTALL)
_SHORT_FORM = re.compile(r"^(?:[^/\\]*@(?=[^/\\:@]+:)|(?://)?[^/\\]*:[^/\\]*@)")
_HOME = re.compile(
    r"(?<![\w.-])(?:/home/[^/\s:]+|/Users/[^/\s:]+|/root|[A-Za-z]:[\\/]Users[\\/][^\\/\s:]+)(?=[\\/:\s]|$)"
)


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
        remotes=tuple(sorted((os.fsencode(name), clean_text(clean_url(url))) for name, url in remotes)),
    )


def clean_url(url: str) -> str:
    """A remote URL without user name, password, query and fragment; ``git@host:path`` without the user too."""
    if url.lower().startswith("ext::"):  # a command line: what is secret in it, nobody knows
        return "ext::***"
    if "://" in url:
        return _BEHIND_PATH.sub("", _CREDENTIALS.sub(r"\1", url))
    return _SHORT_FORM.sub("", url)


def clean_text(text: str) -> bytes:
    """Text without tokens, and without the names of this user and this machine."""
    text = _HOME.sub("~", text)
    user, host = _user(), os.uname().nodename if hasattr(os, "uname") else ""
    if len(user) > 2:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "~", text)
    if len(host) > 2 and not host.startswith("localhost"):
        text = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "***", text)
    return blank_secrets(os.fsencode(text))


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""


def clean_argv(argv: list[str]) -> tuple[bytes, ...]:
    """A command line with the values of options that look secret blanked: ``--api-key=…``, ``--token …``."""
    cleaned: list[bytes] = []
    hide = False
    for argument in argv:
        name, equals, _ = argument.partition("=")
        secret = _SECRET_OPTION.fullmatch(name) is not None
        if hide and not argument.startswith("--"):
            cleaned.append(_HIDDEN)
            hide = False
            continue
        hide = secret and not equals and argument.startswith("-")
        cleaned.append(
            os.fsencode(name) + b"=" + _HIDDEN if secret and equals else clean_text(_clean_argument(argument))
        )
    return tuple(cleaned)


def _clean_argument(argument: str) -> str:
    """An argument, or the value in one, without the credentials of a URL."""
    name, equals, value = argument.partition("=")
    if equals and "://" in value and "://" not in name:
        return f"{name}={clean_url(value)}"
    return clean_url(argument) if "://" in argument else argument


def collect_environment(notebook: bytes | None = None) -> dict[str, Value]:
    """Interpreter, platform, installed distributions, and accelerators where a framework has already found them.

    Args:
        notebook: The notebook this is called from.
    """
    import platform

    found: dict[str, Value] = {
        "language": "python",
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": _platform(),
        "packages": [list(package) for package in _packages()],
        "accelerators": list(_accelerators()),
    }
    if notebook is not None:
        unsaved = notebooks.has_unsaved_changes(notebook)
        found["notebook"] = {"path": clean_text(os.fsdecode(notebook)), "unsaved": unsaved}
    return found


def _platform() -> str:
    """System, release and machine, as `platform.platform` says them; that starts a process."""
    import platform

    if sys.platform == "win32":
        version = sys.getwindowsversion()
        return f"Windows-{version.major}.{version.minor}.{version.build}"
    names = os.uname()
    if sys.platform == "darwin":
        return f"macOS-{platform.mac_ver()[0]}-{names.machine}"
    libc = "".join(platform.libc_ver())
    return "-".join((names.sysname, names.release, names.machine)) + (f"-with-{libc}" if libc else "")


def _packages() -> list[tuple[str, str, str | None]]:
    """Name, version and origin of each installed distribution; of two of one name the first on the path."""
    return _packages_on(tuple((place, _changed(place)) for place in sys.path))


def _changed(place: str) -> int:
    """When something was last installed into a directory of the path."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=2)
def _packages_on(path: tuple[tuple[str, int], ...]) -> list[tuple[str, str, str | None]]:
    """`_packages`, looked up once for as long as nothing is installed."""
    found: dict[str, tuple[str, str, str | None]] = {}
    for distribution in metadata.distributions(path=[place for place, _ in path]):
        try:
            # the whole of it need not be understood: names and versions stand at the beginning
            text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
            origin = _origin(distribution.read_text("direct_url.json"))
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            continue  # a broken installation says nothing; that is no reason not to capture
        head = text.partition("\n\n")[0]
        name, version = _NAME.search(head), _VERSION.search(head)
        if name is not None and version is not None:
            found.setdefault(re.sub(r"[-_.]+", "-", name[1]).lower(), (name[1], version[1], origin))
    return [found[key] for key in sorted(found)]


def _origin(text: str | None) -> str | None:
    """Where a distribution came from, if not from an index (PEP 610)."""
    data = json.loads(text) if text is not None else None
    if not isinstance(data, dict):
        return None
    full = str(data.get("url", ""))
    url = os.fsdecode(clean_text(clean_url(full)))
    vcs, directory = data.get("vcs_info"), data.get("dir_info")
    if isinstance(vcs, dict):
        return f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    if isinstance(directory, dict):
        kind = "editable " if directory.get("editable") else ""
        return kind + (_repository_origin(full) or url)
    return url or None


def _repository_origin(url: str) -> str | None:
    """For a distribution installed from a directory: remote and commit of the repository the directory is in."""
    place = urlsplit(url)
    if place.scheme != "file":
        return None
    try:
        repository = Repository(find(unquote(place.path)))
        commit = repository.head().commit
        remotes = dict(repository.remotes())
    except (JellyError, OSError):
        return None
    remote = remotes.get("origin") or next(iter(remotes.values()), None)
    if commit is None or remote is None:
        return None
    return f"git+{os.fsdecode(clean_text(clean_url(remote)))}@{commit.hex()}"


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

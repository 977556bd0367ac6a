"""Where and with what a snapshot was made (SPEC JF-PRV). Never environment variables."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jellyformat.capture import arguments
from jellyformat.capture import notebook as notebooks
from jellyformat.capture.arguments import HIDDEN
from jellyformat.capture.in_place import InPlace, look_at, say_dirty
from jellyformat.capture.secrets import blank_secrets
from jellyformat.errors import JellyError
from jellyformat.files.platform import user_name
from jellyformat.format.model import Provenance
from jellyformat.format.msgpack import Value
from jellyformat.git.layout import find_repository
from jellyformat.git.reading import FOLLOWING
from jellyformat.git.repository import Repository
from jellyformat.version import __version__

_METADATA = 16 << 20
"""Bytes of what an installed distribution says of itself."""
_NAME = re.compile(r"^Name:[ \t]*(\S+)[ \t\r]*$", re.MULTILINE)
_VERSION = re.compile(r"^Version:[ \t]*(\S+)[ \t\r]*$", re.MULTILINE)
_SCHEME = re.compile(r"(?:[a-z0-9+.-]+::)*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PORT = re.compile(r"\d+(?:/|$)")
_DELIMITER, _SLASH, _HOST = re.compile(r"[/?#]"), re.compile(r"[/\\]"), re.compile(r"[^/\\:@]+:")
_LONGEST_URL = 1 << 14
"""Characters; nothing takes a longer one."""
_MOST_REMOTES = 1000
_MOST_ARGUMENTS = 2000
_ONE_SLASH = re.compile(r"^([a-z][a-z0-9+.-]{0,30}:)/(?=[^/]*@)", re.IGNORECASE)
_PARAMETER = re.compile(
    r"([?&;][\w.-]{0,40}(?:token|key|passw|pwd|secret|sig|auth|credential)[\w.-]{0,40}=)[^&;#\s]+", re.IGNORECASE
)
_HOME = re.compile(
    r"(?<![\w.-])(?:/home/[^/\s:]+|/Users/[^/\s:]+|/root|[A-Za-z]:[\\/]Users[\\/][^\\/\s:]+)(?=[\\/:\s]|$)"
)


def provenance(
    remotes: Iterable[tuple[str, str]], started: float, *, argv: bool, captured: str, git: str | None = None
) -> Provenance:
    """The provenance of a snapshot begun at ``started`` (seconds since 1970).

    Args:
        remotes: Name and URL of each remote; credentials are taken out here.
        started: When the capture began.
        argv: Whether the command line is noted, where it is that of the program.
        captured: ``program`` or ``command`` (SPEC 7.4).
        git: Where the files were taken without it, why.
    """
    offset = time.localtime(started).tm_gmtoff or 0
    return Provenance(
        time=int(started),
        zone=offset // 60,
        tool=f"jellyformat {__version__}",
        argv=clean_argv(_argv()) if argv and captured == "program" else (),
        remotes=tuple(sorted(_clean_remotes(remotes).items())),
        more={"captured": captured} if git is None else {"captured": captured, "git": git},
    )


def _clean_remotes(remotes: Iterable[tuple[str, str]]) -> dict[bytes, bytes]:
    """URLs by name, without credentials; what git fetched by URL has a remote of that name."""
    found: dict[bytes, bytes] = {}
    for name, url in islice(remotes, _MOST_REMOTES):
        found.setdefault(clean_text(clean_url(name)) if "@" in name else clean_text(name), clean_text(clean_url(url)))
    return found


def clean_url(url: str) -> str:
    """A remote URL without user name, password, query and fragment; ``git@host:path`` without the user too."""
    url = _ONE_SLASH.sub(r"\1//", url.strip())
    if url.lower().startswith("ext::"):  # a command line: what is secret in it, nobody knows
        return "ext::***"
    if len(url) > _LONGEST_URL:
        return "***"
    if "://" not in url:
        return url[_end_of_user(url) :]
    scheme = _SCHEME.match(url)
    if scheme is not None:
        url = scheme[0] + url[_end_of_credentials(url, scheme.end()) :]
    return re.split("[?#]", url, maxsplit=1)[0]


def _end_of_credentials(url: str, start: int) -> int:
    """Where the host of a URL begins, whose ``//`` ends at ``start``; a password may hold a ``/``."""
    delimiter = _DELIMITER.search(url, start)
    at = url.rfind("@", start, len(url) if delimiter is None else delimiter.start())
    if at >= 0:
        return at + 1
    at = url.find("@", start)
    slash = url.find("/", start, max(at, 0))
    stop = at if slash < 0 else slash
    colon = url.find(":", start, max(stop, 0))
    while colon >= 0:
        if _PORT.match(url, colon + 1) is None:
            return at + 1
        colon = url.find(":", colon + 1, stop)
    return start


def _end_of_user(text: str) -> int:
    """Where the host begins of ``user@host:path``, and of what has a password in it without being a URL."""
    slash = _SLASH.search(text)
    at = stop = len(text) if slash is None else slash.start()
    while (at := text.rfind("@", 0, at)) >= 0:
        host = _HOST.match(text, at + 1, stop + 1)
        if host is not None:
            return at + 1
    start = 2 if text.startswith("//") else 0
    slash = _SLASH.search(text, start)
    at = text.rfind("@", start, len(text) if slash is None else slash.start())
    return at + 1 if 0 <= text.find(":", start) < at else 0


def clean_text(text: str) -> bytes:
    """Text without tokens, and without the names of this user and this machine."""
    text = _HOME.sub("~", text)
    user, host = _user(), os.uname().nodename if hasattr(os, "uname") else ""
    if len(user) > 2:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)", "~", text)
    if len(host) > 2 and not host.startswith("localhost"):
        text = re.sub(rf"(?<![\w-]){re.escape(host)}(?![\w-])", "***", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return blank_secrets(os.fsencode(text))


def _user() -> str:
    return (user_name(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME")) or ""


def _argv() -> list[str]:
    """The command line of this process; empty where a program that embeds Python, or runs in it, has made it odd."""
    argv = getattr(sys, "argv", None)
    if not isinstance(argv, list):
        return []
    more = [f"... and {len(argv) - _MOST_ARGUMENTS} more"] if len(argv) > _MOST_ARGUMENTS else []
    return [_as_text(argument) for argument in argv[:_MOST_ARGUMENTS]] + more


def _as_text(argument: object) -> str:
    """An argument that the system could have given, too."""
    text = str(argument) if isinstance(argument, (str, os.PathLike)) else f"<{type(argument).__name__}>"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return text.encode("ascii", "backslashreplace").decode()
    return text


def clean_argv(argv: list[str]) -> tuple[bytes, ...]:
    """A command line without what is secret in it, or personal."""
    return arguments.clean(argv, lambda text: clean_text(_clean_argument(text)))


def _clean_argument(argument: str) -> str:
    """An argument, or the value in one, without the credentials of a URL."""
    name, equals, value = argument.partition("=")
    if equals and _is_url(value) and not _is_url(name):
        return f"{name}={clean_url(value)}"
    return clean_url(argument) if _is_url(argument) else argument


def _is_url(text: str) -> bool:
    return "://" in text or _ONE_SLASH.match(text.lstrip()) is not None


def collect_environment(
    notebook: bytes | None = None, own: bytes | None = None, captured: Set[bytes] = frozenset()
) -> dict[str, Value]:
    """Interpreter, platform, installed distributions, and accelerators where a framework has already found them.

    Args:
        notebook: The notebook this is called from.
        own: The worktree that is captured.
        captured: All worktrees that are.
    """
    import platform

    found: dict[str, Value] = {
        "language": "python",
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": _platform(),
        "packages": [[package.name, package.version, package.origin] for package in _packages()],
        "accelerators": list(_accelerators()),
    }
    in_place = look_at(((item.name, item.place) for item in _packages() if item.place is not None), own)
    say_dirty(in_place, captured)
    if in_place:
        found["editable"] = [_noted(item) for item in in_place]
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


@dataclass(frozen=True)
class _Package:
    """An installed distribution.

    Attributes:
        name: Its name.
        version: Its version.
        origin: Where it came from, if not from an index.
        place: The directory that it runs in, where it is installed in place.
    """

    name: str
    version: str
    origin: str | None
    place: str | None


def _noted(item: InPlace) -> dict[str, Value]:
    """What is noted of a package that is installed in place."""
    remote = item.remotes.get("origin") or next(iter(item.remotes.values()), None)
    return {
        "name": item.name,
        "repository": os.fsdecode(clean_text(item.directory if remote is None else clean_url(remote))),
        "commit": None if item.commit is None else item.commit.hex(),
        "clean": item.clean,
    }


def _packages() -> list[_Package]:
    """Each installed distribution; of two of one name the first on the path."""
    return _packages_on(tuple((place, _changed(place)) for place in sys.path))


def _changed(place: str) -> int:
    """When something was last installed into a directory of the path."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=2)
def _packages_on(path: tuple[tuple[str, int], ...]) -> list[_Package]:
    """`_packages`, looked up once for as long as nothing is installed."""
    found: dict[str, _Package] = {}
    for distribution in metadata.distributions(path=[place for place, _ in path]):
        try:
            # the whole of it need not be understood: names and versions stand at the beginning
            text = _told(distribution, "METADATA") or _told(distribution, "PKG-INFO") or ""
            direct = _told(distribution, "direct_url.json")
            origin, place = _origin(direct), _place(distribution, direct)
        except (JellyError, OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            continue  # a broken installation says nothing; that is no reason not to capture
        head = text.partition("\n\n")[0]
        name, version = _NAME.search(head), _VERSION.search(head)
        if name is not None and version is not None:
            found.setdefault(re.sub(r"[-_.]+", "-", name[1]).lower(), _Package(name[1], version[1], origin, place))
    return [found[key] for key in sorted(found)]


def _told(distribution: metadata.Distribution, name: str) -> str | None:
    """A file of a distribution; the directory of the script is on the path, and may hold anything."""
    place = getattr(distribution, "_path", None)
    if not isinstance(place, Path):  # in a zip file
        return distribution.read_text(name)
    content = FOLLOWING.read(os.fsencode(place), name.encode(), _METADATA, or_directory=True)
    return None if content is None else content.decode()


def _origin(text: str | None) -> str | None:
    """Where a distribution came from, if not from an index (PEP 610)."""
    data = json.loads(text) if text is not None else None
    if not isinstance(data, dict):
        return None
    full = str(data.get("url", ""))
    url = os.fsdecode(clean_text(clean_url(full)))
    vcs, directory = data.get("vcs_info"), data.get("dir_info")
    if isinstance(vcs, dict):
        commit = os.fsdecode(clean_text(str(vcs.get("commit_id"))))
        return f"{vcs.get('vcs')}+{url}@{commit}"
    if isinstance(directory, dict):
        kind = "editable " if directory.get("editable") else ""
        return kind + (_repository_origin(full) or url)
    return url or None


def _place(distribution: metadata.Distribution, text: str | None) -> str | None:
    """The directory that a distribution runs in, where it is installed in place: by PEP 610, or as setuptools did."""
    data = json.loads(text) if text is not None else None
    data = data if isinstance(data, dict) else {}
    info = data.get("dir_info")
    if isinstance(info, dict) and info.get("editable"):
        url = urlsplit(str(data.get("url", "")))
        return unquote(url.path) if url.scheme == "file" else None
    place = getattr(distribution, "_path", None)
    if isinstance(place, Path) and place.suffix == ".egg-info" and place.is_dir():
        above = place.parent.resolve()
        return None if above.name in ("site-packages", "dist-packages") else str(above)
    return None


def _repository_origin(url: str) -> str | None:
    """For a distribution installed from a directory: remote and commit of the repository the directory is in."""
    place = urlsplit(url)
    if place.scheme != "file":
        return None
    try:
        repository = Repository(find_repository(unquote(place.path)))
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

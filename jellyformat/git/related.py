"""Whether a repository has to do with a snapshot: its commit is there, or a remote that it names."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from jellyformat.errors import JellyError
from jellyformat.format.model import Manifest
from jellyformat.git.layout import repository_to_change

if TYPE_CHECKING:
    from jellyformat.git.repository import Repository

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://)(?:[^/@]*@)?([^/:]*)(?::[0-9]*)?/*(.*)", re.IGNORECASE | re.DOTALL)
_SCP = re.compile(r"(?:[^/@]*@)?([^/:]+):/*(.*)", re.DOTALL)


def is_own(directory: str | os.PathLike[str], manifest: Manifest) -> bool:
    """Whether the repository around a directory has the commit that a snapshot was captured on, or one of its remotes.

    What is not signed can say anything of itself: this is for telling people, not for trusting code.
    """
    try:
        here = _repository(directory)
        return _has_commit_of(here, manifest) or has_remote_of(here, manifest)
    except (JellyError, OSError):
        return False


def has_commit_of(directory: str | os.PathLike[str], manifest: Manifest) -> bool:
    """Whether the repository around a directory has the commit that a snapshot was captured on."""
    try:
        return _has_commit_of(_repository(directory), manifest)
    except (JellyError, OSError):
        return False


def _repository(directory: str | os.PathLike[str]) -> Repository:
    layout = repository_to_change(os.fspath(directory))
    from jellyformat.git.repository import Repository  # only where there is one: it is slow to import

    return Repository(layout)


def _has_commit_of(repository: Repository, manifest: Manifest) -> bool:
    commit = manifest.state.head.commit
    same = repository.object_format == manifest.state.object_format
    return commit is not None and same and repository.size(commit) is not None


def has_remote_of(repository: Repository, manifest: Manifest) -> bool:
    """Whether a repository has a remote that a snapshot names, too."""
    here = {_canonical(url) for _, url in repository.remotes()}
    there = {_canonical(url.decode("utf-8", "surrogateescape")) for _, url in manifest.provenance.remotes}
    return bool(here & there)


def _canonical(url: str) -> tuple[str, str]:
    """Host and path of a remote, by which the same is known under another protocol or user."""
    match = _URL.fullmatch(url) or _SCP.fullmatch(url)
    host, path = ("", url) if match is None else (match[1].lower(), match[2])
    return host, path.rstrip("/").removesuffix(".git").rstrip("/")

"""Real git, without the configuration of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "A. Researcher",
    "GIT_AUTHOR_EMAIL": "researcher@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "A. Researcher",
    "GIT_COMMITTER_EMAIL": "researcher@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "init.defaultBranch",
    "GIT_CONFIG_VALUE_0": "main",
}


def git(directory: Path, *arguments: str | bytes, data: bytes | None = None) -> bytes:
    """Run git; what it prints."""
    return subprocess.run(["git", *arguments], cwd=directory, input=data, check=True, capture_output=True).stdout

"""The helpers of these tests are modules beside them; no test sees the user's git configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import pygit2
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def no_user_configuration(tmp_path_factory: pytest.TempPathFactory) -> None:
    """libgit2 looks for configuration where nothing is."""
    nowhere = str(tmp_path_factory.mktemp("nowhere"))
    for level in (pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG, pygit2.enums.ConfigLevel.SYSTEM):
        pygit2.settings.search_path[level] = nowhere

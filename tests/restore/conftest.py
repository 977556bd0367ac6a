"""Repositories in every state, built once, and their snapshots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from images import Built


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """All states."""
    with Built(tmp_path_factory.mktemp("states")) as states:
        yield states

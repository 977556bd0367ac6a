"""Each test is a process of its own, as far as its snapshot is concerned, at work in a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from jellyformat.training import marks, process

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "NODE_RANK", "LOCAL_RANK", "JELLYFORMAT_RANKS")


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(process, "_KEPT", process._Kept())
    monkeypatch.setattr(marks, "_MARKS", marks._Marks())
    monkeypatch.chdir(repository)

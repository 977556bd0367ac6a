"""What the page on JSON says of each command is what it prints: each field, and no other."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from gitrepo import git
from test_labels import make_pickle
from test_story import jelly

from jellyformat.cli.main import _COMMANDS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "json.md"
SECTIONS = {
    part.partition("\n")[0].strip(): {
        name for cell in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    for part in PAGE.read_text().split("\n## ")[1:]
}
"""The fields of each command."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with two checkpoints of different code."""
    repo = tmp_path / "r"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / ".gitignore").write_text("*.pkl\n*.jelly\nout*\nkey*\n")
    for name, rate in (("first", 0.1), ("last", 0.2)):
        (repo / "train.py").write_text(f"lr = {rate}\n")
        git(repo, "add", ".")
        git(repo, "commit", "-qm", name)
        make_pickle(repo / f"{name}.pkl")
        jelly(repo, "embed", f"{name}.pkl", "-q", "--label", f"lr={rate}")
    make_pickle(repo / "none.pkl")
    return repo


def test_every_command_that_prints_json_is_on_the_page() -> None:
    import click

    context = click.Context(cli)
    having = set()
    for name in _COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        if any("--json" in parameter.opts for parameter in command.params):
            having.add(name)
    assert having - {"redo"} == SECTIONS.keys()  # of which the page says that it is as undo


COMMANDS = (
    "verify first.pkl", "show first.pkl last.pkl", "log .", "grep lr .", "diff first.pkl last.pkl", "env first.pkl",
    "env first.pkl last.pkl", "ls first.pkl", "bisect . --good first.pkl --bad last.pkl --run false",
    "snapshot -o x.jelly", "embed none.pkl", "label first.pkl a=b", "extract first.pkl -o y.jelly",
    "extract first.pkl -o y.bundle --bundle", "strip first.pkl", "export last.pkl out", "restore last.pkl", "undo",
    "history", "history --prune --keep 100", "sign last.pkl --key key", "index . -o out.parquet", "doctor",
)  # fmt: skip


@pytest.mark.sampled(2)
@pytest.mark.slow
@pytest.mark.framework
def test_each_field_is_on_the_page_and_printed(place: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], cwd=place, check=True)
    printed: dict[str, set[str]] = {}
    for line in COMMANDS:
        name, *arguments = line.split()
        said = jelly(place, name, *arguments, "--json", "-q").stdout.decode()
        value = json.loads(f"[{said.strip().replace(chr(10) + '{', ',{')}]")
        for found in value if not isinstance(value[0], list) else value[0]:
            assert found["version"] == 1
            printed.setdefault(name, set()).update(found.keys() - {"version"})
    for name, fields in printed.items():
        assert fields == SECTIONS[name], name
    assert SECTIONS.keys() - printed.keys() == {"fix"}  # there is nothing to mend


def test_an_error_is_as_the_page_says(place: Path) -> None:
    for command in ("show", "verify"):
        found = json.loads(jelly(place, command, "none.pkl", "--json", code=3).stdout)
        assert found.keys() >= {"version", "file", "error"}
        assert found["error"].keys() == {"class", "requirement", "message", "offset", "hint"}
    assert json.loads(jelly(place, "env", "none.pkl", "--json", code=3).stdout).keys() == {"version", "error"}

"""The help: every command in a group, with examples that work; what was meant; completion."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import keys
import pytest
from gitrepo import git
from plain import save_npz
from test_story import jelly

import jellyformat
from jellyformat.cli.examples import EXAMPLES
from jellyformat.cli.main import _ALIASES, _COMMANDS, _GROUPS

LINES = [pytest.param(line, id=line) for lines in EXAMPLES.values() for line in lines]


def test_every_command_is_in_one_group_and_has_examples() -> None:
    names = [name for group in _GROUPS.values() for name in group]
    assert sorted(names) == sorted(_COMMANDS)
    assert sorted(EXAMPLES) == sorted(_COMMANDS)
    for name, lines in EXAMPLES.items():
        assert lines
        assert all(shlex.split(line)[:2] == ["jelly", name] for line in lines)


def test_every_command_is_in_the_table_of_readme() -> None:
    text = (Path(__file__).resolve().parents[1] / "README.md").read_text()
    table = text.partition("| command | does |")[2].partition("\n\n")[0]
    named = {name for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)", cell)}
    assert set(_COMMANDS) <= named


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which every example works: checkpoints of two codes, and a directory of them."""
    repo = tmp_path_factory.mktemp("examples") / "project"
    (repo / "runs").mkdir(parents=True)
    git(repo, "init", "-q")
    (repo / ".gitignore").write_text("*.pt\n*.jelly\nruns\nthen*\nhome\n")
    (repo / "eval.py").write_text("import train, sys\nsys.exit(train.lr > 0.1)\n")
    (repo / "notes.txt").write_text("not committed\n")
    for name, rate, epoch in (("first", 0.1, 1), ("last", 0.2, 3)):
        (repo / "train.py").write_text(f"lr = {rate}\n")
        git(repo, "add", "*.py", ".gitignore")
        git(repo, "commit", "-qm", name)
        save_npz(repo / f"{name}.pt", w=[1.0, 2.0])
        jelly(repo, "embed", f"{name}.pt", "-q", "--label", f"epoch={epoch}")
    shutil.copy(repo / "first.pt", repo / "runs" / "epoch-1.pt")
    save_npz(repo / "model.pt", w=[1.0, 2.0])
    (repo / "code.jelly").write_bytes(jellyformat.snapshot(repo).data)
    return repo


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("line", LINES)
def test_examples_work(line: str, place: Path, tmp_path: Path) -> None:
    """Each in a copy of its own, as a shell would run it."""
    repo = tmp_path / "project"
    subprocess.run(["cp", "-a", place, repo], check=True)
    words = line.partition(" >")[0]
    arguments = shlex.split(words)[1:]
    if arguments[0] == "embed" and "--replace" in arguments:
        jelly(repo, "embed", "model.pt", "-q")
    if arguments[0] in ("snapshot", "extract") and "code.jelly" in arguments:
        (repo / "code.jelly").unlink()
    if arguments[0] in ("undo", "redo", "history"):
        jelly(repo, "restore", "first.pt", "-q")
    if arguments[0] == "redo":
        jelly(repo, "undo", "-q")
    keys.make_key(tmp_path / ".ssh").replace(tmp_path / ".ssh" / "id_ed25519")  # the user's own
    answer = b"bad\n"
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "jellyformat", *arguments]
    if arguments[0] == "view":
        command.append("--no-browser")
    with subprocess.Popen(
        command, cwd=repo, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        if arguments[0] == "view":  # serves until it is ended
            assert process.stdout is not None
            assert b"http://127.0.0.1" in process.stdout.readline() + process.stdout.readline()
            process.terminate()
            return
        out, _ = process.communicate(answer, timeout=600)
    assert process.returncode == 0, out


def test_what_was_meant() -> None:
    done = jelly(Path(), "restorx", "x", code=2)
    assert b"There is no command 'restorx'. Did you mean restore?" in done.stderr
    done = jelly(Path(), "qqqq", code=2)
    assert b"--help lists them" in done.stderr
    for name in _ALIASES:
        jelly(Path(), name, "--help")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    script = jelly(tmp_path, "completion", shell).stdout.decode()
    assert "_JELLY_COMPLETE" in script
    program = "import sys; sys.argv = ['jelly']; from jellyformat.cli.main import main; main()"
    for words, number, expected in (("jelly bis", 1, "bisect"), ("jelly diff --wo", 2, "--word-diff")):
        environment = {
            **os.environ, "_JELLY_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(number),
        }  # fmt: skip
        if shell == "fish":
            environment["COMP_CWORD"] = words.split()[-1]
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        assert expected in done.stdout.decode()

"""The command line on closed streams, full disks and terminals; odd names, and what is compared and said."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from craft import assemble, crafted, good
from test_story import jelly

from jellyformat.cli.pager import harmless
from jellyformat.format.objects import BLOB, Leaf, object_id
from jellyformat.format.records import ObjectRecord

JELLY = f"{sys.executable} -m jellyformat"
ODD = os.fsdecode(b"bad\xff\x1b]0;x\x07.jelly")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A snapshot with a file name that is UTF-8 and not ASCII."""
    (tmp_path / "x.jelly").write_bytes(assemble(*good()))
    return tmp_path


def shell(directory: Path, command: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", command], cwd=directory, capture_output=True, check=False, env={**os.environ, **environment}
    )


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "command", ["ls x.jelly", "cat x.jelly b.py", "diff x.jelly", "show x.jelly", "verify x.jelly", "log .", "verify x"]
)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(command: str, closed: str, sound: Path) -> None:
    before = (sound / "x.jelly").read_bytes()
    done = shell(sound, f"{JELLY} {command} {closed}")
    assert b"Traceback" not in done.stderr
    assert done.returncode == (3 if command == "verify x" else 0)
    assert (sound / "x.jelly").read_bytes() == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("command", ["cat x.jelly b.py", "diff x.jelly", "ls x.jelly", "show x.jelly --json"])
def test_a_full_disk_is_told(command: str, sound: Path) -> None:
    done = shell(sound, f"{JELLY} {command} > /dev/full")
    assert done.returncode == 5
    assert b"No space" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.slow
def test_names_no_terminal_should_see(sound: Path) -> None:
    data = (sound / "x.jelly").read_bytes()
    (sound / ODD).write_bytes(data)
    (sound / f"broken{ODD}").write_bytes(data[:-1])
    for locale in (
        {"PYTHONIOENCODING": "utf-8:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ):
        for arguments, code in (
            (("verify", ODD), 0),
            (("verify", f"broken{ODD}"), 1),
            (("show", ODD), 0),
            (("log", "."), 1),
            (("log", ".", "--format", "table", "-p"), 1),
            (("grep", ".", "."), 1),
            (("label", ODD, "epoch=3"), 0),
            (("ls", ODD), 0),
            (("extract", ODD, "-o", f"new{ODD}"), 0),
            (("export", ODD, f"directory{ODD}"), 0),
            (("strip", ODD), 4),
            (("diff", ODD, "x.jelly"), 0),
            (("cat", ODD, "no\udcff\x1b"), 3),
        ):
            command = [sys.executable, "-m", "jellyformat", *arguments]
            done = subprocess.run(command, cwd=sound, capture_output=True, check=False, env={**os.environ, **locale})
            assert done.returncode == code, (arguments, done.stderr)
            assert b"Traceback" not in done.stderr
            assert b"\x1b" not in done.stdout + done.stderr
        (sound / f"new{ODD}").unlink()
        subprocess.run(["rm", "-r", f"directory{ODD}"], cwd=sound, check=True)


@pytest.mark.parametrize(
    "hidden", ["\x1b[8m", "\x1b[30m", "\x1b[30;40m", "\x1b[1;8m", "\x1b[31m\x1b[41m", "\x1b[38;5;0m"]
)
def test_colours_that_hide_code(hidden: str) -> None:
    """Whoever wrote the code could have lines of it on the screen that nobody sees."""
    line = f"\x1b[32m+\x1b[m\x1b[32mplain {hidden}evil()\x1b[m\n"
    (shown,) = harmless([line.encode()])
    assert hidden not in shown
    assert "\x1b[32m+\x1b[m\x1b[32mplain " in shown


def test_colours_of_git_are_kept() -> None:
    for line in (
        "\x1b[1mdiff --git\x1b[m\n",
        "\x1b[32m+\x1b[m\x1b[32mx\x1b[m\x1b[41m \t\x1b[m\n",
        "\x1b[36m@@\x1b[m def\n",
    ):
        assert [*harmless([line.encode()])] == [line]


@pytest.mark.parametrize("arguments", [(), ("--no-color",), ("--stat",)])
def test_diff_on_a_terminal(arguments: tuple[str, ...], tmp_path: Path) -> None:
    oid = object_id(BLOB, b"text\x1b[2J\n")
    leaves = {b"bad\x1b[2J.py": Leaf(0o100644, oid)}
    (tmp_path / "x.jelly").write_bytes(crafted().with_leaves(leaves, (ObjectRecord(BLOB, b"text\x1b[2J\n"),)))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "jellyformat", "diff", "x.jelly", *arguments]
    subprocess.run(command, cwd=tmp_path, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert b"2J" in shown
    assert b"\x1b[2J" not in shown


# -- diff and log ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_diff_against_a_repository_with_a_secret(repository: Path, tmp_path: Path) -> None:
    """It refused, as if the secret were going somewhere, and called that wrong usage."""
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    (repository / "key.txt").write_text(
        "aws_secret_access_key = '" + "wJalrXUtnFEMIK7MDENG" + "bPxRfiCYzzzzzzzzzKEY'\n"
    )
    jelly(repository, "snapshot", "-o", str(tmp_path / "y.jelly"), code=4)
    found = json.loads(jelly(tmp_path, "diff", "x.jelly", "project", "--json").stdout)
    assert found == [{"version": 1, "change": "A", "path": "key.txt"}]


@pytest.mark.slow
def test_diff_of_files_left_out(repository: Path, tmp_path: Path) -> None:
    """What one side left out was shown as deleted."""
    (repository / "large.bin").write_bytes(bytes(5000))
    jelly(repository, "snapshot", "-o", str(tmp_path / "all.jelly"))
    jelly(repository, "snapshot", "-o", str(tmp_path / "some.jelly"), "--exclude", "large.bin")
    for one, two in (("all.jelly", "some.jelly"), ("some.jelly", "all.jelly"), ("some.jelly", "project")):
        done = jelly(tmp_path, "diff", one, two, "--json")
        assert json.loads(done.stdout) == []
        assert b"not compared" in done.stderr


def test_verify_quietly(sound: Path) -> None:
    (sound / "bad.jelly").write_bytes((sound / "x.jelly").read_bytes()[:-1])
    done = jelly(sound, "verify", "--quiet", "x.jelly", "bad.jelly", code=1)
    assert b"bad.jelly" in done.stdout
    assert b"x.jelly:" not in done.stdout

"""The command line: exit codes, JSON, refusals, and what a hostile file can do to a terminal."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import plain
import pytest
from gitrepo import git
from test_story import jelly

import jellyformat
from jellyformat import errors


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("verify",), ("show",), ("show", "--nonsense"), ("embed",), ("extract", "x"), ("export", "x"),
     ("snapshot", "--history", "0"), ("snapshot", "--history", "x"), ("snapshot", "--max-size", "x")],
)  # fmt: skip
def test_wrong_usage(arguments: tuple[str, ...], repository: Path) -> None:
    jelly(repository, *arguments, code=2)


@pytest.mark.slow
def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "bare.bin").write_bytes(b"\x00\x01\x02" * 100)
    for command in ("show", "verify", "strip", "ls"):
        jelly(tmp_path, command, "bare.bin", code=3)
        jelly(tmp_path, command, "missing.bin", code=3)
    jelly(tmp_path, "snapshot", code=3)
    jelly(tmp_path, "embed", "bare.bin", code=3)
    assert (tmp_path / "bare.bin").read_bytes() == b"\x00\x01\x02" * 100


def test_the_system_says_no(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    jelly(tmp_path, "show", "directory", code=3)
    jelly(tmp_path, "verify", "directory", code=3)


def test_verify_many(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "good.jelly")
    data = (repository / "good.jelly").read_bytes()
    (repository / "bad.jelly").write_bytes(data[:-1])
    (repository / "bare.bin").write_bytes(b"\0\1")
    done = jelly(repository, "verify", "good.jelly", "bad.jelly", "bare.bin", "--json", code=1)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [report["ok"] for report in reports] == [True, False, False]
    assert reports[1]["error"]["class"] == "truncated"
    assert reports[1]["error"]["requirement"] == "JF-HDR-004"
    assert reports[2]["error"]["class"] == "absent.snapshot"
    jelly(repository, "verify", "good.jelly", "bare.bin", code=3)


@pytest.mark.slow
def test_what_a_later_version_wrote_is_not_called_damaged(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "code.jelly")
    data = bytearray((repository / "code.jelly").read_bytes())
    data[8] = 2  # the major version
    (repository / "code.jelly").write_bytes(data)
    done = jelly(repository, "verify", "code.jelly", code=1)
    assert b"code.jelly: NOT KNOWN HERE" in done.stdout
    assert b"a newer jellyformat reads it" in done.stderr
    assert b"DAMAGED" not in done.stdout
    assert b"another copy" not in done.stderr


@pytest.mark.slow
def test_replace_never_takes_a_checkpoint_away(repository: Path) -> None:
    """Neither FILE itself, nor another that was named by mistake: only what such a command writes."""
    model, other = repository / "model.bin", repository / "other.bin"
    model.write_bytes(plain.npy(range(50)))
    other.write_bytes(plain.npy(range(70)))
    jelly(repository, "embed", "model.bin")
    before = model.read_bytes(), other.read_bytes()
    for name in ("model.bin", "other.bin"):
        for command in (("extract", "model.bin"), ("extract", "model.bin", "--bundle"), ("snapshot",)):
            said = jelly(repository, *command, "-o", name, "--replace", code=4).stderr.decode()
            assert "would be lost" in said
    assert (model.read_bytes(), other.read_bytes()) == before
    (repository / "empty").touch()
    jelly(repository, "extract", "model.bin", "-o", "empty", "--replace")
    jelly(repository, "extract", "model.bin", "-o", "empty", "--replace")


@pytest.mark.slow
def test_nothing_is_written_over(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    before = (repository / "x.jelly").read_bytes()
    jelly(repository, "snapshot", "-o", "x.jelly", code=4)
    jelly(repository, "extract", "x.jelly", "-o", "x.jelly", code=4)
    jelly(repository, "export", "x.jelly", "src", code=4)
    assert (repository / "x.jelly").read_bytes() == before
    jelly(repository, "snapshot", "-o", "x.jelly", "--replace")
    jelly(repository, "embed", "x.jelly", code=4)
    jelly(repository, "strip", "x.jelly", code=4)


def test_default_name(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD").decode()
    jelly(repository, "snapshot")
    assert (repository / f"project-{commit[:10]}.jelly").is_file()


def test_export_into_an_empty_directory(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    (tmp_path / "empty").mkdir()
    jelly(tmp_path, "export", "x.jelly", "empty")
    assert (tmp_path / "empty" / "model.py").read_text() == "hidden = 16\n"
    jelly(tmp_path, "export", "x.jelly", "empty", code=4)


@pytest.mark.slow
def test_diff_applies_with_git(repository: Path, tmp_path: Path) -> None:
    """What W&B, MLflow and ClearML got wrong: the patch makes the files on disk out of HEAD's."""
    (repository / "no newline").write_text("ends without")
    (repository / 'tab\tquote"é').write_text("odd name\n")
    (repository / "crlf.txt").write_bytes(b"one\r\ntwo\r\n")
    (repository / "empty").write_text("")
    (repository / "model.py").chmod(0o755)
    (repository / "link").symlink_to("model.py")
    (repository / "small.bin").write_bytes(b"\0" * 9)
    (repository / "large.bin").write_bytes(random.Random(0).randbytes(9973))
    (repository / "changed.bin").write_bytes(b"\0before")
    (repository / "gone.bin").write_bytes(b"\0gone")
    git(repository, "add", "changed.bin", "gone.bin")
    git(repository, "commit", "-q", "-m", "binary files", "changed.bin", "gone.bin")
    (repository / "changed.bin").write_bytes(b"\0after")
    (repository / "changed.bin").chmod(0o755)
    (repository / "gone.bin").unlink()
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    patch = jelly(repository, "diff", str(tmp_path / "x.jelly")).stdout
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    git(clone, "apply", "--whitespace=nowarn", "-", data=patch)
    for path in repository.rglob("*"):
        relative = path.relative_to(repository)
        if ".git" in relative.parts or path.is_dir() or path.suffix == ".log":
            continue
        other = clone / relative
        assert other.is_symlink() == path.is_symlink()
        assert other.read_bytes() == path.read_bytes(), relative
        assert os.access(other, os.X_OK) == os.access(path, os.X_OK)
    assert not (clone / "gone.py").exists()
    assert not (clone / "gone.bin").exists()
    git(clone, "apply", "--whitespace=nowarn", "-R", "-", data=patch)
    assert not git(clone, "status", "--porcelain").strip()


@pytest.mark.slow
def test_diff_against_a_directory(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    assert jelly(tmp_path, "diff", "x.jelly", "project").stdout == b""
    (repository / "model.py").write_text("hidden = 32\n")
    found = json.loads(jelly(tmp_path, "diff", "x.jelly", "project", "--json").stdout)
    assert found == [{"version": 1, "change": "M", "path": "model.py"}]
    jelly(tmp_path, "export", "x.jelly", "plain")
    assert jelly(tmp_path, "diff", "x.jelly", "plain").stdout == b""
    assert jelly(tmp_path, "diff", "x.jelly", "plain", "--stat").stdout == b""


@pytest.mark.slow
def test_log(repository: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number, hidden in enumerate((16, 16, 32)):
        (repository / "model.py").write_text(f"hidden = {hidden}\n")
        (runs / str(number)).mkdir(parents=True)
        file = runs / str(number) / "model.bin"
        file.write_bytes(plain.npy(range(50)))
        jelly(repository, "embed", str(file))
    (runs / "other.txt").write_text("no checkpoint")
    (runs / "broken.bin").write_bytes(file.read_bytes()[:-100] + file.read_bytes()[-99:])
    done = jelly(tmp_path, "log", "runs", "--json", code=1)
    *found, broken = json.loads(done.stdout)
    assert (broken["file"], broken["damaged"]["class"]) == ("runs/broken.bin", "corrupt.locator")
    assert b"runs/broken.bin: " in done.stderr
    assert b"1 file without a snapshot" in done.stderr
    assert [Path(entry["file"]).parent.name for entry in found] == ["0", "1", "2"]
    assert [entry["changes"] for entry in found] == [None, None, None]  # each is in a run of its own
    assert [entry["since"] for entry in found] == [None, "runs/0/model.bin", "runs/1/model.bin"]
    (edit,) = found[2]["edits"]
    assert (found[1]["edits"], edit["path"], edit["text"]) == ([], "model.py", "hidden: 16 → 32")
    lines = jelly(tmp_path, "log", "runs", code=1).stdout.decode().splitlines()
    assert [line.split("\t")[1] for line in lines] == [f"runs/{number}/model.bin" for number in range(3)]
    assert ["model.py" in line for line in lines] == [False, False, True]


@pytest.mark.slow
def test_nothing_of_a_snapshot_reaches_the_terminal_raw(repository: Path, tmp_path: Path) -> None:
    (repository / "bad\x1b]0;title\x07\x1b[2J.py").write_text("x")
    git(repository, "commit", "-q", "--allow-empty", "-m", "subject \x1b[31mred\x07")
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    for command in ("show", "ls", "verify", "log"):
        done = jelly(tmp_path, command, "x.jelly")
        assert b"\x1b" not in done.stdout
        assert b"\x07" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["ls x.jelly", "show x.jelly --json", "cat x.jelly model.py", "diff x.jelly", "log ."]
)
def test_output_that_is_cut_off(command: str, repository: Path) -> None:
    """By a pager or `head`; it ended with 1, which says that the file is damaged."""
    jelly(repository, "snapshot", "-o", "x.jelly")
    command = f"{sys.executable} -m jellyformat {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=repository, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


def test_it_stays_light() -> None:
    """Neither a framework nor numpy, rich, pygit2 or click is imported before it is needed."""
    code = (
        "import sys; before = set(sys.modules); import jellyformat; found = set(sys.modules) - before;"
        "heavy = {'torch', 'numpy', 'rich', 'pygit2', 'click', 'msgpack', 'zstandard'} & found; assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show_stays_light(repository: Path) -> None:
    (repository / "x.bin").write_bytes(b"\x00\x01\x02")
    jelly(repository, "embed", "x.bin")
    code = (
        "import sys, runpy, zstandard; sys.argv = ['jellyformat', 'show', 'x.bin']\n"
        "before = set(sys.modules)\n"  # up to Python 3.10, zstandard has the module platform import subprocess
        "try: runpy.run_module('jellyformat', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'rich', 'pygit2', 'safetensors', 'subprocess', 'jellyformat.capture.capture'}\n"
        "heavy &= set(sys.modules) - before\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, capture_output=True)


def test_options_of_capture_beside_from_are_said(repository: Path, tmp_path: Path) -> None:
    """The snapshot is taken as it is, and that is no surprise."""
    code = str(tmp_path / "code.jelly")
    Path(code).write_bytes(jellyformat.snapshot(repository).data)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps([1]))
    done = jelly(repository, "embed", "--from", code, "--history", "full", "--repo=.", str(tmp_path / "m.pkl"))
    assert b"warning: --repo, --history: ignored, as --from takes a snapshot as it is" in done.stderr
    (tmp_path / "n.pkl").write_bytes(pickle.dumps([1]))
    done = jelly(repository, "embed", "--from", code, str(tmp_path / "n.pkl"))
    assert done.stderr == b""


def test_export_onto_a_file(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "code.jelly").write_bytes(jellyformat.snapshot(repository).data)
    with pytest.raises(errors.RefusedExists, match="is not a directory"):
        jellyformat.export(tmp_path / "code.jelly", tmp_path / "code.jelly")

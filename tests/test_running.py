"""``run``, ``code`` and ``bisect``: old code run by the user's word, and nothing left behind."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from craft import change_value
from gitrepo import git
from test_story import jelly

import jellyformat
from jellyformat.bisecting import Bisection, codes_between
from jellyformat.errors import NoFile, RefusedName, RepositoryWarning
from jellyformat.format.msgpack import Value


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory for temporary files."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    return place


@pytest.fixture
def model(repository: Path) -> Path:
    """A checkpoint with a snapshot, in its repository."""
    file = repository / "model.bin"
    file.write_bytes(b"\0\1\2" * 50)
    jellyformat.embed(file, jellyformat.snapshot(repository, carriers=[file]))
    return file


@pytest.mark.slow
def test_run(model: Path, repository: Path, temporary: Path) -> None:
    program = "import os, sys; print(os.environ['JELLYFORMAT_FILE'], open('model.py').read(), sys.argv[1]); sys.exit(7)"
    done = jelly(repository, "run", "model.bin", "--", sys.executable, "-c", program, "--x", code=7)
    assert done.stdout.decode() == f"{model} hidden = 16\n --x\n"
    assert done.stderr == b""
    assert list(temporary.iterdir()) == []
    jelly(repository, "run", "--dir", "then", "model.bin", "--", "true")
    assert (repository / "then" / "model.py").read_text() == "hidden = 16\n"
    jelly(repository, "run", "--dir", "then", "model.bin", "--", "true", code=4)
    done = jelly(repository, "run", "model.bin", "--", "no-such-program", code=5)
    assert b"no-such-program cannot be run" in done.stderr
    jelly(repository, "run", "model.bin", code=2)
    jelly(repository, "run", "model.bin", "--", code=2)
    done = jelly(repository, "run", "model.bin", "--", "sh", "-c", "kill -KILL $$", code=128 + 9)
    assert list(temporary.iterdir()) == []


def test_code_that_may_be_somebody_elses_is_said(model: Path, tmp_path: Path) -> None:
    done = jelly(tmp_path, "run", str(model), "--", "true")
    assert b"it may be somebody else's" in done.stderr
    assert jelly(tmp_path, "run", "-q", str(model), "--", "true").stderr == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_and_leaves_nothing(
    model: Path, repository: Path, temporary: Path, number: int
) -> None:
    command = [sys.executable, "-m", "jellyformat", "run", "model.bin", "--", "sh", "-c", "echo here; exec sleep 60"]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
    assert list(temporary.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next(model: Path, repository: Path, temporary: Path) -> None:
    command = [sys.executable, "-m", "jellyformat", "run", "model.bin", "--", "sh", "-c", "echo here; exec sleep 60"]
    with subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()  # what it runs lives on, and its directory with it
        process.wait()
        jelly(repository, "run", "model.bin", "--", "true")
        assert len(list(temporary.iterdir())) == 1
        os.killpg(process.pid, signal.SIGKILL)
    for _ in range(100):
        jelly(repository, "run", "model.bin", "--", "true")
        if not list(temporary.iterdir()):
            break
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []


# -- code ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository whose modules can be imported, today's being other than those of ``old.jelly``."""
    repo = tmp_path / "project"
    (repo / "package").mkdir(parents=True)
    (repo / "data").mkdir()
    git(tmp_path, "init", "-q", str(repo))

    def write(version: str) -> None:
        (repo / "model_.py").write_text(
            "from dataclasses import dataclass\nimport helper_\nfrom package import part\nimport json, decimal\n"
            "@dataclass\nclass Net:\n    size: int = 1\n"
            "    def all(self):\n        import late_\n        from package.sub import deep\n"
            "        return [helper_.V, part.V, late_.V, deep.V]\n"
        )
        for name in ("helper_", "late_", "package/part", "package/sub/deep"):
            (repo / f"{name}.py").parent.mkdir(exist_ok=True)
            (repo / f"{name}.py").write_text(f"V = {version!r}\n")
        (repo / "package" / "__init__.py").write_text("")
        (repo / "json.py").write_text("raise AssertionError('a module of the standard library was hidden')\n")

    write("old")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "old")
    (tmp_path / "old.jelly").write_bytes(jellyformat.snapshot(repo).data)
    write("new")
    monkeypatch.chdir(repo)
    monkeypatch.syspath_prepend(repo)
    importlib.invalidate_caches()
    before = dict(sys.modules)
    yield tmp_path / "old.jelly"
    for name in sys.modules.keys() - before.keys():
        if name.partition(".")[0] in ("model_", "helper_", "late_", "package"):
            del sys.modules[name]


def test_the_class_as_it_was_beside_todays(modules: Path, temporary: Path) -> None:
    today = importlib.import_module("model_")
    with warnings.catch_warnings(), jellyformat.code(modules) as code:
        warnings.simplefilter("error")
        Net = code.import_module("model_").Net
        assert Net is not today.Net
        assert Net().all() == ["old"] * 4
        assert today.Net().all() == ["new"] * 4
        assert Net().all() == ["old"] * 4
        assert code.import_module("package.sub.deep").V == "old"
        assert importlib.import_module("model_") is today
        assert sys.modules["model_"] is today
        assert code.import_module("decimal") is importlib.import_module("decimal")
        with pytest.raises(ModuleNotFoundError):
            code.import_module("not_there_")
    assert Net(3).size == 3
    assert "def all" in inspect.getsource(Net.all)
    assert list(temporary.iterdir()) == []
    with pytest.raises(NoFile):
        code.import_module("late_")


def test_a_module_that_fails_leaves_todays(modules: Path, tmp_path: Path) -> None:
    repo = Path.cwd()
    today = importlib.import_module("helper_")
    (repo / "helper_.py").write_text("import late_\nraise ValueError('as it was')\n")
    (tmp_path / "bad.jelly").write_bytes(jellyformat.snapshot(repo).data)
    with jellyformat.code(tmp_path / "bad.jelly") as code:
        with pytest.raises(ValueError, match="as it was"):
            code.import_module("model_")
        assert sys.modules["helper_"] is today
        assert "model_" not in sys.modules
        assert not any(item is code for item in sys.meta_path)


def test_src_and_directories_without_a_package(tmp_path: Path) -> None:
    repo = tmp_path / "r"
    (repo / "src" / "inner_").mkdir(parents=True)
    (repo / "numbers_" / "deep").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(repo))
    (repo / "src" / "inner_" / "__init__.py").write_text("from .side import V\n")
    (repo / "src" / "inner_" / "side.py").write_text("from numbers_.deep import one\nV = one.V\n")
    (repo / "numbers_" / "deep" / "one.py").write_text("V = 3\n")
    (repo / "pytest").mkdir()
    (repo / "pytest" / "notes.txt").write_text("no package\n")
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(repo).data)
    with pytest.warns(RepositoryWarning, match="somebody else's"):
        code = jellyformat.code(tmp_path / "x.jelly")
    with code:
        assert code.import_module("inner_").V == 3
        assert code.import_module("src.inner_").V == 3
        assert code.import_module("pytest") is pytest
    assert "inner_" not in sys.modules


# -- bisect --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """65 checkpoints of as many codes; from the 40th on, the value is bad."""
    tmp_path = tmp_path_factory.mktemp("bisect")
    repo = tmp_path / "r"
    (tmp_path / "runs").mkdir()
    repo.mkdir()
    git(repo, "init", "-q")
    for number in range(65):
        (repo / "train.py").write_text(f"number = {number}\nbad = {number >= 40}\n")
        snap = jellyformat.snapshot(repo, environment=False)
        (tmp_path / "runs" / f"{number}.jelly").write_bytes(at(snap, 1_700_000_000 + 2 * number))
        if number % 8 == 0:  # another checkpoint of the same code
            (tmp_path / "runs" / f"{number}-again.jelly").write_bytes(at(snap, 1_700_000_001 + 2 * number))
    return tmp_path


def at(snap: jellyformat.Snapshot, seconds: int) -> bytes:
    """A snapshot as if it was captured then."""

    def change(value: dict[str, Value]) -> None:
        provenance = value["provenance"]
        assert isinstance(provenance, dict)
        provenance["time"] = seconds

    return change_value(snap.data, change)


@pytest.mark.slow
def test_a_planted_change_in_64_codes_is_found_in_6_steps(runs: Path) -> None:
    test = f'{sys.executable} -c "import train, sys; sys.exit(train.bad)"'
    ends = ["--good", "runs/0.jelly", "--bad", "runs/64.jelly"]
    done = jelly(runs, "bisect", "runs", *ends, "--run", test, "--json", "-q")
    found = json.loads(done.stdout)
    assert (found["good"], found["bad"], found["steps"]) == ("runs/39.jelly", "runs/40.jelly", 6)
    assert found["version"] == 1
    done = jelly(runs, "bisect", "runs", *ends, "--run", test)
    assert done.stderr.count(b"it may be somebody else's") == 1
    text = done.stdout.decode()
    assert "runs/40.jelly is the first bad one (6 steps)" in text
    assert "M train.py" in text
    assert " diff runs/39.jelly runs/40.jelly" in text


def test_names_that_not_every_system_can_hold(repository: Path, tmp_path: Path) -> None:
    """What the refusal tells to add is there, wherever the files are put into a temporary directory."""
    ends = []
    for number, text in enumerate(("good\n", "bad\n")):
        (repository / "con: fig.txt").write_text(text)
        ends.append(tmp_path / f"{number}.jelly")
        ends[-1].write_bytes(at(jellyformat.snapshot(repository, environment=False), 1_700_000_000 + number))
    names = [str(path) for path in ends]
    show = [sys.executable, "-c", "print(open('con: fig.txt').read())"]
    assert b"--any-names" in jelly(repository, "run", names[1], "--", *show, code=4).stderr
    assert jelly(repository, "run", "--any-names", names[1], "--", *show).stdout == b"bad\n\n"
    search = ["bisect", *names, "--good", names[0], "--bad", names[1], "--run", "true"]
    jelly(repository, *search, "--any-names")
    with pytest.raises(RefusedName) as caught:
        jellyformat.code(ends[0])
    assert "any_names=True" in str(caught.value.hint)
    with jellyformat.code(ends[0], any_names=True) as code:
        assert (code.directory / "con: fig.txt").read_text() == "good\n"


@pytest.mark.slow
def test_skipping_asking_and_giving_up(runs: Path) -> None:
    test = f'{sys.executable} -c "import train, sys; sys.exit(125 if 35 < train.number < 45 else train.bad)"'
    ends = ["--good", "runs/0.jelly", "--bad", "runs/64.jelly"]
    found = json.loads(jelly(runs, "bisect", "runs", *ends, "--run", test, "--json", "-q").stdout)
    assert (found["good"], found["bad"]) == ("runs/35.jelly", "runs/45.jelly")
    assert [Path(name).stem for name in found["suspects"]] == [str(number) for number in range(36, 46)]
    jelly(runs, "bisect", "runs", *ends, "--run", "sh -c 'kill -9 $$'", code=1)
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "bisect", "runs", *ends], cwd=runs, capture_output=True, check=False,
        input=b"good\nnonsense\nbad\nquit\n",
    )  # fmt: skip
    assert done.returncode == 1
    assert b"16 changes left" in done.stdout
    jelly(runs, "bisect", "runs", "--good", "runs/9.jelly", "--bad", "runs/3.jelly", "--run", "true", code=2)
    jelly(runs, "bisect", "runs", "--good", "runs/8.jelly", "--bad", "runs/8-again.jelly", "--run", "true", code=2)
    done = jelly(runs, "bisect", "runs", *ends, "--run", "sh -c 'grep", code=2)
    assert b"--run: No closing quotation: sh -c 'grep" in done.stderr
    jelly(runs, "bisect", "runs", "--good", "r/train.py", "--bad", "runs/3.jelly", "--run", "true", code=3)


@pytest.mark.parametrize("first_bad", range(1, 12))
def test_every_place_is_found(runs: Path, first_bad: int) -> None:
    codes = codes_between([str(runs / "runs")], str(runs / "runs/0.jelly"), str(runs / "runs/11.jelly"))
    assert len(codes) == 12
    search = Bisection(codes)
    while (entry := search.next()) is not None:
        search.say("bad" if codes.index(entry) >= first_bad else "good")
    assert search.suspects == [codes[first_bad]]
    assert search.last_good is codes[first_bad - 1]
    assert search.steps <= 4

"""Nothing of the current directory is run: no module by ``python -m jellyformat``, or as an adapter, and no program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import images
import plain
import pytest
from states import base

import jellyformat
from jellyformat import searchpath
from jellyformat.cli.main import _COMMANDS

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120
"""Seconds; a command that waits for something is ended."""

_LOOKED_FOR = """\
import sys
names = set()
class Recorder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is None:
            names.add(name)
sys.meta_path.insert(0, Recorder)
import runpy
sys.argv = ["jellyformat", *sys.argv[1:]]
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit:
    pass
names.update(name.partition(".")[0] for name in list(sys.modules))
with open("../names", "a") as file:
    file.write("".join(name + "\\n" for name in names))
"""
"""Notes every module that is looked for on the path, whether it is found or not."""

_BEFORE = "import sys; open('../before', 'w').write('\\n'.join(sys.modules))"
"""The first line of a package that ``python -m`` runs: what Python has loaded by then, nobody can keep out."""

_MARK = "open({marker!r}, 'a').write(__name__ + '\\n')\nraise ImportError('this module was planted')\n"

_ARGUMENTS: dict[str, list[str]] = {
    "snapshot": ["--repo", "../r", "-o", "s.jelly"],
    "embed": ["plain.npz", "--repo", "../r"],
    "verify": ["model.npz", "model.bin", "x.jelly"],
    "show": ["model.npz"],
    "ls": ["model.npz"],
    "cat": ["model.npz", "README.md"],
    "diff": ["model.npz"],
    "log": ["."],
    "grep": [".", "."],
    "label": ["model.npz", "epoch=3"],
    "export": ["model.npz", "out"],
    "restore": ["model.npz", "../r"],
    "undo": ["../r"],
    "redo": ["../r"],
    "history": ["../r"],
    "extract": ["model.npz", "-o", "e.jelly"],
    "strip": ["strip.npz"],
    "git": ["model.npz", "log"],
    "env": ["model.npz"],
    "fix": ["../r"],
    "demo": [],
}
"""What the commands are called with; those that wait, or are not here, with ``--help``."""


def environment(path: str | None = None) -> dict[str, str]:
    """That of a user who has jellyformat on the path."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "adapters"))) if path is None else path
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def run(directory: Path, *command: str, path: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**environment(path), **more}
    return subprocess.run(
        [sys.executable, *command], cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=LIMIT
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with checkpoints, beside it a repository, and the names of all modules that any command looks for."""
    top = tmp_path_factory.mktemp("modules")
    repo = base(top / "r")
    here = top / "here"
    here.mkdir()
    data = images.take(repo.path).data
    (here / "x.jelly").write_bytes(data)
    for name in ("model", "strip", "plain"):
        plain.save_npz(here / f"{name}.npz", a=range(3))
    (here / "model.bin").write_bytes(b"\x00\x01\x02" * 99)
    for name in ("model.npz", "strip.npz", "model.bin"):
        assert run(here, "-m", "jellyformat", "embed", name, "--from", "x.jelly").returncode == 0
    (here / "probe").mkdir()
    (here / "probe" / "__init__.py").write_text(_BEFORE)
    (here / "probe" / "__main__.py").write_text("")
    assert run(here, "-m", "probe").returncode == 0
    images.remove(here / "probe")
    images.copy(top, top.with_name("scratch"))
    scratch = top.with_name("scratch") / "here"
    for name in _COMMANDS:
        run(scratch, "-c", _LOOKED_FOR, "jellyformat", name, *_ARGUMENTS.get(name, ["--help"]))
    run(scratch, "-c", _LOOKED_FOR, "jellyformat.conformance", "decode", "--in", "model.npz")
    (scratch.parent / "names").rename(top / "names")
    images.remove(scratch.parent)
    return top


def planted(prepared: Path, place: Path) -> Path:
    """A copy of it in which modules of all those names lie; each leaves its name in ``marker``."""
    images.copy(prepared, place)
    names = set((prepared / "names").read_text().split())
    early = {name.partition(".")[0] for name in (prepared / "before").read_text().split()}
    assert {"click", "msgpack", "secrets", "json", "__future__", "sitecustomize"} <= names | {"sitecustomize"}
    source = _MARK.format(marker=str(place / "marker"))
    for name in (names | {"sitecustomize", "evil"}) - early - {"jellyformat"}:
        if "." not in name:
            (place / "here" / f"{name}.py").write_text(source)
    for metadata in ("evil-1.0.dist-info", "evil.egg-info"):
        (place / "here" / metadata).mkdir()
        (place / "here" / metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        (place / "here" / metadata / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        (place / "here" / metadata / "entry_points.txt").write_text(
            "[jellyformat.adapters]\nevil = evil:ADAPTER\n[fsspec.specs]\nevil = evil:FileSystem\n"
        )
    return place / "here"


@pytest.mark.sampled(7)
@pytest.mark.parametrize("command", _COMMANDS)
def test_modules_of_the_directory(command: str, prepared: Path, tmp_path: Path) -> None:
    """Every command, in a directory that has a module of every name that any command imports."""
    here = planted(prepared, tmp_path / "top")
    if command in ("undo", "redo"):
        jellyformat.restore(here / "model.npz", here.parent / "r")
    if command == "redo":
        jellyformat.undo(here.parent / "r")
    done = run(here, "-m", "jellyformat", command, *_ARGUMENTS.get(command, ["--help"]))
    assert not (tmp_path / "top" / "marker").exists(), (tmp_path / "top" / "marker").read_text()
    assert done.returncode == (3 if command == "env" else 0), done.stderr  # the snapshot has none noted


@pytest.mark.parametrize("how", ["-mjellyformat", "-B -m jellyformat", "script", "safe", "open path", "conformance"])
def test_however_it_is_started(how: str, prepared: Path, tmp_path: Path) -> None:
    here = planted(prepared, tmp_path / "top")
    if how == "script":  # as pip writes it for the command `jelly`
        script = tmp_path / "jelly"
        script.write_text("import sys\nfrom jellyformat.__main__ import main\nsys.exit(main())\n")
        done = run(here, str(script), "show", "model.npz")
    elif how == "safe":
        done = run(here, "-m", "jellyformat", "show", "model.npz", PYTHONSAFEPATH="1")
    elif how == "open path":  # an empty entry stands for the current directory
        done = run(here, "-m", "jellyformat", "show", "model.npz", path=f":{ROOT}:{ROOT / 'adapters'}")
        (here / "sitecustomize.py").unlink()  # which Python runs before anything of ours
        (tmp_path / "top" / "marker").unlink(missing_ok=True)
        done = run(here, "-m", "jellyformat", "show", "model.npz", path=f":{ROOT}:{ROOT / 'adapters'}")
    elif how == "conformance":
        done = run(here, "-m", "jellyformat.conformance", "decode", "--in", "model.npz")
    else:
        done = run(here, *how.split(), "show", "model.npz")
    assert not (tmp_path / "top" / "marker").exists(), (tmp_path / "top" / "marker").read_text()
    assert done.returncode == 0, done.stderr


@pytest.mark.sampled(3)
@pytest.mark.parametrize("entries", [[""], ["."], ["bin"], ["../here"], ["/usr/bin", ""], []])
@pytest.mark.parametrize("arguments", [["log", "--oneline"], ["ls-remote", "{}"]])
def test_programs_of_the_directory(arguments: list[str], entries: list[str], prepared: Path, tmp_path: Path) -> None:
    """With entries in ``PATH`` that lead to the current directory, or from there, what lies there is not run."""
    images.copy(prepared, tmp_path / "top")
    here = tmp_path / "top" / "here"
    marker = tmp_path / "top" / "marker"
    (here / "bin").mkdir()
    for directory in (here, here / "bin"):
        for name in ("git", "less", "ssh", "uname", "xdg-open", "python", "python3"):
            (directory / name).write_text(f"#!/bin/sh\necho {name} >> {marker}\n")
            (directory / name).chmod(0o755)
    git = os.path.dirname(shutil.which("git") or "")
    path = os.pathsep.join([*entries, git] if entries else ["."])
    done = run(here, "-m", "jellyformat", "git", "model.npz", *arguments, PATH=path)
    assert not marker.exists(), marker.read_text()
    assert done.returncode == (0 if entries or os.path.exists(f"{os.defpath.split(os.pathsep)[-1]}/git") else 5)


def test_what_stays_on_the_path_of_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing relative; and it does not end up empty, which would stand for the current directory."""
    monkeypatch.chdir(tmp_path)
    for directory in (tmp_path, tmp_path / "bin"):
        directory.mkdir(exist_ok=True)
        (directory / "made-for-this").write_text("#!/bin/sh\n")
        (directory / "made-for-this").chmod(0o755)
    for given in (":/one::bin:/two:", ".", "", "./bin:.."):
        monkeypatch.setenv("PATH", given)
        assert searchpath.program_path() == ("/one:/two" if "/one" in given else os.defpath)
        assert searchpath.find_program("made-for-this") is None
    monkeypatch.setenv("PATH", f"bin:{tmp_path / 'bin'}")
    assert searchpath.find_program("made-for-this") == str(tmp_path / "bin" / "made-for-this")
    monkeypatch.delenv("PATH")
    assert searchpath.program_path() == os.defpath


@pytest.mark.parametrize("start", ["-c", "-m"])
def test_adapters_of_the_directory(start: str, prepared: Path, tmp_path: Path) -> None:
    """At a prompt the current directory is on the path: what is imported from it is asked for; adapters are not."""
    here = planted(prepared, tmp_path / "top")
    for path in here.glob("*.py"):
        if path.name != "evil.py":
            path.unlink()
    code = "import jellyformat; print(jellyformat.open('model.npz').snapshot_id)"
    if start == "-m":
        (here / "program.py").write_text(code)
        done = run(here, "-m", "program")
    else:
        done = run(here, "-c", code)
    assert not (tmp_path / "top" / "marker").exists()
    assert (done.returncode, done.stderr) == (0, "")


def test_what_stays_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the user says so by an absolute path, or an installed package does, is the current directory on it."""
    monkeypatch.chdir(tmp_path)
    here, standard = str(tmp_path), os.path.dirname(os.__file__)
    monkeypatch.setattr(sys, "path", [here, "", ".", "relative", "/other", standard, here, ""])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(("", "relative", "/other")))
    assert searchpath.safe_entries() == ["/other", standard, here]
    monkeypatch.setenv("PYTHONPATH", here)
    assert searchpath.safe_entries() == [here, "/other", standard, here]
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["", "/other"])
    assert searchpath.safe_entries() == ["/other"]


@pytest.mark.parametrize(
    ("arguments", "given", "is_it"),
    [
        (["-m", "show", "x"], ["python", "-m", "jellyformat", "show", "x"], True),
        (["-m"], ["python", "-Bmjellyformat.conformance"], True),
        (["-m", "-m", "jellyformat"], ["python", "-m", "other", "-m", "jellyformat"], False),
        (["-m"], ["python", "-m", "jellyformatted"], False),
        (["x.py"], ["python", "x.py"], False),
        ([], ["python"], False),
    ],
)
def test_which_program_is_run(
    arguments: list[str], given: list[str], is_it: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of the user's that imports jellyformat keeps its path."""
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(sys, "orig_argv", given)
    assert searchpath.is_running("jellyformat") is is_it

"""Which repository a program's snapshot is of: its own, wherever it was started from. Each is a real process."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import jellyformat_pickle
import pytest
from gitrepo import git

import jellyformat
import jellyformat.errors

SAVE = "import sys, jellyformat_pickle; jellyformat_pickle.dump([1], sys.argv[1])\n"


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JELLYFORMAT_REPO", "JELLYFORMAT_AT"):
        monkeypatch.delenv(name, raising=False)


def make(root: Path, name: str, text: str = SAVE) -> Path:
    """A repository with a program that is not committed."""
    root.mkdir(parents=True)
    git(root, "init", "-q")
    (root / "note.txt").write_text(f"{root.name}\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", root.name)
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
    return root


@pytest.fixture
def code(tmp_path: Path) -> Path:
    return make(tmp_path / "code", "train.py")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A directory in no repository."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    return place


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run Python; what it says on stderr."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def is_of(checkpoint: Path, repository: Path) -> bool:
    with jellyformat.open(checkpoint) as box:
        return box.read("note.txt") == f"{repository.name}\n".encode()


def test_a_script_started_from_elsewhere(code: Path, elsewhere: Path) -> None:
    assert run(code / "train.py", "x.pkl", cwd=elsewhere) == ""
    assert is_of(elsewhere / "x.pkl", code)
    assert jellyformat.load(elsewhere / "x.pkl").id == jellyformat.snapshot(code).id


def test_through_a_link(code: Path, elsewhere: Path) -> None:
    (elsewhere / "go.py").symlink_to(code / "train.py")
    assert run("go.py", "x.pkl", cwd=elsewhere) == ""
    assert is_of(elsewhere / "x.pkl", code)


def test_a_module(code: Path, elsewhere: Path) -> None:
    (code / "pkg").mkdir()
    (code / "pkg" / "__init__.py").touch()
    (code / "pkg" / "train.py").write_text(SAVE)
    path = os.pathsep.join((str(code), os.environ.get("PYTHONPATH", "")))
    assert run("-m", "pkg.train", "x.pkl", cwd=elsewhere, PYTHONPATH=path) == ""
    assert is_of(elsewhere / "x.pkl", code)


def test_from_another_repository_is_said_once(tmp_path: Path) -> None:
    code = make(tmp_path / "code", "train.py", SAVE + SAVE.replace("sys.argv[1]", "'y.pkl'"))
    other = make(tmp_path / "other", "other.py")
    said = run("-W", "always", code / "train.py", "x.pkl", cwd=other)
    assert said.count("SnapshotWarning") == 1
    assert f"of the program, {code}; the current directory is in another, {other}," in said
    assert is_of(other / "x.pkl", code)
    assert is_of(other / "y.pkl", code)
    script = "import jellyformat; jellyformat.snapshot(); print(jellyformat.snapshot().id, file=sys.stderr)\n"
    (code / "train.py").write_text("import sys\n" + script)
    said = run(code / "train.py", cwd=other)
    assert said.count("RepositoryWarning") == 1
    assert jellyformat.snapshot(code).id in said


def test_a_program_in_no_repository(code: Path, elsewhere: Path) -> None:
    """As sbatch copies a script to where it runs it."""
    (elsewhere / "slurm_script").write_text(SAVE)
    assert run(elsewhere / "slurm_script", "../x.pkl", cwd=code) == ""
    assert is_of(elsewhere.parent / "x.pkl", code)
    said = run(elsewhere / "slurm_script", "x.pkl", cwd=elsewhere)
    assert "no snapshot of the code was taken: there is no git repository" in said
    assert 'repo="DIR"' in said
    assert "--repo" not in said


@pytest.mark.slow
def test_one_that_is_named_goes_first(tmp_path: Path, elsewhere: Path) -> None:
    one, two = make(tmp_path / "one", "train.py"), make(tmp_path / "two", "train.py")
    (one / "named.py").write_text(SAVE.replace("sys.argv[1]", f"sys.argv[1], repo={str(one)!r}"))
    (one / "start.py").write_text("from jellyformat import training; training.start(repo='../two')\n" + SAVE)
    assert run(one / "train.py", "env.pkl", cwd=elsewhere, JELLYFORMAT_REPO=str(two)) == ""
    assert run(one / "named.py", "named.pkl", cwd=elsewhere, JELLYFORMAT_REPO=str(two)) == ""
    assert run(one / "start.py", "start.pkl", cwd=elsewhere) == ""
    assert run(one / "train.py", "empty.pkl", cwd=elsewhere, JELLYFORMAT_REPO="") == ""
    assert is_of(elsewhere / "env.pkl", two)
    assert is_of(elsewhere / "named.pkl", one)
    assert is_of(elsewhere / "start.pkl", two)
    assert is_of(elsewhere / "empty.pkl", one)
    said = run(one / "train.py", "none.pkl", cwd=elsewhere, JELLYFORMAT_REPO=str(elsewhere / "not there"))
    assert "no snapshot of the code was taken" in said


def test_without_a_file_it_is_the_current_directory(code: Path, elsewhere: Path) -> None:
    assert run("-c", SAVE, "../x.pkl", cwd=code) == ""
    assert is_of(elsewhere.parent / "x.pkl", code)


def test_the_command_line_takes_the_current_directory(code: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other", "other.py")
    run("-m", "jellyformat", "snapshot", "-o", tmp_path / "x.jelly", "-q", cwd=code, JELLYFORMAT_REPO=str(other))
    assert is_of(tmp_path / "x.jelly", code)


# -- launchers ---------------------------------------------------------------------------------------------------------


def installed(tmp_path: Path) -> tuple[Path, Path]:
    """A virtual environment that sees what is installed here: its programs, and where its packages are."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    names = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    scheme = "venv" if "venv" in sysconfig.get_scheme_names() else sysconfig.get_default_scheme()  # new in 3.11
    packages = Path(sysconfig.get_path("purelib", scheme, names))
    ours = {
        Path(module.__file__ or "").parents[1] for module in (jellyformat, jellyformat_pickle)
    }  # installed in place too
    (packages / "here.pth").write_text("".join(f"{path}\n" for path in (sysconfig.get_path("purelib"), *sorted(ours))))
    return Path(sysconfig.get_path("scripts", scheme, names)), packages


def run_script(programs: Path, name: str, *arguments: str, cwd: Path) -> str:
    """Run a console script as pip writes it."""
    script = f"import sys\nfrom {name}.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
    (programs / name).write_text(f"#!{programs / 'python'}\n{script}")
    (programs / name).chmod(0o755)
    done = subprocess.run([programs / name, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr


CLI = "def main():\n    import sys, jellyformat_pickle\n    jellyformat_pickle.dump([1], sys.argv[1])\n"


def test_a_console_script_that_is_installed(tmp_path: Path, code: Path) -> None:
    programs, packages = installed(tmp_path)
    (packages / "launcher").mkdir()
    (packages / "launcher" / "cli.py").write_text(CLI)
    assert run_script(programs, "launcher", "../x.pkl", cwd=code) == ""
    assert is_of(tmp_path / "x.pkl", code)


@pytest.mark.slow
def test_a_console_script_of_an_editable_install(tmp_path: Path, elsewhere: Path) -> None:
    programs, packages = installed(tmp_path)
    code = make(tmp_path / "code", "trainer/cli.py", CLI)
    (packages / "editable.pth").write_text(f"{code}\n")
    assert run_script(programs, "trainer", "x.pkl", cwd=elsewhere) == ""
    assert is_of(elsewhere / "x.pkl", code)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["cProfile", "pdb", "trace"])
def test_a_script_that_a_module_of_python_runs(launcher: str, code: Path, elsewhere: Path) -> None:
    options = {
        "cProfile": ["-o", "profile"],
        "pdb": ["-c", "continue", "-c", "quit"],
        "trace": ["--count", "-C", "out"],
    }
    run("-m", launcher, *options[launcher], code / "train.py", "x.pkl", cwd=elsewhere)
    assert is_of(elsewhere / "x.pkl", code)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:warnings"],
        ["-m", "unittest", "discover", "-q", "-s"],
        ["-c", "import sys, runpy; runpy.run_path(sys.argv[1] + '/test_it.py')['TestIt']().test_trains()"],
    ],
    ids=["pytest", "unittest", "-c"],
)
def test_what_a_launcher_runs(launcher: list[str], tmp_path: Path, elsewhere: Path) -> None:
    """Neither the launcher nor the current directory is in a repository: it is that of the test that trains."""
    text = (
        "import unittest, jellyformat_pickle\n"
        "class TestIt(unittest.TestCase):\n"
        f"    def test_trains(self):\n        jellyformat_pickle.dump([1], {str(tmp_path / 'x.pkl')!r})\n"
    )
    code = make(tmp_path / "code", "test_it.py", text)
    assert "SnapshotWarning" not in run(*launcher, code, cwd=elsewhere)
    assert is_of(tmp_path / "x.pkl", code)
    other = make(tmp_path / "other", "other.py")
    said = run(*launcher, code, cwd=other)
    assert f"of the current directory, {other}; {code / 'test_it.py'}, which runs, is in another, {code}," in said
    assert is_of(tmp_path / "x.pkl", other)


def test_a_prompt_takes_no_file_that_calls(code: Path, elsewhere: Path) -> None:
    (code / "train.py").write_text(SAVE.replace("sys.argv[1]", "'x.pkl'"))
    said = run("-c", f"import sys, runpy; sys.ps1 = '>'; runpy.run_path({str(code / 'train.py')!r})", cwd=elsewhere)
    assert "there is no git repository" in said


@pytest.mark.slow
def test_a_spawned_process(tmp_path: Path, elsewhere: Path) -> None:
    text = (
        "import multiprocessing, sys, jellyformat_pickle\n"
        "def save(path):\n    jellyformat_pickle.dump([1], path)\n"
        "if __name__ == '__main__':\n"
        "    for method in ('spawn', 'forkserver', 'fork'):\n"
        "        process = multiprocessing.get_context(method).Process(target=save, args=(method + '.pkl',))\n"
        "        process.start(); process.join(); assert process.exitcode == 0\n"
    )
    code = make(tmp_path / "code", "train.py", text)
    run(code / "train.py", cwd=elsewhere)
    assert [is_of(elsewhere / f"{method}.pkl", code) for method in ("spawn", "forkserver", "fork")] == [True] * 3


@pytest.mark.framework
def test_hydra(tmp_path: Path, elsewhere: Path) -> None:
    """It changes to its run directory, which is nowhere near the code."""
    pytest.importorskip("hydra", reason="needs hydra-core")
    text = (
        "import os, hydra, jellyformat_pickle\n"
        "@hydra.main(config_path=None, version_base='1.2')\n"
        "def main(config):\n"
        "    assert os.getcwd().endswith('/run')\n"
        "    jellyformat_pickle.dump([1], 'x.pkl')\n"
        "main()\n"
    )
    code = make(tmp_path / "code", "train.py", text)
    run(code / "train.py", f"hydra.run.dir={elsewhere}/run", "hydra.job.chdir=True", cwd=elsewhere)
    assert is_of(elsewhere / "run" / "x.pkl", code)


@pytest.mark.framework
def test_torchrun(tmp_path: Path, elsewhere: Path) -> None:
    text = (
        "import os, torch, torch.distributed as dist, jellyformat_torch\n"
        "dist.init_process_group('gloo')\n"
        "jellyformat_torch.save({}, f'{dist.get_rank()}.pt')\n"
        "dist.destroy_process_group()\n"
    )
    code = make(tmp_path / "code", "train.py", text)
    run("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", code / "train.py", cwd=elsewhere)
    assert is_of(elsewhere / "0.pt", code)
    with pytest.raises(jellyformat.JellyError):
        jellyformat.open(elsewhere / "1.pt")


@pytest.mark.framework
def test_submitit(tmp_path: Path, elsewhere: Path) -> None:
    """What the job runs is a function of the script; the worker's program is submitit's."""
    pytest.importorskip("submitit")
    text = (
        "import submitit\n"
        "def train(path):\n    import jellyformat_pickle; jellyformat_pickle.dump([1], path)\n"
        "executor = submitit.LocalExecutor(folder='logs')\n"
        "executor.update_parameters(timeout_min=2)\n"
        "executor.submit(train, 'x.pkl').result()\n"
    )
    code = make(tmp_path / "code", "train.py", text)
    run(code / "train.py", cwd=elsewhere)
    assert is_of(elsewhere / "x.pkl", code)


# -- save calls --------------------------------------------------------------------------------------------------------

CALLS = {
    "jellyformat_accelerate": ["register", "save_model"],
    "jellyformat_keras": ["SnapshotModelCheckpoint", "save", "save_weights"],
    "jellyformat_lightning": ["SnapshotCallback", "SnapshotCheckpointIO"],
    "jellyformat_numpy": ["save", "savez", "savez_compressed"],
    "jellyformat_pickle": ["dump", "joblib_dump"],
    "jellyformat_safetensors": ["save", "save_file", "save_model"],
    "jellyformat_safetensors.numpy": ["save", "save_file"],
    "jellyformat_safetensors.torch": ["save", "save_file", "save_model"],
    "jellyformat_torch": ["create_snapshot", "save"],
    "jellyformat_torch.distributed": ["save", "async_save"],
    "jellyformat_transformers": ["SnapshotCallback", "save_model", "save_pretrained"],
    "jellyformat.training": ["start", "take"],
}


@pytest.mark.framework
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", CALLS)
def test_every_call_takes_a_repository(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    module = importlib.import_module(package)
    for name in CALLS[package]:
        parameters = inspect.signature(getattr(module, name)).parameters
        assert "repo" in parameters or {"options", "capture_options"} & parameters.keys(), name
        assert parameters["repo"].default is None if "repo" in parameters else True


# -- what a program has made odd ---------------------------------------------------------------------------------------

ODD = {
    "del sys.argv": (),
    "sys.argv = None": (),
    "sys.argv = 'train.py'": (),
    "sys.argv = []": (),
    "sys.argv = ['']": ("",),
    "sys.argv = [pathlib.Path('x.py'), 3, b'x', '\\ud800', '\\udcff', 'a\\0b', '']": (
        "x.py", "<int>", "<bytes>", "\\ud800", "\udcff", "a\0b", "",
    ),
    "sys.argv = ['x' * 3_000_000]": None,
    "sys.argv = ['--step'] * 300_000": ("--step",) * 2000 + ("... and 298000 more",),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("line", ODD)
def test_odd_command_lines(line: str, code: Path, elsewhere: Path) -> None:
    (code / "odd.py").write_text(f"import pathlib, sys\n{line}\nimport jellyformat_pickle as p\np.dump([1], 'x.pkl')\n")
    assert run(code / "odd.py", cwd=elsewhere) == ""
    assert is_of(elsewhere / "x.pkl", code)
    expected = ODD[line]
    if expected is not None:
        assert jellyformat.show(elsewhere / "x.pkl").argv == expected


@pytest.mark.slow
def test_an_empty_capture_is_said(tmp_path: Path, elsewhere: Path) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    git(root, "init", "-q")
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text("*\n")
    (root / "train.py").write_text(SAVE)
    said = run(root / "train.py", "x.pkl", cwd=elsewhere)
    assert f"CaptureWarning: the snapshot of {root} has no file in it: 1 ignored by git (train.py)" in said
    assert jellyformat.show(elsewhere / "x.pkl").files == 0
    with pytest.warns(jellyformat.errors.CaptureWarning, match="has no file in it"):
        jellyformat.snapshot(root)
    assert "has no file in it" in run("-m", "jellyformat", "snapshot", "-o", elsewhere / "x.jelly", cwd=root)

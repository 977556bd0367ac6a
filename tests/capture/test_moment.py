"""When a program's snapshot is taken, and what is said where code was edited before. Each program is a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gitrepo import git
from unmarked import unmarked

import jellyformat

TAKEN = "import threading\nfor t in threading.enumerate():\n    if t.name == 'jellyformat': t.join()\n"
"""Waits until what was begun is taken."""
BEGUN = "from jellyformat.training import background as b; print(b._BEGUN.capture is not None)\n"
STEP = "print('-', flush=True); input()\n"
"""Lets the test do something."""
MODEL = "class Model:\n    width = 8\n"
SAVE = "jellyformat_pickle.dump([Model.width], sys.argv[1])\n"
HEAD = "import sys, jellyformat_pickle\n"


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JELLYFORMAT_REPO", "JELLYFORMAT_AT", "JELLYFORMAT_RANKS", "RANK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    root.mkdir()
    git(root, "init", "-q")
    (root / "model.py").write_text(MODEL)
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


class Program:
    """A program that runs until its steps are done."""

    def __init__(self, code: Path, text: str, *arguments: str | Path, **variables: str) -> None:
        (code / "train.py").write_text(text)
        self._process = subprocess.Popen(
            [sys.executable, code / "train.py", *arguments],
            cwd=code.parent, env={**os.environ, **variables}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def reaches_its_step(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "-\n", self._process.communicate()
        time.sleep(0.05)  # the system does not tell more exactly when a process began

    def goes_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def ends(self) -> tuple[str, str]:
        """What it printed, and what it said on stderr."""
        out, error = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, error
        return out, error


def run(code: Path, text: str, *arguments: str | Path, **variables: str) -> tuple[str, str]:
    return Program(code, text, *arguments, **variables).ends()


def model_in(checkpoint: Path) -> str:
    with jellyformat.open(checkpoint) as box:
        return box.read("model.py").decode()


def test_edited_while_it_trains(code: Path, tmp_path: Path) -> None:
    """What was imported is in the first checkpoint, though that is written hours after somebody has edited it."""
    program = Program(code, HEAD + "from model import Model\n" + TAKEN + STEP + SAVE, tmp_path / "x.pkl")
    program.reaches_its_step()
    (code / "model.py").write_text(MODEL.replace("8", "16"))
    (code / "summary.csv").write_text("step,loss\n")
    program.goes_on()
    assert program.ends()[1] == ""
    assert model_in(tmp_path / "x.pkl") == MODEL
    found = jellyformat.show(tmp_path / "x.pkl")
    assert found.edited == ()
    assert found.captured == "program"
    assert found.argv[0].endswith("train.py")
    assert b"summary.csv" not in found.untracked, "written by the run itself, when the snapshot was taken"
    assert found.untracked == (b"train.py",)


@pytest.mark.slow
@pytest.mark.parametrize("at", ["save", "import"])
def test_edited_before_it_was_captured(code: Path, tmp_path: Path, at: str) -> None:
    """The capture came later than the edit: at the first save, or as the adapter was imported late."""
    loads = "import sys\nfrom model import Model\n"
    body = HEAD + loads + STEP + SAVE if at == "save" else loads + STEP + HEAD + SAVE
    program = Program(code, body, tmp_path / "x.pkl", JELLYFORMAT_AT=at)
    program.reaches_its_step()
    (code / "model.py").write_text(MODEL.replace("8", "16"))
    (code / "other.py").write_text("nobody has loaded this\n")
    program.goes_on()
    said = program.ends()[1]
    assert "SnapshotWarning: changed since the program began, which has loaded it: model.py; the snapshot has" in said
    assert "other.py" not in said
    assert "16" in model_in(tmp_path / "x.pkl")
    assert jellyformat.show(tmp_path / "x.pkl").edited == (b"model.py",)
    assert jellyformat.log(tmp_path / "x.pkl")[0].edited == (b"model.py",)
    assert jellyformat.verify(tmp_path / "x.pkl").ok
    for command in ("show", "log"):
        told = [sys.executable, "-m", "jellyformat", command, "x.pkl"]
        text = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        assert "changed after the program had loaded it, maybe not what ran" in text
        out = subprocess.run([*told, "--json"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        found = json.loads(out)
        assert (found[0] if command == "log" else found)["edited"] == ["model.py"]


def test_removed_before_it_was_captured(code: Path, tmp_path: Path) -> None:
    program = Program(code, HEAD + "from model import Model\n" + STEP + SAVE, tmp_path / "x.pkl", JELLYFORMAT_AT="save")
    program.reaches_its_step()
    (code / "model.py").unlink()
    program.goes_on()
    assert "has loaded it: model.py" in program.ends()[1]
    assert jellyformat.show(tmp_path / "x.pkl").edited == (b"model.py",)


def test_modules_of_other_places(code: Path, tmp_path: Path) -> None:
    """In a submodule, through a link; ignored, or outside of the repository, it says nothing of the snapshot."""
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "deep.py").write_text("x = 1\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "inner")
    git(code, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "inner")
    (code / "linked.py").symlink_to("target.txt")
    (code / "target.txt").write_text("x = 1\n")
    (code / ".gitignore").write_text("made.py\n")
    (code / "made.py").write_text("x = 1\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "out.py").write_text("x = 1\n")
    body = "sys.path[:0] = ['code/inner', 'outside']\nimport deep, linked, made, out\nfrom model import Model\n"
    program = Program(code, HEAD + body + STEP + SAVE, tmp_path / "x.pkl", JELLYFORMAT_AT="save")
    program.reaches_its_step()
    for path in (code / "inner/deep.py", code / "target.txt", code / "made.py", tmp_path / "outside/out.py"):
        path.write_text("x = 2\n")
    program.goes_on()
    program.ends()
    assert jellyformat.show(tmp_path / "x.pkl").edited == (b"inner/deep.py", b"target.txt")
    assert jellyformat.verify(tmp_path / "x.pkl").ok


def test_start_begins_anew(code: Path, tmp_path: Path) -> None:
    body = (
        HEAD
        + "from model import Model\nfrom jellyformat import training\n"
        + TAKEN
        + STEP
        + "training.start()\n"
        + SAVE
    )
    program = Program(code, body, tmp_path / "x.pkl")
    program.reaches_its_step()
    (code / "new.py").touch()
    program.goes_on()
    program.ends()
    assert b"new.py" in jellyformat.show(tmp_path / "x.pkl").untracked


def test_what_was_begun_serves_every_call(code: Path, tmp_path: Path) -> None:
    body = (
        "import os, numpy, jellyformat_numpy as jn, jellyformat_pickle as jp, jellyformat_safetensors as js\n"
        + TAKEN + "open('code/later.py', 'w').close()\nos.chdir('/')\n"
        + f"jp.dump([1], r'{tmp_path}/a', strict=True)\njn.savez(r'{tmp_path}/b.npz', x=numpy.ones(1))\n"
        + f"js.save_file({{'x': numpy.ones(1)}}, r'{tmp_path}/c', repo=r'{code}')\n"
    )  # fmt: skip
    pytest.importorskip("safetensors")
    run(code, body)
    assert len({unmarked(tmp_path / name) for name in ("a", "b.npz", "c")}) == 1
    assert jellyformat.show(tmp_path / "a").untracked == (b"train.py",)


@pytest.mark.parametrize("again", ["reload", "another module", "another script"])
def test_code_that_is_loaded_again(code: Path, tmp_path: Path, again: str) -> None:
    """As Streamlit does when a file was edited: what runs is the new text, and so is what is captured."""
    (code / "inner.py").write_text(
        "import model, jellyformat_pickle\ndef save(path): jellyformat_pickle.dump([model.Model.width], path)\n"
    )
    loads = {
        "reload": "import importlib, model; importlib.reload(model)\n",
        "another module": "del sys.modules['model'], sys.modules['inner']; import inner\n",
        "another script": (
            "import types, importlib, model\nmain = types.ModuleType('__main__'); main.__file__ = __file__\n"
            "sys.modules['__main__'] = main; importlib.reload(model)\n"
        ),
    }
    body = (
        "import sys, jellyformat_pickle, inner\n"
        + "for name in ('a', 'b'): inner.save(sys.argv[1] + name)\n"
        + STEP
        + loads[again]
        + "for name in ('c', 'd'): inner.save(sys.argv[1] + name)\n"
    )
    program = Program(code, body, f"{tmp_path}/")
    program.reaches_its_step()
    (code / "model.py").write_text(MODEL.replace("8", "9"))
    program.goes_on()
    program.ends()
    for name, width in {"a": b"8", "b": b"8", "c": b"9", "d": b"9"}.items():
        with jellyformat.open(tmp_path / name) as box:
            assert b"width = " + width in box.read("model.py"), name
    assert len({jellyformat.show(tmp_path / name).digest for name in "cd"}) == 2  # the run's sequence
    assert unmarked(tmp_path / "c") == unmarked(tmp_path / "d")


def test_strict_refuses_what_was_left_out(code: Path) -> None:
    (code / ".env").write_text("PASSWORD=tr0ub4dor\n")
    body = (
        HEAD + TAKEN + "try: jellyformat_pickle.dump([1], 'x', strict=True)\nexcept Exception as error: print(error)\n"
    )
    assert ".env" in run(code, body)[0]


# -- where nothing is begun --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_only_in_a_program_on_the_first_rank(code: Path, tmp_path: Path) -> None:
    body = HEAD + BEGUN
    assert run(code, body) == ("True\n", "")
    assert run(code, body, RANK="1") == ("False\n", "")
    assert run(code, body, RANK="1", JELLYFORMAT_RANKS="all") == ("True\n", "")
    assert run(code, body, JELLYFORMAT_AT="save") == ("False\n", "")
    for options in (["-c", body], ["-m", "pytest", "-q", "-s", "test_x.py"]):
        (tmp_path / "test_x.py").write_text(f"def test_it():\n    {body.strip().replace(chr(10), '; ')}\n")
        done = subprocess.run([sys.executable, *options], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "False" in done.stdout
    done = subprocess.run([sys.executable, "-i"], input=body, cwd=code, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nothing_is_said_where_there_is_no_repository(tmp_path: Path) -> None:
    code = tmp_path / "none"
    code.mkdir()
    assert run(code, HEAD + TAKEN + BEGUN) == ("True\n", "")
    assert "no snapshot of the code was taken" in run(code, HEAD + TAKEN + "jellyformat_pickle.dump([1], 'x')\n")[1]


def test_readers_begin_nothing(code: Path, tmp_path: Path) -> None:
    """jellyformat loads its adapters to read files: that is no training."""
    (tmp_path / "x.jelly").write_bytes(jellyformat.snapshot(code).data)
    body = f"import sys, jellyformat\njellyformat.verify(r'{tmp_path}/x.jelly')\njellyformat.log(r'{tmp_path}')\n"
    assert run(code, body + BEGUN)[0] == "False\n"


def test_worker_processes(code: Path) -> None:
    body = HEAD + (
        "import multiprocessing\n"
        "def begun(queue):\n"
        "    from jellyformat.training import background as b\n"
        "    queue.put(b._BEGUN.asked)\n"
        "if __name__ == '__main__':\n"
        "    from jellyformat.training import background as b\n"
        "    b._BEGUN.asked, b._BEGUN.capture = False, None\n"
        "    for method in ('spawn', 'forkserver', 'fork'):\n"
        "        context = multiprocessing.get_context(method)\n"
        "        queue = context.Queue()\n"
        "        context.Process(target=begun, args=(queue,)).start()\n"
        "        print(queue.get(timeout=60))\n"
    )
    assert run(code, body) == ("False\nFalse\nFalse\n", "")


@pytest.mark.sampled(3)
@pytest.mark.framework
def test_workers_of_a_data_loader(code: Path) -> None:
    body = "import torch, jellyformat_torch\nfrom jellyformat.training import background as b\n" + (
        "class Data(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 2\n"
        "    def __getitem__(self, number): return int(b._BEGUN.asked)\n"
        "if __name__ == '__main__':\n"
        "    assert b._BEGUN.asked\n"
        "    b._BEGUN.asked = False\n"
        "    for method in ('spawn', 'fork'):\n"
        "        loader = torch.utils.data.DataLoader(Data(), num_workers=2, multiprocessing_context=method)\n"
        "        print([int(x) for x in loader])\n"
    )
    assert run(code, body)[0] == "[0, 0]\n[0, 0]\n"


# -- the thread does no harm -------------------------------------------------------------------------------------------

SLOW = "import time\nfrom jellyformat import snapshots\nsnapshots.snapshot = lambda **options: time.sleep(600)\n"


@pytest.mark.slow
def test_it_does_not_outlive_the_program(code: Path) -> None:
    assert run(code, SLOW + HEAD + BEGUN) == ("True\n", "")
    for _ in range(5):  # it is at work as the interpreter ends
        assert run(code, HEAD) == ("", "")


@pytest.mark.slow
def test_a_fork_while_it_is_at_work(code: Path, tmp_path: Path) -> None:
    """The child neither waits for a thread that it does not have, nor for the lock of a module that was imported."""
    body = (
        "import os, signal, sys, threading, time\n"
        "class Slow:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'jellyformat.capture.capture' and threading.current_thread().name == 'jellyformat':\n"
        "            time.sleep(0.3)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "import jellyformat_pickle\n"
        "while 'jellyformat.snapshots' not in sys.modules: time.sleep(0.01)\n"
        "time.sleep(0.1)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(20)\n"
        "    import platform, jellyformat.capture.capture\n"
        "    jellyformat_pickle.dump([1], sys.argv[1])\n"
        "    os._exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    for _ in range(2):
        assert run(code, body, tmp_path / "x.pkl")[0] == "0\n"
    assert model_in(tmp_path / "x.pkl") == MODEL


def test_importing_an_adapter_imports_no_framework(code: Path) -> None:
    names = "'torch', 'numpy', 'safetensors', 'pygit2', 'click'"
    body = (
        "import sys, jellyformat_torch, jellyformat_numpy, jellyformat_safetensors, jellyformat_accelerate\n"
        f"print({{{names}}} & set(sys.modules))\n"
    )
    assert run(code, body) == ("set()\n", "")


def test_a_command_afterwards_is_shown_as_such(code: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04N.")
    embed = [sys.executable, "-m", "jellyformat", "embed", "../x.pkl"]
    subprocess.run(embed, cwd=code, check=True, capture_output=True)
    found = jellyformat.show(tmp_path / "x.pkl")
    assert found.captured == "command"
    assert found.argv == ()
    told = [sys.executable, "-m", "jellyformat", "show", "../x.pkl"]
    text = subprocess.run(told, cwd=code, capture_output=True, text=True, check=True).stdout
    assert "by a command afterwards" in text
    assert "embed" not in text


# -- a capture that takes long -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_save_waits_for_a_while_only(code: Path, tmp_path: Path) -> None:
    """The checkpoint is saved without, and it is said why; a later one has the snapshot, of the moment of the first."""
    for number in range(4000):
        (code / f"{number}.txt").write_text(f"{number}\n")
    body = HEAD + (
        "from pathlib import Path\nfrom jellyformat import training\n"
        "jellyformat_pickle.dump([1], 'a.pkl')\n" + TAKEN + "Path('code/later.py').touch()\n"
        "jellyformat_pickle.dump([1], 'b.pkl')\n"
        "try: training.start(timeout=0, strict=True)\nexcept Exception as error: print(error)\n"
    )
    out, said = run(code, body, JELLYFORMAT_TIMEOUT="0.05")
    assert said.count("SnapshotWarning") == 1
    assert "no snapshot of the code was taken: it was not ready after 0.05 s: it took 0." in said
    assert "start(timeout=SECONDS) or JELLYFORMAT_TIMEOUT=SECONDS waits longer" in said
    assert "it was not ready after 0 s" in out
    assert (tmp_path / "a.pkl").stat().st_size > 0
    with pytest.raises(jellyformat.JellyError):
        jellyformat.open(tmp_path / "a.pkl")
    untracked = jellyformat.show(tmp_path / "b.pkl").untracked
    assert len(untracked) == 4001
    assert b"later.py" not in untracked


@pytest.mark.slow
def test_what_takes_so_long_is_said(code: Path) -> None:
    for number in range(2000):
        (code / f"{number}.txt").write_text(f"{number}\n")
    slow = "import time\nfrom jellyformat.capture import worktree\nreal = worktree.Scanner._file\n" + (
        "def slow(self, path):\n    if path == b'1500.txt': time.sleep(30)\n    real(self, path)\n"
        "worktree.Scanner._file = slow\n"
    )
    said = run(code, slow + HEAD + "jellyformat_pickle.dump([1], 'a.pkl')\n", JELLYFORMAT_TIMEOUT="3")[1]
    assert "s to read the files (" in said
    assert "so far, the last is 1500.txt)" in said


def test_a_timeout_that_is_none(code: Path) -> None:
    said = run(code, HEAD + "jellyformat_pickle.dump([1], 'a.pkl')\n", JELLYFORMAT_TIMEOUT="soon")[1]
    assert "JELLYFORMAT_TIMEOUT is a number of seconds, not 'soon'" in said
    said = run(code, HEAD + "jellyformat_pickle.dump([1], 'a.pkl')\n", JELLYFORMAT_TIMEOUT="nan")[1]
    assert "a timeout is a number of seconds from 0" in said
    assert run(code, HEAD + "jellyformat_pickle.dump([1], 'a.pkl')\n", JELLYFORMAT_TIMEOUT="inf")[1] == ""

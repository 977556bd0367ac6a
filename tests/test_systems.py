"""On other systems, as `elsewhere.py` simulates them: what works there works, and what cannot be safe is refused."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plain import save_npz, save_safetensors, save_torch
from test_story import jelly

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = Path(__file__).with_name("elsewhere.py")
SYSTEMS = ("windows", pytest.param("bare", marks=pytest.mark.slow), "macos")

IMPORTS = """
import importlib, pkgutil, sys
sys.modules.update(dict.fromkeys(FRAMEWORKS))
import jellyformat
failed = {}
found = [m.name for m in pkgutil.walk_packages(jellyformat.__path__, "jellyformat.")]
found += [m.name for m in pkgutil.iter_modules() if m.name.startswith("jellyformat_")]
for name in found:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in FRAMEWORKS:
            failed[name] = repr(error)
    except Exception as error:
        failed[name] = repr(error)
print(len(found), failed)
sys.exit(bool(failed))
"""
FRAMEWORKS = (
    "torch", "numpy", "lightning", "pytorch_lightning", "transformers", "accelerate", "keras", "safetensors", "joblib",
    "h5py", "onnx", "flax", "pytest", "fsspec", "nbdime", "ray", "huggingface_hub",
)  # fmt: skip

STORY = """
import contextlib, hashlib, io, json, os, sys
from pathlib import Path
import click
import jellyformat
from jellyformat.cli import main
from jellyformat.errors import JellyError

def jelly(*arguments):
    out = io.BytesIO()
    text = io.TextIOWrapper(out, encoding="utf-8")
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = main.cli.main(list(arguments), standalone_mode=False, prog_name="jelly")
        except JellyError as error:
            done[" ".join(arguments)] = [error.exit_code, str(error)]
            return error.exit_code, str(error)
        text.flush()
    done[" ".join(arguments)] = [code or 0, ""]
    return code or 0, out.getvalue().decode()

done = {}
os.chdir(sys.argv[1])
hosts = ["model.pt", "model.npz", "model.safetensors", "model.txt"]
before = {host: Path("..", host).read_bytes() for host in hosts}
times = {host: os.stat("../" + host).st_mtime_ns for host in hosts}
assert jelly("snapshot", "-o", "../code.jelly")[0] == 0
for host in hosts:
    file = "../" + host
    assert jelly("embed", file)[0] == 0, done
    assert jelly("verify", file)[0] == 0, done
    assert os.stat(file).st_mtime_ns == times[host], host
    shown = json.loads(jelly("show", file, "--json")[1])
    assert shown["dirty"], shown
    assert "train.py" in jelly("ls", file)[1]
    assert jelly("cat", file, "model.py")[1] == "hidden = 16\\n"
    assert "line fifty" in jelly("diff", file)[1]
assert jelly("label", "../model.npz", "epoch=3")[0] == 0, done
assert "epoch" in jelly("log", "..", "--json")[1]
assert "model.pt" in jelly("grep", "hidden = 16", "..")[1]
assert jelly("env", "../model.pt")[0] == 0
assert jelly("export", "../model.pt", "../exported")[0] == 0, done
assert Path("../exported/new file.txt").read_text() == "untracked\\n"
assert jelly("extract", "../model.pt", "-o", "../again.jelly")[0] == 0
assert jelly("extract", "../model.pt", "-o", "../code.bundle", "--bundle")[0] == 0, done
assert jelly("embed", "../model.pt", "--replace")[0] == 0, done
assert jelly("embed", "../model.safetensors", "--replace", "--bind")[0] == 0, done
assert jelly("verify", "../model.safetensors")[0] == 0, done
assert jelly("fix", "..")[0] == 0, done
for host in hosts:
    assert jelly("strip", "../" + host)[0] == 0, done
    assert Path("..", host).read_bytes() == before[host], host
left = [p.name for p in Path("..").iterdir() if ".tmp" in p.name or p.name.startswith("jelly.")]
assert not left, left
done["restore"] = jelly("restore", "../again.jelly", "../restored")
done["undo"] = jelly("undo")
done["history"] = jelly("history")
print(json.dumps(done))
"""


def run(system: str, code: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Code run as on that system."""
    command = [sys.executable, str(ELSEWHERE), system, "-c", code, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")]), **more}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def project(tmp_path: Path, repository: Path) -> Path:
    """The repository, in a home directory, with checkpoints beside it."""
    save_torch(tmp_path / "model.pt", bytes(100))
    save_npz(tmp_path / "model.npz", weight=[1.0, 2.0])
    save_safetensors(tmp_path / "model.safetensors", {"weight": [1.0, 2.0]})
    (tmp_path / "model.txt").write_text("of no known kind\n")
    for host in tmp_path.glob("model.*"):
        os.utime(host, (1_600_000_000, 1_600_000_000))
    return repository


@pytest.mark.parametrize("system", ["windows", pytest.param("macos", marks=pytest.mark.slow)])
def test_every_module_can_be_imported(system: str) -> None:
    done = run(system, f"FRAMEWORKS = {FRAMEWORKS!r}\n{IMPORTS}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[0]) > 100


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_story(system: str, project: Path) -> None:
    """Snapshot, embed into every kind of host, read, strip; a restore where that is safe."""
    done = run(system, STORY, str(project), HOME=str(project.parent))
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    if system == "macos":
        assert said["restore"][0] == 0, said["restore"]
        assert (project.parent / "restored" / "new file.txt").read_text() == "untracked\n"
    else:
        for command in ("restore", "undo", "history"):
            assert said[command][0] == 4, said[command]
            assert "export" in said[command][1]
        assert not (project.parent / "restored").exists()
        assert not (project / ".git" / "jellyformat").exists()


def test_a_repository_outside_of_the_home_directory_may_be_anybodys(project: Path) -> None:
    """Where files have no owners, what a repository names elsewhere is not read, and that is said."""
    code = "import jellyformat, sys; jellyformat.snapshot(sys.argv[1])"
    done = run("windows", code, str(project), HOME=str(project))
    assert done.returncode == 0
    assert "home directory" not in done.stderr
    done = run("windows", code, str(project), HOME=str(project / "src"))
    assert done.returncode == 0, done.stderr
    assert "is not in your home directory" in done.stderr


@pytest.mark.slow
def test_names_that_windows_takes_for_something_else(project: Path, tmp_path: Path) -> None:
    """They are never written there, whatever is asked for; the others are."""
    for name, code in (("aux.txt", 4), ("a:b", 4), ("README", 0)):
        (project / name).write_text("x\n")
        jelly(project, "snapshot", "-q", "-o", str(tmp_path / f"{name}.jelly"))
        (project / name).unlink()
        arguments = ["export", str(tmp_path / f"{name}.jelly"), str(tmp_path / f"{name}.d"), "--any-names"]
        command = [sys.executable, str(ELSEWHERE), "windows", "-m", "jellyformat", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, (name, done.stderr)
        assert (tmp_path / f"{name}.d").exists() == (not code)


MEANWHILE = """
import os, sys
from jellyformat.files.beneath import Below, Odd
from jellyformat.files.platform import directories
assert not directories.HELD
top = os.fsencode(sys.argv[1])
os.mkdir(top + b"/inner"); os.mkdir(top + b"/outside")
open(top + b"/outside/secret", "w").write("secret")
open(top + b"/inner/file", "w").write("file")
with Below(top) as below:
    fd = below.directory(b"inner")
    os.rename(top + b"/inner", top + b"/moved")
    os.symlink(top + b"/outside", top + b"/inner")
    for do in (
        lambda: directories.open_file(b"secret", os.O_RDONLY, parent=fd),
        lambda: below.read(b"inner/secret", limit=9),
        lambda: directories.unlink(b"secret", fd),
        lambda: directories.make(b"new", 0o700, fd),
    ):
        try:
            do()
        except OSError as error:
            continue
        raise SystemExit("a link was followed")
    os.symlink(top + b"/outside/secret", top + b"/link")
    for name in (b"link", b"a\\\\b", b"c:d"):
        try:
            below.read(name, limit=9)
        except OSError:
            continue
        raise SystemExit("what is no file was read")
assert sorted(os.listdir(top + b"/outside")) == [b"secret"]
"""


def test_directories_that_cannot_be_held_are_looked_at_again(tmp_path: Path) -> None:
    """A directory that was replaced by a link since it was opened is not gone through, nor is a link followed."""
    done = run("windows", MEANWHILE, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_two_at_once_do_not_get_in_each_others_way(project: Path) -> None:
    """A file that another process changes is locked there, too."""
    code = """
import subprocess, sys
from pathlib import Path
from jellyformat.files import change
from jellyformat.errors import Busy
def other(): return subprocess.run([sys.executable, *sys.argv[2:]], capture_output=True, text=True)
with change.locked(Path(sys.argv[1])):
    print(other().stderr)
"""
    host = str(project.parent / "model.npz")
    inner = "import sys; from pathlib import Path; from jellyformat.files import change\n"
    inner += "with change.locked(Path(sys.argv[1])): pass"
    done = run("windows", code, host, str(ELSEWHERE), "windows", "-c", inner, host)
    assert "another process is at work" in done.stdout, done.stdout + done.stderr


ONLY_THERE = {
    "fcntl", "pwd", "grp", "resource", "termios", "geteuid", "getuid", "fchmod", "fchown", "O_NOFOLLOW", "O_DIRECTORY",
    "O_NONBLOCK", "O_CLOEXEC", "O_PATH", "pread", "preadv", "pwrite", "fstatvfs", "copy_file_range", "dir_fd",
    "src_dir_fd", "link", "hardlink_to", "st_blocks", "st_rdev",
}  # fmt: skip
"""Modules, calls and the like that not every system has."""
ALLOWED = {
    "capture/environment.py": {"getuid"},
    "files/ranges.py": {"fcntl"},  # where there is none, it says that it cannot
    "format/source.py": {"pread", "preadv"},  # below `files`; asks whether they are there
    "git/reading.py": {"st_rdev"},
}


def test_what_differs_between_systems_is_in_one_place() -> None:
    """Only `files/platform` uses what not every system has; and `checkout`, which is refused where it is missing."""
    for path in sorted((ROOT / "jellyformat").rglob("*.py")):
        name = path.relative_to(ROOT / "jellyformat").as_posix()
        if name.startswith(("files/platform/", "checkout/")):
            continue
        used = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                used |= {node.attr} if owner not in ("platform", "directories", "self") else set()
                used -= {"link"} if owner != "os" else set()
            elif isinstance(node, ast.keyword) and node.arg:
                used.add(node.arg)
            elif isinstance(node, ast.Import):
                used |= {item.name for item in node.names}
        assert used & ONLY_THERE <= ALLOWED.get(name, set()), name

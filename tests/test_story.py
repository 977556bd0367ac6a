"""The main job, end to end, by the command line: train, save, embed, verify, look, get the files back, strip."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from gitrepo import git


@dataclass(frozen=True)
class Kind:
    """One kind of host: how its framework saves and loads a trained model, and what we call it."""

    name: str
    file: str
    host: str
    save: str
    load: Callable[[Path], object]


def load_torch(path: Path) -> object:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    net.load_state_dict(torch.load(path, weights_only=True), strict=True)
    mapped = torch.load(path, weights_only=True, mmap=True) if path.suffix == ".pt" and path.stem != "legacy" else None
    if mapped is not None:
        net.load_state_dict(mapped, strict=True)
    return [tensor.tolist() for tensor in net.state_dict().values()]


def load_safetensors(path: Path) -> object:
    from safetensors.torch import load_file

    return {name: tensor.tolist() for name, tensor in load_file(path).items()}


def load_npz(path: Path) -> object:
    import numpy

    with numpy.load(path) as found:
        return {name: found[name].tolist() for name in found.files}


def load_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        return archive.read("w")


TRAIN = """
import torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
x = torch.randn(64, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(20):
    optimizer.zero_grad()
    ((net(x) - x.sum(1, keepdim=True)) ** 2).mean().backward()
    optimizer.step()
state = net.state_dict()
"""

TRAIN_ALONE = """
weight = 0.0
for step in range(20):
    weight -= 0.1 * (weight - 1)
state = {"w": [weight] * 100}
"""

KINDS = [
    Kind("torch", "model.pt", "torch", "torch.save(state, {!r})", load_torch),
    Kind("legacy", "legacy.pt", "torch", "torch.save(state, {!r}, _use_new_zipfile_serialization=False)", load_torch),
    Kind(
        "safetensors",
        "model.safetensors",
        "safetensors",
        "import safetensors.torch; safetensors.torch.save_file(state, {!r})",
        load_safetensors,
    ),
    Kind(
        "npz",
        "model.npz",
        "npz",
        "import numpy; numpy.savez({!r}, **{{k: v.numpy() for k, v in state.items()}})",
        load_npz,
    ),
    Kind(
        "any",
        "model.pkl",
        "trailer",
        "import pickle; pickle.dump({{k: v.tolist() for k, v in state.items()}}, open({!r}, 'wb'))",
        lambda path: pickle.loads(path.read_bytes()),
    ),
]
ALONE = [
    Kind("pickle", "model.pkl", "trailer", "import pickle; pickle.dump(state, open({!r}, 'wb'))", KINDS[-1].load),
    Kind("zip", "model.zip", "zip", "import zipfile; zipfile.ZipFile({!r}, 'w').writestr('w', repr(state))", load_zip),
]
"""Made without a framework."""
STORIES = [*(pytest.param(kind, marks=pytest.mark.framework, id=kind.name) for kind in KINDS)]
STORIES += [pytest.param(kind, id=kind.name) for kind in ALONE]


def train(kind: Kind) -> str:
    """The program that trains and saves."""
    return (TRAIN if kind in KINDS else TRAIN_ALONE) + kind.save.format(kind.file)


def jelly(directory: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """Run the command line, and check its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", *arguments], cwd=directory, capture_output=True, check=False
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done


@pytest.mark.slow
def test_demo_without_a_framework(tmp_path: Path) -> None:
    code = (
        "import sys, runpy; sys.modules['torch'] = sys.modules['numpy'] = None; sys.argv[1:] = ['demo']; "
        "from jellyformat.cli import demo; demo.find_spec = lambda name: None; "
        "from jellyformat.cli.main import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, check=True)
    for step in (b"saved model.bin", b"hidden is 32 again", b"bit for bit"):
        assert step in done.stdout
    assert list(tmp_path.glob("jellyformat-demo-*")) == []


@pytest.mark.framework
def test_demo(tmp_path: Path) -> None:
    """It checks itself; in a locale that knows ASCII alone too."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "jellyformat", "demo"]
    done = subprocess.run(command, env=os.environ | ascii_only, capture_output=True, check=True)
    for step in (b"saved model.pt", b"tensors loaded by torch", b"hidden is 32 again", b"bit for bit"):
        assert step in done.stdout
    assert list(tmp_path.glob("jellyformat-demo-*")) == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", STORIES)
@pytest.mark.slow
def test_the_whole_story(kind: Kind, repository: Path, tmp_path: Path) -> None:
    (repository / ".gitignore").write_text("*.log\nmodel.p*\nlegacy.pt\n*.safetensors\n*.npz\n*.zip\n")
    (repository / "fit.py").write_text(train(kind))
    subprocess.run([sys.executable, "fit.py"], cwd=repository, check=True)
    file = repository / kind.file
    original, loaded = file.read_bytes(), kind.load(file)

    jelly(repository, "verify", kind.file, code=3)
    jelly(repository, "strip", kind.file, code=3)
    jelly(repository, "show", kind.file, code=3)
    assert file.read_bytes() == original
    done = json.loads(jelly(repository, "embed", kind.file, "--json").stdout)
    assert done["host"] == kind.host
    assert kind.load(file) == loaded
    embedded = file.read_bytes()
    jelly(repository, "embed", kind.file, code=4)
    assert file.read_bytes() == embedded

    report = json.loads(jelly(repository, "verify", kind.file, "--json").stdout)
    assert report["ok"]
    assert report["host"] == kind.host
    assert report["error"] is None
    assert len(report["checks"]) >= 9
    jelly(repository, "verify", "--quick", kind.file)

    shown = json.loads(jelly(repository, "show", kind.file, "--json").stdout)
    assert shown["head"] == {"ref": "refs/heads/main", "commit": git(repository, "rev-parse", "HEAD").decode().strip()}
    assert shown["dirty"]
    assert shown["staged"] == ["staged.py"]
    assert shown["unstaged"] == [".gitignore", "gone.py", "train.py"]
    assert shown["untracked"] == ["fit.py", "new file.txt"]
    assert shown["snapshot_id"] == report["snapshot_id"] == done["snapshot_id"]
    jelly(repository, "show", kind.file)

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file.rename(elsewhere / kind.file)
    jelly(elsewhere, "export", kind.file, "code")
    names = sorted(name for name in git(repository, "ls-files", "-co", "--exclude-standard").decode().splitlines())
    names.remove("gone.py")
    found = sorted(
        str(path.relative_to(elsewhere / "code")) for path in (elsewhere / "code").rglob("*") if path.is_file()
    )
    assert found == names
    for name in names:
        assert (elsewhere / "code" / name).read_bytes() == (repository / name).read_bytes()
    assert jelly(elsewhere, "cat", kind.file, "src/data.bin").stdout == bytes(range(256)) * 4

    (repository / "model.py").write_text("hidden = 99\n")
    jelly(elsewhere, "embed", kind.file, "--replace", "--repo", str(repository))
    assert kind.load(elsewhere / kind.file) == loaded
    assert jelly(elsewhere, "cat", kind.file, "model.py").stdout == b"hidden = 99\n"
    jelly(elsewhere, "extract", kind.file, "-o", "code.jelly")
    jelly(elsewhere, "verify", "code.jelly")
    jelly(elsewhere, "strip", kind.file)
    assert (elsewhere / kind.file).read_bytes() == original
    jelly(elsewhere, "embed", kind.file, "--from", "code.jelly", "-o", "other" + kind.file)
    assert (elsewhere / kind.file).read_bytes() == original
    assert jelly(elsewhere, "cat", "other" + kind.file, "model.py").stdout == b"hidden = 99\n"
    assert jelly(elsewhere, "diff", "other" + kind.file, "code.jelly").stdout == b""


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", STORIES)
def test_damage_is_noticed(kind: Kind, repository: Path) -> None:
    import jellyformat

    (repository / "fit.py").write_text(train(kind))
    subprocess.run([sys.executable, "fit.py"], cwd=repository, check=True)
    file = repository / kind.file
    original = file.read_bytes()
    jellyformat.embed(file, jellyformat.snapshot(repository, environment=False))
    good = file.read_bytes()
    size = len(jellyformat.load(file).data)
    start = good.index(b"\x89JELLY\r\n") if kind.host != "safetensors" else good.index(b'"jellyformat":"') + 15
    length = size if kind.host != "safetensors" else size // 3 * 4
    for position in range(start, start + length, 41):
        bad = bytearray(good)
        bad[position] ^= 4
        file.write_bytes(bad)
        if position - start < 8 and kind.host == "trailer":
            continue  # without its magic it is no longer found at all
        assert not jellyformat.verify(file).ok, position
    jelly(repository, "verify", kind.file, code=1)
    file.write_bytes(good)
    jellyformat.strip(file)
    assert file.read_bytes() == original


@pytest.mark.framework
def test_torch_dict(repository: Path) -> None:
    """The snapshot as a tensor in the saved object: found without torch or pickle."""
    import torch
    from jellyformat_torch import create_jelly_filling, create_snapshot

    assert create_jelly_filling is create_snapshot
    filling = create_snapshot(repo=repository)
    assert [tensor.dtype for tensor in filling.values()] == [torch.uint8]
    file = repository / "model.pt"
    torch.save({"model": torch.nn.Linear(3, 3).state_dict(), **filling}, file)
    code = (
        "import sys, jellyformat\n"
        "report = jellyformat.verify('model.pt')\n"
        "assert report.ok, report\n"
        "assert jellyformat.open('model.pt').read('model.py') == b'hidden = 16\\n'\n"
        "assert not {'torch', 'numpy', 'pickle'} & set(sys.modules), sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)
    loaded = torch.load(file, weights_only=True)
    torch.nn.Linear(3, 3).load_state_dict(loaded["model"], strict=True)


def test_same_code_same_id(repository: Path) -> None:
    import jellyformat

    one = jellyformat.snapshot(repository)
    two = jellyformat.snapshot(repository / "src", history="full", environment=False)
    assert one.id == two.id
    assert one.digest != two.digest
    (repository / "new file.txt").write_text("untracked!\n")
    assert jellyformat.snapshot(repository).id != one.id


def test_uncommitted_changes_are_small(repository: Path) -> None:
    """A line changed in a large file costs a diff, not the file."""
    import random

    import jellyformat

    generator = random.Random(0)
    text = "".join(f"{generator.random()}\n" for _ in range(20_000))
    (repository / "big.txt").write_text(text)
    git(repository, "add", "big.txt")
    git(repository, "commit", "-qm", "big")
    before = len(jellyformat.snapshot(repository).data)
    (repository / "big.txt").write_text(text[:100_000] + "changed\n" + text[100_000:])
    assert len(jellyformat.snapshot(repository).data) - before < 300


def test_history(repository: Path) -> None:
    import jellyformat

    for number in range(5):
        git(repository, "commit", "-q", "--allow-empty", "-m", f"number {number}")
    for history, commits, shallow in (("head", 1, 1), (1, 1, 1), (3, 3, 1), ("7", 7, 0), (99, 7, 0), ("full", 7, 0)):
        snap = jellyformat.snapshot(repository, history=history)
        found = snap.manifest.history
        assert (found.commits, len(found.shallow)) == (commits, shallow)
        (repository / "x.jelly").write_bytes(snap.data)
        assert jellyformat.verify(repository / "x.jelly").ok
        (repository / "x.jelly").unlink()


@pytest.mark.framework
def test_checkpoints_are_no_part_of_the_code(repository: Path) -> None:
    """Untracked checkpoints in the repository: the one embedded into, and those that carry a snapshot already."""
    import numpy
    import torch
    from jellyformat_torch import create_snapshot
    from safetensors.numpy import save_file

    import jellyformat

    (repository / ".gitignore").write_text("*.log\n")
    numpy.savez(repository / "a.npz", x=numpy.zeros(5_000_000))
    save_file({"x": numpy.zeros(5)}, repository / "b.safetensors")
    torch.save({"x": torch.zeros(9)}, repository / "c.pt")
    (repository / "d.bin").write_bytes(pickle.dumps([0, 1, 2]))
    names = ["a.npz", "b.safetensors", "c.pt", "d.bin"]
    for name in names:
        jelly(repository, "embed", name, "--exclude", "[!a]*.npz", *[f"--exclude={other}" for other in names])
    torch.save({"x": torch.zeros(9), **create_snapshot(repo=repository, exclude=["e.pt"])}, repository / "e.pt")
    jelly(repository, "snapshot", "-o", "f.jelly")
    one, two = jellyformat.snapshot(repository), jellyformat.load(repository / "f.jelly")
    assert [path for path in one.manifest.ignored if path != b"run.log"] == [
        b"a.npz", b"b.safetensors", b"c.pt", b"d.bin", b"e.pt", b"f.jelly",
    ]  # fmt: skip
    assert one.id == two.id
    jelly(repository, "strip", "a.npz")
    jelly(repository, "snapshot", "-o", "g.jelly", code=4)  # 40 MB that are nobody's
    jelly(repository, "embed", "a.npz")
    assert jellyformat.load(repository / "a.npz").id == one.id

"""``demo``: the whole story on a small repository and checkpoint, in a temporary directory."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import click

from jellyformat.cli.output import bold, common, program
from jellyformat.git.create import make_repository

_TRAIN = {
    "torch": """\
import torch
from model import hidden

torch.manual_seed(0)
x = torch.linspace(-3, 3, 200).unsqueeze(1)
y = torch.sin(x)
net = torch.nn.Sequential(torch.nn.Linear(1, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
for step in range(200):
    loss = torch.nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(net.state_dict(), "model.pt")
print(f"trained with torch: loss {loss.item():.4f}, saved model.pt")
""",
    "numpy": """\
import numpy
from model import hidden

generator = numpy.random.default_rng(0)
x = numpy.linspace(-3, 3, 200)[:, None]
features = numpy.tanh(x @ generator.normal(size=(1, hidden)) + generator.normal(size=hidden))
weights, *_ = numpy.linalg.lstsq(features, numpy.sin(x), rcond=None)
loss = float(numpy.mean((features @ weights - numpy.sin(x)) ** 2))
numpy.savez("model.npz", weights=weights)
print(f"trained with numpy: loss {loss:.6f}, saved model.npz")
""",
    "": """\
import pickle
from model import hidden

weights = [1.0 / (number + 1) for number in range(hidden)]
with open("model.bin", "wb") as file:
    pickle.dump(weights, file)
print("neither torch nor numpy is here; saved model.bin")
""",
}
_CHECKPOINTS = {"torch": "model.pt", "numpy": "model.npz", "": "model.bin"}


def framework() -> str:
    """The framework the demo trains with: torch where it is installed, else numpy, else none."""
    return next((name for name in ("torch", "numpy") if find_spec(name) is not None), "")


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave the directory there, to look around.")
@common
def command(keep: bool) -> None:
    """The whole story: train, embed, verify, show, get the files back, restore and undo."""
    directory = Path(tempfile.mkdtemp(prefix="jellyformat-demo-"))
    try:
        _story(directory)
    finally:
        if keep:
            click.echo(f"\nall of it is in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _story(directory: Path) -> None:
    repository = directory / "project"
    repository.mkdir()
    name = framework()
    checkpoint = _CHECKPOINTS[name]
    _title("1. A project in git, with work that was never committed")
    _make_repository(repository, name, checkpoint)
    click.echo("   committed: train.py, model.py;  changed since: model.py;  new: notes.md")

    _title("2. Train, and save a checkpoint")
    done = subprocess.run([sys.executable, "train.py"], cwd=repository, check=True, capture_output=True, text=True)
    click.echo("   " + done.stdout.strip())
    original = (repository / checkpoint).read_bytes()

    _title("3. Put the code into the checkpoint")
    _run(repository, "embed", checkpoint)
    size = (repository / checkpoint).stat().st_size
    click.echo(f"   the checkpoint had {len(original)} bytes, and has {size} now; its framework loads it as before")
    _load(repository, name, checkpoint)

    _title("4. Is it sound, and what is in it?")
    _run(repository, "verify", checkpoint)
    _run(repository, "show", checkpoint)

    _title("5. Months later, somewhere else: only the checkpoint is left")
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(repository / checkpoint, elsewhere)
    _run(elsewhere, "diff", checkpoint)
    _run(elsewhere, "export", checkpoint, "code")
    names = ["train.py", "model.py", "notes.md"]
    _same(repository, elsewhere / "code", names)
    click.echo("   train.py, model.py and notes.md are back, byte for byte")

    _title("6. Meanwhile the project has gone on. Back to the state that made the checkpoint, and forth again")
    (repository / "model.py").write_text("hidden = 64  # worse\n")
    (repository / "notes.md").unlink()
    _run(repository, "restore", checkpoint)
    _same(repository, elsewhere / "code", names)
    click.echo("   hidden is 32 again, and the note is there")
    _run(repository, "undo")
    if (repository / "model.py").read_text() != "hidden = 64  # worse\n" or (repository / "notes.md").exists():
        raise click.ClickException("undo did not give back what was there")
    click.echo("   and all is as it was before the restore")

    _title("7. And without it again")
    _run(elsewhere, "strip", checkpoint)
    if (elsewhere / checkpoint).read_bytes() != original:
        raise click.ClickException("strip did not give the original bytes")
    click.echo("   the checkpoint is what it was, bit for bit")


def _same(one: Path, two: Path, names: list[str]) -> None:
    """Files have to be the same in two directories."""
    _, different, missing = filecmp.cmpfiles(one, two, names, shallow=False)
    if different or missing:
        raise click.ClickException(f"these files did not come back: {different + missing}")


def _make_repository(repository: Path, name: str, checkpoint: str) -> None:
    import pygit2

    (repository / "train.py").write_text(_TRAIN[name])
    (repository / "model.py").write_text("hidden = 8\n")
    (repository / ".gitignore").write_text(f"{checkpoint}\n__pycache__/\n")
    make_repository(repository)
    created = pygit2.Repository(os.fspath(repository))
    created.index.add_all()
    created.index.write()
    author = pygit2.Signature("A. Researcher", "researcher@example.org")
    created.create_commit("HEAD", author, author, "First model\n", created.index.write_tree(), [])
    (repository / "model.py").write_text("hidden = 32  # wider: much better!\n")
    (repository / "notes.md").write_text("Try 64 next.\n")


def _load(repository: Path, name: str, checkpoint: str) -> None:
    """Load the checkpoint with its own framework."""
    code = {
        "torch": f"import torch; print(len(torch.load({checkpoint!r}, weights_only=True)), 'tensors loaded by torch')",
        "numpy": f"import numpy; print(len(numpy.load({checkpoint!r}).files), 'array loaded by numpy')",
        "": f"import pickle; print(len(pickle.load(open({checkpoint!r}, 'rb'))), 'numbers loaded by pickle')",
    }[name]
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, capture_output=True, text=True)
    click.echo("   " + done.stdout.strip())


def _title(text: str) -> None:
    click.echo("\n" + bold(text))


def _run(directory: Path, *arguments: str) -> None:
    """Run a command as a user would, and show it with what it prints."""
    click.echo(click.style(f"   $ {program()} {' '.join(arguments)}", fg="cyan"))
    color = click.get_current_context().color
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    for line in (done.stdout + done.stderr).splitlines():
        click.echo("     " + line, color=color)
    if done.returncode != 0:
        raise click.ClickException(f"`{' '.join(arguments)}` failed with exit code {done.returncode}")

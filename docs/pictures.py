"""Makes the pictures of README and the documentation: `python docs/pictures.py [DIR]`, by default into docs/pictures.

The story is that of the demo, gone on with: a small model whose code changes between runs. Commands are run in a real
terminal, and what they print becomes an SVG that loads nothing. The page is photographed by Chromium; where there is
none, its pictures are not made, and that is said.
"""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

import jellyformat

HERE = Path(__file__).resolve().parent
JAVASCRIPT = HERE.parent / "conformance" / "javascript"
MOST_BYTES = 150_000
BEGIN = 1_785_571_200
"""When the story begins, in seconds since 1970: the same in each picture."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

TRAIN = """\
import torch
from model import hidden, lr

torch.manual_seed(0)
x = torch.linspace(-3, 3, 200).unsqueeze(1)
y = torch.sin(x)
net = torch.nn.Sequential(torch.nn.Linear(1, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=lr)
"""
FIRST = "hidden = 8\nlr = 0.02\n"
STORY = (
    ("baseline", FIRST, "", (0.412, 0.236, 0.187)),
    ("wider", "hidden = 32  # wider: much better!\nlr = 0.02\n", "Try 64 next.\n", (0.301, 0.098, 0.041)),
    ("slower", "hidden = 32  # wider: much better!\nlr = 0.007\n", "Try 64 next.\n", (0.377, 0.119, 0.027)),
)
"""Runs: name, model.py, notes.md, the loss after each epoch."""

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
THEME = TerminalTheme(
    (24, 28, 34),
    (221, 226, 233),
    [(60, 66, 76), (255, 138, 126), (85, 201, 139), (231, 177, 90), (122, 176, 255), (224, 139, 224), (111, 202, 214),
     (221, 226, 233)],
    [(146, 157, 170), (255, 163, 153), (125, 220, 168), (240, 199, 126), (160, 200, 255), (235, 170, 235),
     (150, 220, 230), (255, 255, 255)],
)  # fmt: skip


def story(directory: Path) -> None:
    """A repository, and three runs of it with three checkpoints each."""
    import torch

    torch.manual_seed(0)
    repository = directory / "project"
    repository.mkdir()
    (repository / "train.py").write_text(TRAIN)
    (repository / "model.py").write_text(FIRST)
    (repository / ".gitignore").write_text("runs/\n")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-qm", "First model")):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    for number, (name, model, notes, losses) in enumerate(STORY):
        (repository / "model.py").write_text(model)
        if notes:
            (repository / "notes.md").write_text(notes)
        (repository / "runs" / name).mkdir(parents=True)
        for epoch, loss in enumerate(losses, 1):
            file = repository / "runs" / name / f"epoch-{epoch}.pt"
            torch.save({"weight": torch.randn(8, 4)}, file)
            now = BEGIN + number * 5_400 + epoch * 1_200
            with patch("time.time", return_value=float(now)), patch("sys.argv", ["train.py", "--epochs", "3"]):
                snap = jellyformat.snapshot(repository)
            jellyformat.embed(file, snap, labels={"epoch": epoch, "loss": loss})


def printed(directory: Path, columns: int, *arguments: str) -> str:
    """What a command prints in a terminal of so many columns."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 100, columns, 0, 0))
    environment = {**os.environ, "PAGER": "cat", "GIT_PAGER": "cat", "TERM": "xterm-256color", "COLUMNS": str(columns)}
    command = [sys.executable, "-m", "jellyformat", *arguments]
    with subprocess.Popen(command, cwd=directory, stdin=other, stdout=other, stderr=other, env=environment) as process:
        os.close(other)
        pieces = []
        while piece := _read(main):
            pieces.append(piece)
    os.close(main)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {b''.join(pieces)!r}")
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so that the other side is closed
        return b""


def as_svg(command: str, output: str, columns: int) -> str:
    """A terminal with a command and what it printed."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor")
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")), soft_wrap=True)
        console.print(Text.from_ansi(output.rstrip("\n")), soft_wrap=True)
        form = SVG.replace("TITLE", escape(command))
        return console.export_svg(title=command, theme=THEME, code_format=form, unique_id="t")


@contextmanager
def viewing(directory: Path, *arguments: str) -> Iterator[str]:
    """The address of `view`, while it runs."""
    command = [sys.executable, "-m", "jellyformat", "view", "--no-browser", "--quiet", *arguments]
    with subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def photograph(url: str, picture: Path, width: int, height: int, *keys: str) -> bool:
    """A picture of a page as Chromium shows it after some keys; False where there is no Chromium to take it."""
    browser = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not (JAVASCRIPT / "node_modules" / "playwright-core").is_dir():
        return False
    command = ["node", str(JAVASCRIPT / "page" / "photograph.js"), url, str(picture), str(width), str(height), *keys]
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "CHROMIUM": browser})
    return True


def main(out: Path) -> None:
    """Make all pictures, in a directory that is made where it is not there."""
    out.mkdir(parents=True, exist_ok=True)
    os.environ |= {
        "GIT_AUTHOR_NAME": "A. Researcher", "GIT_AUTHOR_EMAIL": "researcher@example.org",
        "GIT_COMMITTER_NAME": "A. Researcher", "GIT_COMMITTER_EMAIL": "researcher@example.org",
        "GIT_AUTHOR_DATE": f"@{BEGIN} +0000", "GIT_COMMITTER_DATE": f"@{BEGIN} +0000",
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "TZ": "UTC",
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="jellyformat-pictures-") as name:
        story(Path(name))
        project = Path(name, "project")
        one, other = "runs/baseline/epoch-3.pt", "runs/slower/epoch-3.pt"
        for picture, columns, arguments in (
            ("log", 100, ("log", "runs")),
            ("diff", 80, ("diff", one, other)),
        ):
            svg = as_svg(f"jelly {' '.join(arguments)}", printed(project, columns, *arguments), columns)
            (out / f"{picture}.svg").write_text(svg, encoding="utf-8")
        for picture, arguments, place, keys in (
            ("view", ("runs",), "", ()),
            ("view-compare", ("runs",), "", tuple("jjjxjjjjjxc")),
            ("view-checkpoint", (other,), "#changes", ()),
        ):
            with viewing(project, *arguments) as url:
                if not photograph(url + place, out / f"{picture}.png", 1200, 720, *keys):
                    print("no Chromium, or no npm ci in conformance/javascript: no pictures of the page")
                    break
    for picture in sorted(out.iterdir()):
        size = picture.stat().st_size
        print(f"{picture}: {size} bytes")
        if size > MOST_BYTES:
            raise SystemExit(f"{picture} is larger than {MOST_BYTES} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "pictures")

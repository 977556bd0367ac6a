"""Every command and every Python block that README and docs/ show is run; what they say is printed is printed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from blocks import PROGRAMS, ROOT, Block, Command, Page, commands, is_printed, not_run, pages
from gitrepo import git
from plain import save_torch

PAGES = pages()
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
TEST_EXTRA = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("\ntest = [")[2].partition("\n]")[0]

LAUNCHER = """#!{}
import sys
from jellyformat.__main__ import main
sys.exit(main())
"""
"""As pip writes it for the installed command."""


def project(top: Path) -> Path:
    """What each page begins with: a repository with two uncommitted changes, and a checkpoint without a snapshot."""
    root = top / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "train.py").write_text("from model import hidden\n\nlr = 0.01\nprint('trained with', hidden, 'units')\n")
    (root / "model.py").write_text("hidden = 8\n")
    (root / ".gitignore").write_text("*.pt\n*.jelly\n*.bundle\n__pycache__/\nruns/\n")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / "model.py").write_text("hidden = 16\n")
    (root / "notes.md").write_text("twice as wide\n")
    save_torch(root / "model.pt", bytes(1000))
    return root


class Shell:
    """Runs the commands of a page, one after another, where the last one has left the current directory."""

    def __init__(self, top: Path) -> None:
        self.here = project(top)
        self._left = top / "left"
        programs = top / "programs"
        programs.mkdir()
        for name in ("jelly", "jellyformat"):
            (programs / name).write_text(LAUNCHER.format(sys.executable))
            (programs / name).chmod(0o755)
        ours = os.pathsep.join(filter(None, (str(programs), str(Path(sys.executable).parent), os.environ["PATH"])))
        left_out = re.compile("JELLYFORMAT_|PYTEST_|COV_")
        kept = {name: value for name, value in os.environ.items() if not left_out.match(name)}
        self._environment = {**kept, "PATH": ours, "HOME": str(top), "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, command: str) -> tuple[int, str]:
        """Run it in a shell as it is typed; its status and what it prints."""
        script = f"trap 'pwd > {shlex.quote(str(self._left))}' EXIT\n{command}\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.here, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=600, check=False,
        )  # fmt: skip
        self.here = Path(self._left.read_text().strip())
        return done.returncode, done.stdout.decode(errors="replace")

    def show(self, block: Block) -> None:
        """Run a block."""
        place = f"{block.page}:{block.line}"
        if block.title is not None:
            (self.here / block.title).parent.mkdir(parents=True, exist_ok=True)
            (self.here / block.title).write_text(block.text)
        elif block.language == "python":
            (self.here / "example.py").write_text(block.text)
            self._check(place, Command("python example.py", None), 0)
            (self.here / "example.py").unlink()
        elif block.language == "console":
            for command in (typed := commands(block)):
                if command.typed not in CI:
                    self._check(place, command, block.status if command is typed[-1] else 0)

    def _check(self, place: str, command: Command, status: int) -> None:
        found, printed = self.run(command.typed)
        assert found == status, f"{place}: `{command.typed}` ended with {found}:\n{printed}"
        if command.printed is not None and not is_printed(command.printed, printed):
            pytest.fail(f"{place}: `{command.typed}` printed\n{printed}\nand not\n{command.printed}", pytrace=False)


def parameters() -> list[object]:
    """The pages with something to run."""
    found: list[object] = []
    for page in PAGES:
        if page.run_by is None and any(block.reason is None and block.language in PROGRAMS for block in page.blocks):
            marks = [pytest.mark.slow, *([pytest.mark.framework] if page.needs else [])]
            found.append(pytest.param(page, id=page.path, marks=marks))
    return found


@pytest.mark.sampled(4)
@pytest.mark.parametrize("page", parameters())
def test_a_page_does_what_it_says(page: Page, tmp_path: Path) -> None:
    for name in page.needs:
        if find_spec(name) is None and f'"{name}' not in TEST_EXTRA:
            pytest.skip(f"{name} is not installed, and no part of what the tests need")
    shell = Shell(tmp_path)
    for block in page.blocks:
        if block.reason is None:
            shell.show(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_what_can_be_run_is_run_or_says_why_not(page: Page) -> None:
    if page.run_by is not None:
        assert Path(page.path).name in (ROOT / page.run_by).read_text(encoding="utf-8"), f"{page.run_by} does not"
        return
    for block in page.blocks:
        place = f"{block.page}:{block.line}"
        assert block.reason is None or len(block.reason) > 5, f"{place}: why is it not run?"
        if block.language not in PROGRAMS or block.reason is not None:
            continue
        if block.title is not None:
            later = "".join(item.text for item in page.blocks if item.line > block.line)
            name = Path(block.title).name
            assert name in later or Path(name).stem in later, f"{place}: nothing runs {block.title}"
        else:
            assert block.language in ("console", "python"), f"{place}: {block.language} is not run: say why, or name it"


def test_those_not_run_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """With `pytest -s` they are seen."""
    listed = list(not_run())
    with capsys.disabled():
        for place, why in listed:
            sys.stdout.write(f"\nnot run: {place}: {why}")
    assert len(listed) == sum("<!-- not run:" in line for page in PAGES for line in lines_of(page))


def lines_of(page: Page) -> list[str]:
    return (ROOT / page.path).read_text(encoding="utf-8").splitlines()


# -- that a page that is wrong is found out ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$ jelly show model.pt\n", "ended with 3"),
        ("$ jelly no-such-command\n", "ended with 2"),
        ("$ jelly embed model.pt\nmodel.pt (torch): snapshot 0123456789ab: 5 files, …\n", "and not"),
    ],
)
def test_a_wrong_page_fails(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(BaseException, match=why):  # pytest.fail raises no Exception
        Shell(tmp_path).show(Block("page.md", 1, "console", text))


def test_what_is_printed_is_compared() -> None:
    assert is_printed("a 0123456789ab 5 kB\n…\nend", "a ba9876543210 3.1 MB\nx\ny\nend\n")
    assert is_printed("a 0123456789ab 5 kB\n…\nend", "a ba9876543210 3.1 MB\nend\n")
    assert not is_printed("a\n…\nend", "a\nx end\n")
    assert is_printed("model.pt: ok …", "model.pt: ok and more\nand more")
    assert not is_printed("a\nb", "a\nc")
    assert not is_printed("5 files", "6 files")

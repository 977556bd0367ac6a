"""The blocks of README and docs/: what they show, and how it is run. `python tests/docs/blocks.py` lists those not run.

A page is run from its top in one directory, which begins as `project` makes it: a repository with two uncommitted
changes, and a checkpoint `model.pt`.

* `console`: each line that begins with ``$ `` is run; a line that ends with a backslash goes on. Lines below it are
  what it prints: compared, but for ids, sizes and times; ``…`` stands for anything.
* `python`: run as a program of its own. With ``title="train.py"`` it is written to that file, and a command that
  names it has to follow.
* any other block with a title is written to that file.

Comments of HTML say what readers do not see; each stands above the block that it is about:

* ``<!-- run: COMMANDS -->``: run too, to make what the page takes for granted.
* ``<!-- not run: REASON -->``: the next block is not run.
* ``<!-- exit: 3 -->``: the last command of the next block ends with that.
* ``<!-- run by: tests/test_recipes.py -->``: all of the page is run by those tests, and not here.
* ``<!-- needs: torch -->``: packages that the page takes; it is passed over, and that is said, where one that is not
  among those of `pip install '.[test]'` is missing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("console", "python", "sh", "bash", "dockerfile", "yaml", "js")
"""Languages of what can be run."""
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?:[^\n]*?title=\"(?P<title>[^\"]+)\")?[^\n]*\n"
    r"(?P<text>.*?)^(?P=indent)```$"
    r"|<!-- (?P<kind>run|not run|run by|exit|needs): (?P<said>.*?) *-->",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """What is between two lines of backticks.

    Attributes:
        page: The page, as a path in the repository.
        line: The number of its first line.
        language: What it is written in; empty: nothing is said.
        text: What it says.
        title: The file that it is, or None.
        reason: Why it is not run, or None.
        status: What its last command ends with.
    """

    page: str
    line: int
    language: str
    text: str
    title: str | None = None
    reason: str | None = None
    status: int = 0


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        path: In the repository.
        blocks: What is shown, and, as `console` too, what is run unseen.
        needs: Packages that it takes.
        run_by: The tests that run it, where these do not.
    """

    path: str
    blocks: tuple[Block, ...]
    needs: tuple[str, ...]
    run_by: str | None = None


def read(path: Path) -> Page:
    """The blocks of a page, in their order."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    blocks: list[Block] = []
    needs: list[str] = []
    run_by = None
    said: dict[str, str] = {}
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["kind"] == "needs":
            needs += re.findall(r"[\w.-]+", found["said"])
        elif found["kind"] == "run by":
            run_by = found["said"]
        elif found["kind"] == "run":
            commands = "".join(f"$ {command}\n" for command in found["said"].strip().splitlines())
            blocks.append(Block(name, line, "console", commands))
        elif found["kind"]:
            said[found["kind"]] = found["said"]
        else:
            content = re.sub(f"(?m)^{found['indent']}", "", found["text"])
            language = found["language"] or ("console" if re.match(r"\$ |jelly |pip ", content) else "")
            status = int(said.get("exit", 0))
            blocks.append(Block(name, line, language, content, found["title"], said.get("not run"), status))
            said = {}
    return Page(name, tuple(blocks), tuple(needs), run_by)


def pages() -> list[Page]:
    """README and all pages below docs/."""
    return [read(path) for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]


@dataclass(frozen=True)
class Command:
    """A command as it is typed, and what it prints; None where that is not shown."""

    typed: str
    printed: str | None


def commands(block: Block) -> list[Command]:
    """The commands of a block: all lines, or, where one begins with ``$ ``, these alone."""
    lines = block.text.replace("\\\n", "\\\n\0").splitlines()
    marked = any(line.startswith("$ ") for line in lines)
    found: list[Command] = []
    typed, printed = "", list[str]()

    def end() -> None:
        if typed:
            found.append(Command(typed, "\n".join(printed).strip() or None))

    for line in lines:
        if line.startswith("\0"):
            typed += "\n" + line[1:]
        elif line.startswith("$ ") or (not marked and line.strip()):
            end()
            typed, printed = line.removeprefix("$ "), []
        elif marked:
            printed.append(line)
    end()
    return found


_CHANGING = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME"),
    (r"\b[0-9a-f]{7,64}\b", "ID"),
    (r"\b\d+(\.\d+)? [kMG]?B\b", "SIZE"),
    (r"\b\d+(?= bytes)", "SIZE"),
    (r"[ \t]+", " "),
)


def plain(text: str) -> str:
    """A text without what is different each time."""
    for pattern, name in _CHANGING:
        text = re.sub(pattern, name, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())


def is_printed(shown: str, printed: str) -> bool:
    """Whether a command has printed what is shown; ``…`` stands for anything: a line of it for lines or none."""
    parts = re.split(r"((?<![^\n])…\n|…)", plain(shown))
    wild = {"…": ".*", "…\n": "(?:.*\n)?"}
    pattern = "".join(wild.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(pattern, plain(printed), re.DOTALL) is not None


def not_run() -> Iterator[tuple[str, str]]:
    """Where each block stands that is not run, and why."""
    for page in pages():
        for block in page.blocks:
            if block.reason is not None:
                yield f"{block.page}:{block.line}", block.reason


if __name__ == "__main__":
    for place, why in not_run():
        sys.stdout.write(f"{place}: {why}\n")

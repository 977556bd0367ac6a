"""Every link of README, CONTRIBUTING, SECURITY and docs/ leads to a file of the repository, and to a heading in it.

Links are written as they hold in the repository. `docs/_pages.py` makes links of the site of them, which is built so
that a dead one is an error.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from pathlib import Path

import pytest
from blocks import ROOT

FILES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "SPEC.md", "jellyformat/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCED = re.compile(r"^ *(```|~~~).*?^ *\1$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")


def text_of(path: Path) -> str:
    """A file without its blocks of code."""
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """What headings are called in links, as GitHub and MkDocs make it of them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?)(?: #+)?$", text_of(path), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain.lower()).strip())
        numbered = (f"{name}-{number}" for number in itertools.count(1))
        found.add(next(one for one in (name, *itertools.islice(numbered, 99)) if one not in found))
    return found


def dead(path: Path) -> list[str]:
    """The links of a file that lead nowhere."""
    found = []
    for target in _LINK.findall(text_of(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = Path(posixpath.normpath(path.parent.as_posix() + "/" + name)) if name else path
        is_there = file.is_relative_to(ROOT) and file.is_file()
        if not is_there or (anchor and anchor not in anchors(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    assert dead(path) == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        for target in _LINK.findall(text_of(path)):
            name = target.partition("#")[0]
            file = Path(posixpath.normpath(path.parent.as_posix() + "/" + name))
            if name.endswith(".md") and file.is_file() and file not in reached:
                reached.add(file)
                waiting.append(file)
    assert {path.relative_to(ROOT).as_posix() for path in {*FILES} - reached} == set()


def test_a_dead_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A heading, `code`: it's so\n\n## Twice\n\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#a-heading-code-its-so) [b](there.md#twice-1) [c](https://a.example/x.md) ![d](gone.png)\n"
        "[e](there.md#not) [f](../outside.md) [g\nh](gone.md)\n```\n[i](in-code.md)\n```\n"
    )
    assert dead(page) == ["gone.png", "there.md#not", "../outside.md", "gone.md"]

"""The pages that stand elsewhere already: taken from there when the site is built, so that nothing stands twice.

A hook of MkDocs (`mkdocs.yml`). A page is a file of the repository, or the part of one between two headings. All links
are written as they hold in the repository, from file to file. Here each leads to the file's page; of a link to a file
that has none its text stays.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")


@dataclass(frozen=True)
class Part:
    """A part of a file.

    Attributes:
        source: The file's path in the repository.
        begin: The heading it begins with; empty: the first line.
        end: The heading it ends before; empty: the end.
        title: The page's title in place of its first heading.
    """

    source: str
    begin: str = ""
    end: str = ""
    title: str = ""

    def text(self) -> str:
        """The part, its first heading a page's."""
        text = (ROOT / self.source).read_text(encoding="utf-8")
        start = _heading(text, self.begin) if self.begin else 0
        stop = _heading(text, self.end) if self.end else len(text)
        part = text[start:stop].strip() + "\n"
        return re.sub(r"\A#+ .*", f"# {self.title}", part) if self.title else part


PAGES: dict[str, tuple[Part, ...]] = {
    "index.md": (Part("README.md"),),
    "states.md": (Part("tests/capture/STATES.md"),),
    "security.md": (Part("SECURITY.md"),),
    "format.md": (Part("SPEC.md"),),
    "conformance.md": (Part("conformance/PROTOCOL.md"),),
    "javascript.md": (Part("conformance/javascript/README.md"),),
    "rooms.md": (Part("jellyformat/README.md", title="How the code is laid out"),),
    "contributing.md": (Part("CONTRIBUTING.md"),),
    "changes.md": (Part("CHANGELOG.md"),),
}


CODES = """\
| exit status | meaning |
|---|---|
| 0 | done |
| 1 | damaged: `verify` failed, or a snapshot cannot be read |
| 2 | wrong usage |
| 3 | nothing there: no snapshot, no repository, nothing to undo, nothing found |
| 4 | refused: something would be lost, a secret, a size, an unsafe path; or another program is changing the file |
| 5 | the system: no space, no permission, an error of the disk |

FILE is any checkpoint with a snapshot, a `.jelly` file or, for commands that read, a URL. `--json` is there where
something is reported.
"""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for page, parts in PAGES.items():
        # the second of two has no title of its own
        texts = [_linked(part.source, page, part.text()) for part in parts]
        texts[1:] = [re.sub(r"(?m)^#", "##", text) for text in texts[1:]]
        files.append(File.generated(config, page, content="\n".join(texts)))
    files.append(File.generated(config, "commands.md", content=_commands()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links of pages that stand in docs/ lead to the pages of what stands elsewhere."""
    name = page.file.src_uri
    return markdown if page.file.generated_by else _linked(f"docs/{name}", name, markdown)


def _heading(text: str, heading: str) -> int:
    """Where a heading stands."""
    found = re.search(rf"(?m)^{re.escape(heading)}$", text)
    if found is None:
        raise ValueError(f"there is no heading {heading!r} any more: docs/_pages.py names it")
    return found.start()


def _linked(source: str, page: str, text: str) -> str:
    """Links among the files of the repository as links among pages.

    Args:
        source: The file that the text is of, in the repository.
        page: The page that it goes to.
        text: The text.
    """

    def link(found: re.Match[str]) -> str:
        said, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        own = path.removeprefix("docs/") if path.startswith("docs/") else None
        there = next((name for name, parts in PAGES.items() if any(each.source == path for each in parts)), own)
        if there is None:
            return said
        return f"[{said}]({posixpath.relpath(there, posixpath.dirname(page))}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(link, text)


def _commands() -> str:
    """What every command says of itself."""
    from click.testing import CliRunner

    from jellyformat.cli.main import _ALIASES, _COMMANDS, _GROUPS, cli

    text = "# Commands\n\n`jelly`, `jellyformat` and `python -m jellyformat` are the same program.\n"
    for title, names in _GROUPS.items():
        text += f"\n**{title}**\n\n| command | does |\n|---|---|\n"
        text += "".join(f"| [`{name}`](#{name}) | {_COMMANDS[name]} |\n" for name in names)
    aliases = ", ".join(f"`{alias}` for `{name}`" for alias, name in _ALIASES.items())
    text += f"\nOther names: {aliases}.\n\n"
    text += CODES
    for names in _GROUPS.values():
        for name in names:
            said = CliRunner().invoke(cli, [name, "--help"], prog_name="jelly")
            if said.exit_code:
                raise RuntimeError(f"jelly {name} --help failed: {said.output}")
            text += f"\n## {name}\n\n```text\n{said.output.rstrip()}\n```\n"
    return text

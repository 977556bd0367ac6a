"""Untracked and ignored files, and the names that files can have."""

from __future__ import annotations

from pathlib import Path

from states.build import Repo, base, state


@state()
def untracked(path: Path) -> None:
    repo = base(path)
    repo.write("new.py")
    repo.write("exp/a/b/c.py")
    repo.write("exp/a/d.py", b"")
    repo.write("run", b"#!/bin/sh\n", 0o755)
    repo.link("exp/link", "a/d.py")
    repo.link("dangling", "no/such/file")
    repo.link("to-directory", "src")
    repo.link("outside", "/etc/hostname")


@state()
def untracked_names(path: Path) -> None:
    repo = base(path)
    for name in AWKWARD_NAMES:
        repo.write(name, b"named " + name + b"\n")


@state()
def tracked_names(path: Path) -> None:
    repo = base(path)
    for name in AWKWARD_NAMES:
        repo.write(name, b"named " + name + b"\n")
    repo.commit()
    for name in AWKWARD_NAMES[::2]:
        repo.write(name, b"changed\n")


AWKWARD_NAMES = (
    "überraschung/日本語.txt".encode(),
    "e\u0301 decomposed".encode(),
    b"latin-\xe9\xff.txt",
    b"line\nbreak",
    b'quote".txt',
    b"apos'trophe",
    b"tab\there",
    b"-rf",
    b"--exec=sh",
    b" leading and trailing ",
    b"#hash",
    b"!bang",
    b"star*[x]?",
    b"dollar$HOME`id`",
    b"bell\x07\x1b[31m",
    b"dir with space/file with space",
    b"percent%20",
)


@state()
def not_portable_names(path: Path) -> None:
    """Names that Windows or macOS could not hold."""
    repo = base(path)
    for name in (b"aux.c", b"with:colon", b"back\\slash", b"Makefile", b"makefile", b"ends.", b"twin/A", b"twin/a"):
        repo.write(name)
    repo.git("add", "aux.c", "Makefile", "twin/A")


@state()
def unsafe_names(path: Path) -> None:
    """Names a container may not hold: git would not check them out."""
    repo = base(path)
    repo.write("fine.txt")
    for name in UNSAFE_NAMES:
        repo.write(name)


UNSAFE_NAMES = (b".GIT", b"git~1", b"sub/.Git/x", b"a\\..\\b", ".g\u200cit".encode())


@state()
def empty_directories(path: Path) -> None:
    repo = base(path)
    for name in ("empty", "outer/inner/innermost", "src/gone", "build/empty-but-ignored"):
        (path / name).mkdir(parents=True)
    repo.remove("data/values.json")


@state()
def empty_files(path: Path) -> None:
    repo = base(path)
    repo.write("committed", b"")
    repo.commit()
    for name in ("one", "two", "pkg/__init__.py"):
        repo.write(name, b"")
    repo.git("add", "one")


@state()
def ignored(path: Path) -> None:
    repo = base(path)
    repo.write("run.log")
    repo.write("deep/er/run.log")
    repo.write("deep/er/kept.txt")
    repo.write("build/out.bin")
    repo.write("src/__pycache__/x.pyc")
    repo.write("only/run.log")


@state()
def ignored_by_all_rules(path: Path) -> None:
    """Negations, anchors, ``**``, a nested file of rules, ``info/exclude``."""
    repo = base(path)
    repo.write(
        ".gitignore",
        b"*.tmp\n!keep.tmp\n/top\nany/where/\n**/deep.txt\na/**/z\nd/*\n!d/keep\n\\#hash\ntrail\\ \nt2 \n"
        b"[ab].c\n!/[b].c\n"
        b"dir-only/\nfoo/*.x\n!inner/\n",
    )
    repo.write("sub/.gitignore", b"!*.tmp\n/local\nnever\n")
    repo.write(".git/info/exclude", b"excluded\n")
    for name in (
        "x.tmp", "keep.tmp", "sub/x.tmp", "top", "sub/top", "any/where/f", "q/any/where/f", "p/q/deep.txt", "deep.txt",
        "a/z", "a/b/z", "a/b/c/z/file", "d/one", "d/keep", "#hash", "trail ", "t2", "a.c", "b.c", "sub/a.c",
        "sub/b.c", "dir-only/f", "x/dir-only", "foo/a.x", "foo/b/a.x", "sub/local", "sub/s/local", "sub/never/keep.tmp",
        "excluded", "sub/excluded/f", "inner/f",
    ):  # fmt: skip
        repo.write(name)


@state()
def ignored_but_tracked(path: Path) -> None:
    repo = base(path)
    repo.write("tracked.log")
    repo.write("build/kept.bin")
    repo.git("add", "-f", "tracked.log", "build/kept.bin")
    repo.commit()
    repo.append("tracked.log")
    repo.write("build/left-out.bin")
    repo.write("build/sub/left-out.bin")
    repo.write("other.log")


@state()
def all_ignored(path: Path) -> None:
    repo = Repo(path)
    repo.write(".gitignore", b"*\n")
    repo.write("a.py")
    repo.write("b/c.py")
    repo.git("commit", "-q", "--allow-empty", "-m", "empty")

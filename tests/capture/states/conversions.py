"""Line ends, encodings and filters: the bytes on disk are not those in git."""

from __future__ import annotations

import shlex
from pathlib import Path

from states.build import Repo, base, beside, source_text, state

# -- conversions -------------------------------------------------------------------------------------------------------


def crlf(text: bytes) -> bytes:
    """With carriage returns."""
    return text.replace(b"\n", b"\r\n")


@state()
def autocrlf_true(path: Path) -> None:
    repo = base(path)
    repo.git("config", "core.autocrlf", "true")
    repo.remove("src")
    repo.git("checkout", "-q", ".")
    repo.append("src/train.py", b"added\r\n")
    repo.write("mixed.txt", b"one\r\ntwo\n")
    repo.write("binary.bin", b"\0\r\n\r\n")


@state()
def autocrlf_input(path: Path) -> None:
    repo = base(path)
    repo.git("config", "core.autocrlf", "input")
    repo.write("src/train.py", crlf(source_text()))
    repo.write("src/model.py", crlf(source_text(80, 7)) + b"changed\r\n")


@state()
def autocrlf_and_crlf_in_git(path: Path) -> None:
    """Carriage returns were committed before: git leaves such files as they are."""
    repo = base(path)
    repo.write("dos.txt", b"one\r\ntwo\r\n")
    repo.commit()
    repo.git("config", "core.autocrlf", "true")
    repo.write("dos.txt", b"one\r\ntwo\r\nthree\r\n")


@state()
def text_auto(path: Path) -> None:
    repo = base(path)
    repo.write(".gitattributes", b"* text=auto\n*.py eol=crlf\n*.json -text\n*.sh eol=lf\n")
    repo.git("add", "--renormalize", ".")
    repo.commit("attributes")
    repo.remove("src")
    repo.git("checkout", "-q", ".")
    repo.write("data/values.json", b'{"a": 1}\r\n')
    repo.write("tool.sh", b"#!/bin/sh\r\nexit 0\r\n", 0o755)
    repo.write("README.md", b"# project\r\n")


@state()
def eol_attributes(path: Path) -> None:
    repo = base(path)
    repo.write(".gitattributes", b"*.txt text eol=crlf\n*.old crlf=input\n*.bin binary\nsub/* -text\n")
    for name in ("a.txt", "b.old", "c.bin", "sub/d.txt"):
        repo.write(name, b"one\ntwo\n")
    repo.commit("attributes")
    repo.remove("a.txt")
    repo.git("checkout", "-q", "a.txt")
    for name in ("b.old", "c.bin", "sub/d.txt"):
        repo.write(name, b"one\r\ntwo\r\n")


@state()
def lone_carriage_returns(path: Path) -> None:
    """``text=auto`` leaves files with lone CRs and binary files alone."""
    repo = base(path)
    repo.write(".gitattributes", b"*.auto text=auto\n*.text text\n")
    for name in ("lone.auto", "lone.text", "nul.auto", "nul.text"):
        repo.write(name, b"one\ntwo\n")
    repo.commit("attributes")
    repo.write("lone.auto", b"one\r\ntwo\r")
    repo.write("lone.text", b"one\r\ntwo\r\n")
    repo.write("nul.auto", b"one\r\n\0two\r\n")
    repo.write("nul.text", b"one\r\n\0two\r\n")


@state()
def ident(path: Path) -> None:
    repo = base(path)
    repo.write(".gitattributes", b"*.c ident\n")
    repo.write("one.c", b"/* $Id$ */\nint x;\n")
    repo.write("two.c", b"/* $Id$ */\nint y;\n")
    repo.write("three.c", b"/* $Id: foreign thing $ */\nint z;\n")
    repo.commit("ident")
    for name in ("one.c", "two.c"):
        repo.remove(name)
    repo.git("checkout", "-q", ".")
    repo.append("two.c")


@state()
def working_tree_encoding(path: Path) -> None:
    repo = base(path)
    repo.write(
        ".gitattributes",
        b"*.u16 text working-tree-encoding=UTF-16\n*.u16le text working-tree-encoding=UTF-16LE-BOM eol=crlf\n"
        b"*.latin working-tree-encoding=ISO-8859-1\n",
    )
    text = "wörter\nzeilen\n"
    for name in ("one", "two"):
        repo.write(f"{name}.u16", text.encode("utf-16"))
        repo.write(f"{name}.u16le", b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"))
        repo.write(f"{name}.latin", text.encode("latin-1"))
    repo.commit("encodings")
    repo.write("two.u16", (text + "mehr\n").encode("utf-16"))
    repo.write("two.latin", (text + "mehr\n").encode("latin-1"))


@state()
def attributes_everywhere(path: Path) -> None:
    """Rules in nested files, in ``info/attributes``, macros, and negations."""
    repo = base(path)
    repo.write(".gitattributes", b"[attr]windows text eol=crlf\n*.txt windows\nsub/raw.txt -text\n")
    repo.write("sub/.gitattributes", b"special.txt !eol -text\n")
    repo.write(".git/info/attributes", b"info.txt -text\n")
    for name in ("plain.txt", "info.txt", "sub/plain.txt", "sub/raw.txt", "sub/special.txt"):
        repo.write(name, b"one\ntwo\n")
    repo.commit("attributes")
    for name in ("plain.txt", "info.txt", "sub/plain.txt", "sub/raw.txt", "sub/special.txt"):
        repo.write(name, b"one\r\ntwo\r\n")


# -- filters -----------------------------------------------------------------------------------------------------------


def lfs_repository(path: Path) -> Repo:
    """A stand-in for git-lfs: a clean filter that makes pointers, and what it smudged lies in the worktree."""
    repo = base(path)
    script = beside(path, "lfs-clean")
    script.write_text(
        "#!/bin/sh\nt=$(mktemp)\ncat >$t\n"
        "if head -c 42 $t | grep -q '^version https://git-lfs.github.com/spec'; then cat $t; rm $t; exit; fi\n"
        "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%s\\nsize %s\\n' "
        "$(sha256sum <$t | cut -d' ' -f1) $(wc -c <$t)\nrm $t\n"
    )
    repo.git("config", "filter.lfs.clean", f"sh {shlex.quote(str(script))}")
    repo.git("config", "filter.lfs.smudge", "false")
    repo.git("config", "filter.lfs.required", "true")
    repo.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    for number in range(3):
        repo.write(f"weights/{number}.bin", b"\x93NUMPY%d" % number * 400)
    repo.commit("weights")
    return repo


@state()
def lfs_smudged(path: Path) -> None:
    """The files are there as they are used; git has pointers."""
    repo = lfs_repository(path)
    repo.append("README.md")


@state()
def lfs_pointers(path: Path) -> None:
    """Pointers on disk too: checked out with ``GIT_LFS_SKIP_SMUDGE``."""
    repo = lfs_repository(path)
    repo.remove("weights")
    repo.git("-c", "filter.lfs.smudge=cat", "checkout", "-q", "weights")


@state()
def lfs_changed(path: Path) -> None:
    """One file changed, one touched, one new, one staged."""
    repo = lfs_repository(path)
    repo.write("weights/0.bin", b"changed" * 100)
    repo.write("weights/1.bin", (path / "weights/1.bin").read_bytes())
    repo.write("weights/new.bin", b"new" * 100)
    repo.write("weights/staged.bin", b"staged" * 100)
    repo.git("add", "weights/staged.bin")


@state()
def encrypted(path: Path) -> None:
    """A filter in the manner of git-crypt: git has what is scrambled, the disk has what is plain."""
    repo = base(path)
    for side in ("clean", "smudge"):
        repo.git("config", f"filter.git-crypt.{side}", "tr a-zA-Z n-za-mN-ZA-M")
    repo.git("config", "filter.git-crypt.required", "true")
    repo.write(".gitattributes", b"private/** filter=git-crypt diff=git-crypt\n.gitattributes !filter !diff\n")
    for name in ("one", "two", "three"):
        repo.write(f"private/{name}.txt", b"plain text of " + name.encode() + b"\n")
    repo.commit("encrypted")
    repo.append("private/two.txt")
    repo.write("private/new.txt", b"plain and new\n")
    repo.write("private/three.txt", b"plain text of three\n")


@state()
def filter_without_driver(path: Path) -> None:
    """The attribute names a filter that is not configured: git does nothing."""
    repo = base(path)
    repo.write(".gitattributes", b"*.ipynb filter=nbstripout\n")
    repo.write("a.ipynb", b'{"cells": []}\n')
    repo.commit("notebook")
    repo.append("a.ipynb")
    repo.write("b.ipynb", b'{"cells": [1]}\n')

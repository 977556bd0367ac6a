"""What the builders of all states have in common: git without anybody's configuration, and a small repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path

Builder = Callable[[Path], None]

STATES: dict[str, Builder] = {}
"""Every state by name."""

TRAITS: dict[str, frozenset[str]] = {}
"""What else has to be known of a state: ``refused`` (capture says why not), ``root`` (only root can make it), ``bare``,
``large`` (slow to make), ``partial`` (the repository lacks objects), ``newer git`` (only a git that knows reftables can
make it)."""

REFTABLE = "--ref-format=reftable"

GIT_ENVIRONMENT = {
    "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent", "LC_ALL": "C.UTF-8", "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A. Author", "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_AUTHOR_DATE": "2024-02-29T12:00:00 +0100", "GIT_COMMITTER_NAME": "C. Committer",
    "GIT_COMMITTER_EMAIL": "committer@example.org", "GIT_COMMITTER_DATE": "2024-03-01T12:00:00 +0100",
    "GIT_EDITOR": "true", "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_CONFIG_COUNT": "3", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always",
    "GIT_CONFIG_KEY_1": "safe.directory", "GIT_CONFIG_VALUE_1": "*",
    "GIT_CONFIG_KEY_2": "advice.detachedHead", "GIT_CONFIG_VALUE_2": "false",
}  # fmt: skip


def _newer_git() -> str | None:
    """A git that knows reftables, from 2.45 on: the one that JELLYFORMAT_NEWER_GIT names, or that is found first."""
    for program in (os.environ.get("JELLYFORMAT_NEWER_GIT"), "git", "/opt/newer-git/git"):
        if program is None or shutil.which(program) is None:
            continue
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"(\d+)\.(\d+)", said)
        if found is not None and (int(found[1]), int(found[2])) >= (2, 45):
            return program
    return None


NEWER_GIT = _newer_git()


def is_reftable(path: Path) -> bool:
    """Whether the repository that holds a directory has its refs in reftables."""
    for place in (path, *path.parents):
        for directory in (place / ".git", place):
            if (directory / "HEAD").is_file() and (directory / "objects").is_dir():
                return b"refstorage = reftable" in (directory / "config").read_bytes().lower()
        if (place / ".git").is_file():  # of a linked worktree, or a submodule
            return is_reftable((place / (place / ".git").read_text().removeprefix("gitdir:").strip()).resolve())
    return False


def git(
    path: Path,
    *args: str | bytes | Path,
    data: bytes | None = None,
    fails: bool = False,
    extra: dict[str, str] | None = None,
) -> bytes:
    """Run git in ``path``; what it prints. Where refs are in reftables, a git that knows them, or one on a copy.

    Args:
        path: The working directory.
        args: Its arguments.
        data: Its standard input.
        fails: Whether it may fail.
        extra: Environment variables.
    """
    env = {**GIT_ENVIRONMENT, "PATH": os.environ["PATH"], **(extra or {})}
    program = "git"
    if REFTABLE in args or is_reftable(path):
        if NEWER_GIT is None:
            with shadow(path) as where:
                return git(where, *args, data=data, fails=fails, extra=extra)
        program = NEWER_GIT
    done = subprocess.run(
        [program, *args], cwd=path, input=b"" if data is None else data, capture_output=True, env=env, check=False
    )
    if done.returncode and not fails:
        raise AssertionError(f"git {args} failed in {path}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


@contextmanager
def shadow(path: Path) -> Iterator[Path]:
    """A copy of a repository with the refs as files, by dulwich: what an older git can be asked."""
    from dulwich.refs import Ref
    from dulwich.reftable import ReftableRefsContainer

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / path.name
        subprocess.run(["cp", "-a", path, place], check=True)
        refs = ReftableRefsContainer(str(place / ".git"))
        texts: dict[bytes, bytes] = {}
        for name in (*refs.allkeys(), b"HEAD", b"CHERRY_PICK_HEAD", b"ORIG_HEAD"):
            with suppress(KeyError):
                texts[name] = refs.read_loose_ref(Ref(name))
        shutil.rmtree(place / ".git/reftable")
        shutil.rmtree(place / ".git/refs")
        (place / ".git/refs").mkdir()
        for name, text in texts.items():
            file = place / ".git" / os.fsdecode(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text + b"\n")
        config = place / ".git/config"
        config.write_bytes(config.read_bytes().replace(b"refstorage = reftable", b"noop = true"))
        yield place


def to_reftable(repo: Repo) -> None:
    """Put the refs of a repository into reftables by dulwich."""
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref
    from dulwich.reftable import ReftableRefsContainer

    directory = repo.path / ".git"
    named = dict(
        line.split()[::-1] for line in repo.git("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    )
    for name in ("CHERRY_PICK_HEAD", "ORIG_HEAD"):
        if (directory / name).is_file():
            named[name.encode()] = (directory / name).read_bytes().strip()
            (directory / name).unlink()
    head = (directory / "HEAD").read_bytes().strip()
    (directory / "HEAD").write_bytes(b"ref: refs/heads/.invalid\n")
    with (directory / "config").open("ab") as file:
        file.write(b"[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefstorage = reftable\n")
    shutil.rmtree(directory / "refs")
    shutil.rmtree(directory / "logs", ignore_errors=True)
    (directory / "packed-refs").unlink(missing_ok=True)
    refs = ReftableRefsContainer(str(directory))
    for ref, oid in sorted(named.items()):
        refs.set_if_equals(Ref(ref), None, ObjectID(oid))
    if head.startswith(b"ref:"):
        refs.set_symbolic_ref(Ref(b"HEAD"), Ref(head[4:].strip()))
    else:
        refs.set_if_equals(Ref(b"HEAD"), None, ObjectID(head))


class Repo:
    """A repository being built; made with ``git init`` unless it is there."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        if not path.exists():
            path.mkdir(parents=True)
            self.git("init", "-q", "-b", "main", *options)

    def git(
        self,
        *args: str | bytes | Path,
        data: bytes | None = None,
        fails: bool = False,
        extra: dict[str, str] | None = None,
    ) -> bytes:
        """Run git in it."""
        return git(self.path, *args, data=data, fails=fails, extra=extra)

    def write(self, name: str | bytes, content: bytes = b"content\n", mode: int = 0o644) -> None:
        """Write a file, making its directories."""
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)

    def append(self, name: str, content: bytes = b"appended\n") -> None:
        """Append to a file."""
        path = self.path / name
        path.write_bytes(path.read_bytes() + content)

    def link(self, name: str | bytes, target: str | bytes) -> None:
        """Make a symbolic link."""
        path = self.path / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(os.fsdecode(target))

    def remove(self, name: str) -> None:
        """Remove a file or a whole directory."""
        path = self.path / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    def commit(self, message: str = "a commit", *options: str) -> str:
        """Commit all there is; the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.git("rev-parse", "HEAD").decode().strip()


def source_text(lines: int = 60, seed: int = 0) -> bytes:
    """Lines of something like Python."""
    return b"".join(b"def f_%d_%d(x):\n    return x * %d\n\n" % (seed, n, n * n + seed) for n in range(lines))


def base(path: Path, *options: str) -> Repo:
    """Two commits: source files, an executable, a link, directories, ignore rules."""
    repo = Repo(path, *options)
    repo.write("README.md", b"# project\n")
    repo.write("src/train.py", source_text())
    repo.commit("first")
    repo.write(".gitignore", b"*.log\n/build/\n__pycache__/\n")
    repo.write("src/model.py", source_text(80, 7))
    repo.write("src/lib/deep/util.py", b"x = 1\n")
    repo.write("tool.sh", b"#!/bin/sh\nexit 0\n", 0o755)
    repo.write("data/values.json", b'{"a": 1}\n')
    repo.link("latest", "README.md")
    repo.commit("second\n\nwith a body\n")
    return repo


def beside(path: Path, what: str) -> Path:
    """A path beside a repository, for what it needs."""
    return path.with_name(f"{path.name}-{what}")


def in_reftables(builder: Builder) -> Builder:
    """A builder that makes a repository with ``REFTABLE`` where git can, and else has dulwich change one."""

    @wraps(builder)
    def made(path: Path) -> None:
        builder(path)
        if NEWER_GIT is None:
            to_reftable(Repo(path))

    return made


def state(*traits: str) -> Callable[[Builder], Builder]:
    """Register a builder under its function's name."""

    def register(builder: Builder) -> Builder:
        STATES[builder.__name__] = builder
        TRAITS[builder.__name__] = frozenset(traits)
        return builder

    return register

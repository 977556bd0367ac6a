"""Repositories in every state that git can leave them in, made with the git program.

Each builder makes a repository at a path that does not exist yet; what else it needs (origins, other worktrees) is put
beside it, under names that begin with the path's own. What a builder makes is the same on every run: authors and dates
are fixed, and no configuration of the user or the system is read.

    from states import STATES
    STATES["staged"](tmp_path / "repo")
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

Builder = Callable[[Path], None]

STATES: dict[str, Builder] = {}
"""Every state by name."""

TRAITS: dict[str, frozenset[str]] = {}
"""What else has to be known of a state: ``refused`` (capture says why not), ``root`` (only root can make it), ``bare``,
``large`` (slow to make), ``partial`` (the repository lacks objects)."""

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


def git(
    path: Path,
    *args: str | bytes | Path,
    data: bytes | None = None,
    fails: bool = False,
    extra: dict[str, str] | None = None,
) -> bytes:
    """Run git in ``path``; what it prints.

    Args:
        path: The working directory.
        args: Its arguments.
        data: Its standard input.
        fails: Whether it may fail.
        extra: Environment variables.
    """
    env = {**GIT_ENVIRONMENT, "PATH": os.environ["PATH"], **(extra or {})}
    done = subprocess.run(
        ["git", *args], cwd=path, input=b"" if data is None else data, capture_output=True, env=env, check=False
    )
    if done.returncode and not fails:
        raise AssertionError(f"git {args} failed in {path}: {done.stderr.decode('utf-8', 'replace')}")
    return done.stdout


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


def state(*traits: str) -> Callable[[Builder], Builder]:
    """Register a builder under its function's name."""

    def register(builder: Builder) -> Builder:
        STATES[builder.__name__] = builder
        TRAITS[builder.__name__] = frozenset(traits)
        return builder

    return register


# -- nothing special --------------------------------------------------------------------------------------------------


@state()
def clean(path: Path) -> None:
    base(path)


@state()
def only_touched(path: Path) -> None:
    """Newer modification times, the same bytes: the index's stat data are stale."""
    repo = base(path)
    for name in ("README.md", "src/train.py"):
        os.utime(repo.path / name, ns=(10**18, 10**18))


@state()
def stashed(path: Path) -> None:
    repo = base(path)
    repo.append("README.md")
    repo.git("stash")


@state()
def many_branches(path: Path) -> None:
    """Refs loose and packed, a branch with a name for a shell, tags."""
    repo = base(path)
    for name in ("feat(a)&b", "x;touch$y", "deep/er/name", "übung"):
        repo.git("branch", name)
    repo.git("tag", "-a", "-m", "tagged", "v1")
    repo.git("pack-refs", "--all")
    repo.git("checkout", "-q", "x;touch$y")
    repo.append("README.md")


@state()
def touched_by_hooks(path: Path) -> None:
    """Hooks that would leave a trace if anything ran them."""
    repo = base(path)
    for name in ("pre-commit", "post-index-change", "post-checkout", "reference-transaction"):
        repo.write(f".git/hooks/{name}", b"#!/bin/sh\ntouch hook-ran\n", 0o755)
    repo.append("README.md")


# -- staged and not ---------------------------------------------------------------------------------------------------


@state()
def staged(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("src/new.py")
    repo.git("add", "-A")


@state()
def unstaged(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("README.md", b"")


@state()
def staged_then_changed(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py", b"staged\n")
    repo.write("src/new.py", b"staged\n")
    repo.git("add", "-A")
    repo.append("src/train.py", b"not staged\n")
    repo.write("src/new.py", b"not staged\n")


@state()
def staged_then_reverted(path: Path) -> None:
    repo = base(path)
    before = (path / "src/train.py").read_bytes()
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.write("src/train.py", before)


@state()
def staged_then_deleted(path: Path) -> None:
    repo = base(path)
    repo.append("src/train.py")
    repo.write("src/new.py")
    repo.git("add", "-A")
    repo.remove("src/train.py")
    repo.remove("src/new.py")


@state()
def racy(path: Path) -> None:
    """Changed in the instant the index was written, the size staying the same."""
    repo = base(path)
    repo.write("README.md", b"# PROJECT\n")
    repo.git("add", "README.md")
    repo.write("README.md", b"# pROJECT\n")
    times = (path / ".git/index").stat().st_mtime_ns
    os.utime(path / "README.md", ns=(times, times))


@state()
def every_letter(path: Path) -> None:
    """Many things at once."""
    repo = base(path)
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.append("src/train.py", b"more\n")
    repo.remove("data/values.json")
    repo.git("rm", "-q", "--cached", "README.md")
    repo.git("mv", "src/model.py", "src/net.py")
    repo.write("notes/today.md")
    (path / "tool.sh").chmod(0o644)
    repo.remove("latest")
    repo.write("latest", b"a file now\n")


# -- untracked and ignored --------------------------------------------------------------------------------------------


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


# -- gone, moved, changed in kind -------------------------------------------------------------------------------------


@state()
def deleted(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.remove("src/lib")


@state()
def deleted_all(path: Path) -> None:
    repo = base(path)
    for name in (".gitignore", "README.md", "src", "tool.sh", "data", "latest"):
        repo.remove(name)


@state()
def staged_deletion(path: Path) -> None:
    repo = base(path)
    repo.git("rm", "-q", "-r", "src/lib", "README.md")


@state()
def rm_cached(path: Path) -> None:
    repo = base(path)
    repo.git("rm", "-q", "--cached", "README.md", "src/train.py")
    repo.append("src/train.py")


@state()
def rm_cached_ignored(path: Path) -> None:
    """Taken out of the index, and ignored from now on."""
    repo = base(path)
    repo.git("rm", "-q", "--cached", "data/values.json")
    repo.write(".gitignore", b"*.log\n/build/\ndata/\n")


@state()
def renamed(path: Path) -> None:
    repo = base(path)
    repo.git("mv", "src/train.py", "src/main.py")
    repo.git("mv", "src/lib", "src/library")
    repo.append("src/main.py")


@state()
def renamed_not_staged(path: Path) -> None:
    base(path)
    (path / "src/train.py").rename(path / "src/main.py")


@state()
def renamed_case(path: Path) -> None:
    repo = base(path)
    repo.git("mv", "README.md", "readme.md")


@state()
def copied(path: Path) -> None:
    repo = base(path)
    shutil.copy(path / "src/train.py", path / "src/train2.py")
    shutil.copy(path / "src/model.py", path / "src/model2.py")
    repo.git("add", "src/train2.py")


@state()
def mode_changed(path: Path) -> None:
    repo = base(path)
    (path / "tool.sh").chmod(0o644)
    (path / "src/train.py").chmod(0o755)
    (path / "README.md").chmod(0o600)
    repo.git("update-index", "--chmod=+x", "src/model.py")


@state()
def filemode_false(path: Path) -> None:
    """A filesystem without permissions: modes on disk mean nothing."""
    repo = base(path)
    repo.git("config", "core.fileMode", "false")
    (path / "tool.sh").chmod(0o644)
    (path / "src/train.py").chmod(0o755)
    repo.append("src/model.py")


@state()
def symlinks_false(path: Path) -> None:
    """A filesystem without links: they are files that hold the target."""
    repo = base(path)
    repo.git("config", "core.symlinks", "false")
    repo.remove("latest")
    repo.write("latest", b"README.md")


@state()
def file_to_symlink(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.link("README.md", "src/train.py")
    repo.remove("data/values.json")
    repo.link("data/values.json", "../README.md")
    repo.git("add", "data/values.json")


@state()
def symlink_to_file(path: Path) -> None:
    repo = base(path)
    repo.link("second", "README.md")
    repo.commit()
    for name in ("latest", "second"):
        repo.remove(name)
        repo.write(name, b"README.md")
    repo.git("add", "second")


@state()
def symlink_retargeted(path: Path) -> None:
    repo = base(path)
    repo.remove("latest")
    repo.link("latest", "tool.sh")


@state()
def file_to_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.write("README.md/part1")
    repo.write("README.md/part2")
    repo.remove("tool.sh")
    repo.write("tool.sh/inside")
    repo.git("add", "-A", "tool.sh")


@state()
def file_to_empty_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    (path / "README.md").mkdir()


@state()
def directory_to_file(path: Path) -> None:
    repo = base(path)
    repo.remove("src/lib")
    repo.write("src/lib", b"a file\n")
    repo.remove("data")
    repo.write("data", b"a file\n")
    repo.git("add", "-A", "data")


@state()
def directory_to_symlink(path: Path) -> None:
    """Tracked files are seen through a link, which git does not follow."""
    repo = base(path)
    (path / "src/lib").rename(path / "moved")
    repo.link("src/lib", "../moved")


@state()
def symlink_to_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("latest")
    repo.write("latest/file.txt")


# -- index flags ------------------------------------------------------------------------------------------------------


@state()
def intent_to_add(path: Path) -> None:
    repo = base(path)
    repo.write("planned.py")
    repo.write("planned-run", b"#!/bin/sh\n", 0o755)
    repo.write("planned-empty", b"")
    repo.write("planned-gone")
    repo.git("add", "-N", "planned.py", "planned-run", "planned-empty", "planned-gone")
    repo.remove("planned-gone")


@state()
def assume_unchanged(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--assume-unchanged", "src/train.py", "README.md", "tool.sh")
    repo.append("src/train.py")
    repo.remove("README.md")


@state()
def skip_worktree(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--skip-worktree", "src/train.py", "README.md", "tool.sh")
    repo.append("src/train.py")
    repo.remove("README.md")


@state()
def sparse_cone(path: Path) -> None:
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "src/lib")
    repo.append("src/lib/deep/util.py")
    repo.write("src/new.py")


@state()
def sparse_patterns(path: Path) -> None:
    repo = base(path)
    repo.git("sparse-checkout", "set", "--no-cone", "/*", "!/src/model.py", "!/data/")
    repo.append("src/train.py")


@state()
def sparse_index(path: Path) -> None:
    """Whole directories as one entry of the index."""
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "src/lib")
    repo.append("README.md")


@state()
def sparse_file_present(path: Path) -> None:
    """A file outside of the sparse checkout that is there all the same, and changed."""
    repo = base(path)
    repo.git("sparse-checkout", "set", "--cone", "src/lib")
    repo.write("data/values.json", b"changed\n")


@state()
def index_version_4(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--index-version", "4")
    repo.append("README.md")
    repo.write("new")
    repo.git("add", "new")


@state()
def index_version_3(path: Path) -> None:
    repo = base(path)
    repo.write("planned")
    repo.git("add", "-N", "planned")
    repo.append("README.md")


@state()
def split_index(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--split-index")
    repo.append("src/train.py")
    repo.write("new.py")
    repo.git("add", "-A")
    repo.git("rm", "-q", "--cached", "README.md")
    repo.append("tool.sh")


@state()
def untracked_cache(path: Path) -> None:
    repo = base(path)
    repo.git("update-index", "--untracked-cache")
    repo.write("seen/a.py")
    repo.git("status")
    repo.write("seen/b.py")
    repo.append("README.md")


@state()
def fsmonitor(path: Path) -> None:
    """A file system monitor that would leave a trace if anything asked it."""
    repo = base(path)
    hook = beside(path, "fsmonitor")
    hook.write_bytes(b"#!/bin/sh\ntouch '" + os.fsencode(hook) + b".ran'\nprintf '/\\0'\n")
    hook.chmod(0o755)
    repo.git("config", "core.fsmonitor", str(hook))
    repo.git("update-index", "--fsmonitor")
    repo.git("status")
    beside(path, "fsmonitor.ran").unlink()
    repo.append("README.md")
    repo.write("new.py")


@state()
def index_without_checksum(path: Path) -> None:
    """``index.skipHash``: the last bytes of the index are zero."""
    repo = base(path)
    index = path / ".git/index"
    index.write_bytes(index.read_bytes()[:-20] + bytes(20))
    repo.append("README.md")


@state()
def no_index(path: Path) -> None:
    """The index is gone: everything is a staged deletion, and untracked."""
    base(path)
    (path / ".git/index").unlink()


# -- HEAD -------------------------------------------------------------------------------------------------------------


@state()
def unborn(path: Path) -> None:
    Repo(path)


@state()
def unborn_with_files(path: Path) -> None:
    repo = Repo(path)
    repo.write("staged.py")
    repo.git("add", "staged.py")
    repo.write("staged.py", b"changed\n")
    repo.write("untracked.py")


@state()
def orphan_branch(path: Path) -> None:
    repo = base(path)
    repo.git("checkout", "-q", "--orphan", "fresh/start")


@state()
def detached(path: Path) -> None:
    repo = base(path)
    repo.git("checkout", "-q", "HEAD~1")
    repo.append("README.md")


@state()
def detached_at_tag(path: Path) -> None:
    repo = base(path)
    repo.git("tag", "-a", "-m", "one", "v1")
    repo.git("checkout", "-q", "v1")


@state()
def symbolic_branch(path: Path) -> None:
    """A branch that is another branch's second name."""
    repo = base(path)
    repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    repo.git("symbolic-ref", "HEAD", "refs/heads/alias")


@state()
def no_common_ancestor(path: Path) -> None:
    repo = base(path)
    repo.git("checkout", "-q", "--orphan", "other")
    repo.git("rm", "-q", "-rf", ".")
    repo.write("other.txt")
    repo.commit("other root")
    repo.git("merge", "-q", "--allow-unrelated-histories", "-m", "joined", "main")


@state()
def signed_and_encoded(path: Path) -> None:
    """A commit with a signature, another encoding, and a message that ends without a line end."""
    repo = base(path)
    tree = repo.git("rev-parse", "HEAD^{tree}").strip()
    parent = repo.git("rev-parse", "HEAD").strip()
    content = (
        b"tree " + tree + b"\nparent " + parent + b"\nauthor Ren\xe9 <r@example.org> 1700000000 -0530\n"
        b"committer Ren\xe9 <r@example.org> 1700000000 -0530\nencoding ISO-8859-1\n"
        b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nM\xe9ssage"
    )
    oid = repo.git("hash-object", "-t", "commit", "-w", "--stdin", data=content).decode().strip()
    repo.git("update-ref", "refs/heads/main", oid)


# -- where the repository is ------------------------------------------------------------------------------------------


@state()
def linked_worktree(path: Path) -> None:
    """The repository is elsewhere; this is one more worktree of it, with an index and a HEAD of its own."""
    main = base(beside(path, "main"))
    main.append("README.md", b"of the main worktree\n")
    main.git("worktree", "add", "-q", "-b", "side", path)
    repo = Repo(path)
    repo.append("src/train.py", b"of the linked worktree\n")
    repo.write("new.py")
    repo.git("add", "new.py")


@state()
def with_linked_worktrees(path: Path) -> None:
    """The main worktree of a repository that has others, one of them inside."""
    repo = base(path)
    repo.git("worktree", "add", "-q", "-b", "side", beside(path, "side"))
    repo.git("worktree", "add", "-q", "-b", "inside", path / "inside")
    repo.append("README.md")


@state()
def separate_git_dir(path: Path) -> None:
    repo = base(path, f"--separate-git-dir={beside(path, 'gitdir')}")
    repo.append("README.md")


@state()
def git_dir_is_a_link(path: Path) -> None:
    repo = base(path)
    (path / ".git").rename(beside(path, "gitdir"))
    (path / ".git").symlink_to(beside(path, "gitdir"))
    repo.append("README.md")


@state()
def core_worktree(path: Path) -> None:
    """The files are in another directory than the repository's."""
    repo = base(path)
    tree = beside(path, "tree")
    tree.mkdir()
    for name in (".gitignore", "README.md", "src", "tool.sh", "data", "latest"):
        (path / name).rename(tree / name)
    repo.git("config", "core.worktree", f"../../{tree.name}")
    (tree / "README.md").write_bytes(b"changed\n")
    (tree / "new.py").write_bytes(b"new\n")


@state("bare")
def bare(path: Path) -> None:
    origin = base(beside(path, "origin"))
    git(origin.path, "clone", "-q", "--bare", origin.path, path)


@state("bare")
def bare_unborn(path: Path) -> None:
    Repo(path, "--bare")


# -- in the middle of something ---------------------------------------------------------------------------------------


def forked(path: Path) -> Repo:
    """On ``main``, with a branch ``side`` that changed the same lines."""
    repo = base(path)
    repo.git("checkout", "-q", "-b", "side")
    repo.write("README.md", b"# theirs\n")
    repo.write("theirs.txt")
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    repo.write("README.md", b"# ours\n")
    repo.write("ours.txt")
    repo.commit("ours")
    return repo


@state()
def merge_conflict(path: Path) -> None:
    repo = forked(path)
    repo.git("merge", "side", fails=True)
    repo.append("src/train.py")


@state()
def merge_resolved(path: Path) -> None:
    """Resolved and staged, not committed."""
    repo = forked(path)
    repo.git("merge", "side", fails=True)
    repo.write("README.md", b"# both\n")
    repo.git("add", "README.md")


@state()
def merge_no_commit(path: Path) -> None:
    repo = base(path)
    for name in ("one", "two"):
        repo.git("checkout", "-q", "-b", name, "main")
        repo.write(f"{name}.txt")
        repo.commit(name)
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-commit", "--no-ff", "one", "two")


@state()
def cherry_pick_conflict(path: Path) -> None:
    repo = forked(path)
    repo.git("cherry-pick", "side", fails=True)


@state()
def cherry_pick_sequence(path: Path) -> None:
    """Several commits to pick, stopped at the first."""
    repo = forked(path)
    repo.git("checkout", "-q", "side")
    repo.write("more.txt")
    repo.commit("more")
    repo.git("checkout", "-q", "main")
    repo.git("cherry-pick", "main..side", fails=True)


@state()
def revert_conflict(path: Path) -> None:
    repo = forked(path)
    repo.write("README.md", b"# later\n")
    repo.commit("later")
    repo.git("revert", "--no-edit", "HEAD~1", fails=True)


@state()
def rebase_conflict(path: Path) -> None:
    repo = forked(path)
    repo.git("rebase", "side", fails=True)


@state()
def rebase_apply_conflict(path: Path) -> None:
    repo = forked(path)
    repo.git("rebase", "--apply", "side", fails=True)


@state()
def rebase_edit(path: Path) -> None:
    """Stopped to edit a commit; no conflict."""
    repo = forked(path)
    repo.git("rebase", "-i", "HEAD~1", extra={"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/"})
    repo.append("README.md")


@state()
def am_conflict(path: Path) -> None:
    repo = forked(path)
    patch = repo.git("format-patch", "-1", "--stdout", "side")
    repo.git("am", "--3way", data=patch, fails=True)


@state()
def bisect(path: Path) -> None:
    repo = base(path)
    for number in range(6):
        repo.write("number", b"%d\n" % number)
        repo.commit(f"number {number}")
    repo.git("bisect", "start", "HEAD", "HEAD~5")
    repo.append("README.md")


@state()
def conflicts_of_every_kind(path: Path) -> None:
    """Both modified, deleted by us, deleted by them, both added; both deleted, added by us, added by them."""
    repo = base(path)
    for name in ("modified", "we-delete", "they-delete", "both-rename", "mode"):
        repo.write(name, source_text(20, len(name)))
    repo.commit("common")
    repo.git("checkout", "-q", "-b", "side")
    repo.append("modified", b"theirs\n")
    repo.append("we-delete", b"theirs\n")
    repo.remove("they-delete")
    repo.write("both-add", b"theirs\n")
    repo.git("mv", "both-rename", "their-name")
    (path / "mode").chmod(0o755)
    repo.link("link-or-file", "theirs")
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    repo.append("modified", b"ours\n")
    repo.remove("we-delete")
    repo.append("they-delete", b"ours\n")
    repo.write("both-add", b"ours\n")
    repo.git("mv", "both-rename", "our-name")
    repo.append("mode", b"ours\n")
    repo.write("link-or-file", b"ours\n")
    repo.commit("ours")
    repo.git("merge", "side", fails=True)


@state()
def conflict_file_directory(path: Path) -> None:
    repo = base(path)
    repo.git("checkout", "-q", "-b", "side")
    repo.write("thing/inside")
    repo.commit("a directory")
    repo.git("checkout", "-q", "main")
    repo.write("thing")
    repo.commit("a file")
    repo.git("merge", "side", fails=True)


@state()
def conflict_worked_on(path: Path) -> None:
    """A conflict whose file was resolved on disk only, and another whose file was deleted."""
    repo = forked(path)
    repo.git("merge", "side", fails=True)
    repo.write("README.md", b"# resolved, not staged\n")
    repo.write("untracked.orig")


@state()
def conflict_deleted_on_disk(path: Path) -> None:
    repo = forked(path)
    repo.git("merge", "side", fails=True)
    repo.remove("README.md")


# -- repositories in the repository -----------------------------------------------------------------------------------


def with_submodule(path: Path) -> Repo:
    """A submodule ``lib``, committed and checked out."""
    library = Repo(beside(path, "library"))
    library.write("lib.py", source_text(10, 3))
    library.write(".gitignore", b"*.o\n")
    library.commit("library")
    repo = base(path)
    repo.git("submodule", "--quiet", "add", library.path, "lib")
    repo.commit("with a library")
    return repo


@state()
def submodule_clean(path: Path) -> None:
    with_submodule(path)


@state()
def submodule_dirty(path: Path) -> None:
    with_submodule(path)
    library = Repo(path / "lib")
    library.append("lib.py")
    library.write("staged.py")
    library.git("add", "staged.py")
    library.write("untracked/new.py")
    library.write("left-out.o")


@state()
def submodule_unpushed(path: Path) -> None:
    with_submodule(path)
    library = Repo(path / "lib")
    library.git("checkout", "-q", "-b", "local")
    library.append("lib.py")
    library.commit("only here")
    library.append("lib.py", b"and dirty\n")


@state()
def submodule_staged(path: Path) -> None:
    """A new commit of the submodule is staged, and another is checked out since."""
    repo = with_submodule(path)
    library = Repo(path / "lib")
    library.append("lib.py")
    library.commit("one")
    repo.git("add", "lib")
    library.append("lib.py")
    library.commit("two")


@state()
def submodule_added(path: Path) -> None:
    """Added, not committed."""
    repo = with_submodule(path)
    repo.git("submodule", "--quiet", "add", beside(path, "library"), "vendor/second")


@state()
def submodule_nested(path: Path) -> None:
    inner = Repo(beside(path, "inner"))
    inner.write("inner.py")
    inner.commit("inner")
    middle = Repo(beside(path, "middle"))
    middle.write("middle.py")
    middle.commit("middle")
    middle.git("submodule", "--quiet", "add", inner.path, "deep/inner")
    middle.commit("with inner")
    repo = base(path)
    repo.git("submodule", "--quiet", "add", middle.path, "vendor/middle")
    repo.commit("with middle")
    repo.git("submodule", "--quiet", "update", "--init", "--recursive")
    (path / "vendor/middle/deep/inner/inner.py").write_bytes(b"changed deep inside\n")
    (path / "vendor/middle/new.py").write_bytes(b"new\n")


@state()
def submodule_not_initialised(path: Path) -> None:
    with_submodule(beside(path, "origin"))
    git(path.parent, "clone", "-q", beside(path, "origin"), path)
    Repo(path).append("README.md")


@state()
def submodule_deinitialised(path: Path) -> None:
    repo = with_submodule(path)
    repo.git("submodule", "--quiet", "deinit", "-f", "lib")


@state()
def submodule_directory_gone(path: Path) -> None:
    repo = with_submodule(path)
    repo.remove("lib")


@state()
def submodule_removed(path: Path) -> None:
    repo = with_submodule(path)
    repo.git("rm", "-q", "lib")


@state()
def submodule_out_of_index(path: Path) -> None:
    """``git rm --cached``: the repository is there, and no submodule any more."""
    repo = with_submodule(path)
    repo.git("rm", "-q", "--cached", "lib")


@state()
def submodule_replaced(path: Path) -> None:
    """Plain files where the submodule was."""
    repo = with_submodule(path)
    repo.remove("lib")
    repo.write("lib/plain.py")


@state()
def submodule_to_file(path: Path) -> None:
    repo = with_submodule(path)
    repo.remove("lib")
    repo.write("lib", b"a file\n")


@state()
def submodule_old_form(path: Path) -> None:
    """Its ``.git`` is a directory in it; and it has no branch yet beyond one commit."""
    repo = base(path)
    library = Repo(path / "lib")
    library.write("lib.py")
    library.commit("library")
    repo.git("submodule", "--quiet", "add", "./lib", "lib", fails=True)
    repo.git("add", "lib")
    repo.git("commit", "-q", "-m", "old form")
    library.append("lib.py")


@state()
def submodule_conflict(path: Path) -> None:
    repo = with_submodule(path)
    library = Repo(path / "lib")
    first = library.git("rev-parse", "HEAD").decode().strip()
    repo.git("checkout", "-q", "-b", "side")
    library.write("theirs.py")
    library.commit("theirs")
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    library.git("checkout", "-q", first)
    library.write("ours.py")
    library.commit("ours")
    repo.commit("ours")
    repo.git("merge", "side", fails=True)


@state()
def submodule_merging(path: Path) -> None:
    """The submodule is itself in the middle of a merge, with a conflict."""
    with_submodule(path)
    library = Repo(path / "lib")
    library.git("checkout", "-q", "-b", "side")
    library.write("lib.py", b"theirs\n")
    library.commit("theirs")
    library.git("checkout", "-q", "-b", "mine", "HEAD~1")
    library.write("lib.py", b"ours\n")
    library.commit("ours")
    library.git("merge", "side", fails=True)


@state()
def nested_repository(path: Path) -> None:
    """A repository in an untracked directory that is no submodule."""
    repo = base(path)
    nested = Repo(path / "third/party")
    nested.write("file.py")
    nested.commit("nested")
    nested.append("file.py")
    nested.write("new.py")
    repo.write("third/beside.txt")


@state()
def nested_unborn(path: Path) -> None:
    """A nested repository without a commit, and one that has not even a file."""
    base(path)
    nested = Repo(path / "fresh")
    nested.write("file.py")
    Repo(path / "void")


@state()
def nested_ignored(path: Path) -> None:
    base(path)
    nested = Repo(path / "build/dependency")
    nested.write("file.py")
    nested.commit("nested")


@state()
def nested_bare(path: Path) -> None:
    """A bare repository among the files: to git, files like any others."""
    repo = base(path)
    other = base(beside(path, "other"))
    git(other.path, "clone", "-q", "--bare", other.path, path / "mirrors/other")
    repo.write("mirrors/README")


@state()
def nested_broken(path: Path) -> None:
    """Directories named ``.git`` that are no repositories."""
    repo = base(path)
    (path / "half/.git").mkdir(parents=True)
    repo.write("half/file.py")
    repo.write("lost/.git", b"gitdir: /no/such/place\n")
    repo.write("lost/file.py")


# -- where objects and refs are ---------------------------------------------------------------------------------------


@state()
def shallow(path: Path) -> None:
    origin = base(beside(path, "origin"))
    git(path.parent, "clone", "-q", "--depth=1", f"file://{origin.path}", path)
    Repo(path).append("README.md")


@state("partial")
def partial_clone(path: Path) -> None:
    """``--filter=blob:none``, checked out: the blobs of HEAD are there, older ones are not."""
    origin = base(beside(path, "origin"))
    origin.git("config", "uploadpack.allowFilter", "true")
    git(path.parent, "clone", "-q", "--filter=blob:none", f"file://{origin.path}", path)
    Repo(path).append("README.md")


@state("partial")
def partial_clone_blobs_missing(path: Path) -> None:
    """Not all of HEAD's blobs are there: a sparse checkout."""
    origin = base(beside(path, "origin"))
    origin.git("config", "uploadpack.allowFilter", "true")
    git(path.parent, "clone", "-q", "--sparse", "--filter=blob:none", f"file://{origin.path}", path)
    repo = Repo(path)
    repo.append("README.md")


@state("partial")
def partial_clone_trees_missing(path: Path) -> None:
    """``--filter=tree:0``: the trees of older commits are missing."""
    origin = base(beside(path, "origin"))
    origin.git("config", "uploadpack.allowFilter", "true")
    origin.git("config", "uploadpack.allowAnySHA1InWant", "true")
    git(path.parent, "clone", "-q", "--filter=tree:0", f"file://{origin.path}", path)
    Repo(path).append("README.md")


@state()
def alternates(path: Path) -> None:
    """Objects lie in another repository, and in one beyond that."""
    first = base(beside(path, "first"))
    git(path.parent, "clone", "-q", "--shared", first.path, beside(path, "second"))
    second = Repo(beside(path, "second"))
    second.write("second.txt")
    second.commit("second")
    git(path.parent, "clone", "-q", "--shared", second.path, path)
    repo = Repo(path)
    repo.append("README.md")
    repo.git("add", "README.md")


@state()
def packed(path: Path) -> None:
    """Everything packed, deltas among it, with commit graph and bitmaps."""
    repo = base(path)
    for number in range(5):
        repo.append("src/train.py", b"# %d\n" % number)
        repo.commit(f"number {number}")
    repo.git("-c", "gc.writeCommitGraph=true", "gc", "-q", "--aggressive", "--prune=now")
    repo.git("multi-pack-index", "write")
    repo.append("README.md")


@state()
def loose_and_packed(path: Path) -> None:
    repo = base(path)
    repo.git("repack", "-q", "-a", "-d")
    repo.git("pack-refs", "--all")
    repo.append("src/train.py")
    repo.commit("loose")
    repo.append("src/train.py")


@state()
def replace_refs(path: Path) -> None:
    """A blob and HEAD's commit have replacements; the index and HEAD still name the originals."""
    repo = base(path)
    blob = repo.git("rev-parse", "HEAD:README.md").decode().strip()
    other = repo.git("hash-object", "-w", "--stdin", data=b"# replaced\n").decode().strip()
    repo.git("replace", blob, other)
    tree = repo.git("rev-parse", "HEAD^{tree}").decode().strip()
    commit = repo.git("commit-tree", "-m", "replacement", tree).decode().strip()
    repo.git("replace", repo.git("rev-parse", "HEAD").decode().strip(), commit)
    repo.append("src/train.py")


@state()
def grafts(path: Path) -> None:
    repo = base(path)
    head = repo.git("rev-parse", "HEAD")
    repo.write(".git/info/grafts", head)
    repo.append("README.md")


@state()
def old_modes(path: Path) -> None:
    """Group-writable files and zero-padded directories in the trees, as tools of long ago made them."""
    repo = base(path)
    blob = bytes.fromhex(repo.git("rev-parse", "HEAD:README.md").decode())
    inner = b"100664 group.txt\0" + blob
    tree = bytes.fromhex(repo.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=inner).decode())
    outer = b"100664 README.md\0" + blob + b"040000 old\0" + tree
    root = repo.git("hash-object", "-t", "tree", "-w", "--stdin", "--literally", data=outer).decode().strip()
    commit = repo.git("commit-tree", "-m", "old", root).decode().strip()
    repo.git("reset", "-q", "--hard", commit)
    repo.append("README.md")


@state("sha256")
def sha256(path: Path) -> None:
    repo = base(path, "--object-format=sha256")
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.write("new.py")


@state("sha256")
def sha256_packed(path: Path) -> None:
    repo = base(path, "--object-format=sha256")
    for number in range(5):
        repo.append("src/train.py", b"# %d\n" % number)
        repo.commit(f"number {number}")
    repo.git("gc", "-q", "--aggressive", "--prune=now")
    repo.append("src/train.py")


# -- conversions ------------------------------------------------------------------------------------------------------


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


# -- filters ----------------------------------------------------------------------------------------------------------


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


# -- what is no file, or cannot be read -------------------------------------------------------------------------------


@state()
def special_files(path: Path) -> None:
    """A FIFO, a socket, and a FIFO where a tracked file was."""
    repo = base(path)
    os.mkfifo(path / "pipe")
    os.mkfifo(path / "src/pipe")
    here = Path.cwd()
    os.chdir(path)  # a socket's path is limited to a hundred bytes
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("socket")
        listener.close()
    finally:
        os.chdir(here)
    repo.remove("README.md")
    os.mkfifo(path / "README.md")


@state("root")
def device(path: Path) -> None:
    base(path)
    os.mknod(path / "null", 0o020666, os.makedev(1, 3))


@state("unreadable")
def unreadable(path: Path) -> None:
    """Files and a directory that only root can read."""
    repo = base(path)
    repo.write("private.txt", b"for root\n", 0)
    repo.write("locked/inside.txt")
    (path / "src/train.py").chmod(0)
    os.utime(path / "src/train.py", ns=(10**18, 10**18))
    (path / "locked").chmod(0)


@state()
def deep_and_long(path: Path) -> None:
    """A long name, and a path of many components."""
    repo = base(path)
    repo.write("n" * 255)
    repo.write("/".join("d" * 20 for _ in range(60)) + "/file")


@state()
def many_versions(path: Path) -> None:
    """A history with merges, for `--history`."""
    repo = base(path)
    for number in range(4):
        repo.git("checkout", "-q", "-b", f"b{number}")
        repo.append("src/train.py", b"# branch %d\n" % number)
        repo.commit(f"on b{number}")
        repo.git("checkout", "-q", "main")
        repo.write(f"m{number}.txt")
        repo.commit(f"on main {number}")
        repo.git("merge", "-q", "--no-ff", "-m", f"merge {number}", f"b{number}")
    repo.append("README.md")

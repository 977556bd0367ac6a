"""Refs in reftables, the default of new repositories from git 3.0 on: by a git that knows them, or by dulwich."""

from __future__ import annotations

from pathlib import Path

from states.build import NEWER_GIT, REFTABLE, Repo, base, beside, git, in_reftables, state

_OPTIONS = () if NEWER_GIT is None else (REFTABLE,)


def _forked(path: Path, *options: str) -> Repo:
    """On ``main``, with a branch ``side`` that changed the same lines."""
    repo = base(path, *options)
    repo.git("checkout", "-q", "-b", "side")
    repo.write("README.md", b"# theirs\n")
    repo.commit("theirs")
    repo.git("checkout", "-q", "main")
    repo.write("README.md", b"# ours\n")
    repo.commit("ours")
    return repo


@state()
@in_reftables
def reftable(path: Path) -> None:
    """Branches and tags in tables; staged, changed and untracked files."""
    repo = base(path, *_OPTIONS)
    repo.git("branch", "deep/er/name")
    repo.git("tag", "-a", "-m", "tagged", "v1")
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.append("src/train.py")
    repo.write("new.py")


@state()
@in_reftables
def reftable_cherry_pick_conflict(path: Path) -> None:
    """``CHERRY_PICK_HEAD`` is in a table too."""
    repo = _forked(path, *_OPTIONS)
    repo.git("cherry-pick", "side", fails=True)


@state()
@in_reftables
def reftable_detached(path: Path) -> None:
    repo = base(path, *_OPTIONS)
    repo.git("checkout", "-q", "HEAD~1")
    repo.append("README.md")


@state("sha256", "newer git")
def reftable_sha256(path: Path) -> None:
    """Both defaults of git 3.0."""
    repo = base(path, "--object-format=sha256", REFTABLE)
    repo.append("src/train.py")
    repo.git("add", "-A")
    repo.write("README.md", b"")


@state("newer git")
def reftable_unborn(path: Path) -> None:
    repo = Repo(path, REFTABLE)
    repo.write("staged.py")
    repo.git("add", "staged.py")


@state("newer git")
def reftable_many_refs(path: Path) -> None:
    """Tables with an index, several of them; branches that were deleted and moved, one a second name; a stash."""
    repo = base(path, REFTABLE)
    names = [f"refs/heads/many/{number:04}" for number in range(3000)]
    repo.git("update-ref", "--stdin", data="".join(f"create {name} HEAD\n" for name in names).encode())
    repo.git("-c", "core.logAllRefUpdates=false", "update-ref", "--stdin", data=b"delete refs/heads/many/0007\n")
    repo.git("update-ref", "refs/heads/many/0008", "HEAD~1")
    repo.append("README.md")
    repo.git("stash")
    repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/many/2999")
    repo.git("checkout", "-q", "alias")
    repo.append("src/train.py")


@state("newer git")
def reftable_linked_worktree(path: Path) -> None:
    """One more worktree, whose HEAD is in a stack of its own."""
    repo = base(beside(path, "main"), REFTABLE)
    repo.git("worktree", "add", "-q", "-b", "side", path)
    side = Repo(path)
    side.append("README.md")
    side.write("new.py")


@state("newer git")
def reftable_rebase_conflict(path: Path) -> None:
    """``REBASE_HEAD``, ``ORIG_HEAD`` and ``AUTO_MERGE`` are in a table."""
    repo = _forked(path, REFTABLE)
    repo.git("rebase", "side", fails=True)


@state("newer git")
def reftable_shallow(path: Path) -> None:
    base(beside(path, "origin"), REFTABLE)
    git(path.parent, "clone", "-q", REFTABLE, "--depth=1", f"file://{beside(path, 'origin')}", path)
    Repo(path).append("README.md")


@state("newer git")
def reftable_submodule(path: Path) -> None:
    """A submodule with reftables too, changed and on another commit."""
    new = {"GIT_DEFAULT_REF_FORMAT": "reftable"}
    base(beside(path, "inner"), REFTABLE)
    repo = base(path, REFTABLE)
    repo.git("submodule", "--quiet", "add", str(beside(path, "inner")), "lib", extra=new)
    repo.commit("with a submodule")
    inner = Repo(path / "lib")
    inner.write("more.py")
    inner.commit("more")
    inner.append("README.md")

"""Repositories in the repository: submodules and others."""

from __future__ import annotations

from pathlib import Path

from states.build import Repo, base, beside, git, source_text, state


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

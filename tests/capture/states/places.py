"""Where HEAD is, and where the repository is."""

from __future__ import annotations

from pathlib import Path

from states.build import Repo, base, beside, git, state

# -- HEAD --------------------------------------------------------------------------------------------------------------


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


# -- where the repository is -------------------------------------------------------------------------------------------


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

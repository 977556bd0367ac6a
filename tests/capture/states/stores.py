"""Where objects and refs are, and in which form."""

from __future__ import annotations

from pathlib import Path

from states.build import Repo, base, beside, git, state


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

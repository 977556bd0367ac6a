"""Conflicts, and repositories in the middle of something."""

from __future__ import annotations

from pathlib import Path

from states.build import Repo, base, source_text, state


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

"""What a manifest says, for people and programs: commit, changes, what was left out. No block is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from jellyformat.errors import FormatError
from jellyformat.format.extensions import Run, edited_of, labels_of, note_of, run_of
from jellyformat.format.manifest import snapshot_id
from jellyformat.format.model import Manifest, Omitted
from jellyformat.format.msgpack import Value
from jellyformat.format.paths import show_name
from jellyformat.format.text import brief, decoded, html_table, plural, size_text, timestamp

T = TypeVar("T")


class Change(NamedTuple):
    """How a file differs: ``A`` added, ``D`` deleted, ``M`` changed or ``T`` of another type; and its path."""

    change: str
    path: bytes

    def __repr__(self) -> str:
        return f"<Change {brief(self.change)} {brief(show_name(self.path))}>"


class Told:
    """What is said in the same way of a snapshot whose time and ref are known."""

    time: int
    ref: str | None

    @property
    def created(self) -> str:
        """When it was captured, in ISO 8601; the number of seconds where no calendar has it."""
        return timestamp(self.time)

    @property
    def branch(self) -> str | None:
        """The branch's name; None where HEAD was detached."""
        return None if self.ref is None else self.ref.removeprefix("refs/heads/")


@dataclass(frozen=True, repr=False)
class SnapshotInfo(Told):
    """What is in a snapshot. All of it is what whoever made it wrote.

    Names that are no UTF-8 hold surrogates, from which ``os.fsencode`` makes their bytes again.

    Attributes:
        file: The file that was named.
        host: Its kind; ``jelly`` for a bare container.
        form: How the container lies in it.
        holder: The file that holds the container, where that is another: a sidecar, or a file in a directory.
        host_changed: Whether the host has not the size it had when the sidecar was put beside it.
        snapshot_id: The name of the code, 64 hex digits.
        digest: The name of the container's exact bytes, 64 hex digits.
        container_bytes: Its length.
        ref: What HEAD was on, such as ``refs/heads/main``; None where it was detached.
        commit: HEAD's commit, 40 or 64 hex digits; None where there was none yet.
        subject: The first line of its message.
        operation: The merge, rebase or the like that was in progress; None for none.
        tree: The tree of the files on disk, in hex; None for a bare repository.
        staged: Index against HEAD.
        unstaged: Files against index.
        untracked: Paths of files that the index does not have.
        conflicted: Paths of unmerged files.
        omitted: Files that were there and are not in the snapshot.
        staged_omitted: Staged contents that are not.
        ignored: Paths that git ignored and that are not in the snapshot.
        files: How many files there are.
        size: Their bytes together.
        history: How many commits there are.
        time: When it was captured: seconds since 1970.
        tool: What captured it.
        captured: ``program``: the program that ran the code; ``command``: a command, afterwards; None where unknown.
        argv: The command line of that process.
        edited: Paths of files that the program had loaded, and that were changed before they were captured.
        remotes: URLs by name.
        submodules: Paths of nested repositories.
        roots: Names of the further repositories that the program ran from.
        environment: What was noted of interpreter, platform and packages.
        labels: What somebody says of the checkpoint, by name; numbers as JSON writes them.
        note: The same, as a text; None for none.
        run: Which checkpoint of which run it is; None where that is not said.
    """

    file: str
    host: str
    form: str
    holder: Path | None
    host_changed: bool
    snapshot_id: str
    digest: str
    container_bytes: int
    ref: str | None
    commit: str | None
    subject: str | None
    operation: str | None
    tree: str | None
    staged: tuple[Change, ...]
    unstaged: tuple[Change, ...]
    untracked: tuple[bytes, ...]
    conflicted: tuple[bytes, ...]
    omitted: tuple[Omitted, ...]
    staged_omitted: tuple[Omitted, ...]
    ignored: tuple[bytes, ...]
    files: int
    size: int
    history: int
    time: int
    tool: str
    captured: str | None
    argv: tuple[str, ...]
    edited: tuple[bytes, ...]
    remotes: Mapping[str, str]
    submodules: tuple[bytes, ...]
    roots: tuple[bytes, ...]
    environment: Mapping[str, Value]
    labels: Mapping[str, str]
    note: str | None
    run: Run | None

    @property
    def uncommitted(self) -> int:
        """How many changes were not committed."""
        return len(self.staged) + len(self.unstaged) + len(self.untracked) + len(self.conflicted)

    @property
    def dirty(self) -> bool:
        """Whether anything was not committed, or in progress."""
        return self.uncommitted > 0 or self.operation is not None

    def in_brief(self) -> str:
        """Commit, branch, files and changes, for a line; no control is in it, whatever the branch is called."""
        commit = "no commit" if self.commit is None else f"commit {self.commit[:10]}"
        branch = "" if self.branch is None else f" on {brief(self.branch)}"
        counts = f"{plural(self.files, 'file')}, {plural(self.uncommitted, 'uncommitted change')}"
        return f"{commit}{branch}, {counts}"

    def _afterwards(self) -> str:
        return ", by a command afterwards" if self.captured == "command" else ""

    def __repr__(self) -> str:
        return f"<SnapshotInfo {brief(self.file)}: snapshot {self.snapshot_id[:12]}, {self.in_brief()}>"

    def _repr_html_(self) -> str:
        left_out = len(self.omitted) + len(self.staged_omitted)
        rows = [
            ("snapshot", self.snapshot_id),
            ("commit", f"{self.commit or 'none yet'} on {self.branch or 'no branch'}"),
            ("subject", self.subject or ""),
            ("labels", ", ".join(f"{name}={value}" for name, value in self.labels.items())),
            ("note", self.note or ""),
            ("captured", f"{self.created} by {self.tool}{self._afterwards()}"),
            ("files", f"{self.files}, {size_text(self.size)}; {plural(self.history, 'commit')}"),
            ("container", f"{size_text(self.container_bytes)} in {self.host} ({self.form})"),
            *((("left out", f"{plural(left_out, 'file')}, NOT in this snapshot"),) if left_out else ()),
            ("staged", _listed([f"{letter} {show_name(path)}" for letter, path in self.staged])),
            ("unstaged", _listed([f"{letter} {show_name(path)}" for letter, path in self.unstaged])),
            ("untracked", _listed([show_name(path) for path in self.untracked])),
            ("conflicted", _listed([show_name(path) for path in self.conflicted])),
            ("changed after it was loaded", _listed([show_name(path) for path in self.edited])),
        ]
        return html_table(self.file, [(name, value) for name, value in rows if value])


def info_of(
    manifest: Manifest,
    *,
    file: str,
    host: str,
    form: str,
    holder: Path | None,
    host_changed: bool,
    digest: str,
    container_bytes: int,
) -> SnapshotInfo:
    """What a manifest says; the arguments are the attributes that it does not."""
    state, summary, provenance = manifest.state, manifest.summary, manifest.provenance
    head, worktree = state.head, state.worktree
    captured = provenance.more.get("captured")
    return SnapshotInfo(
        file=file,
        host=host,
        form=form,
        holder=holder,
        host_changed=host_changed,
        snapshot_id=snapshot_id(state).hex(),
        digest=digest,
        container_bytes=container_bytes,
        ref=None if head.ref is None else decoded(head.ref),
        commit=None if head.commit is None else head.commit.hex(),
        subject=None if summary.commit is None else _subject(summary.commit),
        operation=None if state.operation is None else state.operation.kind,
        tree=None if worktree is None else worktree.tree.hex(),
        staged=tuple(Change(*change) for change in summary.staged),
        unstaged=tuple(Change(*change) for change in summary.unstaged),
        untracked=summary.untracked,
        conflicted=summary.conflicted,
        omitted=omissions(manifest),
        staged_omitted=_staged_omissions(manifest),
        ignored=manifest.ignored,
        files=summary.files,
        size=summary.size,
        history=manifest.history.commits,
        time=provenance.time,
        tool=provenance.tool,
        captured=captured if isinstance(captured, str) else None,
        argv=tuple(decoded(argument) for argument in provenance.argv),
        edited=_sound(manifest, edited_of) or (),
        remotes={decoded(name): decoded(url) for name, url in provenance.remotes},
        submodules=tuple(prefix.rstrip(b"/") for prefix, _ in state.walk() if prefix),
        roots=tuple(root.name for root in state.roots),
        environment=manifest.environment,
        labels=_sound(manifest, labels_of) or {},
        note=_sound(manifest, note_of),
        run=_sound(manifest, run_of),
    )


def omissions(manifest: Manifest) -> tuple[Omitted, ...]:
    """Everything that was left out, with its whole path."""
    return tuple(
        Omitted(prefix + item.path, item.reason, item.size, item.sha256)
        for prefix, state in manifest.state.parts()
        if state.worktree is not None
        for item in state.worktree.omitted
    )


def _staged_omissions(manifest: Manifest) -> tuple[Omitted, ...]:
    """Staged contents that were left out, with their whole path."""
    return tuple(
        Omitted(prefix + item.path, item.reason, item.size, item.sha256)
        for prefix, state in manifest.state.parts()
        if state.index is not None
        for item in state.index.omitted
    )


def _sound(manifest: Manifest, read: Callable[[Mapping[str, Value]], T]) -> T | None:
    """An extension; None where it is not as it has to be, of which verify tells."""
    try:
        return read(manifest.extensions)
    except FormatError:
        return None


def _subject(commit: bytes) -> str:
    """The first line of a commit's message."""
    return commit.partition(b"\n\n")[2].lstrip(b"\n").partition(b"\n")[0].decode("utf-8", "replace")


def _listed(items: list[str]) -> str:
    """Some of them, and how many there are."""
    return "" if not items else f"{', '.join(items[:_SHOWN])}{', …' if len(items) > _SHOWN else ''} ({len(items)})"


_SHOWN = 4

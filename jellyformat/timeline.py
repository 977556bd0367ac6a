"""Every snapshot below some paths as a timeline: which code made which checkpoint, and what changed between."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from jellyformat.comparing import worktree_side
from jellyformat.errors import JellyError, SystemFailure
from jellyformat.exports import patch
from jellyformat.exports.edits import Edit
from jellyformat.following import Code, Pairs, Place, places_of
from jellyformat.format.extensions import Run
from jellyformat.format.info import Change
from jellyformat.format.paths import show_name
from jellyformat.format.text import brief, html_table, plural, timestamp
from jellyformat.gathering import Found, Missed, gather
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike
from jellyformat.selecting import Selection, code_of, conditions, moment, path_matches, sort_key, value_of
from jellyformat.trust.containers import signatures_of
from jellyformat.trust.settings import Trust, trust_of
from jellyformat.trust.signature import SignatureCheck

_SHOWN = 3


@dataclass(frozen=True, repr=False)
class LogEntry:
    """One checkpoint in a timeline. What cannot be read of it is None, and ``damaged`` says why.

    Attributes:
        file: Its path or URL.
        host: Its kind; ``jelly`` for a bare container.
        snapshot_id: The name of the code, 64 hex digits.
        digest: The name of the container's exact bytes, 64 hex digits.
        time: When it was captured: seconds since 1970.
        ref: What HEAD was on, such as ``refs/heads/main``; None where it was detached.
        commit: HEAD's commit, 40 or 64 hex digits; None where there was none yet.
        subject: The first line of its message.
        uncommitted: How many changes were not committed.
        dirty: Whether there were such changes, or a merge or the like in progress.
        edited: Files that the program had loaded, and that were changed before they were captured.
        labels: What somebody says of it, by name; numbers as JSON writes them.
        note: The same, as a text.
        run: Which checkpoint of which run it is; None where that is not said.
        changes: What changed in the files since the checkpoint before in the same run; None where there is none, or
            that cannot be told.
        since: The file with which its code was compared: the checkpoint that it says it comes from, else the one
            before in the same run, else the last of the run before; None for none.
        edits: What changed since that; None as above.
        damaged: What is wrong with it; None for nothing.
        signatures: What is known of its signatures; without ``signers`` nothing but by which keys they say to be.
    """

    file: str
    host: str | None = None
    snapshot_id: str | None = None
    digest: str | None = None
    time: int | None = None
    ref: str | None = None
    commit: str | None = None
    subject: str | None = None
    uncommitted: int | None = None
    dirty: bool | None = None
    edited: tuple[bytes, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None
    run: Run | None = None
    changes: tuple[Change, ...] | None = None
    since: str | None = None
    edits: tuple[Edit, ...] | None = None
    damaged: JellyError | None = None
    signatures: tuple[SignatureCheck, ...] = ()

    @property
    def created(self) -> str | None:
        """When it was captured, in ISO 8601; the number of seconds where no calendar has it."""
        return None if self.time is None else timestamp(self.time)

    def __repr__(self) -> str:
        return f"<LogEntry {brief(self.file)}: {self._words()}>"

    def _repr_html_(self) -> str:
        shown = [f"{letter} {show_name(path)}" for letter, path in (self.changes or ())[: 2 * _SHOWN]]
        labels = ", ".join(f"{name}={value}" for name, value in self.labels.items())
        rows = [
            ("entry", self._words()),
            ("subject", self.subject or ""),
            ("labels", labels),
            ("note", self.note or ""),
        ]
        rows.append(("changed", ", ".join(shown)))
        rows.append(("changed after it was loaded", ", ".join(map(show_name, self.edited[: 2 * _SHOWN]))))
        return html_table(self.file, [(name, value) for name, value in rows if value])

    def _words(self) -> str:
        if self.snapshot_id is None:
            return brief(self.damaged.message if self.damaged else "")
        commit = "no commit" if self.commit is None else self.commit[:10]
        since = "" if self.changes is None else f", {plural(len(self.changes), 'file')} changed since the one before"
        return f"{self.created}, snapshot {self.snapshot_id[:12]}, {commit}{since}"


def log(
    path: PathLike,
    *more: PathLike,
    n: int | None = None,
    since: str | None = None,
    until: str | None = None,
    branch: str | None = None,
    changed: str | None = None,
    code: str | None = None,
    where: str | Sequence[str] = (),
    sort: str | None = None,
    reverse: bool = False,
    signers: PathLike | None = None,
) -> list[LogEntry]:
    """Every snapshot in some files, and in all files below some directories, as a timeline.

    Checkpoints of one run stand together: by the extension `run`, else by their directory. The run that began first is
    in front; in a run they are ordered by sequence, time, and names as people count. Files without a snapshot are
    passed over. Those whose snapshot cannot be read come last.

    Args:
        path: A file or directory, an index, the URL of a file, or one that the names of files in a store begin with.
        more: More of them.
        n: So many: the newest; with ``sort`` the first.
        since: Captured then or later: ``2026-01-31``, ``2026-01-31T12:00``, ``@SECONDS``, ``2 days ago``.
        until: Captured then or earlier.
        branch: Of this branch, or glob of branches.
        changed: Only where the code of such files changed: a glob, or a directory.
        code: Only of the code whose snapshot id, or commit, begins so; or that of this checkpoint.
        where: Conditions such as ``val_loss<0.2``: a label or ``branch``, ``code``, ``commit``, ``dirty``, ``file``,
            ``host``, ``note``, ``run``, ``sequence``, ``subject``, ``time``; then ``<``, ``<=``, ``>``, ``>=``, ``=``,
            ``!=``, or ``~`` for part of a text. All have to hold.
        sort: A label, or one of these: the smallest first.
        reverse: The other way round.
        signers: Check all signatures, with the allowed signers in this file, as git has them.

    Raises:
        NoFile: there is no such file.
        Usage: a time or condition is none.
    """
    selection = Selection(moment(since), moment(until), branch, code_of(code), conditions(where))
    trust = None if signers is None else trust_of(signers)
    query = Query(selection, n, changed, sort, reverse, trust)
    missed = Missed()
    return with_damaged(list(entries((path, *more), query, missed)), missed)


def with_damaged(found: list[LogEntry], missed: Missed) -> list[LogEntry]:
    """The entries, those that are damaged too: at their place where their manifest is sound, else at the end."""
    errors = dict(missed.damaged)
    at_place = []
    for entry in found:
        error = errors.pop(entry.file, None)
        at_place.append(entry if error is None or entry.damaged is not None else replace(entry, damaged=error))
    return at_place + [LogEntry(name, damaged=error) for name, error in errors.items()]


@dataclass(frozen=True)
class Query:
    """What `log` is asked for; the attributes are its arguments."""

    selection: Selection
    n: int | None = None
    changed: str | None = None
    sort: str | None = None
    reverse: bool = False
    trust: Trust | None = None

    @property
    def is_ordered(self) -> bool:
        """Whether all have to be known before the first can be given."""
        return self.n is not None or self.sort is not None or self.reverse


def entries(paths: Iterable[PathLike], query: Query, missed: Missed, *, streaming: bool = False) -> Iterator[LogEntry]:
    """As `log`, one by one, each when it has been compared; ``missed`` gets what cannot be read.

    Args:
        paths: As for `log`.
        query: What is asked for.
        missed: Gets what was not asked for or carries no snapshot that can be read, in the end also checkpoints whose
            code cannot be read.
        streaming: Give those of each directory when it has been read, if the query allows it.

    Raises:
        NoFile: there is no such file.
    """
    with ExitStack() as opened:
        code = opened.enter_context(Code(missed))
        places = places_of(gather(paths, missed, opened, streaming=streaming and not query.is_ordered))
        taken = _taken(places, query, code, missed)
        for place in _arranged(taken, query) if query.is_ordered else taken:
            yield _entry(place, code, query.trust)


def _taken(places: Iterable[Place], query: Query, code: Code, missed: Missed) -> Iterator[Place]:
    """Those that are asked for; the others are counted."""
    asked = {*([query.sort] if query.sort else ()), *(condition.name for condition in query.selection.where)}
    for place in places:
        if len(missed.named) < len(asked):
            missed.named |= {name for name in asked if value_of(place.item.info, name) is not None}
        if query.selection.takes(place.item.info) and (
            query.changed is None or _has_changed(code, place, query.changed)
        ):
            yield place
        else:
            missed.others += 1


def _arranged(places: Iterable[Place], query: Query) -> list[Place]:
    found = list(places)
    if query.sort is not None:
        name = query.sort
        found.sort(key=lambda place: sort_key(place.item.info, name, reverse=query.reverse))
        return found[: query.n]
    if query.n is not None:
        newest = heapq.nlargest(query.n, range(len(found)), key=lambda at: (found[at].item.info.time, at))
        found = [found[at] for at in sorted(newest)]
    return found[::-1] if query.reverse else found


def _has_changed(code: Code, place: Place, glob: str) -> bool:
    try:
        since, edits = code.compared(place.before(), place.item)
        if since is None:
            return any(path_matches(path, glob) for path in code.files(place.item))
        return any(path_matches(edit.path, glob) for edit in edits)
    except JellyError:  # the entry says so
        return True


def compare_all(
    found: list[Found], known: Pairs
) -> tuple[dict[str, dict[str, tuple[Edit, ...]]], dict[str, JellyError]]:
    """What changed in the code of each checkpoint, since the codes that `log` compares it with; by name of the file.

    Args:
        found: The checkpoints in order.
        known: What is known already.

    Returns:
        The changes, by the older code; and what is wrong with those whose code cannot be read.
    """
    missed = Missed()
    with Code(missed, known) as code:
        entries = [_entry(place, code, None) for place in places_of([found])]
    broken = dict(missed.damaged) | {entry.file: entry.damaged for entry in entries if entry.damaged is not None}
    return code.used, broken


def _checked(item: Found, trust: Trust) -> tuple[SignatureCheck, ...]:
    """The signatures of a checkpoint; those that cannot be read any more stay unchecked."""
    if not item.info.signed:
        return ()
    with suppress(JellyError), item.opened() as box:
        return signatures_of(box.manifest, trust)
    return item.info.claims


def _entry(place: Place, code: Code, trust: Trust | None) -> LogEntry:
    item, info = place.item, place.item.info
    entry = LogEntry(
        file=item.name,
        host=info.host,
        snapshot_id=info.snapshot_id,
        digest=info.digest,
        time=info.time,
        ref=info.ref,
        commit=info.commit,
        subject=info.subject,
        uncommitted=info.uncommitted,
        dirty=info.dirty,
        edited=info.edited,
        labels=info.labels,
        note=info.note,
        run=info.run,
        signatures=info.claims if trust is None else _checked(item, trust),
    )
    try:
        since, edits = code.compared(place.before(), item)
        mate, changed = since, edits
        if since is None or since.run != item.run or since is place.parent:
            mate, changed = code.compared(place.mates(), item)
    except JellyError as error:  # its manifest is sound, and tells what it was
        return replace(entry, damaged=error)
    changes = None if mate is None else tuple(Change(edit.change, edit.path) for edit in changed)
    if since is None:
        return replace(entry, changes=changes)
    return replace(entry, changes=changes, since=since.name, edits=edits)


def patch_of(entry: LogEntry, glob: str | None = None) -> Iterator[bytes]:
    """What changed in the code of an entry since the one that it was compared with: the lines of a patch.

    Args:
        entry: An entry of `log`.
        glob: Of which files; None for all.

    Raises:
        FormatError: one of both is damaged.
    """
    if entry.since is None or not entry.edits:
        return
    wanted = {edit.path for edit in entry.edits if glob is None or path_matches(edit.path, glob)}
    with open_container(entry.since) as one, open_container(entry.file) as two:
        if two.digest != entry.digest:
            raise SystemFailure(f"{entry.file} has changed since it was indexed", hint="nothing was changed")
        old, new = ({path: side for path, side in worktree_side(box).items() if path in wanted} for box in (one, two))
        yield from patch.patch(old, new, binary=False)

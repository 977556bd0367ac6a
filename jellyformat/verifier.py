"""Verify: everything that can be checked of a container and its host, said check by check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from jellyformat import binding, container, hosts, lookup, paths
from jellyformat.errors import JellyError
from jellyformat.lookup import Holding, Named
from jellyformat.model import HISTORY, STATE
from jellyformat.reader import Container
from jellyformat.registry import Readable


@dataclass(frozen=True)
class Check:
    """One check: what was checked, whether it held, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Report:
    """What verify found.

    Attributes:
        file: The file's name.
        ok: Whether everything held.
        host: The host's kind; ``jelly`` for a bare container; None where not even that is known.
        snapshot_id: 64 hex digits; None where the manifest could not be read.
        digest: 64 hex digits; None where the header could not be read.
        checks: In the order they were made; the first that fails is the last.
        error: The first fault; None where everything held.
    """

    file: str
    ok: bool
    host: str | None
    snapshot_id: str | None
    digest: str | None
    checks: tuple[Check, ...] = ()
    error: JellyError | None = None

    def to_json(self) -> dict[str, object]:
        """The report as ``verify --json`` prints it."""
        return {
            "file": self.file,
            "ok": self.ok,
            "host": self.host,
            "snapshot_id": self.snapshot_id,
            "digest": self.digest,
            "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in self.checks],
            "error": None if self.error is None else self.error.to_json(),
        }


@dataclass
class _Run:
    """The checks made so far."""

    file: str
    host: str | None = None
    box: Container | None = None
    checks: list[Check] = field(default_factory=list)

    def check(self, name: str, action: Callable[[], str]) -> None:
        try:
            detail = action()
        except JellyError as error:
            self.checks.append(Check(name, False, error.message))
            raise
        self.checks.append(Check(name, True, detail))

    def report(self, error: JellyError | None) -> Report:
        box = self.box
        return Report(
            file=self.file,
            ok=error is None,
            host=self.host,
            snapshot_id=None if box is None else box.snapshot_id,
            digest=None if box is None else box.digest,
            checks=tuple(self.checks),
            error=error,
        )


def verify(file: Readable, *, quick: bool = False) -> Report:
    """Check a container and the way its host carries it.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        quick: Only host, header, manifest and the hashes of the blocks, without decoding objects.

    Returns:
        The report; a fault of the container is in it and not raised.

    Raises:
        NoSnapshot: the file carries none.
        SystemFailure: it cannot be read.
    """
    with lookup.named(file) as named:
        run = _Run(named.name)
        try:
            held = _verify(run, named, quick)
            _verify_host(run, named, held, quick)
        except JellyError as error:
            if error.exit_code != 1:
                raise
            return run.report(error)
        return run.report(None)


def _verify(run: _Run, named: Named, quick: bool) -> Holding:
    """Check the container; what was found."""

    def host() -> str:
        holding = lookup.container_in(named)
        run.host = holding.host
        found.append(holding)
        beside = "" if holding.file is None else f", in {holding.file}"
        return f"{holding.host}, {holding.form}: container of {holding.container.size} bytes{beside}"

    found: list[Holding] = []
    run.check("host", host)
    (held,) = found
    inner = held.container

    def header() -> str:
        found = container.read_header(inner)
        return f"version {container.MAJOR_VERSION}, {found.total_length} bytes"

    def read_manifest() -> str:
        run.box = Container(inner, host=held.host, name=named.name)
        return f"digest {run.box.digest[:16]}…, canonical, {len(run.box.manifest.blocks)} blocks"

    run.check("header", header)
    run.check("manifest", read_manifest)
    assert run.box is not None
    box = run.box
    run.check("blocks", lambda: _blocks(box))
    if quick:
        return held
    checker = box.checker

    def objects() -> str:
        box.pool.decode((STATE, HISTORY))
        diffs = sum(1 for place in box.pool.places.values() if place.chain)
        return f"{len(box.pool.places)} objects canonical and hashed, {diffs} of them rebuilt from diffs"

    run.check("objects", objects)
    run.check("needed objects", lambda: f"{checker.needed()} that the state names are there{_missing(box)}")
    run.check("history", lambda: f"{checker.history()} commits, {len(box.manifest.history.shallow)} at the boundary")
    if checker.outside:
        run.check(
            "prerequisites", lambda: f"{len(checker.outside)} objects left to them; state and summary not checked"
        )
        return held
    run.check("state", lambda: f"{checker.state()} repositories, their parts agree{_left_out(box)}")
    run.check("paths", lambda: _paths(box))
    run.check("summary", lambda: _summary(box))
    return held


def _verify_host(run: _Run, named: Named, held: Holding, quick: bool) -> None:
    """Check whether the host is the one that the container was made for (SPEC 14.6 to 14.8)."""
    assert run.box is not None
    extensions = run.box.manifest.extensions
    with hosts.opened(named, held, extensions) as host:
        if binding.SIDECAR in extensions:
            run.check("sidecar", lambda: hosts.check_sidecar(host, extensions, quick=quick))
        if binding.BINDING in extensions:
            run.check("binding", lambda: hosts.check_binding(host, extensions, quick=quick))


def _missing(box: Container) -> str:
    count = len(box.manifest.history.missing)
    return f", but {count} that the repository did not have itself" if count else ""


def _left_out(box: Container) -> str:
    """What the state says of files that were there and are not in the container."""
    reasons = Counter(
        item.reason
        for _, state in box.manifest.state.walk()
        if state.worktree is not None
        for item in state.worktree.omitted
    )
    if not reasons:
        return ""
    words = ", ".join(f"{reason} {count}" for reason, count in sorted(reasons.items()))
    return f"; {sum(reasons.values())} files were left out ({words})"


def _blocks(box: Container) -> str:
    box.check_hashes()
    return f"the SHA-256 of all {len(box.manifest.blocks)} matches"


def _paths(box: Container) -> str:
    names = [file.path for file in box.files()]
    awkward = paths.not_portable(names)
    if not awkward:
        return f"{len(names)} paths safe"
    return f"{len(names)} paths safe, {len(awkward)} not portable, such as {paths.show_name(awkward[0])}"


def _summary(box: Container) -> str:
    box.checker.summary()
    found = box.manifest.summary
    return (
        f"{found.files} files, {len(found.staged)} staged, {len(found.unstaged)} unstaged, {len(found.untracked)} new"
    )

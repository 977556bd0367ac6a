"""Verify: everything that can be checked of a container and its host, said check by check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from jellyformat.errors import (
    BindingMismatch,
    JellyError,
    SignatureMismatch,
    UnsupportedBlock,
    UnsupportedFeature,
    UnsupportedVersion,
)
from jellyformat.format import frames, paths
from jellyformat.format.container import BARE, Container
from jellyformat.format.model import HISTORY, STATE
from jellyformat.format.text import brief, html_table, plural
from jellyformat.hints import Hint, option
from jellyformat.hosts import binding, lookup, ties
from jellyformat.hosts.lookup import Holding, Named
from jellyformat.hosts.registry import PathLike, Readable
from jellyformat.hosts.settled import settled
from jellyformat.trust import commits, containers, settings
from jellyformat.trust.settings import Trust
from jellyformat.trust.signature import SignatureCheck

UNKNOWN = (UnsupportedVersion, UnsupportedFeature, UnsupportedBlock)
"""What a later version may have written: told as that, and not as damage (SPEC 3.1)."""


@dataclass(frozen=True)
class Check:
    """One check: what was checked, whether it held, and what was found."""

    name: str
    ok: bool
    detail: str

    def __repr__(self) -> str:
        return f"<Check {self.name}: {'ok' if self.ok else 'FAILED'}, {brief(self.detail)}>"


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
        signatures: What is known of each signature of the container. They count for ``ok`` only where one is required.
        commit_signature: What is known of that of the commit that HEAD was on; None where it has none.
    """

    file: str
    ok: bool
    host: str | None
    snapshot_id: str | None
    digest: str | None
    checks: tuple[Check, ...] = ()
    error: JellyError | None = None
    signatures: tuple[SignatureCheck, ...] = ()
    commit_signature: SignatureCheck | None = None

    def __repr__(self) -> str:
        what = plural(len(self.checks), "check") if self.error is None else brief(self.error.message)
        return f"<Report {brief(self.file)}: {self._verdict()}, {what}>"

    def _repr_html_(self) -> str:
        rows = [(check.name, f"{'✓' if check.ok else '✗'} {check.detail}") for check in self.checks]
        if self.error is not None and (not self.checks or self.checks[-1].ok):
            rows.append(("error", self.error.message))
        return html_table(f"{self.file}: {self._verdict()}", rows)

    def _verdict(self) -> str:
        if self.ok:
            return "ok"
        return verdict(self.error)

    def to_json(self, program: str = "jelly") -> dict[str, object]:
        """The report as ``verify --json`` prints it.

        Args:
            program: What our command line is called in it.
        """
        return {
            "file": self.file,
            "ok": self.ok,
            "host": self.host,
            "snapshot_id": self.snapshot_id,
            "digest": self.digest,
            "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in self.checks],
            "error": None if self.error is None else self.error.to_json(program),
            "signatures": [item.to_json() for item in self.signatures],
            "commit_signature": None if self.commit_signature is None else self.commit_signature.to_json(),
        }


def verdict(error: JellyError | None) -> str:
    """What a fault means, in a few words."""
    if isinstance(error, SignatureMismatch):
        return "NOT SIGNED"
    if isinstance(error, UNKNOWN):
        return "NOT KNOWN HERE"
    return "OTHER HOST" if isinstance(error, BindingMismatch) else "DAMAGED"


@dataclass
class _Run:
    """The checks made so far."""

    file: str
    host: str | None = None
    box: Container | None = None
    checks: list[Check] = field(default_factory=list)
    signatures: tuple[SignatureCheck, ...] = ()
    commit_signature: SignatureCheck | None = None

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
            signatures=self.signatures,
            commit_signature=self.commit_signature,
        )


def verify(
    file: Readable,
    *,
    quick: bool = False,
    signers: PathLike | None = None,
    require: bool | str = False,
    at: int | None = None,
) -> Report:
    """Check a container and the way its host carries it, and by whom it is signed.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        quick: Only host, header, manifest and the hashes of the blocks, without decoding objects.
        signers: A file of allowed signers, as git has them; None: what git's ``gpg.ssh.allowedSignersFile`` names.
        require: A good signature has to be there, by anyone who is allowed; or by this principal.
        at: When keys have to be valid, in seconds since 1970; None for now. A signature does not say when it was made.

    Returns:
        The report; a fault of the container is in it and not raised.

    Raises:
        NoSnapshot: the file carries none.
        NoFile: there is no such file, or none of signers.
        Busy: another process is changing it all the time.
        SystemFailure: it cannot be read.
    """
    trust = settings.trust_of(signers, at)
    return settled(file, lambda: _verify_once(file, quick, trust, require), lambda report: not report.ok)


def _verify_once(file: Readable, quick: bool, trust: Trust, require: bool | str) -> Report:
    with lookup.named(file) as named:
        run = _Run(named.name)
        try:
            held = _verify(run, named, quick)
            _verify_signatures(run, trust, require)
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
        found = frames.read_header(inner)
        return f"version {frames.MAJOR_VERSION}, {found.total_length} bytes"

    def read_manifest() -> str:
        run.box = Container(inner, host=held.host, name=named.name)
        return f"digest {run.box.digest[:16]}…, canonical, {len(run.box.manifest.blocks)} blocks"

    run.check("header", header)
    run.check("manifest", read_manifest)
    assert run.box is not None
    box = run.box
    if quick:
        run.check("blocks", lambda: _blocks(box))
        return held
    checker = box.checker

    def objects() -> str:
        box.pool.decode((STATE, HISTORY))  # block by block, the SHA-256 of each before anything of it
        box.check_hashes(unknown_only=True)
        diffs = sum(1 for place in box.pool.places.values() if place.chain)
        return f"{len(box.pool.places)} objects canonical and hashed, {diffs} of them rebuilt from diffs"

    run.check("objects", objects)
    if box.manifest.extensions:
        run.check("extensions", lambda: f"{checker.extensions()} of the registered ones, as they have to be")
    run.check("needed objects", lambda: f"{checker.needed()} that the state names are there{_missing(box)}")
    run.check("history", lambda: f"{checker.history()} commits, {len(box.manifest.history.shallow)} at the boundary")
    if checker.outside:
        left = plural(len(checker.outside), "object")
        run.check("prerequisites", lambda: f"{left} left to them; what depends on them is not checked")
    run.check("state", lambda: f"{checker.state()} repositories, their parts agree{_left_out(box)}")
    if all(checker.is_whole(state) for _, state in box.manifest.state.parts()):
        run.check("paths", lambda: _paths(box))
        run.check("summary", lambda: _summary(box))
    return held


def _verify_signatures(run: _Run, trust: Trust, require: bool | str) -> None:
    """Check whose signatures there are (SPEC JF-SIG). None of them is a fault where none is required."""
    assert run.box is not None
    manifest = run.box.manifest
    run.signatures = containers.signatures_of(manifest, trust)
    run.commit_signature = commits.check_commit(manifest, lambda: trust)
    if require is False:
        return
    who = None if require is True else require
    if any(item.is_by(who) for item in run.signatures):
        return
    by = "by one who is allowed" if who is None else f"by {who}"
    found = "it has none" if not run.signatures else f"it has {plural(len(run.signatures), 'other')}"

    def required() -> str:
        raise SignatureMismatch(
            f"the snapshot has no good signature {by}: {found}",
            requirement="JF-SIG-003",
            hint=None if trust.signers is not None else Hint("name who may sign: ", option("signers", "FILE")),
        )

    run.check("signed", required)


def _verify_host(run: _Run, named: Named, held: Holding, quick: bool) -> None:
    """Check whether the host is the one that the container was made for (SPEC JF-SDC, JF-DIR and JF-BND)."""
    assert run.box is not None
    extensions = run.box.manifest.extensions
    with ties.open_bound(named, held, extensions) as host:
        if binding.SIDECAR in extensions:
            tied = host if held.host in (binding.SIDECAR, BARE) else None  # in a host, it is about another file
            run.check("sidecar", lambda: ties.check_sidecar(tied, extensions, quick=quick))
        if binding.BINDING in extensions:
            run.check("binding", lambda: ties.check_binding(host, extensions, quick=quick))


def _missing(box: Container) -> str:
    count = len(box.manifest.history.missing)
    return f", but {count} that the repository did not have itself" if count else ""


def _left_out(box: Container) -> str:
    """What the state says of files that were there and are not in the container."""
    reasons = Counter(
        item.reason
        for _, state in box.manifest.state.parts()
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

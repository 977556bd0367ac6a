"""``show``: what is in a snapshot, from its manifest alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

import jellyformat
from jellyformat.cli.checkpoints import look_at_each
from jellyformat.cli.options import signers_option
from jellyformat.cli.origin import place_of
from jellyformat.cli.output import bold, common, json_option, print_json, safe_name, safe_path
from jellyformat.errors import NoSnapshot, Usage
from jellyformat.exports.requirements import packages_of
from jellyformat.format.extensions import SIGNATURES, Run
from jellyformat.format.text import decoded, plural, size_text, visible
from jellyformat.hosts import registry
from jellyformat.trust.origin import origin

if TYPE_CHECKING:
    from jellyformat.format.model import Manifest
    from jellyformat.trust.settings import Trust
    from jellyformat.trust.signature import SignatureCheck

_MOST = 12


@click.command("show")
@click.argument("files", type=click.Path(), nargs=-1, required=True)
@click.option("--all", "all_lines", is_flag=True, help="All paths, however many.")
@click.option("--text", is_flag=True, help="All its files as one text, for git diff (textconv); without one, that.")
@click.option("--markdown", is_flag=True, help="A section for a model card.")
@signers_option
@json_option
@common
def command(
    files: tuple[str, ...], all_lines: bool, text: bool, markdown: bool, signers: str | None, as_json: bool
) -> int:
    """What is in FILES: commit, branch, time, changes, sizes, environment. No tensor or block is read.

    FILES may be directories: of a directory that is no checkpoint itself, all checkpoints below it are shown. With
    --json, each checkpoint has a line. Who signed it is told by --signers, or git's gpg.ssh.allowedSignersFile.
    """
    if text + markdown + as_json > 1:
        raise Usage("--text, --markdown and --json cannot be combined", hint="ask for one of them")
    if text:
        for file in files:
            _print_text(file)
        return 0
    trust = functools.cache(functools.partial(_trust, signers))
    if signers is not None:
        trust()  # a file that is not there is said of once, and first

    def look(file: str) -> int:
        with jellyformat.open(file) as box:
            found, manifest = box.info(), box.manifest
        if markdown:
            from jellyformat.cli.card import card

            click.echo(card(found, file), nl=False)
            return 0
        signed, commit = _signatures(manifest, trust)
        if as_json:
            more = {"signatures": [item.to_json() for item in signed], "commit_signature": commit and commit.to_json()}
            print_json(as_dict(found) | more, line=True)
            return 0
        rows = [("signature", item.in_words()) for item in signed]
        if commit is not None:
            rows.append(("HEAD, signed", commit.in_words()))
        from_where = None if signed else origin(manifest, trust, *place_of(file))
        if from_where is not None:
            rows.append(("signature", f"none: {from_where.in_words()}"))
        _print(found, rows, None if all_lines else _MOST)
        return 0

    return look_at_each(files, look, json=as_json)


def _trust(signers: str | None) -> Trust:
    from jellyformat.trust.settings import trust_of

    return trust_of(signers)


def _signatures(
    manifest: Manifest, trust: Callable[[], Trust]
) -> tuple[tuple[SignatureCheck, ...], SignatureCheck | None]:
    """What is known of the container's signatures, and of its commit's; nothing is imported where there are none."""
    if SIGNATURES not in manifest.extensions and b"\ngpgsig" not in (manifest.summary.commit or b""):
        return (), None
    from jellyformat.trust.commits import check_commit

    commit = check_commit(manifest, trust)
    if SIGNATURES not in manifest.extensions:
        return (), commit
    from jellyformat.trust.containers import signatures_of

    return signatures_of(manifest, trust()), commit


def _print_text(file: str) -> None:
    """A text for git, which takes a failure for one of its own: so a file without snapshot has one, too."""
    from jellyformat.exports.listing import listing

    try:
        with jellyformat.open(file) as box:
            for line in listing(box):
                click.echo(line)
    except NoSnapshot:
        with registry.reading(file) as (source, _):
            click.echo(f"no snapshot; {plural(source.size, 'byte')}")


def as_dict(found: jellyformat.SnapshotInfo) -> dict[str, object]:
    """What ``show --json`` prints."""
    return {
        "file": found.file,
        "snapshot_id": found.snapshot_id,
        "digest": found.digest,
        "host": found.host,
        "in": None if found.holder is None else str(found.holder),
        "host_changed": found.host_changed,
        "head": {"ref": found.ref, "commit": found.commit},
        "subject": None if found.subject is None else visible(found.subject),
        "operation": found.operation,
        "tree": found.tree,
        "dirty": found.dirty,
        "staged": [decoded(path) for _, path in found.staged],
        "unstaged": [decoded(path) for _, path in found.unstaged],
        "untracked": [decoded(path) for path in found.untracked],
        "conflicted": [decoded(path) for path in found.conflicted],
        "omitted": [_as_dict(item) for item in found.omitted],
        "staged_omitted": [_as_dict(item) for item in found.staged_omitted],
        "ignored": [decoded(path) for path in found.ignored],
        "files": found.files,
        "size": found.size,
        "history": found.history,
        "created": found.created,
        "tool": found.tool,
        "captured": None if found.captured is None else visible(found.captured),
        "edited": [decoded(path) for path in found.edited],
        "argv": list(found.argv),
        "remotes": dict(found.remotes),
        "submodules": [decoded(path) for path in found.submodules],
        "roots": [decoded(name) for name in found.roots],
        "container_bytes": found.container_bytes,
        "environment": plain(found.environment),
        "labels": dict(found.labels),
        "note": found.note,
        "run": run_as_dict(found.run),
    }


def run_as_dict(run: Run | None) -> dict[str, object] | None:
    """Which checkpoint of which run it is, for JSON."""
    if run is None:
        return None
    parent = None if run.parent is None else run.parent.hex()
    return {"id": run.id.hex(), "sequence": run.sequence, "parent": parent}


def _as_dict(item: jellyformat.Omitted) -> dict[str, object]:
    return {
        "path": decoded(item.path),
        "reason": visible(item.reason),
        "size": item.size,
        "sha256": None if item.sha256 is None else item.sha256.hex(),
    }


def plain(value: object) -> object:
    """An open value for JSON."""
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def branch(ref: str | None) -> str:
    """The branch, for people."""
    return "detached" if ref is None else visible(ref.removeprefix("refs/heads/"))


def _print(found: jellyformat.SnapshotInfo, signed: list[tuple[str, str]], most: int | None) -> None:
    rows: list[tuple[str, str]] = []
    commit = "none yet" if found.commit is None else found.commit[:10]
    title = "" if found.subject is None else f"  {visible(found.subject)}"
    if found.commit is None and found.ref is None:
        rows.append(("commit", "none: the files were taken without git"))
    else:
        rows.append(("commit", f"{bold(commit)} on {bold(branch(found.ref))}{title}"))
    rows += [("label", f"{visible(name)} = {visible(value)}") for name, value in found.labels.items()]
    if found.note is not None:
        rows += [("note", visible(line)) for line in found.note.splitlines()]
    if found.run is not None:
        rows.append(("run", f"{found.run.id.hex()[:8]}, checkpoint {found.run.sequence}"))
    if found.operation is not None:
        rows.append(("in progress", found.operation))
    afterwards = ", by a command afterwards: not by the program that ran the code" * (found.captured == "command")
    rows.append(("captured", f"{found.created} by {visible(found.tool)}{afterwards}"))
    rows.append(("snapshot", f"{found.snapshot_id[:16]}…  digest {found.digest[:16]}…"))
    rows += signed
    rows.append(("files", f"{found.files}, {size_text(found.size)}; {plural(found.history, 'commit')}"))
    where = f"in {found.host} ({found.form})"
    if found.holder is not None:
        where = f"in {safe_name(found.holder)} ({found.host}, {found.form})"
    rows.append(("container", f"{size_text(found.container_bytes)} {where}"))
    rows += [("remote", f"{visible(name)} {visible(url)}") for name, url in found.remotes.items()]
    if found.argv:
        rows.append(("command", visible(" ".join(found.argv))))
    rows.extend(_environment(found))
    click.echo(bold(visible(found.file)))
    for name, text in rows:
        click.echo(f"  {name:<12} {text}")
    if not found.dirty:
        left_out = found.omitted or found.staged_omitted
        click.echo("  committed, but for what was left out" if left_out else "  clean: everything was committed")
    _list("staged", [f"{letter} {safe_path(path)}" for letter, path in found.staged], most)
    _list("unstaged", [f"{letter} {safe_path(path)}" for letter, path in found.unstaged], most)
    _list("untracked", [safe_path(path) for path in found.untracked], most)
    _list("conflicted", [safe_path(path) for path in found.conflicted], most)
    _list("changed after the program had loaded it, maybe not what ran", [*map(safe_path, found.edited)], most)
    _list("left out, NOT in this snapshot", [_left_out(item) for item in found.omitted], most)
    _list("staged, NOT in this snapshot", [_left_out(item) for item in found.staged_omitted], most)
    if found.ignored:
        names = ", ".join(safe_path(path) for path in found.ignored[:4])
        more = ", …" if len(found.ignored) > 4 else ""
        click.echo(f"  not in this snapshot, as git ignores them or they carry one: {names}{more}")


def _left_out(item: jellyformat.Omitted) -> str:
    size = "" if item.size is None else ", " + size_text(item.size)
    return f"{safe_path(item.path)}  ({visible(item.reason)}{size})"


def _environment(found: jellyformat.SnapshotInfo) -> list[tuple[str, str]]:
    environment = found.environment
    if not environment:
        return []
    words = [str(environment.get(key, "")) for key in ("language", "version", "platform")]
    rows = [("environment", visible(" ".join(words)) + f", {plural(len(packages_of(environment)), 'package')}")]
    editable = environment.get("editable")
    for item in editable if isinstance(editable, list) else ():
        if isinstance(item, dict):
            changed = ", with changes that are not committed" if item.get("clean") is False else ""
            commit = str(item.get("commit") or "no commit")[:10]
            rows.append(("in place", visible(f"{item.get('name')} {commit} of {item.get('repository')}{changed}")))
    return rows


def _list(title: str, lines: list[str], most: int | None) -> None:
    if not lines:
        return
    click.echo(f"  {title} ({len(lines)})")
    for line in lines[:most]:
        click.echo(f"    {line}")
    if most is not None and len(lines) > most:
        click.echo(f"    … and {len(lines) - most} more (--all)")

"""``show``: what is in a snapshot, from its manifest alone."""

from __future__ import annotations

import datetime

import click

import jellyformat
from jellyformat.cli.output import (
    bold,
    common,
    json_option,
    path_text,
    plural,
    print_json,
    safe,
    safe_name,
    safe_path,
    size_text,
)
from jellyformat.model import Manifest, Omitted

_MOST = 12


@click.command("show")
@click.argument("file")
@click.option("--all", "all_lines", is_flag=True, help="All paths, however many.")
@json_option
@common
def command(file: str, all_lines: bool, as_json: bool) -> None:
    """What is in FILE: commit, branch, time, changes, sizes, environment. No tensor or block is read."""
    with jellyformat.open(file) as box:
        if as_json:
            print_json(as_dict(box))
        else:
            _print(box, None if all_lines else _MOST)


def omissions(manifest: Manifest) -> list[Omitted]:
    """Everything that was left out, with its whole path."""
    return [
        Omitted(prefix + item.path, item.reason, item.size, item.sha256)
        for prefix, state in manifest.state.walk()
        if state.worktree is not None
        for item in state.worktree.omitted
    ]


def staged_omissions(manifest: Manifest) -> list[Omitted]:
    """Staged contents that were left out; what a stranger wrote there is passed over."""
    found: list[Omitted] = []
    note = manifest.extensions.get("staged_omitted")
    for item in note if isinstance(note, list) else ():
        match item:
            case [bytes(path), str(reason), int() | None as size]:
                found.append(Omitted(path, reason, size))
    return found


def as_dict(box: jellyformat.Container) -> dict[str, object]:
    """What ``show --json`` prints."""
    manifest = box.manifest
    state, summary, provenance = manifest.state, manifest.summary, manifest.provenance
    worktree = state.worktree
    return {
        "snapshot_id": box.snapshot_id,
        "digest": box.digest,
        "host": box.host,
        "in": None if box.file is None else str(box.file),
        "host_changed": box.host_changed,
        "head": {
            "ref": None if state.head.ref is None else path_text(state.head.ref),
            "commit": None if state.head.commit is None else state.head.commit.hex(),
        },
        "subject": None if summary.commit is None else safe(subject(summary.commit)),
        "operation": None if state.operation is None else state.operation.kind,
        "tree": None if worktree is None else worktree.tree.hex(),
        "dirty": is_dirty(manifest),
        "staged": [path_text(path) for _, path in summary.staged],
        "unstaged": [path_text(path) for _, path in summary.unstaged],
        "untracked": [path_text(path) for path in summary.untracked],
        "conflicted": [path_text(path) for path in summary.conflicted],
        "omitted": [_as_dict(item) for item in omissions(manifest)],
        "staged_omitted": [_as_dict(item) for item in staged_omissions(manifest)],
        "ignored": [path_text(path) for path in manifest.ignored],
        "files": summary.files,
        "size": summary.size,
        "history": manifest.history.commits,
        "created": timestamp(provenance.time),
        "tool": provenance.tool,
        "argv": [path_text(argument) for argument in provenance.argv],
        "remotes": {path_text(name): path_text(url) for name, url in provenance.remotes},
        "submodules": [path_text(prefix.rstrip(b"/")) for prefix, _ in state.walk() if prefix],
        "container_bytes": box.header.total_length,
        "environment": plain(manifest.environment),
    }


def _as_dict(item: Omitted) -> dict[str, object]:
    return {
        "path": path_text(item.path),
        "reason": safe(item.reason),
        "size": item.size,
        "sha256": None if item.sha256 is None else item.sha256.hex(),
    }


def plain(value: object) -> object:
    """An open value for JSON."""
    if isinstance(value, bytes):
        return path_text(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def is_dirty(manifest: Manifest) -> bool:
    """Whether anything was uncommitted."""
    found = manifest.summary
    lists = (found.staged, found.unstaged, found.untracked, found.conflicted)
    return any(lists) or manifest.state.operation is not None


def timestamp(seconds: int) -> str:
    """ISO 8601 in UTC; what lies beyond the calendar as the number of seconds."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def subject(commit: bytes) -> bytes:
    """The first line of a commit's message."""
    return commit.partition(b"\n\n")[2].lstrip(b"\n").partition(b"\n")[0]


def branch(manifest: Manifest) -> str:
    """The branch, for people."""
    ref = manifest.state.head.ref
    return "detached" if ref is None else safe(ref.removeprefix(b"refs/heads/"))


def _print(box: jellyformat.Container, most: int | None) -> None:
    manifest = box.manifest
    state, found = manifest.state, manifest.summary
    rows: list[tuple[str, str]] = []
    commit = "none yet" if state.head.commit is None else state.head.commit.hex()[:10]
    title = "" if found.commit is None else f"  {safe(subject(found.commit))}"
    rows.append(("commit", f"{bold(commit)} on {bold(branch(manifest))}{title}"))
    if state.operation is not None:
        rows.append(("in progress", state.operation.kind))
    rows.append(("captured", f"{timestamp(manifest.provenance.time)} by {safe(manifest.provenance.tool)}"))
    rows.append(("snapshot", f"{box.snapshot_id[:16]}…  digest {box.digest[:16]}…"))
    rows.append(("files", f"{found.files}, {size_text(found.size)}; {plural(manifest.history.commits, 'commit')}"))
    where = f"in {box.host} ({box.form})" if box.file is None else f"in {safe_name(box.file)} ({box.host}, {box.form})"
    rows.append(("container", f"{size_text(box.header.total_length)} {where}"))
    rows += [("remote", f"{safe(name)} {safe(url)}") for name, url in manifest.provenance.remotes]
    if manifest.provenance.argv:
        rows.append(("command", safe(b" ".join(manifest.provenance.argv))))
    rows.extend(_environment(manifest))
    click.echo(bold(safe(box.name)))
    for name, text in rows:
        click.echo(f"  {name:<12} {text}")
    omitted, staged_omitted = omissions(manifest), staged_omissions(manifest)
    if not is_dirty(manifest):
        rest = (
            "committed, but for what was left out" if omitted or staged_omitted else "clean: everything was committed"
        )
        click.echo(f"  {rest}")
    _list("staged", [f"{letter} {safe_path(path)}" for letter, path in found.staged], most)
    _list("unstaged", [f"{letter} {safe_path(path)}" for letter, path in found.unstaged], most)
    _list("untracked", [safe_path(path) for path in found.untracked], most)
    _list("conflicted", [safe_path(path) for path in found.conflicted], most)
    _list("left out, NOT in this snapshot", [_left_out(item) for item in omitted], most)
    _list("staged, NOT in this snapshot", [_left_out(item) for item in staged_omitted], most)
    if manifest.ignored:
        names = ", ".join(safe_path(path) for path in manifest.ignored[:4])
        more = ", …" if len(manifest.ignored) > 4 else ""
        click.echo(f"  ignored by git, not in this snapshot: {names}{more}")


def _left_out(item: Omitted) -> str:
    size = "" if item.size is None else ", " + size_text(item.size)
    return f"{safe_path(item.path)}  ({safe(item.reason)}{size})"


def _environment(manifest: Manifest) -> list[tuple[str, str]]:
    environment = manifest.environment
    if not environment:
        return []
    packages = environment.get("packages")
    count = len(packages) if isinstance(packages, list) else 0
    words = [str(environment.get(key, "")) for key in ("language", "version", "platform")]
    return [("environment", safe(" ".join(words)) + f", {plural(count, 'package')}")]


def _list(title: str, lines: list[str], most: int | None) -> None:
    if not lines:
        return
    click.echo(f"  {title} ({len(lines)})")
    for line in lines[:most]:
        click.echo(f"    {line}")
    if most is not None and len(lines) > most:
        click.echo(f"    … and {len(lines) - most} more (--all)")

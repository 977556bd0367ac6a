"""``verify``: check everything that can be checked."""

from __future__ import annotations

import click

import jellyformat
from jellyformat.cli.output import common, fail, json_option, print_json, safe, safe_name, say
from jellyformat.errors import BindingMismatch, JellyError


@click.command("verify")
@click.argument("files", nargs=-1, required=True)
@click.option("--quick", is_flag=True, help="Header, manifest and hashes, without decoding objects.")
@json_option
@common
def command(files: tuple[str, ...], quick: bool, as_json: bool) -> int:
    """Check the snapshots in FILES: exit 0 if all are sound, 1 if one is damaged, 3 if a file has none.

    Checked too, without --quick: that a file is still the one a snapshot was put beside, and that the weights are
    those that it was bound to (embed --bind). If not, the exit status is 1. With --json, each file has a line.
    """
    codes: list[int] = []
    for file in files:
        try:
            report = jellyformat.verify(file, quick=quick)
        except JellyError as error:
            codes.append(error.exit_code)
            if as_json:
                print_json(jellyformat.Report(file, False, None, None, None, error=error).to_json(), line=True)
            else:
                fail(error, json=False)
            continue
        codes.append(0 if report.ok else 1)
        if as_json:
            print_json(report.to_json(), line=True)
        else:
            _print(report)
    return next((code for code in (1, 5, 4, 3) if code in codes), 0)


def _print(report: jellyformat.Report) -> None:
    is_other = isinstance(report.error, BindingMismatch)
    fault = click.style("OTHER HOST" if is_other else "DAMAGED", fg="red", bold=True)
    verdict = click.style("ok", fg="green", bold=True) if report.ok else fault
    if report.ok:
        say(f"{safe_name(report.file)}: {verdict}")
    else:  # with --quiet too: the error below names no file
        click.echo(f"{safe_name(report.file)}: {verdict}")
    for check in report.checks:
        mark = click.style("✓", fg="green") if check.ok else click.style("✗", fg="red")
        say(f"  {mark} {check.name:<15} {safe(check.detail)}")
    if report.error is not None:
        fail(report.error, json=False)
    if report.error is not None and not is_other:
        click.echo(
            "  the file itself was not changed; another copy of it, or the repository, may have the code", err=True
        )

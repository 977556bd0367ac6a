"""``verify``: check everything that can be checked."""

from __future__ import annotations

from pathlib import Path

import click

import jellyformat
from jellyformat.cli.checkpoints import look_at_each
from jellyformat.cli.options import signers_option
from jellyformat.cli.output import common, fail, json_option, print_json, program, safe_name, say
from jellyformat.errors import BindingMismatch, JellyError, SignatureMismatch
from jellyformat.files import durable
from jellyformat.format.text import visible
from jellyformat.selecting import moment
from jellyformat.trust.signature import BAD, GOOD
from jellyformat.verifier import UNKNOWN, verdict


@click.command("verify")
@click.argument("files", type=click.Path(), nargs=-1, required=True)
@click.option("--quick", is_flag=True, help="Header, manifest and hashes, without decoding objects.")
@signers_option
@click.option(
    "--require-signature",
    "required",
    is_flag=False,
    flag_value="",
    metavar="[PRINCIPAL]",
    help="Exit 1 without a good signature, by PRINCIPAL where one is named.",
)
@click.option("--at", metavar="TIME", help="When keys have to be valid: 2026-01-31, '2 days ago'; else now.")
@json_option
@common
def command(
    files: tuple[str, ...], quick: bool, signers: str | None, required: str | None, at: str | None, as_json: bool
) -> int:
    """Check the snapshots in FILES: exit 0 if all are sound, 1 if one is damaged, 3 if a file has none.

    FILES may be directories: of a directory that is no checkpoint itself, all checkpoints below it are checked, and
    files without a snapshot are counted.

    Checked too, without --quick: that a file is still the one a snapshot was put beside, and that the weights are
    those that it was bound to (embed --bind). If not, the exit status is 1. With --json, each file has a line.

    Signatures are checked too, and said. They change the exit status only with --require-signature: name FILES in
    front of it, or write --require-signature=PRINCIPAL.
    """
    if required and durable.is_there(Path(required)):
        raise click.UsageError(f"{visible(required)} is a file: write --require-signature behind the FILES")
    require = False if required is None else required or True
    moment_asked = moment(at)

    def look(file: str) -> int:
        code = 0
        try:
            report = jellyformat.verify(file, quick=quick, signers=signers, require=require, at=moment_asked)
            code = 0 if report.ok else 1
        except JellyError as error:
            if not as_json:
                raise
            report, code = jellyformat.Report(file, False, None, None, None, error=error), error.exit_code
        if as_json:
            print_json(report.to_json(program()), line=True)
        else:
            _print(report)
        return code

    return look_at_each(files, look, json=as_json)


def _print(report: jellyformat.Report) -> None:
    is_whole = isinstance(report.error, (BindingMismatch, SignatureMismatch, *UNKNOWN))
    word = click.style("ok", fg="green", bold=True)
    if not report.ok:
        word = click.style(verdict(report.error), fg="red", bold=True)
    elif any(item.state == BAD for item in report.signatures):
        word += ", but " + click.style("a signature is BAD", fg="red", bold=True)
    if report.ok:
        say(f"{safe_name(report.file)}: {word}")
    else:  # with --quiet too: the error below names no file
        click.echo(f"{safe_name(report.file)}: {word}")
    for check in report.checks:
        mark = click.style("✓", fg="green") if check.ok else click.style("✗", fg="red")
        say(f"  {mark} {check.name:<15} {visible(check.detail)}")
    for item in report.signatures:
        say(f"  {_mark(item)} {'signature':<15} {item.in_words()}")
    if report.commit_signature is not None:
        say(f"  {_mark(report.commit_signature)} {'HEAD, signed':<15} {report.commit_signature.in_words()}")
    if report.error is not None:
        fail(report.error, json=False)
    if report.error is not None and not is_whole:
        click.echo(
            "  the file itself was not changed; another copy of it, or the repository, may have the code", err=True
        )


def _mark(item: jellyformat.SignatureCheck) -> str:
    """What a signature is, as one character: one that cannot be checked is not good."""
    if item.state == GOOD:
        return click.style("✓", fg="green")
    return click.style("✗", fg="red") if item.state == BAD else click.style("?", fg="yellow")

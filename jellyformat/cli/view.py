"""``view``: checkpoints as a local web page."""

from __future__ import annotations

import threading
from contextlib import closing

import click

from jellyformat.cli.output import common, say
from jellyformat.exports.page import serving
from jellyformat.viewing import is_one, view_many, view_one


@click.command("view")
@click.argument("paths", type=click.Path(), nargs=-1, required=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port, by default one that is free.")
@click.option("--no-browser", is_flag=True, help="Only say the address.")
@common
def command(paths: tuple[str, ...], port: int, no_browser: bool) -> None:
    """A checkpoint as a page in the browser: commit, files, uncommitted changes, environment. Ends with Ctrl-C.

    Of a directory, an index, or several PATHS, the page shows all checkpoints as a table: sort it, filter it, plot a
    label, and compare two of them. Keys do all of that too: ? in the page lists them. Load the page again to see what
    is new.

    The page is served to this machine alone and nothing is sent elsewhere.
    """
    with closing(view_one(paths[0]) if is_one(paths) else view_many(paths)) as view, serving(view, port) as url:
        try:  # from the first word on: whoever reads the address may be gone before the rest is said
            click.echo(url)
            say("This machine alone can open it. Ctrl-C ends it.")
            if not no_browser:
                import webbrowser

                webbrowser.open(url)
            threading.Event().wait()
        except KeyboardInterrupt:
            return

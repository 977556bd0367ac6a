"""``view``: the snapshot as a local web page."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import click

import jellyformat
from jellyformat.cli.output import common, say
from jellyformat.viewer import Bytes, InMemory, serving

_MAGIC = b"\x89JELLY\r\n"
_BY_THE_PAGE = {"zip", "safetensors", "hdf5", "gguf", "onnx", "trailer"}
"""The hosts that the page reads itself."""


class _LocalFile:
    """A file kept open: what is shown stays the same when another takes its name."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.size = os.fstat(fd).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        return os.pread(self._fd, length, offset)


@contextmanager
def _shown(file: str) -> Iterator[Bytes]:
    """The file itself, of which the page reads a few ranges; of what lies elsewhere or beside it the container."""
    with jellyformat.open(file) as box:
        host = box.host
        if "://" in file:
            data = InMemory(box.to_bytes())
            yield data
            return
        fd = os.open(file, os.O_RDONLY)
        try:
            if host in _BY_THE_PAGE or os.pread(fd, len(_MAGIC), 0) == _MAGIC:
                yield _LocalFile(fd)
            else:
                yield InMemory(box.to_bytes())
        finally:
            os.close(fd)


@click.command("view")
@click.argument("file")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port, by default one that is free.")
@click.option("--no-browser", is_flag=True, help="Only say the address.")
@common
def command(file: str, port: int, no_browser: bool) -> None:
    """The snapshot in FILE as a page in the browser: commit, files, uncommitted changes, environment. Ends with Ctrl-C.

    The page is served to this machine alone and nothing is sent elsewhere.
    """
    name = PurePosixPath(file.partition("?")[0]).name if "://" in file else Path(file).name
    with _shown(file) as shown, serving(shown, name, port) as url:
        click.echo(url)
        say("This machine alone can open it. Ctrl-C ends it.")
        if not no_browser:
            import webbrowser

            webbrowser.open(url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return

"""Checkpoints as a local web page: the page, and what it reads by ranges, served to this machine alone."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Protocol

from jellyformat.errors import JellyError, SystemFailure
from jellyformat.hints import Hint, option

ADDRESS = "127.0.0.1"
_PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,19})-(\d{1,19})?", re.ASCII)
# What the page may do is said in the page; these say what may be done with it.
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PAGE_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_PATH = re.compile(r"/(?:(checkpoints)|(\d{1,9})/(about|container|report))?", re.ASCII)


class Bytes(Protocol):
    """A container."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""


class Shown(Protocol):
    """What the page can ask for. Several threads may ask at once. Of a number that there is not: IndexError."""

    def listing(self) -> bytes:
        """What there is, as JSON."""

    def about(self, number: int) -> bytes:
        """Where a checkpoint's container lies, as JSON."""

    def report(self, number: int) -> bytes:
        """What is found by checking it and its host, as JSON."""

    def checkpoint(self, number: int) -> Bytes:
        """Its container; JellyError where it cannot be read."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Another program that waits at this port must not be taken for it, nor this one for another.
    allow_reuse_address = False

    def __init__(self, port: int, shown: Shown) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.page = resources.files("jellyformat.exports").joinpath("view.html").read_bytes()
        self.shown = shown
        self.token = secrets.token_urlsafe(24)
        self.hosts = {f"{host}:{self.server_port}" for host in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        """Where the page is. Without the token in it nothing is answered."""
        return f"http://{ADDRESS}:{self.server_port}/{self.token}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a browser that closes a connection early is no fault."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "jellyformat"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, *arguments: object) -> None:
        """Nothing: the terminal is for people."""

    def _answer(self, *, body: bool) -> None:
        # A page of another site can make its own name mean this machine, but not change the name that is sent.
        token, slash, what = self.path.removeprefix("/").partition("/")
        known = hmac.compare_digest(token.encode("latin-1", "replace"), self.server.token.encode())
        path = _PATH.fullmatch(slash + what)
        try:
            if not known or self.headers.get("Host") not in self.server.hosts or path is None:
                self._refuse(HTTPStatus.NOT_FOUND)
            elif path[1]:
                self._answer_bytes(self.server.shown.listing(), "application/json", _FILE_POLICY, body=body)
            elif not path[2]:
                self._answer_bytes(self.server.page, "text/html; charset=utf-8", _PAGE_POLICY, body=body)
            elif path[3] == "container":
                self._answer_file(self.server.shown.checkpoint(int(path[2])), body=body)
            else:
                ask = self.server.shown.about if path[3] == "about" else self.server.shown.report
                self._answer_bytes(ask(int(path[2])), "application/json", _FILE_POLICY, body=body)
        except IndexError:
            self._refuse(HTTPStatus.NOT_FOUND)
        except JellyError:  # `about` says why
            self._refuse(HTTPStatus.GONE)

    def _refuse(self, status: HTTPStatus) -> None:
        self._begin(status, 0, _FILE_POLICY, "text/plain")

    def _answer_bytes(self, data: bytes, kind: str, policy: str, *, body: bool) -> None:
        self._begin(HTTPStatus.OK, len(data), policy, kind)
        if body:
            self.wfile.write(data)

    def _answer_file(self, shown: Bytes, *, body: bool) -> None:
        size = shown.size
        first, end, status = 0, size, HTTPStatus.OK
        headers = {"Accept-Ranges": "bytes", "Content-Disposition": "attachment"}
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted:  # a range of another form may be passed over (RFC 9110, 14.2)
            first = int(wanted[1])
            end = min(size, int(wanted[2]) + 1) if wanted[2] else size
            if first >= end:
                headers["Content-Range"] = f"bytes */{size}"
                self._begin(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, _FILE_POLICY, "text/plain", headers)
                return
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        pieces = _pieces(shown, first, end)
        piece = next(pieces, b"") if body else b""  # before anything is promised
        self._begin(status, end - first, _FILE_POLICY, "application/octet-stream", headers)
        try:
            while piece:
                self.wfile.write(piece)
                piece = next(pieces, b"")
        except JellyError:  # what was promised cannot be sent
            self.close_connection = True

    def _begin(
        self, status: HTTPStatus, length: int, policy: str, kind: str, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        found = {"Content-Type": kind, "Content-Length": str(length), "Content-Security-Policy": policy}
        for name, value in {**_HEADERS, **found, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()


def _pieces(shown: Bytes, first: int, end: int) -> Iterator[bytes]:
    """The bytes from ``first`` to ``end``.

    Raises:
        SystemFailure: the file is shorter now.
    """
    while first < end:
        piece = shown.read_at(first, min(_PIECE, end - first))
        if not piece:
            raise SystemFailure("the file is shorter than when it was opened", hint="nothing was changed")
        yield piece
        first += len(piece)


@contextmanager
def serving(shown: Shown, port: int = 0) -> Iterator[str]:
    """Serve the page and what it shows on 127.0.0.1 until the block is left.

    Args:
        shown: The checkpoints.
        port: The port, 0 for any that is free.

    Yields:
        The page's address, which nobody can guess.

    Raises:
        SystemFailure: the port is taken.
    """
    try:
        server = _Server(port, shown)
    except (OSError, OverflowError) as error:
        raise SystemFailure(
            f"port {port} cannot be used: {error}",
            hint=Hint("nothing was changed; without ", option("port", port), " a free one is taken"),
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A snapshot as a local web page: the page, and the file it reads by ranges, served to this machine alone."""

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
from urllib.parse import quote

from jellyformat.errors import SystemFailure

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


class Bytes(Protocol):
    """What is shown: a host with its container, or a container."""

    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""


class InMemory:
    """Bytes that are there already.

    Args:
        data: The bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end."""
        return self._data[offset : offset + length]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Another program that waits at this port must not be taken for it, nor this one for another.
    allow_reuse_address = False

    def __init__(self, port: int, shown: Bytes, name: str) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.page = resources.files("jellyformat").joinpath("view.html").read_bytes()
        self.shown = shown
        self.name = name
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
        if not known or self.headers.get("Host") not in self.server.hosts or slash + what not in ("/", "/container"):
            self._begin(HTTPStatus.NOT_FOUND, 0, _FILE_POLICY, "text/plain")
        elif what == "":
            self._begin(HTTPStatus.OK, len(self.server.page), _PAGE_POLICY, "text/html; charset=utf-8")
            if body:
                self.wfile.write(self.server.page)
        else:
            self._answer_file(body=body)

    def _answer_file(self, *, body: bool) -> None:
        size = self.server.shown.size
        first, end, status = 0, size, HTTPStatus.OK
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(self.server.name, safe='')}",
        }
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
        self._begin(status, end - first, _FILE_POLICY, "application/octet-stream", headers)
        while body and first < end:
            piece = self.server.shown.read_at(first, min(_PIECE, end - first))
            if not piece:  # the file is shorter now; what was promised cannot be sent
                self.close_connection = True
                return
            self.wfile.write(piece)
            first += len(piece)

    def _begin(
        self, status: HTTPStatus, length: int, policy: str, kind: str, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        found = {"Content-Type": kind, "Content-Length": str(length), "Content-Security-Policy": policy}
        for name, value in {**_HEADERS, **found, **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving(shown: Bytes, name: str, port: int = 0) -> Iterator[str]:
    """Serve the page and what it shows on 127.0.0.1 until the block is left.

    Args:
        shown: The file or container.
        name: Its name, for people.
        port: The port, 0 for any that is free.

    Yields:
        The page's address, which nobody can guess.

    Raises:
        SystemFailure: the port is taken.
    """
    try:
        server = _Server(port, shown, name)
    except (OSError, OverflowError) as error:
        raise SystemFailure(
            f"port {port} cannot be used: {error}", hint="nothing was changed; without --port a free one is taken"
        ) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

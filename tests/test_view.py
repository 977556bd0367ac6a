"""``view``: what its server answers, and to whom."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from test_story import jelly

from jellyformat.viewer import InMemory, serving

Answer = tuple[int, http.client.HTTPMessage, bytes]


def ask(url: str, method: str = "GET", **headers: str) -> Answer:
    """One request; a header whose value is empty is not sent."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=10)
    try:
        connection.putrequest(method, parts.path, skip_host="Host" in headers)
        for name, value in headers.items():
            if value:
                connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@contextmanager
def viewing(cwd: Path, *arguments: str) -> Iterator[str]:
    """The command in a process of its own: its address."""
    command = [sys.executable, "-m", "jellyformat", "view", "--no-browser", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().decode().strip()
        finally:
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=20)
        assert process.returncode == 0
        assert output[1] == b""


def test_the_file_by_ranges() -> None:
    data = os.urandom(3_000_000)
    with serving(InMemory(data), "a b\u00fc'\"\n.pt") as url:
        file = url + "container"
        status, headers, body = ask(file)
        assert (status, body, headers["Accept-Ranges"]) == (200, data, "bytes")
        assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''a%20b%C3%BC%27%22%0A.pt"
        status, headers, body = ask(file, "HEAD")
        assert (status, headers["Content-Length"], body) == (200, "3000000", b"")
        for said, first, end in [("0-0", 0, 1), ("5-2000004", 5, 2_000_005), ("2999999-", 2_999_999, 3_000_000),
                                 ("2999990-9999999", 2_999_990, 3_000_000)]:  # fmt: skip
            status, headers, body = ask(file, Range=f"bytes={said}")
            assert (status, body) == (206, data[first:end])
            assert headers["Content-Range"] == f"bytes {first}-{end - 1}/3000000"
        for said in ("3000000-", "5-4", f"{10**18}-"):
            status, headers, body = ask(file, Range=f"bytes={said}")
            assert (status, headers["Content-Range"], body) == (416, "bytes */3000000", b"")
        for said in ("-5", "0-1,3-4", "a-b", ""):
            assert ask(file, Range=f"bytes={said}")[0] == 200


def test_only_who_has_the_address() -> None:
    with serving(InMemory(b"code"), "x") as url:
        host = f"127.0.0.1:{urlsplit(url).port}"
        assert ask(url)[0] == 200
        base, token = url.rstrip("/").rsplit("/", 1)
        assert len(token) >= 32
        for wrong in ("/", f"/{token[:-1]}/", f"/{token}x/container", f"/{token}", f"/{token}/other",
                      f"/{token}/../container", f"/{token}/container/", "/%41/container"):  # fmt: skip
            status, _, body = ask(base + wrong)
            assert (status, body) == (404, b""), wrong
        for other in ("evil.example", "evil.example:80", host + ".evil.example", "127.0.0.1", ""):
            assert ask(url + "container", Host=other)[0] in (400, 404)
        assert ask(url, Host=host)[0] == 200
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert ask(url, method)[0] == 501
        with socket.socket() as other_side:
            other_side.settimeout(5)
            address = socket.gethostbyname(socket.gethostname())
            if not address.startswith("127."):
                with pytest.raises(OSError):  # noqa: PT011  # refused, or no way there
                    other_side.connect((address, urlsplit(url).port))


def test_addresses_are_not_used_twice() -> None:
    tokens = set()
    for _ in range(5):
        with serving(InMemory(b""), "x") as url:
            tokens.add(urlsplit(url).path)
    assert len(tokens) == 5


def test_headers() -> None:
    with serving(InMemory(b"x"), "x") as url:
        for path, policy in (("", "frame-ancestors 'none'"), ("container", "sandbox"), ("other", "sandbox")):
            _, headers, _ = ask(url + path)
            assert policy in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store"


def test_the_page_loads_nothing() -> None:
    with serving(InMemory(b"x"), "x") as url:
        page = ask(url)[2].decode()
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}=' 'wasm-unsafe-eval'", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", rules["style-src"])
    assert rules["connect-src"] == "'self' data:"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["trusted-types"] == "'none'"
    assert len(page) < 500_000
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=", page.partition("<style>")[0])
    assert page.partition("<style>")[0].count("<meta") == 4


def test_what_is_served(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    (repository / "w.bin").write_bytes(b"\0weights" * 1000)
    jelly(repository, "embed", "w.bin", "--from", "x.jelly")
    for name in ("x.jelly", "w.bin"):
        data = (repository / name).read_bytes()
        with viewing(tmp_path, str(repository / name)) as url:
            (repository / name).unlink()  # what is shown is what was there when it began
            assert ask(url + "container")[2] == data
            assert name in ask(url + "container", "HEAD")[1]["Content-Disposition"]
        (repository / name).write_bytes(data)
    with viewing(tmp_path, (repository / "w.bin").as_uri()) as url:
        assert ask(url + "container")[2] == (repository / "x.jelly").read_bytes()


def test_refusals(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    data = (repository / "x.jelly").read_bytes()
    (repository / "bad.jelly").write_bytes(data[:100])
    (repository / "none.bin").write_bytes(b"\0\1")
    jelly(repository, "view", "--no-browser", "bad.jelly", code=1)
    jelly(repository, "view", "--no-browser", "none.bin", code=3)
    jelly(repository, "view", "--no-browser", "missing", code=3)
    jelly(repository, "view", "--no-browser", "x.jelly", "--port", "70000", code=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = jelly(repository, "view", "--no-browser", "x.jelly", "--port", str(taken.getsockname()[1]), code=5)
        assert b"nothing was changed" in done.stderr

"""``view``: what its server answers, and to whom."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import plain
import pytest
from test_story import jelly

import jellyformat
from jellyformat import viewing as viewing_module
from jellyformat.exports.page import serving
from jellyformat.format.source import BytesSource, Source


class Shown:
    """What a server shows: some bytes as its only checkpoint."""

    def __init__(self, data: bytes, *, cut: int | None = None) -> None:
        self.data = data
        self.cut = cut

    def listing(self) -> bytes:
        return b'{"one": true}'

    def about(self, number: int) -> bytes:
        return [b'{"file": "x"}'][number]

    def report(self, number: int) -> bytes:
        return [b'{"ok": true}'][number]

    def checkpoint(self, number: int) -> Source:
        return [BytesSource(self.data) if self.cut is None else _Cut(self.data, self.cut)][number]


class _Cut:
    """A file that is shorter by now than it was."""

    def __init__(self, data: bytes, end: int) -> None:
        self.data = data
        self.end = end
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[: self.end][offset : offset + length]


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
    with serving(Shown(data)) as url:
        file = url + "0/container"
        status, headers, body = ask(file)
        assert (status, body, headers["Accept-Ranges"]) == (200, data, "bytes")
        assert headers["Content-Disposition"] == "attachment"
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
    with serving(Shown(b"code")) as url:
        host = f"127.0.0.1:{urlsplit(url).port}"
        assert ask(url)[0] == 200
        base, token = url.rstrip("/").rsplit("/", 1)
        assert len(token) >= 32
        for wrong in (
            "/", f"/{token[:-1]}/", f"/{token}x/0/container", f"/{token}", f"/{token}/other", f"/{token}/container",
            f"/{token}/1/container", f"/{token}/1/about", f"/{token}/-1/container", f"/{token}/0/container/",
            f"/{token}/../0/container", "/%41/container",
        ):  # fmt: skip
            status, _, body = ask(base + wrong)
            assert (status, body) == (404, b""), wrong
        for other in ("evil.example", "evil.example:80", host + ".evil.example", "127.0.0.1", ""):
            assert ask(url + "0/container", Host=other)[0] in (400, 404)
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
        with serving(Shown(b"")) as url:
            tokens.add(urlsplit(url).path)
    assert len(tokens) == 5


def test_headers() -> None:
    with serving(Shown(b"x")) as url:
        assert "frame-ancestors 'none'" in (ask(url)[1]["Content-Security-Policy"] or "")
        for path in ("", "0/container", "0/about", "0/report", "checkpoints", "other"):
            _, headers, _ = ask(url + path)
            assert (path == "") != ("sandbox" in headers["Content-Security-Policy"])
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store"


def test_the_page_loads_nothing() -> None:
    with serving(Shown(b"x")) as url:
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


def test_a_file_that_grows_shorter_while_it_is_sent() -> None:
    with serving(Shown(bytes(3 << 20), cut=1 << 20)) as url:
        with pytest.raises(http.client.IncompleteRead):
            ask(url + "0/container")
        assert ask(url + "0/container", Range=f"bytes={2 << 20}-")[0] == 410
        assert ask(url + "0/container", Range="bytes=0-9")[0] == 206


def asked(url: str) -> dict[str, Any]:
    status, headers, body = ask(url)
    assert (status, headers["Content-Type"]) == (200, "application/json")
    found = json.loads(body)
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_one_checkpoint(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    container = (repository / "x.jelly").read_bytes()
    (repository / "w.bin").write_bytes(plain.npy(range(1000)))
    plain.save_npz(repository / "m.npz", a=[1.0])
    for name in ("w.bin", "m.npz"):
        jelly(repository, "embed", name, "--from", "x.jelly")
    (repository / "s.pkl").write_bytes(b"weights")
    jelly(repository, "embed", "s.pkl", "--from", "x.jelly", "--sidecar")
    for name, host, form in (
        ("x.jelly", "jelly", "bare"), ("w.bin", "trailer", "trailer"), ("m.npz", "npz", "unlisted"),
        ("s.pkl", "sidecar", "beside"),
    ):  # fmt: skip
        file = str(repository / name)
        with viewing(tmp_path, file) as url:
            assert asked(url + "checkpoints") == {"one": True, "numbers": [0]}
            about = asked(url + "0/about")
            assert (about["file"], about["host"], about["form"]) == (file, host, form)
            assert about["size"] == (repository / name).stat().st_size
            if name != "s.pkl":
                assert about["holder"] is None
                assert about["container_bytes"] == len(container)
                assert ask(url + "0/container")[2] == container
            else:
                assert about["holder"].endswith(".jelly")
            report = asked(url + "0/report")
            assert report | {"version": 1} == json.loads(jelly(repository, "verify", "--json", file).stdout)
            (repository / name).rename(repository / "away")  # what is shown is what was there when it began
            assert ask(url + "0/container")[0] == 200
            assert asked(url + "0/report")["error"]["class"] == "absent.file"
            (repository / "away").rename(repository / name)
    with viewing(tmp_path, (repository / "w.bin").as_uri()) as url:
        assert ask(url + "0/container")[2] == container


@pytest.mark.slow
def test_many_checkpoints(repository: Path, tmp_path: Path) -> None:
    runs = repository / "runs"
    runs.mkdir()
    for number in range(12):
        (repository / "model.py").write_text(f"hidden = {8 << number // 6}\n")
        (runs / f"{number}.bin").write_bytes(plain.npy([number]))
        snap = jellyformat.snapshot(repository, exclude=["runs"])
        jellyformat.embed(runs / f"{number}.bin", snap, labels={"loss": 1 / (number + 1)})
    (runs / "none.bin").write_bytes(b"nothing")
    whole = (runs / "5.bin").read_bytes()
    (runs / "5.bin").write_bytes(whole[:-70] + bytes([whole[-70] ^ 1]) + whole[-69:])
    with viewing(repository, "runs") as url:
        listing = asked(url + "checkpoints")
        assert (listing["one"], listing["name"], listing["left_out"], listing["without"]) == (False, "runs", 0, 1)
        rows = listing["rows"]
        logged = json.loads(jelly(repository, "log", "runs", "--json", code=1).stdout)
        assert [row["file"] for row in rows] == [entry["file"] for entry in logged]
        assert [row["digest"] for row in rows] == [entry["digest"] for entry in logged]
        assert [row["labels"] for row in rows] == [entry["labels"] for entry in logged]
        assert [bool(row["damaged"]) for row in rows] == [bool(entry["damaged"]) for entry in logged]
        (changed,) = (row for row in rows if row["edits"])
        assert (changed["edits"][0]["path"], changed["edits"][0]["text"]) == ("model.py", "hidden: 8 → 16")
        for number, row in enumerate(rows):
            if row["damaged"] is None:
                assert asked(f"{url}{number}/about")["file"] == row["file"]
                status, _, body = ask(f"{url}{number}/container")
                assert (status, body[:8]) == (200, b"\x89JELLY\r\n")
                assert asked(f"{url}{number}/report")["digest"] == row["digest"]
        assert ask(f"{url}{len(rows)}/container")[0] == 404
        # another file under the name of one that was listed
        (number,) = (at for at, row in enumerate(rows) if row["file"] == "runs/0.bin")
        for other in range(len(rows)):  # so many that the first are closed again
            ask(f"{url}{other}/container")
        jelly(repository, "embed", "runs/0.bin", "--replace", "--label", "loss=7")
        assert ask(f"{url}{number}/container")[0] == 410
        assert "another snapshot" in asked(f"{url}{number}/about")["error"]["message"]
        # loaded again: what is new has new numbers, all others keep theirs
        before, again = dict(zip(listing["numbers"], rows, strict=True)), asked(url + "checkpoints")
        after = dict(zip(again["numbers"], again["rows"], strict=True))
        (replaced,) = after.keys() - before.keys()
        assert (after[replaced]["file"], after[replaced]["labels"]) == ("runs/0.bin", {"loss": "7"})
        assert before.keys() - after.keys() == {number}
        assert all(after[at]["digest"] == before[at]["digest"] for at in before.keys() & after.keys())
        assert ask(f"{url}{replaced}/container")[0] == 200
        shutil.move(runs, repository / "away")
        assert asked(url + "checkpoints")["error"]["class"] == "absent.file"
        shutil.move(repository / "away", runs)
        assert asked(url + "checkpoints")["numbers"] == again["numbers"]
    with viewing(tmp_path, *(str(runs / f"{number}.bin") for number in range(2))) as url:
        assert len(asked(url + "checkpoints")["rows"]) == 2


def test_a_timeline_is_cut_where_a_page_could_not_bear_it(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "runs").mkdir()
    for number in range(3):
        (repository / "runs" / f"{number}.bin").write_bytes(plain.npy([number]))
        jellyformat.embed(
            repository / "runs" / f"{number}.bin",
            jellyformat.snapshot(repository, exclude=["runs"]),
            labels={f"{name:03}": "x" * 1000 for name in range(150)},
        )
    found = json.loads(viewing_module.view_many([str(repository / "runs")]).listing())
    assert [len(row["labels"]) for row in found["rows"]] == [100] * 3
    assert [row["more_labels"] for row in found["rows"]] == [50] * 3
    assert {len(value) for row in found["rows"] for value in row["labels"].values()} == {300}
    monkeypatch.setattr(viewing_module, "MOST_ROWS", 2)
    found = json.loads(viewing_module.view_many([str(repository / "runs")]).listing())
    assert (len(found["rows"]), found["left_out"]) == (2, 1)
    monkeypatch.setattr(viewing_module, "MOST_BYTES", 50_000)
    found = json.loads(viewing_module.view_many([str(repository / "runs")]).listing())
    assert (len(found["rows"]), found["left_out"]) == (1, 2)


@pytest.mark.slow
def test_refusals(repository: Path) -> None:
    jelly(repository, "snapshot", "-o", "x.jelly")
    data = (repository / "x.jelly").read_bytes()
    (repository / "bad.jelly").write_bytes(data[:100])
    (repository / "none.bin").write_bytes(b"\0\1")
    jelly(repository, "view", "--no-browser", "bad.jelly", code=1)
    jelly(repository, "view", "--no-browser", "none.bin", code=3)
    jelly(repository, "view", "--no-browser", "missing", code=3)
    done = jelly(repository, "view", "--no-browser", "src", code=3)
    assert b"no file there has a snapshot: 1 file without one" in done.stderr
    jelly(repository, "view", "--no-browser", "x.jelly", "--port", "70000", code=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = jelly(repository, "view", "--no-browser", "x.jelly", "--port", str(taken.getsockname()[1]), code=5)
        assert b"nothing was changed" in done.stderr

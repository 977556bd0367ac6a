"""Files behind URLs: what is asked of the server is counted."""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
import tracemalloc
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import plain
import pytest
from click.testing import CliRunner
from test_story import jelly

import jellyformat
from jellyformat import errors
from jellyformat.cli.main import cli


@dataclass
class Server:
    """A local HTTP server that knows ranges."""

    root: Path
    url: str = ""
    requests: list[int] = field(default_factory=list)
    """The bytes sent for each request that was answered with bytes."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    state = Server(tmp_path / "served")
    state.root.mkdir()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def answer(self, *, body: bool) -> None:
            file = state.root / self.path.lstrip("/")
            if not file.is_file():
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            size = file.stat().st_size
            start, stop = 0, size
            match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if match:
                start, stop = int(match[1]), min(int(match[2] or size - 1) + 1, size)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            else:
                self.send_response(200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if body:
                state.requests.append(stop - start)
                with file.open("rb") as stream:
                    self.wfile.write(os.pread(stream.fileno(), stop - start, start))

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    yield state
    http.shutdown()
    thread.join()


def save(kind: str, file: Path) -> None:
    """A model of two megabytes and more, which are noise."""
    generator = random.Random(0)
    values = [generator.gauss(0, 1) for _ in range(500_000)]
    if kind == "npz":
        plain.save_npz(file, one=values, two=values)
    elif kind == "safetensors":
        plain.save_safetensors(file, {"one": values})
    elif kind == "npy":
        file.write_bytes(plain.npy(values))
    else:
        save_by_framework(kind, file, values)


def save_by_framework(kind: str, file: Path, numbers: list[float]) -> None:
    import numpy

    values = numpy.array(numbers, "<f4")
    if kind == "pt":
        import torch

        torch.save({f"layer{number}": torch.from_numpy(values) for number in range(3)}, file)
    elif kind == "h5":
        import h5py

        with h5py.File(file, "w") as opened:
            opened["one"] = values
    elif kind == "onnx":
        import onnx
        from onnx import helper, numpy_helper

        nodes = [helper.make_node("Identity", ["one"], ["two"])]
        output = helper.make_tensor_value_info("two", onnx.TensorProto.FLOAT, None)
        graph = helper.make_graph(nodes, "graph", [], [output], [numpy_helper.from_array(values, "one")])
        onnx.save(helper.make_model(graph), file)
    else:
        import gguf

        writer = gguf.GGUFWriter(file, "llama")
        writer.add_tensor("one", values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def marked(*kinds: str) -> list[Any]:
    """Kinds for a test: those that need their framework say so."""
    plainly = ("npz", "safetensors", "npy")
    return [kind if kind in plainly else pytest.param(kind, marks=pytest.mark.framework) for kind in kinds]


@pytest.mark.slow
@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", marked("pt", "npz", "safetensors", "npy", "h5", "onnx", "gguf"))
@pytest.mark.parametrize("large", [False, True])
def test_few_requests(kind: str, large: bool, server: Server, repository: Path) -> None:
    if large:
        (repository / "random").write_bytes(os.urandom(300_000))
    file = server.root / f"model.{kind}"
    save(kind, file)
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)
    url = f"{server.url}/model.{kind}"
    length = len(snap.data) if kind != "safetensors" else len(snap.data) * 4 // 3
    for action in (
        lambda: jellyformat.verify(url).ok,
        lambda: jellyformat.open(url).manifest,
        lambda: jellyformat.open(url).read("model.py") == b"hidden = 16\n",
    ):
        server.requests.clear()
        assert action()
        assert len(server.requests) <= 3, server.requests
        assert sum(server.requests) <= length + 64 * 1024, server.requests


KINDS = ["pt", "npz", "safetensors", "npy"]


def commands(place: str, directory: Path, counted: Callable[[], list[int]], most: int) -> None:
    """All commands that take a URL, and what each asks for.

    Args:
        place: The URL of the snapshot of ``repository`` in a host.
        directory: The repository.
        counted: The bytes that were sent for each request since it was asked last.
        most: Bytes that a command may read.
    """
    for command, expected in (
        (("verify", place), place),
        (("show", place), "second: wider"),
        (("ls", place), "new file.txt"),
        (("cat", place, "model.py"), "hidden = 16"),
        (("diff", place), "+line fifty"),
        (("diff", place, str(directory)), ""),
        (("log", place), place),
    ):
        counted()
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, (command, done.output, done.exception)
        assert expected in done.output, (command, done.output)
        sent = counted()
        assert 1 <= len(sent) <= 3, (command, sent)
        assert sum(sent) <= most, (command, sent)


@pytest.mark.slow
@pytest.mark.parametrize("kind", marked(*KINDS))
def test_commands_take_urls(kind: str, server: Server, repository: Path) -> None:
    file = server.root / f"model.{kind}"
    save(kind, file)
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)

    def counted() -> list[int]:
        sent = list(server.requests)
        server.requests.clear()
        return sent

    commands(f"{server.url}/model.{kind}", repository, counted, len(snap.data) * 4 // 3 + 64 * 1024)


@pytest.mark.slow
def test_commands_in_a_process_of_their_own(server: Server, repository: Path) -> None:
    file = server.root / "model.npy"
    save("npy", file)
    jellyformat.embed(file, jellyformat.snapshot(repository))
    jelly(repository, "show", f"{server.url}/model.npy")
    assert jelly(repository, "cat", f"{server.url}/model.npy", "model.py").stdout == b"hidden = 16\n"
    assert b"model.npy" in jelly(repository, "log", f"{server.url}/model.npy").stdout


def test_log_reads_nothing_twice(server: Server, repository: Path) -> None:
    urls = []
    for name in ("one.npy", "two.npy"):
        (repository / "new file.txt").write_text(name)
        save("npy", server.root / name)
        jellyformat.embed(server.root / name, jellyformat.snapshot(repository))
        urls.append(f"{server.url}/{name}")
    server.requests.clear()
    done = CliRunner().invoke(cli, ("log", *urls))
    assert "one.npy → two.npy (new file.txt)" in done.output
    assert len(server.requests) <= 6
    jelly(repository, "log", f"{server.url}/missing.npy", code=3)


@pytest.fixture(scope="module")
def bucket() -> Iterator[list[tuple[str, int]]]:
    """A local S3 server; method and bytes sent for each request."""
    moto_server: Any = import_module("moto.server")
    sent: list[tuple[str, int]] = []
    application = moto_server.DomainDispatcherApplication
    answer = application.__call__

    def counting(self: object, environment: dict[str, str], start: Callable[..., object]) -> object:
        def begin(status: str, headers: list[tuple[str, str]], *more: object) -> object:
            length = dict(headers).get("Content-Length", "0")
            sent.append((environment["REQUEST_METHOD"], int(length)))
            return start(status, headers, *more)

        return answer(self, environment, begin)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "__call__", counting)
        running = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_CONFIG_FILE", os.devnull),
            ("AWS_SHARED_CREDENTIALS_FILE", os.devnull),
        ):
            patch.setenv(name, value)
        import fsspec

        # another module's server may have been there before: its client would be taken again, and its buckets be here
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b""):
            pass
        fsspec.filesystem("s3").mkdir("checkpoints")
        yield sent
        running.stop()
        fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.mark.framework
@pytest.mark.parametrize("kind", marked(*KINDS))
def test_s3(kind: str, bucket: list[tuple[str, int]], repository: Path, tmp_path: Path) -> None:
    import fsspec

    file = tmp_path / f"model.{kind}"
    save(kind, file)
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)
    filesystem = fsspec.filesystem("s3")
    filesystem.put_file(str(file), f"checkpoints/{file.name}")

    def counted() -> list[int]:
        requests = [length for method, length in bucket if method == "GET"]
        assert sum(method == "HEAD" for method, _ in bucket) <= 1
        bucket.clear()
        filesystem.invalidate_cache()
        return requests

    bucket.clear()
    commands(f"s3://checkpoints/{file.name}", repository, counted, len(snap.data) * 4 // 3 + 64 * 1024)
    jelly(repository, "show", "s3://checkpoints/missing.pt", code=3)
    jelly(repository, "show", "s3://missing/missing.pt", code=3)


@pytest.mark.parametrize("kind", marked(*KINDS))
def test_memory(kind: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    file = tmp_path / f"model.{kind}"
    save(kind, file)
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)
    filesystem, sent = MemoryFileSystem(), list[int]()
    filesystem.pipe_file(f"/model.{kind}", file.read_bytes())
    cat = MemoryFileSystem.cat_file

    def counting(self: object, path: str, start: int, end: int) -> bytes:
        data: bytes = cat(self, path, start=start, end=end)
        sent.append(len(data))
        return data

    def counted() -> list[int]:
        requests = list(sent)
        sent.clear()
        return requests

    monkeypatch.setattr(MemoryFileSystem, "cat_file", counting)
    commands(f"memory://model.{kind}", repository, counted, len(snap.data) * 4 // 3 + 64 * 1024)


def test_what_is_not_there(server: Server, repository: Path) -> None:
    jelly(repository, "show", f"{server.url}/missing.pt", code=3)
    with pytest.raises(errors.SystemFailure, match="not known"):
        jellyformat.open("nonsense://x/y.pt")
    with pytest.raises((errors.SystemFailure, errors.NoFile)):  # fsspec says of both that there is no file
        jellyformat.open("http://127.0.0.1:1/x.pt")


@pytest.mark.parametrize("packed", [False, True])
def test_a_server_that_does_not_end(packed: bool) -> None:
    """However much it sends, or what little it sends stands for: no more is taken than was asked for."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(206)
            self.send_header("Transfer-Encoding", "chunked")
            if packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            packer = zlib.compressobj(9, wbits=31)
            with contextlib.suppress(OSError):
                for _ in range(256):
                    piece = bytes(1 << 20)
                    piece = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) if packed else piece
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    sent.append(1)
                self.wfile.write(b"0\r\n\r\n")

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    tracemalloc.start()
    try:
        with pytest.raises(errors.SystemFailure, match="sent more"):
            jellyformat.open(f"http://127.0.0.1:{http.server_port}/x.pt")
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()
        http.shutdown()
        thread.join()
    assert packed or len(sent) < 256


def test_a_server_without_ranges(repository: Path) -> None:
    from jellyformat.hosts.remote import RemoteSource

    class Whole:
        def cat_file(self, path: str, *, start: int, end: int, **options: object) -> bytes:
            return bytes(100_000)

    with pytest.raises(errors.SystemFailure):
        RemoteSource(Whole(), "x", 100_000).read_at(0, 8)

"""Files behind URLs: what is asked of the server is counted."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_story import jelly

import jellyformat
from jellyformat import errors


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
    import numpy

    generator = numpy.random.default_rng(0)
    values = generator.normal(size=500_000).astype("float32")
    if kind == "pt":
        import torch

        torch.save({f"layer{number}": torch.from_numpy(values) for number in range(3)}, file)
    elif kind == "npz":
        numpy.savez(file, one=values, two=values)
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"one": values}, file)
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
        numpy.save(file, values)


@pytest.mark.parametrize("kind", ["pt", "npz", "safetensors", "npy", "h5", "onnx"])
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


def test_commands_take_urls(server: Server, repository: Path) -> None:
    file = server.root / "model.npy"
    save("npy", file)
    jellyformat.embed(file, jellyformat.snapshot(repository))
    url = f"{server.url}/model.npy"
    for command in (("verify",), ("show",), ("ls",), ("diff",)):
        jelly(repository, *command, url)
    assert jelly(repository, "cat", url, "model.py").stdout == b"hidden = 16\n"


def test_what_is_not_there(server: Server, repository: Path) -> None:
    jelly(repository, "show", f"{server.url}/missing.pt", code=3)
    with pytest.raises(errors.SystemFailure, match="not known"):
        jellyformat.open("nonsense://x/y.pt")
    with pytest.raises((errors.SystemFailure, errors.NoFile)):  # fsspec says of both that there is no file
        jellyformat.open("http://127.0.0.1:1/x.pt")


def test_memory(repository: Path) -> None:
    import fsspec

    with fsspec.open("memory://model.jelly", "wb") as stream:
        stream.write(jellyformat.snapshot(repository).data)
    assert jellyformat.verify("memory://model.jelly").ok


def test_a_server_without_ranges(repository: Path) -> None:
    from jellyformat.remote import RemoteSource

    class Whole:
        def cat_file(self, path: str, start: int, end: int) -> bytes:
            return bytes(5000)

    with pytest.raises(errors.SystemFailure):
        RemoteSource(Whole(), "x", 5000).read_at(0, 8)

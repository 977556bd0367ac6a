"""Files in Google's storage and on Hugging Face's hub, both local: what is asked for is counted."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from test_remote import commands, save
from test_story import jelly

import jellyformat

pytestmark = pytest.mark.framework
BEYOND = 64 * 1024
KINDS = ["pt", "safetensors"]


@dataclass
class Requests:
    """What a server was asked.

    Attributes:
        url: The server's.
        data: Bytes sent for each request for content.
        others: The paths of the requests about files.
    """

    url: str = ""
    data: list[int] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def taken(self, forget: Callable[[], None], most: int) -> Callable[[], list[int]]:
        """What `commands` counts with: the requests for content since the last call.

        Args:
            forget: Makes the filesystem forget what it knows, as in a new process.
            most: How many requests about files there may be.
        """

        def taken() -> list[int]:
            sent, others = list(self.data), list(self.others)
            assert len(others) <= most, others
            self.data.clear()
            self.others.clear()
            forget()
            return sent

        return taken


# -- Hugging Face ----------------------------------------------------------------------------------------------------


@dataclass
class Hub(Requests):
    """A local server that answers what `huggingface_hub` asks of a repository of one directory."""

    root: Path = Path()
    unknown: list[str] = field(default_factory=list)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    state = Hub(root=tmp_path / "hub")
    state.root.mkdir()
    commit = "a" * 40

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            pass

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if match := re.fullmatch(r"/cdn/(.+)", path):
                data = (state.root / match[1]).read_bytes()
                ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
                assert ranged, "all of a file is asked for"
                part = data[int(ranged[1]) : int(ranged[2]) + 1]
                state.data.append(len(part))
                end = int(ranged[1]) + len(part) - 1
                self.answer(206, part, Content_Range=f"bytes {ranged[1]}-{end}/{len(data)}")
            elif match := re.fullmatch(r"/org/model/resolve/main/(.+)", path):
                # the hub itself sends to where the content lies
                self.answer(302, b"", Location=f"{state.url}/cdn/{match[1]}")
            else:
                if path.startswith("/api/models/"):  # what else it asks for is about the client itself
                    state.others.append(path)
                self.about(path)

        def about(self, path: str) -> None:
            """What there is."""
            if path == "/api/models/org/model" or path == "/api/models/org/model/revision/main":
                value: object = {"_id": "1", "id": "org/model", "sha": commit, "private": False, "siblings": []}
            elif path == "/api/models/org/model/tree/main":
                value = [
                    {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": commit}
                    for file in state.root.iterdir()
                ]
            else:
                if path.startswith("/api/models/org/model"):
                    state.unknown.append(path)
                self.answer(404, b"{}", X_Error_Code="RepoNotFound", Content_Type="application/json")
                return
            self.answer(200, json.dumps(value).encode(), Content_Type="application/json")

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    from fsspec import config
    from huggingface_hub import HfFileSystem, constants

    monkeypatch.setitem(config.conf, "hf", {"endpoint": state.url})
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_ENDPOINT", state.url)  # for processes of their own
    HfFileSystem.clear_instance_cache()
    yield state
    HfFileSystem.clear_instance_cache()
    http.shutdown()
    thread.join()
    assert not state.unknown


@pytest.mark.parametrize("kind", KINDS)
def test_hugging_face(kind: str, hub: Hub, repository: Path) -> None:
    from huggingface_hub import HfFileSystem

    file = hub.root / f"model.{kind}"
    save(kind, file)
    (repository / "random").write_bytes(os.urandom(300_000))  # more than lies in what is read first
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)
    # whether there is such a repository, and what is in the directory
    taken = hub.taken(HfFileSystem.clear_instance_cache, 2)
    commands(f"hf://org/model/{file.name}", repository, taken, len(snap.data) * 4 // 3 + BEYOND)
    jelly(repository, "cat", f"hf://org/model@main/{file.name}", "model.py")
    jelly(repository, "show", "hf://org/model/missing.pt", code=3)
    jelly(repository, "show", "hf://org/missing/missing.pt", code=3)


# -- Google ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store() -> Iterator[Requests]:
    """A local server of Google's storage, with an empty bucket."""
    emulator: Any = import_module("gcp_storage_emulator.server")
    state = Requests()
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="checkpoints")
    close = emulator.Response.close

    def counting(response: Any) -> None:
        handler = response._handler
        if handler.command == "GET":
            if "alt=media" in handler.path or handler.path.startswith("/download/"):
                state.data.append(int(response._headers.get("Content-Length", 0)))
            else:
                state.others.append(handler.path)
        close(response)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator.Response, "close", counting)
        server.start()
        state.url = f"http://127.0.0.1:{server._api._httpd.server_port}"
        patch.setenv("STORAGE_EMULATOR_HOST", state.url)
        # that part asks for the kind of bucket by gRPC, which the local server does not speak
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        patch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        yield state
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_google(kind: str, store: Requests, repository: Path, tmp_path: Path) -> None:
    import fsspec

    file = tmp_path / f"model.{kind}"
    save(kind, file)
    (repository / "random").write_bytes(os.urandom(300_000))  # more than lies in what is read first
    snap = jellyformat.snapshot(repository)
    jellyformat.embed(file, snap)
    filesystem = fsspec.filesystem("gs")
    filesystem.put_file(str(file), f"checkpoints/{file.name}")
    store.data.clear()
    store.others.clear()
    taken = store.taken(filesystem.invalidate_cache, 2)
    commands(f"gs://checkpoints/{file.name}", repository, taken, len(snap.data) * 4 // 3 + BEYOND)
    jelly(repository, "show", "gs://checkpoints/missing.pt", code=3)
    jelly(repository, "show", "gs://missing/missing.pt", code=3)

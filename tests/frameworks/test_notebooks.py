"""What was typed and is in no file is said: real kernels run real notebooks, and prompts are real ones."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import git

import jellyformat

SAVE = "import jellyformat_pickle as p; p.dump([1], 'x.pkl')"


def cell(source: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}


def book(*sources: str) -> Any:
    nbformat: Any = importlib.import_module("nbformat")
    cells = [cell(source) for source in sources]
    return nbformat.from_dict({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def run(ran: Any, path: Path, at: Path, **variables: str) -> str:
    """Run a notebook in a kernel; what it says on stderr. ``path`` is what the server names."""
    from nbclient import NotebookClient

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"JPY_SESSION_NAME": str(path), **variables}.items():
            patch.setenv(name, value)
        NotebookClient(ran, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(at)}}).execute()
    outputs = [output for item in ran.cells for output in item.outputs]
    return "".join(output.get("text", "") for output in outputs if output.get("name") == "stderr")


def write(path: Path, saved: Any) -> None:
    nbformat: Any = importlib.import_module("nbformat")
    nbformat.write(saved, path)


@pytest.fixture
def nbclient() -> None:
    pytest.importorskip("nbclient", reason="needs nbclient and ipykernel")


@pytest.mark.usefixtures("nbclient")
@pytest.mark.filterwarnings("ignore")
class TestNotebooks:
    def test_all_is_saved(self) -> None:
        path = Path("book.ipynb").resolve()
        write(path, book("width = 8", SAVE))
        assert run(book("width = 8", SAVE), path, path.parent) == ""
        assert b"book.ipynb" in jellyformat.show("x.pkl").untracked

    def test_cells_that_are_not_saved(self) -> None:
        path = Path("book.ipynb").resolve()
        write(path, book("width = 8", SAVE))
        said = run(book("width = 8", "width = 16", SAVE), path, path.parent)
        assert "PromptWarning: 1 cell that was run is not in book.ipynb as it is saved, and so not in the snap" in said
        said = run(book("width = 16", "import jellyformat; jellyformat.snapshot()"), path, path.parent)
        assert "PromptWarning: 2 cells that were run are not in book.ipynb as it is saved" in said

    def test_a_notebook_elsewhere(self, tmp_path: Path) -> None:
        here = Path.cwd()
        write(tmp_path / "book.ipynb", book(SAVE))
        assert "the notebook book.ipynb is not in the repository" in run(book(SAVE), tmp_path / "book.ipynb", here)
        assert "which notebook this is cannot be told" in run(book(SAVE), tmp_path / "gone.ipynb", here)

    def test_a_module_that_was_edited(self) -> None:
        """Without autoreload, what was imported runs on."""
        path = Path("book.ipynb").resolve()
        sources = ("import model", "open('model.py', 'a').write('x = 1')", SAVE)
        write(path, book(*sources))
        assert "which has loaded it: model.py" in run(book(*sources), path, path.parent)
        assert jellyformat.show("x.pkl").edited == (b"model.py",)

    def test_nothing_is_begun(self) -> None:
        path = Path("book.ipynb").resolve()
        sources = ("import jellyformat_pickle", "open('new.py', 'w').close()", SAVE)
        write(path, book(*sources))
        assert run(book(*sources), path, path.parent) == ""
        assert b"new.py" in jellyformat.show("x.pkl").untracked


def test_at_a_prompt(tmp_path: Path) -> None:
    """It is said once; of which repository is told by the directory."""
    there = tmp_path / "there"
    there.mkdir()
    git(there, "init", "-q")
    (there / "a.py").touch()
    lines = f"{SAVE}\n{SAVE}\n"
    done = subprocess.run(
        [sys.executable, "-i"], input=lines, cwd=there, env={**os.environ}, capture_output=True, text=True, timeout=120
    )
    assert done.stderr.count("PromptWarning: what is typed at a prompt is in no snapshot") == 1
    assert jellyformat.show(there / "x.pkl").untracked == (b"a.py",)


BOOK = """import marimo
app = marimo.App()
@app.cell
def _():
    import jellyformat_pickle as p; p.dump([1], {path!r})
    return
"""


async def edited(book: Path, log: Path, one: Path, two: Path) -> None:
    """Open a notebook in marimo's editor, run its cell, write a file beside it, and run the cell anew."""
    from tornado.websocket import websocket_connect

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at = f"127.0.0.1:{port}"
    options = ["--headless", "--no-token", "--skip-update-check", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "marimo", "edit", str(book), *options]
    with log.open("wb") as said:
        server = subprocess.Popen(command, cwd=log.parent, stdout=said, stderr=said)
    try:
        page = await until(lambda: urllib.request.urlopen(f"http://{at}/").read().decode())
        token = re.search(r'"serverToken":\s*"([^"]+)"', page)
        socket_ = await websocket_connect(f"ws://{at}/ws?session_id=s_one&file={book}")
        while (told := json.loads(str(await socket_.read_message())))["op"] != "kernel-ready":
            pass
        ids, cells = told["data"]["cell_ids"], told["data"]["codes"]

        def post(what: str, **body: object) -> None:
            headers = {"Content-Type": "application/json", "Marimo-Session-Id": "s_one"}
            headers["Marimo-Server-Token"] = token[1] if token else ""
            request = urllib.request.Request(f"http://{at}/api/kernel/{what}", json.dumps(body).encode(), headers)
            urllib.request.urlopen(request).close()

        post("instantiate", objectIds=[], values=[], autoRun=True)
        await until(lambda: jellyformat.show(one))
        (book.parent / "new.py").touch()
        post("run", cellIds=ids, codes=[cells[0].replace(str(one), str(two))])
        await until(lambda: jellyformat.show(two))
    finally:
        server.terminate()
        server.wait(30)


async def until(found: Callable[[], Any]) -> Any:
    """What can be had at last."""
    for _ in range(600):
        try:
            return found()
        except (OSError, jellyformat.JellyError):
            await asyncio.sleep(0.2)
    return found()


def test_in_the_editor_of_marimo(tmp_path: Path) -> None:
    """It has no prompt, and its file; what is edited while the kernel lives is in the next save all the same."""
    pytest.importorskip("marimo")
    one, two = tmp_path / "one.pkl", tmp_path / "two.pkl"
    book = Path("book.py").resolve()
    book.write_text(BOOK.format(path=str(one)))
    asyncio.run(edited(book, tmp_path / "log", one, two))
    assert b"book.py" in jellyformat.show(one).untracked, (tmp_path / "log").read_text()
    assert b"new.py" not in jellyformat.show(one).untracked
    assert b"new.py" in jellyformat.show(two).untracked

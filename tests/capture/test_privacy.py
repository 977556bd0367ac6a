"""What a container says of where it was made, and what it never says."""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
import sys
import types
from pathlib import Path

import pytest
from states import GIT_ENVIRONMENT, Repo, base

import jellyformat
from jellyformat.capture import environment
from jellyformat.capture.environment import clean_argv, clean_text, clean_url, collect_environment

CHANCE = random.Random(5)
TOKEN = "hf_" + "".join(CHANCE.choice(string.ascii_letters) for _ in range(34))

URLS = {
    "https://github.com/o/r.git": "https://github.com/o/r.git",
    "https://user:secret@github.com/o/r.git": "https://github.com/o/r.git",
    "https://secret@github.com/o/r": "https://github.com/o/r",
    "https://u:sec@ret@host/x": "https://host/x",
    "https://u:sec/ret@host/x": "https://host/x",
    "https://oauth2:secret@gitlab.com/a/b.git?private_token=secret#secret": "https://gitlab.com/a/b.git",
    "ssh://git@host:22/p": "ssh://host:22/p",
    "git@github.com:o/r.git": "github.com:o/r.git",
    "user:secret@host:path": "host:path",
    "https://host:8080/p@v1": "https://host:8080/p@v1",
    "https://[::1]:8080/p": "https://[::1]:8080/p",
    "codecommit::eu-west-1://me:secret@repo": "codecommit::eu-west-1://repo",
    "//user:secret@server/share": "server/share",
    "https:user:secret@host/x": "host/x",
    'ext::sh -c "curl -u me:secret https://host/x"': "ext::***",
    "/srv/git/x.git": "/srv/git/x.git",
    "a@b/x:y": "a@b/x:y",
    "../x": "../x",
    "  https://u:secret@host/x": "https://host/x",
    "http:/u:secret@host/x": "http://host/x",
}


@pytest.mark.parametrize("url", URLS)
def test_remote_urls(url: str) -> None:
    assert clean_url(url) == URLS[url]
    assert "secret" not in clean_url(url)


def test_remotes_of_a_repository(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.git("remote", "add", "origin", f"https://me:{TOKEN}@example.org/a.git")
    repo.git("remote", "add", "alias", "mine:b.git")
    repo.git("config", f"url.https://me:{TOKEN}@example.org/.insteadOf", "mine:")
    repo.git("config", "--add", "remote.origin.url", "https://second.example.org/a.git")
    repo.git("remote", "add", "home", "/home/alice/c.git")
    repo.git("remote", "add", "path", f"https://example.org/{TOKEN}/d.git")
    repo.git("config", "remote.pushDefault", "origin")
    repo.git("config", f"remote.https://me:{TOKEN}@example.org/f.git.url", f"https://me:{TOKEN}@example.org/f.git")
    repo.git("config", "remote.with.dot.url", "x")
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.provenance.remotes == (
        (b"alias", b"mine:b.git"),
        (b"home", b"~/c.git"),
        (b"https://example.org/f.git", b"https://example.org/f.git"),
        (b"origin", b"https://example.org/a.git"),
        (b"path", b"https://example.org/***/d.git"),
        (b"with.dot", b"x"),
    )


ARGUMENTS = {
    ("--api-key", "abc"): (b"--api-key", b"***"),
    ("--api-key=abc",): (b"--api-key=***",),
    ("--hub_token", "-abc"): (b"--hub_token", b"***"),
    ("--password=a=b",): (b"--password=***",),
    ("wandb.api_key=abc",): (b"wandb.api_key=***",),
    ("-auth", "x"): (b"-auth", b"***"),
    ("--use-token", "--lr", "1"): (b"--use-token", b"--lr", b"1"),
    ("--url=https://u:p@h/x?y=1",): (b"--url=https://h/x",),
    ("postgres://u:p@h/db",): (b"postgres://h/db",),
    ("--hub", TOKEN): (b"--hub", b"***"),
    ("x" + "=" + TOKEN,): (b"x=***",),
    ("--data", "/home/alice/data", "/Users/bob/x"): (b"--data", b"~/data", b"~/x"),
    ("--lr", "3e-4", "model=gpt2"): (b"--lr", b"3e-4", b"model=gpt2"),
    ("caf\udce9",): (b"caf\xe9",),
    ("--pass", "abc", "--pw", "d", "--pwd", "e", "--pat", "f"): (
        *(b"--pass", b"***", b"--pw", b"***", b"--pwd", b"***", b"--pat", b"***"),
    ),
    ("-p", "abc"): (b"-p", b"***"),
    ("-pS3cret",): (b"-p***",),
    ("-pretrained",): (b"-pretrained",),
    ("--header", "Authorization: Bearer abc"): (b"--header", b"***"),
    ("-H", "X-Api-Key: abc", "-H", "Accept: text"): (b"-H", b"***", b"-H", b"Accept: text"),
    ("-u", "me:abc", "-u", "root"): (b"-u", b"***", b"-u", b"root"),
    ("+a.api_key=abc", "++b.hub-token=d", "~c/password=e"): (
        b"+a.api_key=***",
        b"++b.hub-token=***",
        b"~c/password=***",
    ),
    ("logger={api_key: abc, name: x}",): (b"logger={api_key: ***, name: x}",),
    ('--config={"apiKey": "a b c", "lr": 1}',): (b'--config={"apiKey": ***, "lr": 1}',),
    ("--header=Authorization: Bearer abc def",): (b"--header=Authorization: *** def",),
    ("https://h/x;token=abc", " https://u:p@h/y", "http:/u:p@h/z"): (
        b"https://h/x;token=***",
        b"https://h/y",
        b"http://h/z",
    ),
    ("https://h/x?a=1&sig=abc#y",): (b"https://h/x",),
    ("--max_tokens", "512", "--max-new-tokens=64", "--tokenizer", "gpt2", "--author", "me"): (
        *(b"--max_tokens", b"512", b"--max-new-tokens=64", b"--tokenizer", b"gpt2", b"--author", b"me"),
    ),
    ("--opt", "key:abc", "x" * 70_000): (b"--opt", b"key:***", b"xx***"),
}


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_command_line(arguments: tuple[str, ...]) -> None:
    assert clean_argv(["train.py", *arguments]) == (b"train.py", *ARGUMENTS[arguments])


def test_user_and_host_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_user", lambda: "researcher")
    names = os.uname()
    other = os.uname_result((names.sysname, "gpu-node-17", *names[2:]))
    monkeypatch.setattr(os, "uname", lambda: other)
    assert clean_text("/scratch/researcher/run --master gpu-node-17:29500") == b"/scratch/~/run --master ***:29500"
    assert clean_text("researchers gpu-node-170 /x/researcher2") == b"researchers gpu-node-170 /x/researcher2"


_EVERYTHING = """
import sys, jellyformat
sys.argv = ["train.py", "--hub-token", "canary-argv"]
snap = jellyformat.snapshot(sys.stdin.readline().strip())
with snap.open() as box:
    manifest = repr(box.manifest)
print(manifest)
"""


def test_nothing_of_user_host_and_variables(tmp_path: Path) -> None:
    """Canaries everywhere a name could come from; none of them comes out."""
    repo = base(tmp_path / "repo")
    repo.append("README.md")
    script = "hostname canary-host 2>/dev/null; exec " + sys.executable + ' -c "$0"'
    done = subprocess.run(
        ["unshare", "--uts", "sh", "-c", script, _EVERYTHING],
        input=f"{repo.path}\n", capture_output=True, text=True, check=False, cwd=tmp_path,
        env={
            **GIT_ENVIRONMENT, "PATH": os.environ["PATH"], "USER": "canary-user", "LOGNAME": "canary-user",
            "HOSTNAME": "canary-host", "HOME": "/home/canary-user", "WANDB_API_KEY": "canary-key", "CANARY": "canary",
        },
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip("this system gives nobody a host name of their own")
    assert done.returncode == 0, done.stderr
    assert "canary" not in done.stdout
    assert "train.py" in done.stdout


def test_without_environment(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    manifest = jellyformat.snapshot(repo.path, environment=False).manifest
    assert manifest.environment == {}
    assert manifest.provenance.argv == ()


# -- the environment ---------------------------------------------------------------------------------------------------


def test_environment() -> None:
    found = collect_environment()
    assert found["language"] == "python"
    assert str(found["version"]).startswith("3.")
    code = "import platform; print(platform.platform())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found["platform"] == done.stdout.strip()
    packages = found["packages"]
    assert isinstance(packages, list)
    names = {package[0]: package for package in packages}
    assert names["pytest"][1]
    assert names["pytest"][2] is None
    assert [package[0].lower() for package in packages] == sorted(
        (package[0].lower() for package in packages), key=lambda name: name.replace("_", "-").replace(".", "-")
    )


def distribution(site: Path, name: str, direct_url: str | None) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    if direct_url is not None:
        (info / "direct_url.json").write_text(direct_url)


def test_origins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = base(tmp_path / "editable")
    repo.git("remote", "add", "origin", "https://me:secret@example.org/e.git")
    head = repo.git("rev-parse", "HEAD").decode().strip()
    Repo(tmp_path / "no remote")
    site = tmp_path / "site"
    direct = {
        "vcs": {"url": "https://t@example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "odd": {"url": f"https://example.org/{TOKEN}.git", "vcs_info": {"vcs": "git", "commit_id": TOKEN}},
        "editable": {"url": repo.path.as_uri(), "dir_info": {"editable": True}},
        "directory": {"url": (repo.path / "src").as_uri(), "dir_info": {}},
        "plain": {"url": "file:///home/alice/plain", "dir_info": {"editable": True}},
        "unborn": {"url": (tmp_path / "no remote").as_uri(), "dir_info": {}},
        "archive": {"url": "https://example.org/a.whl?token=x", "archive_info": {}},
        "list": [],
    }
    for name, value in direct.items():
        distribution(site, name, json.dumps(value))
    distribution(site, "broken", "{")
    distribution(site, "index", None)
    monkeypatch.setattr(sys, "path", [str(site)])
    packages = collect_environment()["packages"]
    assert isinstance(packages, list)
    assert {name: origin for name, _, origin in packages} == {
        "vcs": "git+https://example.org/x.git@abc",
        "odd": "git+https://example.org/***@***",
        "editable": f"editable git+https://example.org/e.git@{head}",
        "directory": f"git+https://example.org/e.git@{head}",
        "plain": "editable file://~/plain",
        "unborn": (tmp_path / "no remote").as_uri(),
        "archive": "https://example.org/a.whl",
        "list": None,
        "index": None,
    }


def test_accelerators(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the framework says them, where it is imported and has started them; nothing is imported for it."""
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True, device_count=lambda: 2, get_device_name=lambda number: f"GPU {number}"
    )
    torch = types.SimpleNamespace(cuda=cuda, version=types.SimpleNamespace(cuda="12.4"))
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert collect_environment()["accelerators"] == ["GPU 0", "GPU 1", "CUDA 12.4"]
    cuda.is_initialized = lambda: False
    assert collect_environment()["accelerators"] == []
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    assert collect_environment()["accelerators"] == []
    code = (
        "import sys; from jellyformat.capture.environment import collect_environment; collect_environment(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# -- notebooks ---------------------------------------------------------------------------------------------------------

NOTEBOOK = {"cells": [{"cell_type": "code", "source": ["x = 1\n", "snap()"]}, {"cell_type": "markdown", "source": "#"}]}


def kernel(monkeypatch: pytest.MonkeyPatch, cell: str, **names: str) -> None:
    """Stands in for the kernel that the caller runs in."""
    shell = types.SimpleNamespace(
        kernel=object(), user_ns=names, history_manager=types.SimpleNamespace(input_hist_raw=["", "import x", cell])
    )
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


def note(snap: jellyformat.Snapshot) -> object:
    return snap.manifest.environment.get("notebook")


@pytest.mark.parametrize("told_by", ["jupyter", "code"])
@pytest.mark.parametrize("ignored", [False, True])
def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told_by: str, ignored: bool) -> None:
    """Captured as it is on disk, ignored or not; the note says where it is, and that a cell is not saved."""
    repo = base(tmp_path / "repo")
    path = repo.path / "books/try.ipynb"
    repo.write("books/try.ipynb", json.dumps(NOTEBOOK).encode())
    repo.write("books/other.ipynb")
    if ignored:
        repo.write(".gitignore", b"books/\n*.log\n")
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    if told_by == "jupyter":
        monkeypatch.setenv("JPY_SESSION_NAME", str(path))
        kernel(monkeypatch, "x = 1\nsnap()")
    else:
        kernel(monkeypatch, "x = 1\nsnap()\n", __vsc_ipynb_file__=str(path))
    snap = jellyformat.snapshot(repo.path)
    assert b"books/try.ipynb" in snap.manifest.summary.untracked
    assert list(snap.manifest.ignored) == ([b"books/other.ipynb"] if ignored else [])
    assert note(snap) == {"path": clean_text(str(path)), "unsaved": None}
    with snap.open() as box:
        assert box.read("books/try.ipynb") == path.read_bytes()
    (tmp_path / "x.jelly").write_bytes(snap.to_bytes())
    assert jellyformat.verify(tmp_path / "x.jelly").ok
    kernel(monkeypatch, "x = 2  # edited\nsnap()", __vsc_ipynb_file__=str(path))
    assert note(jellyformat.snapshot(repo.path)) == {"path": clean_text(str(path)), "unsaved": True}


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"cells": [{}]}', b"\xff"])
def test_notebook_of_another_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bytes) -> None:
    repo = base(tmp_path / "repo")
    repo.write("a.ipynb", broken)
    kernel(monkeypatch, "snap()", __vsc_ipynb_file__=str(repo.path / "a.ipynb"))
    found = note(jellyformat.snapshot(repo.path))
    assert isinstance(found, dict)
    assert found["unsaved"] is None


def test_no_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = base(tmp_path / "repo")
    monkeypatch.setenv("JPY_SESSION_NAME", str(repo.path / "a.ipynb"))
    assert note(jellyformat.snapshot(repo.path)) is None, "not in a kernel: the variable was inherited"
    kernel(monkeypatch, "snap()")
    assert note(jellyformat.snapshot(repo.path)) is None, "no such file"
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    assert note(jellyformat.snapshot(repo.path)) is None


@pytest.mark.framework
def test_in_a_real_kernel(tmp_path: Path) -> None:
    from jupyter_client import manager

    repo = base(tmp_path / "repo")
    cell = "import jellyformat; print(jellyformat.snapshot('.').manifest.environment.get('notebook'))"
    book = {"cells": [{"cell_type": "code", "source": [cell]}]}
    repo.write("book.ipynb", json.dumps(book).encode())
    env = {**os.environ, "JPY_SESSION_NAME": str(repo.path / "book.ipynb")}
    found, client = manager.start_new_kernel(kernel_name="python3", cwd=str(repo.path), env=env, startup_timeout=60)
    try:
        texts: list[str] = []
        for code in (cell, cell + "  # edited"):
            client.execute_interactive(
                code,
                timeout=60,
                output_hook=lambda message: texts.append(
                    message["content"].get("text", "") + "".join(message["content"].get("traceback", []))
                ),
            )
    finally:
        client.stop_channels()
        found.shutdown_kernel(now=True)
    lines = [line for line in "".join(texts).splitlines() if "'unsaved'" in line]
    assert "book.ipynb" in lines[0]
    assert "'unsaved': None" in lines[0]
    assert "'unsaved': True" in lines[1]

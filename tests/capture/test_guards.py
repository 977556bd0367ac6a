"""Secrets and sizes: what HEAD does not have is refused, left out, or taken, as asked; and always said."""

from __future__ import annotations

import random
import string
import subprocess
import sys
from pathlib import Path

import pytest
from states import GIT_ENVIRONMENT, Repo, base, source_text

import jellyformat
from jellyformat import errors
from jellyformat.capture.secrets import blank_secrets, find_secrets

CHANCE = random.Random(3)
LETTERS = string.ascii_letters + string.digits


def word(length: int, alphabet: str = LETTERS) -> str:
    """Made when the tests run, so that no file of the project looks like a secret to anybody's scanner."""
    return "".join(CHANCE.choice(alphabet) for _ in range(length))


UPPER = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"
SECRETS = {
    "private key": "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow" + word(58) + "\n",
    "OpenSSH key": "-----BEGIN OPENSSH PRIVATE " + "KEY-----\n" + word(70) + "\n",
    "key in JSON": '"private_key": "-----BEGIN PRIVATE ' + "KEY-----\\nMIIEvg" + word(30) + '"',
    "AWS id": "AKIA" + word(16, UPPER),
    "AWS secret": f'aws_secret_access_key = "{word(40)}"',
    "AWS in JSON": f'"SecretAccessKey": "{word(40)}"',
    "Google": "AIza" + word(35),
    "Azure": "AccountKey=" + word(86) + "==",
    "GitHub": "ghp_" + word(36),
    "GitHub fine": "github_pat_" + word(82),
    "GitLab": "glpat-" + word(20),
    "Hugging Face": "hf_" + word(34),
    "OpenAI": "sk-" + word(20) + "T3Blbk" + "FJ" + word(20),
    "OpenAI project": "sk-proj-" + word(48),
    "Anthropic": "sk-ant-" + "api03-" + word(93),
    "W&B": f"WANDB_API_KEY={word(40, HEX)}",
    "encrypted key": "-----BEGIN RSA PRIVATE " + "KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow" + word(58) + "\n",
    "W&B in Python": f"os.environ['WANDB_API_KEY'] = '{word(40, HEX)}'",
    "behind a line end in JSON": '"text": "logged in\\nhf_' + word(34) + '\\n"',
    "in quotes in JSON": '"source": "token = \\"hf_' + word(34) + '\\""',
    "W&B login": f"wandb.login(key='{word(40, HEX)}')",
    "Slack": "xoxb-" + word(12, string.digits) + "-" + word(24),
    "Stripe": "sk_" + "live_" + word(24),
    "npm": "//registry.npmjs.org/:_authToken=" + word(36),
    "PyPI": "pypi-AgE" + "IcHlwaS5vcmc" + word(60),
    "URL": f"https://ci:{word(20)}@git.example.org/x.git",
    "Telegram": word(10, string.digits) + ":AA" + word(33),
    "SendGrid": f"SG.{word(22)}.{word(43)}",
    "Kubernetes": f"    client-key-data: {word(80)}",
}
FILES = {
    "kaggle.json": f'{{"username":"me","key":"{word(32, HEX)}"}}',
    ".env": "# settings\nDB_PASSWORD=tr0ub4dor\n",
    "deploy/.env.production": "export TOKEN='abc def'\n",
    "id_rsa": SECRETS["OpenSSH key"],
    ".netrc": "machine api.wandb.ai\n  login user\n  password s3cr3t\n",
    ".npmrc": SECRETS["npm"],
    ".git-credentials": "https://me:pw1@github.com\n",
    ".docker/config.json": '{"auths": {"x": {"auth": "bWU6c2VjcmV0"}}}',
    "keys/store.p12": "\x30\x82" + "x" * 20,
    "terraform.tfvars": 'db_password = "correct-horse"\n',
}
HARMLESS = {
    "empty": "",
    "tokens.py": 'pad_token = "<pad>"\nmax_tokens = 512\nkey = "value"\npassword = getpass()\n',
    "example": "AKIAIOSFODNN7EXAMPLE and hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    "public": "-----BEGIN PUBLIC KEY-----\nMIIBIjAN\n-----BEGIN CERTIFICATE-----\nMIID\nssh-rsa AAAAB3NzaC1yc2E\n",
    "talk.md": "A key begins with `-----BEGIN RSA PRIVATE KEY-----`.\n",
    "urls": "https://user:password@example.com https://${USER}:${TOKEN}@x postgres://u:%(pw)s@h http://[::1]:80/a@b\n",
    "hashes": "\n".join(word(64, HEX) for _ in range(50)) + "\n" + "\n".join(word(40, HEX) for _ in range(50)),
    "model_hf_names": "hf_hub_download hf_model_with_a_name_that_is_quite_long_indeed hf_" + "a" * 34,
    ".env.example": "TOKEN=put-yours-here\n",
    ".env": "# nothing yet\nTOKEN=\nOTHER=$HOME/x\n",
    "config.json": '{"auth_type": "none", "hidden": 4096}',
    "marked.py": f'key = "{SECRETS["AWS id"]}"  # pragma: allowlist secret\n',
    "notebook.ipynb": '{"cells": [{"outputs": [{"image/png": "' + word(3000, LETTERS + "+/") + '"}]}]}',
    "task-queue.py": "task-proj-" + word(60) + " desk-or-v1-x risk-ant-farm\n",
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_found(name: str) -> None:
    text = f"line one\nx = {SECRETS[name]}\nend\n".encode()
    found = find_secrets(b"src/file.py", text)
    assert [finding.line for finding in found] == [2]
    assert found[0].value in text
    assert find_secrets(b"f", SECRETS[name].encode()), "alone"


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_made_for_secrets(name: str) -> None:
    assert find_secrets(name.encode(), FILES[name].encode("latin-1"))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_secret(name: str) -> None:
    assert find_secrets(name.encode(), HARMLESS[name].encode()) == []


def test_own_files_have_none() -> None:
    root = Path(__file__).parents[2]
    for path in sorted((*root.glob("*/*.py"), *root.glob("*/*/*.py"), *root.glob("*.md"))):
        assert find_secrets(bytes(path.relative_to(root)), path.read_bytes()) == [], path


def test_blanking() -> None:
    text = f"--hub {SECRETS['Hugging Face']} --lr 1".encode()
    assert blank_secrets(text) == b"--hub *** --lr 1"


# -- a capture --------------------------------------------------------------------------------------------------------

LEAK = f"import os\nkey = '{SECRETS['AWS id']}'\n".encode()


def held(snap: jellyformat.Snapshot) -> dict[bytes, str]:
    worktree = snap.manifest.state.worktree
    assert worktree is not None
    return {item.path: item.reason for item in worktree.omitted}


def bytes_in(snap: jellyformat.Snapshot) -> bytes:
    """Every object of a snapshot, one after another."""
    with snap.open() as box:
        box.pool.decode(("state", "history"))
        return b"\0".join(box.pool.read(oid) for oid in box.pool.places)


def test_refused_by_default(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("new dir/leak.py", LEAK)
    with pytest.raises(errors.RefusedSecret) as caught:
        jellyformat.snapshot(repo.path)
    assert "new dir/leak.py line 2 (AWS access key)" in caught.value.message
    assert 'exclude=["new dir/leak.py"]' in str(caught.value.hint)
    assert 'secrets="allow"' in str(caught.value.hint)
    shell = str(caught.value.to_json()["hint"])
    assert "--exclude 'new dir/leak.py'" in shell
    assert "--allow-secrets" in shell
    assert SECRETS["AWS id"] not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("place", ["untracked", "modified", "staged", "staged modified", "conflict"])
def test_omitted(tmp_path: Path, place: str) -> None:
    repo = base(tmp_path / "repo")
    name = "src/train.py" if place.endswith("modified") else "leak.py"
    if place == "conflict":
        for branch in ("side", "main"):
            repo.git("checkout", "-q", "-B", branch, "HEAD" if branch == "side" else "HEAD~1")
            repo.write("leak.py", branch.encode())
            repo.commit(branch)
        repo.git("merge", "side", fails=True)
    repo.write(name, LEAK)
    if place.startswith("staged"):
        repo.git("add", name)
    snap = jellyformat.snapshot(repo.path, secrets="omit")
    assert held(snap) == {name.encode(): "secret"}
    assert SECRETS["AWS id"].encode() not in bytes_in(snap)
    (tmp_path / "s.jelly").write_bytes(snap.to_bytes())
    report = jellyformat.verify(tmp_path / "s.jelly")
    assert report.ok
    assert any("1 files were left out (secret 1)" in check.detail for check in report.checks)
    if place == "staged modified":
        index = snap.manifest.state.index
        assert index is not None
        assert [(item.path, item.reason, item.size) for item in index.omitted] == [(name.encode(), "secret", len(LEAK))]
        assert not snap.manifest.extensions
        assert snap.manifest.summary.staged == ()
    allowed = jellyformat.snapshot(repo.path, secrets="allow")
    assert held(allowed) == {}
    assert SECRETS["AWS id"].encode() in bytes_in(allowed)


def test_staged_and_taken_out_again_on_disk(tmp_path: Path) -> None:
    """The file on disk is in the snapshot, what was staged is not."""
    repo = base(tmp_path / "repo")
    repo.write("src/train.py", LEAK)
    repo.git("add", "-A")
    repo.write("src/train.py", b"import os\nkey = os.environ['KEY']\n")
    with pytest.raises(errors.RefusedSecret, match=r"src/train.py line 2 as staged"):
        jellyformat.snapshot(repo.path)
    snap = jellyformat.snapshot(repo.path, secrets="omit")
    assert held(snap) == {}
    assert SECRETS["AWS id"].encode() not in bytes_in(snap)
    with snap.open() as box:
        assert box.read("src/train.py") == b"import os\nkey = os.environ['KEY']\n"
    excluded = jellyformat.snapshot(repo.path, exclude=["src/train.py"])
    assert held(excluded) == {b"src/train.py": "excluded"}
    assert SECRETS["AWS id"].encode() not in bytes_in(excluded)


def test_what_head_has_is_not_looked_at(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("leak.py", LEAK)
    repo.write("big.bin", bytes(range(256)) * 400)
    repo.commit()
    repo.git("mv", "leak.py", "moved.py")
    repo.git("mv", "big.bin", "moved.bin")
    repo.write("copy.py", LEAK)
    assert held(jellyformat.snapshot(repo.path, max_file_size=100_000)) == {}
    repo.git("mv", "moved.py", "leak.py")
    repo.append("leak.py", b"more = 1\n")
    assert held(jellyformat.snapshot(repo.path, max_file_size=100_000)) == {}
    repo.append("leak.py", f"other = '{SECRETS['GitHub']}'\n".encode())
    with pytest.raises(errors.RefusedSecret, match="line 4") as caught:
        jellyformat.snapshot(repo.path, max_file_size=1_000_000)
    assert "line 2" not in caught.value.message


def test_gitmodules_that_is_not_tracked(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    url = f"https://{word(40, HEX)}@github.com/o/x.git"
    repo.write(".gitmodules", f'[submodule "x"]\n\tpath = x\n\turl = {url}\n'.encode())
    with pytest.raises(errors.RefusedSecret, match=r"\.gitmodules line 3 \(token in a URL\)"):
        jellyformat.snapshot(repo.path)
    snap = jellyformat.snapshot(repo.path, secrets="omit")
    assert held(snap) == {b".gitmodules": "secret"}
    assert url.encode() not in bytes_in(snap)


def test_in_a_nested_repository(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    inner = Repo(repo.path / "third")
    inner.commit("inner")
    inner.write("a/.env", b"TOKEN=abc\n")
    with pytest.raises(errors.RefusedSecret, match=r"third/a/\.env line 1"):
        jellyformat.snapshot(repo.path)
    snap = jellyformat.snapshot(repo.path, secrets="omit")
    nested = snap.manifest.state.submodules[0].state.worktree
    assert nested is not None
    assert [item.path for item in nested.omitted] == [b"a/.env"]


def test_sizes(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("large.bin", bytes(200_000))
    repo.write("staged.bin", b"s" * 150_000)
    repo.git("add", "staged.bin")
    with pytest.raises(errors.RefusedSize) as caught:
        jellyformat.snapshot(repo.path, max_file_size=100_000)
    assert "large.bin (0.2 MB)" in caught.value.message
    assert "staged.bin" in caught.value.message
    assert "max_file_size=200000 (now 100000)" in str(caught.value.hint)
    snap = jellyformat.snapshot(repo.path, max_file_size=100_000, oversize="omit")
    assert held(snap) == {b"large.bin": "size", b"staged.bin": "size"}
    assert len(bytes_in(snap)) < 100_000
    assert held(jellyformat.snapshot(repo.path, max_file_size=100_000, oversize="allow")) == {}
    assert held(jellyformat.snapshot(repo.path, max_file_size=200_000)) == {}


def test_total_size(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    for number in range(5):
        repo.write(f"part{number}", source_text(100, number))
    total = sum(len(source_text(100, number)) for number in range(5))
    jellyformat.snapshot(repo.path, max_size=total)
    with pytest.raises(errors.RefusedSize) as caught:
        jellyformat.snapshot(repo.path, max_size=total - 1)
    assert "part4" in caught.value.message
    asked = int(str(caught.value.hint).split("max_size=")[1].split()[0])
    jellyformat.snapshot(repo.path, max_size=asked)
    assert held(jellyformat.snapshot(repo.path, max_size=total - 1, oversize="omit")) == {b"part4": "size"}


@pytest.mark.parametrize("options", [{"secrets": "maybe"}, {"oversize": ""}, {"history": "0"}, {"history": "some"}])
def test_options_are_checked(tmp_path: Path, options: dict[str, str]) -> None:
    base(tmp_path / "repo")
    with pytest.raises(errors.Usage):
        jellyformat.snapshot(tmp_path / "repo", **options)  # type: ignore[arg-type]


def jelly(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jellyformat", *arguments],
        cwd=directory, capture_output=True, text=True, check=False, env={**GIT_ENVIRONMENT, "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    repo = base(tmp_path / "repo")
    repo.write("leak.py", LEAK)
    repo.write("large.bin", bytes(3000))
    refused = jelly(repo.path, "snapshot", "-o", "../x.jelly")
    assert refused.returncode == 4
    assert "leak.py line 2" in refused.stderr
    assert SECRETS["AWS id"] not in refused.stderr + refused.stdout
    assert not (tmp_path / "x.jelly").exists()
    as_json = jelly(repo.path, "snapshot", "-o", "../x.jelly", "--json")
    assert '"refused.secret"' in as_json.stdout + as_json.stderr
    assert jelly(repo.path, "snapshot", "-o", "../x.jelly", "--exclude", "leak.py").returncode == 0
    shown = jelly(tmp_path, "show", "x.jelly")
    assert "leak.py  (excluded)" in shown.stdout
    allowed = jelly(repo.path, "snapshot", "-o", "../y.jelly", "--allow-secrets", "--max-file-size", "2k")
    assert allowed.returncode == 4
    assert "large.bin" in allowed.stderr
    assert jelly(repo.path, "snapshot", "-o", "../y.jelly", "--allow-secrets", "--max-file-size", "3k").returncode == 0

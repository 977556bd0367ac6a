"""SSH keys, an agent and files of allowed signers, by the real programs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KINDS = {"ed25519": (), "ecdsa": ("-b", "384"), "rsa": ("-b", "2048")}


def make_key(place: Path, kind: str = "ed25519", name: str = "ann@example.org", passphrase: str = "") -> Path:
    """A new key; the path of its secret half."""
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{kind}-{name.partition('@')[0]}"
    run("ssh-keygen", "-q", "-t", kind, *KINDS[kind], "-N", passphrase, "-C", name, "-f", str(path))
    return path


def public(key: Path) -> str:
    """The type and base64 of a key's public half."""
    return " ".join(key.with_name(key.name + ".pub").read_text().split()[:2])


def signers(path: Path, *lines: str) -> Path:
    """A file of allowed signers."""
    path.write_text("".join(line + "\n" for line in lines))
    return path


def run(*command: str, data: bytes | None = None) -> bytes:
    return subprocess.run(command, input=data, check=True, capture_output=True).stdout


def sign_bytes(key: Path, message: bytes, namespace: str) -> bytes:
    """What ``ssh-keygen -Y sign`` gives of a message, in armor."""
    return run("ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key), data=message)


@contextmanager
def agent(place: Path, *keys: Path) -> Iterator[str]:
    """An agent that has some keys; the path of its socket."""
    socket = str(place / "agent.sock")
    with subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it listens
            environment = {**os.environ, "SSH_AUTH_SOCK": socket}
            for key in keys:
                subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True)
            yield socket
        finally:
            process.terminate()


def configure(place: Path, patch: pytest.MonkeyPatch, **values: str) -> Path:
    """A git configuration of the user's alone: ``user_signingKey="…"`` and so on."""
    path = place / "gitconfig"
    for name, value in values.items():
        run("git", "config", "--file", str(path), name.replace("_", "."), value)
    path.touch()
    patch.setenv("GIT_CONFIG_GLOBAL", str(path))
    return path

"""Signing with real ssh-keygen and a real agent, and what becomes of a signature that somebody tampers with."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import craft
import keys
import pytest
from gitrepo import git
from test_labels import HOSTS
from test_story import jelly

import jellyformat
from jellyformat import training
from jellyformat.errors import HostWarning, RefusedKey, RefusedSigned, Usage
from jellyformat.format import extensions, frames, manifest
from jellyformat.format.extensions import LABELS, NAMESPACE, NOTE, SIGNATURES, Signature
from jellyformat.format.model import Manifest
from jellyformat.format.source import BytesSource
from jellyformat.hosts.binding import BINDING
from jellyformat.snapshots import Snapshot
from jellyformat.training import SnapshotWarning
from jellyformat.trust import sshsig

SNAP = Snapshot(craft.assemble(*craft.good()))
ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keys.make_key(tmp_path_factory.mktemp("ann"))


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keys.make_key(tmp_path_factory.mktemp("bob"), name=BOB)


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def allowed(ann: Path, tmp_path: Path) -> Path:
    return keys.signers(tmp_path / "signers", f"{ANN} {keys.public(ann)}")


def weights(path: Path, value: float = 0.5) -> Path:
    path.write_bytes(pickle.dumps({"w": [value] * 200}))
    return path


def carrying(path: Path, data: bytes = SNAP.data, value: float = 0.5) -> Path:
    weights(path, value)
    jellyformat.embed(path, Snapshot(data), replace=True)
    return path


def states(file: Path, signers: Path | None) -> list[str]:
    return [item.state for item in jellyformat.signatures(file, signers)]


def signed_by(data: bytes, key: Path, namespace: str = NAMESPACE) -> Signature:
    """A signature made by ssh-keygen itself."""
    message = extensions.signed_bytes(manifest_of(data))
    return Signature("sshsig", sshsig.unarmored(keys.sign_bytes(key, message, namespace)))


def manifest_of(data: bytes) -> Manifest:
    source = BytesSource(data)
    return frames.read_manifest(source, frames.read_header(source))


def with_signatures(data: bytes, *found: Signature) -> bytes:
    return frames.with_extensions(data, {SIGNATURES: [extensions.to_value(item) for item in found]})


def is_refused(file: Path, allowed: Path, who: bool | str = True) -> bool:
    report = jellyformat.verify(file, signers=allowed, require=who)
    assert report.error is None or report.error.exit_code == 1
    return not report.ok


# -- signing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HOSTS)
def test_every_kind_of_host_is_signed(kind: str, ann: Path, allowed: Path, tmp_path: Path) -> None:
    name, make = HOSTS[kind]
    (tmp_path / "x").mkdir()
    host = make(tmp_path / "x" / name)
    jellyformat.embed(host, SNAP, labels={"epoch": 3})
    before = jellyformat.show(host)
    (found,) = jellyformat.sign(host, str(ann), bind=True)
    assert (found.key_type, found.bound) == ("ssh-ed25519", True)
    assert found.fingerprint == keys.run("ssh-keygen", "-lf", str(ann)).decode().split()[1]
    report = jellyformat.verify(host, signers=allowed, require=ANN)
    assert report.ok
    assert [item.state for item in report.signatures] == ["good"]
    assert report.signatures[0].principals == ANN
    after = jellyformat.show(host)
    assert (after.snapshot_id, after.labels, after.host) == (before.snapshot_id, before.labels, kind)
    with pytest.raises(RefusedSigned):
        jellyformat.label(host, {"epoch": 4})
    jellyformat.label(host, {"epoch": 4}, drop_signatures=True)
    assert jellyformat.signatures(host, allowed) == ()


def test_what_ssh_keygen_signs_is_what_it_verifies(ann: Path, tmp_path: Path) -> None:
    """Without a line of ours: the binary signature put into armor, and the bytes as SPEC has them."""
    host = carrying(tmp_path / "m.pkl")
    jellyformat.sign(host, str(ann))
    data = jellyformat.load(host).data
    (found,) = extensions.signatures_of(manifest_of(data).extensions)
    (tmp_path / "sig").write_bytes(sshsig.armored(found.signature))
    kept = {name: value for name, value in manifest_of(data).extensions.items() if name not in (SIGNATURES, "sidecar")}
    message = b"jellyformat container 1\0" + manifest.encode(dataclasses.replace(manifest_of(data), extensions=kept))
    lines = keys.signers(tmp_path / "list", f"{ANN} {keys.public(ann)}")
    said = keys.run(
        "ssh-keygen", "-Y", "verify", "-f", str(lines), "-I", ANN, "-n", "container@jellyformat.org",
        "-s", str(tmp_path / "sig"), data=message,
    )  # fmt: skip
    assert b"Good" in said


def test_several_signatures_and_one_again(ann: Path, bob: Path, allowed: Path, tmp_path: Path) -> None:
    host = carrying(tmp_path / "m.pkl")
    jellyformat.sign(host, str(ann))
    jellyformat.sign(host, str(bob))
    assert states(host, allowed) == ["good", "unknown"]
    jellyformat.sign(host, str(ann))
    assert states(host, allowed) == ["unknown", "good"]
    keys.signers(allowed, f"{ANN} {keys.public(ann)}", f"{BOB} {keys.public(bob)}")
    assert not is_refused(host, allowed, ANN)
    assert not is_refused(host, allowed, BOB)
    assert is_refused(host, allowed, "eve@example.org")
    digest = jellyformat.show(host).digest
    with pytest.raises(RefusedSigned, match="others"):
        jellyformat.sign(host, str(ann), bind=True)
    assert jellyformat.show(host).digest == digest
    jellyformat.sign(host, str(ann), bind=True, drop_signatures=True)
    assert [(item.state, item.bound) for item in jellyformat.signatures(host, allowed)] == [("good", True)]
    jellyformat.sign(host, str(bob), bind=True)  # the same binding: nothing is lost
    assert states(host, allowed) == ["good", "good"]


def test_agents(ann: Path, bob: Path, allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = carrying(tmp_path / "m.pkl")
    with pytest.raises(Usage, match="no key to sign with"):
        jellyformat.sign(host, "agent")
    keys.signers(allowed, f"{ANN} {keys.public(ann)}", f"{BOB} {keys.public(bob)}")
    with keys.agent(tmp_path, bob, ann) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        for key in ("agent", None):
            assert [item.principals for item in jellyformat.sign(host, key)] == [None]
            assert [item.principals for item in jellyformat.signatures(host, allowed)] == [BOB]
        for name in (ANN, keys.run("ssh-keygen", "-lf", str(ann)).decode().split()[1]):
            jellyformat.sign(host, f"agent:{name}")
            assert [item.principals for item in jellyformat.signatures(host, allowed)] == [BOB, ANN]
        with pytest.raises(Usage, match="no key 'eve'"):
            jellyformat.sign(host, "agent:eve")
        alone = tmp_path / "alone.pub"  # the public half, the secret one nowhere but in the agent
        alone.write_text(keys.public(ann) + "\n")
        for key in (str(alone), f"key::{keys.public(ann)}", keys.public(ann)):
            jellyformat.sign(host, key, drop_signatures=True)
        assert [item.principals for item in jellyformat.signatures(host, allowed)] == [BOB, ANN]


def test_the_key_that_git_signs_with(
    ann: Path, bob: Path, allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = carrying(tmp_path / "m.pkl")
    keys.configure(tmp_path, monkeypatch, user_signingKey=str(ann))
    with pytest.raises(Usage, match=r"gpg\.format is not ssh"):
        jellyformat.sign(host)
    keys.configure(tmp_path, monkeypatch, gpg_format="ssh", **{"gpg.ssh.allowedSignersFile": str(allowed)})
    (found,) = jellyformat.sign(host)
    assert (found.state, found.principals) == ("good", ANN)
    report = jellyformat.verify(host, require=True)
    assert report.ok
    with keys.agent(tmp_path, bob) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        keys.configure(tmp_path, monkeypatch, user_signingKey=f"key::{keys.public(bob)}")
        assert [item.state for item in jellyformat.sign(host)] == ["good", "unknown"]


def test_a_repository_says_nothing_of_keys_and_programs(
    ann: Path, allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever made it could have a program run, a signature made, or any signer allowed."""
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    trap.chmod(0o755)
    for name, value in {
        "gpg.ssh.program": str(trap), "gpg.ssh.allowedSignersFile": str(allowed), "user.signingKey": str(ann),
        "gpg.format": "ssh", "jellyformat.sign": "true", "gpg.ssh.defaultKeyCommand": str(trap),
    }.items():  # fmt: skip
        git(repo, "config", name, value)
    (repo / "train.py").write_text("lr = 1\n")
    (repo / "ssh-keygen").symlink_to(trap)
    monkeypatch.chdir(repo)
    monkeypatch.setenv("PATH", f":.:{os.environ['PATH']}")
    host = weights(repo / "m.pkl")
    jellyformat.embed(host)
    assert jellyformat.signatures(host) == ()
    with pytest.raises(Usage, match="no key to sign with"):
        jellyformat.sign(host)
    jellyformat.sign(host, str(ann))
    assert states(host, None) == ["unknown"]
    assert not (tmp_path / "ran").exists()


def test_a_program_of_the_users_own_signs(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f'#!/bin/sh\ntouch {tmp_path}/ran\nexec ssh-keygen "$@"\n')
    tool.chmod(0o755)
    host = carrying(tmp_path / "m.pkl")
    keys.configure(tmp_path, monkeypatch, **{"gpg.ssh.program": str(tool)})
    jellyformat.sign(host, str(ann))
    assert (tmp_path / "ran").exists()
    for words, said in (("exit 0", "made no signature"), ("echo no luck >&2; exit 1", "no luck")):
        tool.write_text(f"#!/bin/sh\n{words}\n")
        with pytest.raises(RefusedKey, match=said):
            jellyformat.sign(host, str(ann))
    tool.write_text('#!/bin/sh\nfor last; do :; done\nhead -c 100000 /dev/zero > "$last.sig"\n')
    with pytest.raises(RefusedKey, match="no SSH signature"):
        jellyformat.sign(host, str(ann))
    tool.write_text('#!/bin/sh\nfor last; do :; done\nssh-keygen -q -Y sign -n git -f "$6" "$last"\n')
    with pytest.raises(RefusedKey, match="another namespace"):
        jellyformat.sign(host, str(ann))


@pytest.mark.parametrize("name", ["-f", "-Y sign", "k\ney", "ключ"])
def test_odd_names_of_keys(name: str, ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = carrying(tmp_path / "m.pkl")
    key = tmp_path / name
    key.write_bytes(ann.read_bytes())
    key.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    jellyformat.sign(host, name)
    assert states(host, None) == ["unknown"]


def test_a_key_that_is_none(ann: Path, tmp_path: Path) -> None:
    host = carrying(tmp_path / "m.pkl")
    before = host.read_bytes()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "text").write_text("no key\n")
    for name in ("fifo", "nowhere", ".", "a\0b", "fifo/x"):
        with pytest.raises(Usage, match="there is no key"):
            jellyformat.sign(host, str(tmp_path) + "/" + name)
    for text in ("key::ssh-ed25519 AAAA", "ssh-ed25519 !", "key::", f"key::{keys.public(ann)}\nssh-rsa AAAA"):
        with pytest.raises(Usage, match="no SSH public key"):
            jellyformat.sign(host, text)
    with pytest.raises(RefusedKey, match="could not be signed"):
        jellyformat.sign(host, str(tmp_path / "text"))
    assert host.read_bytes() == before


def test_a_passphrase_is_never_asked_for_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal of its own, in which ssh-keygen would ask and wait."""
    locked = keys.make_key(tmp_path / "locked", passphrase="secret")
    code = f"""
import warnings
from jellyformat import training
from jellyformat.snapshots import Snapshot
snap = Snapshot(open({str(tmp_path / "x.jelly")!r}, "rb").read())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    marked = training.mark(snap, {{"epoch": 1}}, sign={str(locked)!r})
print(marked.info().labels, [str(item.message) for item in caught], "signatures" in marked.manifest.extensions)
"""
    (tmp_path / "x.jelly").write_bytes(SNAP.data)
    (tmp_path / "ask").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nsleep 60\n")
    (tmp_path / "ask").chmod(0o755)
    environment = {**os.environ, "SSH_ASKPASS": str(tmp_path / "ask"), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    command = ["script", "-qec", f"{sys.executable} {tmp_path / 'train.py'}", "/dev/null"]
    (tmp_path / "train.py").write_text(code)
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "{'epoch': '1'}" in done.stdout, done.stdout + done.stderr
    assert "the checkpoint is not signed" in done.stdout
    assert done.stdout.strip().endswith("False")
    assert not (tmp_path / "asked").exists()


def test_a_passphrase_is_asked_for_where_somebody_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = keys.make_key(tmp_path / "locked", passphrase="secret words")
    host = carrying(tmp_path / "m.pkl")
    (tmp_path / "ask").write_text("#!/bin/sh\necho secret words\n")
    (tmp_path / "ask").chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(tmp_path / "ask"))
    monkeypatch.setenv("SSH_ASKPASS_REQUIRE", "force")
    jellyformat.sign(host, str(locked))
    assert states(host, None) == ["unknown"]
    (tmp_path / "ask").write_text("#!/bin/sh\necho wrong\n")
    with pytest.raises(RefusedKey):
        jellyformat.sign(host, str(locked))


@pytest.mark.slow
def test_nothing_is_waited_for_while_training(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is to be touched, a hung agent: the checkpoint is saved, and nothing that was started stays."""
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/child\nwait\n")
    slow.chmod(0o755)
    keys.configure(tmp_path, monkeypatch, **{"gpg.ssh.program": str(slow)})
    begun = time.monotonic()
    with pytest.warns(SnapshotWarning, match="did not answer"):
        marked = training.mark(SNAP, {"epoch": 1}, sign=str(ann))
    assert time.monotonic() - begun < 300  # a bound against hangs alone
    assert marked is not None
    assert marked.info().labels == {"epoch": "1"}
    child = int((tmp_path / "child").read_text())
    for _ in range(1000):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        if (Path("/proc") / str(child) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break
        time.sleep(0.01)
    else:
        pytest.fail("it still runs")


def test_paths_that_depend_on_where_one_stands(
    ann: Path, allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a directory of somebody else's, a relative path would lead to keys and signers of theirs."""
    host = carrying(tmp_path / "m.pkl")
    jellyformat.sign(host, str(ann))
    monkeypatch.chdir(tmp_path)
    keys.configure(
        tmp_path, monkeypatch, gpg_format="ssh", user_signingKey="mine", **{"gpg.ssh.allowedSignersFile": "signers"},
    )  # fmt: skip
    (tmp_path / "mine").write_bytes(ann.read_bytes())
    (found,) = jellyformat.signatures(host)
    assert (found.state, "no absolute path" in found.detail) == ("unchecked", True)
    assert not jellyformat.verify(host, require=True).ok
    with pytest.raises(Usage, match="no absolute path"):
        jellyformat.sign(host)
    monkeypatch.setenv("HOME", str(tmp_path))
    keys.configure(
        tmp_path, monkeypatch, user_signingKey="~/mine", **{"gpg.ssh.allowedSignersFile": "~/signers"},
    )  # fmt: skip
    (tmp_path / "mine").chmod(0o600)
    assert [item.state for item in jellyformat.sign(host)] == ["good"]


# -- embedding and saving ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HOSTS)
def test_embed_signs(kind: str, ann: Path, allowed: Path, tmp_path: Path) -> None:
    name, make = HOSTS[kind]
    (tmp_path / "x").mkdir()
    host = make(tmp_path / "x" / name)
    jellyformat.embed(host, SNAP, sign=str(ann), bind=True, labels={"epoch": 1})
    report = jellyformat.verify(host, signers=allowed, require=ANN)
    assert report.ok
    assert report.signatures[0].bound
    other = make(tmp_path / name)
    jellyformat.embed(other, SNAP, sidecar=kind != "directory", sign=str(ann))
    assert states(other, allowed) == ["good"]


def test_what_is_configured_is_done(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = weights(tmp_path / "m.pkl")
    keys.configure(
        tmp_path, monkeypatch, jellyformat_sign="true", gpg_format="ssh", user_signingKey=str(ann),
    )  # fmt: skip
    jellyformat.embed(host, SNAP)
    assert states(host, None) == ["unknown"]
    jellyformat.embed(host, SNAP, replace=True, sign=False)
    assert states(host, None) == []
    marked = training.mark(SNAP)
    assert marked is not None
    assert SIGNATURES in marked.manifest.extensions
    keys.configure(tmp_path, monkeypatch, user_signingKey=str(tmp_path / "gone"))
    before = host.read_bytes()
    with pytest.raises(Usage, match="there is no key"):
        jellyformat.embed(host, SNAP, replace=True)
    assert host.read_bytes() == before
    with pytest.warns(SnapshotWarning, match="the checkpoint is not signed: there is no key"):
        marked = training.mark(SNAP, {"epoch": 2})
    assert marked is not None
    assert (marked.info().labels, SIGNATURES in marked.manifest.extensions) == ({"epoch": "2"}, False)
    with pytest.raises(Usage, match="there is no key"):
        training.mark(SNAP, strict=True)


def test_save_calls_sign(ann: Path, allowed: Path, tmp_path: Path, repository: Path) -> None:
    from jellyformat_pickle import dump

    for number in range(2):
        dump([0.5] * 100, tmp_path / f"{number}.pkl", repo=repository, sign=str(ann), labels={"epoch": number})
    one, two = (tmp_path / f"{number}.pkl" for number in range(2))
    for file in (one, two):
        assert jellyformat.verify(file, signers=allowed, require=ANN).ok
    run = jellyformat.show(two).run
    assert run is not None
    assert run.parent is not None
    assert run.parent.hex() == jellyformat.show(one).digest
    training.start(repo=repository, sign=str(ann))
    try:
        dump([0.5] * 100, one)
        dump([0.5] * 100, two, sign=False)
    finally:
        training.start(repo=repository)
    assert (states(one, allowed), states(two, allowed)) == (["good"], [])


# -- attacks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(ann: Path, tmp_path: Path) -> bytes:
    """A container that is bound and signed."""
    host = carrying(tmp_path / "signed.pkl")
    jellyformat.sign(host, str(ann), bind=True)
    return jellyformat.load(host).data


def put(tmp_path: Path, data: bytes, value: float = 0.5) -> Path:
    """What an attacker puts into a checkpoint: byte for byte, no verb of ours in between."""
    from jellyformat_trailer import ADAPTER

    from jellyformat.files.change import apply_plan

    path = weights(tmp_path / "attack.pkl", value)
    apply_plan(path, ADAPTER.plan_embed_as_trailer(BytesSource(path.read_bytes()), data))
    return path


def test_the_signed_one_is_good(signed: bytes, allowed: Path, tmp_path: Path) -> None:
    assert not is_refused(put(tmp_path, signed), allowed, ANN)


def test_a_signature_moved_to_another_container(signed: bytes, allowed: Path, tmp_path: Path) -> None:
    other = frames.with_extensions(SNAP.data, {NOTE: "another one"})
    host = put(tmp_path, with_signatures(other, *extensions.signatures_of(manifest_of(signed).extensions)))
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


def test_other_weights(signed: bytes, ann: Path, allowed: Path, tmp_path: Path) -> None:
    host = put(tmp_path, signed, 0.6)
    assert states(host, allowed) == ["good"]
    report = jellyformat.verify(host, signers=allowed, require=ANN)
    assert not report.ok
    assert report.error is not None
    assert report.error.error_class == "mismatch.binding"
    alone = with_signatures(SNAP.data, signed_by(SNAP.data, ann))
    (found,) = jellyformat.verify(put(tmp_path, alone, 0.6), signers=allowed, require=ANN).signatures
    assert found.bound is False
    assert "not for the weights" in found.in_words()


def test_a_block_swapped(signed: bytes, allowed: Path, tmp_path: Path) -> None:
    broken = bytearray(signed)
    broken[-9] ^= 1
    report = jellyformat.verify(put(tmp_path, bytes(broken)), signers=allowed, require=ANN)
    assert report.error is not None
    assert report.error.error_class == "corrupt.block"
    # with a manifest that says so
    found = manifest_of(signed)
    blocks = (dataclasses.replace(found.blocks[0], sha256=bytes(32)), *found.blocks[1:])
    lying = craft.pack(manifest.encode(dataclasses.replace(found, blocks=blocks)), [signed[-found.blocks[0].length :]])
    host = put(tmp_path, lying)
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


@pytest.mark.parametrize("name", [LABELS, NOTE, "com.example.thing"])
def test_what_is_said_changed(name: str, signed: bytes, allowed: Path, tmp_path: Path) -> None:
    value = {"val_loss": "0.001"} if name == LABELS else "better"
    found = manifest_of(signed).extensions[SIGNATURES]
    host = put(tmp_path, frames.with_extensions(signed, {name: value, SIGNATURES: found}))
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


def test_the_binding_dropped(signed: bytes, allowed: Path, tmp_path: Path) -> None:
    found = manifest_of(signed).extensions[SIGNATURES]
    host = put(tmp_path, frames.with_extensions(signed, {BINDING: None, SIGNATURES: found}), 0.6)
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


def test_the_signatures_dropped(signed: bytes, allowed: Path, tmp_path: Path) -> None:
    host = put(tmp_path, frames.with_extensions(signed, {SIGNATURES: None}))
    assert jellyformat.verify(host, signers=allowed).ok
    assert is_refused(host, allowed)
    assert is_refused(host, allowed, ANN)


@pytest.mark.parametrize("namespace", ["git", "file", "container@jellyformat.org2"])
def test_another_namespace(namespace: str, ann: Path, allowed: Path, tmp_path: Path) -> None:
    host = put(tmp_path, with_signatures(SNAP.data, signed_by(SNAP.data, ann, namespace)))
    (found,) = jellyformat.signatures(host, allowed)
    assert (found.state, namespace in found.detail) == ("bad", True)
    assert is_refused(host, allowed)


def test_a_namespace_that_lies(ann: Path, allowed: Path, tmp_path: Path) -> None:
    """Made for git, and then said to be for containers."""
    made = signed_by(SNAP.data, ann, "git").signature
    name = len(NAMESPACE).to_bytes(4, "big") + NAMESPACE.encode()
    lying = made.replace(b"\0\0\0\3git", name, 1)
    host = put(tmp_path, with_signatures(SNAP.data, Signature("sshsig", lying)))
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


def test_another_key(bob: Path, allowed: Path, tmp_path: Path) -> None:
    host = put(tmp_path, with_signatures(SNAP.data, signed_by(SNAP.data, bob)))
    assert states(host, allowed) == ["unknown"]
    assert is_refused(host, allowed)
    assert is_refused(host, allowed, ANN)


def test_another_key_in_the_signature(ann: Path, bob: Path, allowed: Path, tmp_path: Path) -> None:
    """Bob's signature that says to be by Ann's key."""
    keyed = signed_by(SNAP.data, bob).signature
    his, hers = (sshsig.public_key(keys.public(key).encode()) for key in (bob, ann))
    assert his is not None
    assert hers is not None
    host = put(tmp_path, with_signatures(SNAP.data, Signature("sshsig", keyed.replace(his, hers))))
    assert states(host, allowed) == ["bad"]
    assert is_refused(host, allowed)


def test_outdated_keys(signed: bytes, ann: Path, tmp_path: Path) -> None:
    lines = keys.signers(
        tmp_path / "dated", f'{ANN} valid-after="20200101Z",valid-before="20210101Z" {keys.public(ann)}'
    )
    host = put(tmp_path, signed)
    (found,) = jellyformat.signatures(host, lines)
    assert (found.state, found.since, found.until) == ("outdated", 1577836800, 1609459200)
    assert is_refused(host, lines)
    then = 1600000000
    assert jellyformat.verify(host, signers=lines, require=ANN, at=then).ok
    for moment in (1577836800 - 90_000, 1609459200 + 90_000, 0, 10**15):
        assert not jellyformat.verify(host, signers=lines, require=ANN, at=moment).ok, moment


@pytest.mark.parametrize("krl", [False, True])
def test_revoked_keys(
    krl: bool, signed: bytes, ann: Path, allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked = tmp_path / "revoked"
    if krl:
        keys.run("ssh-keygen", "-q", "-k", "-f", str(revoked), f"{ann}.pub")
    else:
        revoked.write_text(f"# gone\n{keys.public(ann)}\n")
    host = put(tmp_path, signed)
    keys.configure(tmp_path, monkeypatch, **{"gpg.ssh.revocationFile": str(revoked)})
    assert states(host, allowed) == ["revoked"]
    assert is_refused(host, allowed)
    for is_there in (False, True):  # who named it is not told that all is well
        revoked.unlink()
        if is_there:
            os.mkfifo(revoked)
        else:
            revoked.symlink_to("nowhere")
        (found,) = jellyformat.signatures(host, allowed)
        assert (found.state, str(revoked) in found.detail) == ("unchecked", True)
        assert is_refused(host, allowed)


def test_thin_containers(ann: Path, allowed: Path, tmp_path: Path) -> None:
    parts, records = craft.good()
    history = dataclasses.replace(parts.history, prerequisites=(bytes(range(20)),))
    thin = craft.assemble(dataclasses.replace(parts, history=history), records)
    host = put(tmp_path, thin)
    before = host.read_bytes()
    with pytest.raises(RefusedSigned) as caught:
        jellyformat.sign(host, str(ann))
    assert caught.value.requirement == "JF-SIG-001"
    assert host.read_bytes() == before
    host = put(tmp_path, with_signatures(thin, signed_by(thin, ann)))
    assert states(host, allowed) == ["bad"]
    for quick in (False, True):
        report = jellyformat.verify(host, quick=quick, signers=allowed, require=True)
        assert not report.ok


def test_crafted_signatures(ann: Path, allowed: Path, tmp_path: Path) -> None:
    good = signed_by(SNAP.data, ann).signature
    crafted = {
        "empty magic": b"x",
        "cut off": good[:-1],
        "cut off early": good[:10],
        "more behind": good + b"\0",
        "other magic": b"SSHSIX" + good[6:],
        "other version": good[:6] + b"\0\0\0\2" + good[10:],
        "a length over all": good[:10] + b"\xff\xff\xff\xff" + good[14:],
        "large": b"SSHSIG\0\0\0\1" + b"\0" * 65_000,
        "armor": sshsig.armored(good),
        "an unknown key": good.replace(b"ssh-ed25519", b"ssh-ed25520"),
        "no name": good.replace(b"ssh-ed25519", b"\xff\n\x1b[31m56789"),
        "an unknown hash": good.replace(b"sha512", b"sha999"),
    }
    for name, blob in crafted.items():
        host = put(tmp_path, with_signatures(SNAP.data, Signature("sshsig", blob)))
        (found,) = jellyformat.signatures(host, allowed)
        assert found.state in ("bad", "unchecked"), name
        assert found.in_words().isprintable()
        assert is_refused(host, allowed), name
    other = put(tmp_path, with_signatures(SNAP.data, Signature("pgp", good), Signature("\x1b[31m", b"x")))
    assert states(other, allowed) == ["unchecked", "unchecked"]
    assert is_refused(other, allowed)
    assert "\x1b[31m" not in jelly(tmp_path, "verify", str(other)).stdout.decode()


def test_no_more_signatures_than_there_may_be(ann: Path, tmp_path: Path) -> None:
    others = [Signature("com.example.other", bytes([number + 1])) for number in range(64)]
    host = put(tmp_path, with_signatures(SNAP.data, *others))
    before = host.read_bytes()
    with pytest.raises(Usage, match="64 signatures"):
        jellyformat.sign(host, str(ann))
    assert host.read_bytes() == before


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_commands(ann: Path, allowed: Path, tmp_path: Path) -> None:
    host = carrying(tmp_path / "m.pkl")
    assert b"no allowed" not in jelly(tmp_path, "verify", "m.pkl").stdout
    out = jelly(tmp_path, "sign", "m.pkl", "--key", str(ann)).stdout.decode()
    assert "for the code, not the weights" in out
    said = json.loads(jelly(tmp_path, "sign", "m.pkl", "--key", str(ann), "--bind", "--json").stdout)
    assert (said["bound"], said["signatures"][0]["state"], said["version"]) == (True, "unknown", 1)
    assert said["digest"] == jellyformat.show(host).digest
    out = jelly(tmp_path, "verify", "m.pkl", "--signers", "signers", "--require-signature").stdout.decode()
    assert f"good, by {ANN}, ssh-ed25519 SHA256:" in out
    assert "for the code and the weights" in out
    jelly(tmp_path, "verify", "m.pkl", "--signers", "signers", f"--require-signature={ANN}", "--at", "2020-01-01")
    done = jelly(tmp_path, "verify", "m.pkl", "--signers", "signers", "--require-signature=eve", code=1)
    assert b"NOT SIGNED" in done.stdout
    assert b"no good signature by eve" in done.stderr
    done = jelly(tmp_path, "verify", "m.pkl", "--require-signature", code=1)
    assert b"--signers FILE" in done.stderr
    report = json.loads(jelly(tmp_path, "verify", "m.pkl", "--signers", "signers", "--json").stdout)
    assert report["signatures"] == [
        {
            "state": "good", "principals": ANN, "key_type": "ssh-ed25519", "since": None, "until": None, "detail": "",
            "fingerprint": said["signatures"][0]["fingerprint"], "bound": True,
        }
    ]  # fmt: skip
    assert report["commit_signature"] is None
    # the file behind the option would be taken for a name
    carrying(tmp_path / "other.pkl")
    assert (
        b"write --require-signature"
        in jelly(tmp_path, "verify", "--require-signature", "m.pkl", "other.pkl", code=2).stderr
    )
    jelly(tmp_path, "verify", "m.pkl", "--signers", "nowhere", code=3)
    shown = jelly(tmp_path, "show", "m.pkl", "--signers", "signers").stdout.decode()
    assert f"signature    good, by {ANN}" in shown
    assert json.loads(jelly(tmp_path, "show", "m.pkl", "--json").stdout)["signatures"][0]["state"] == "unknown"


def test_log_has_a_column(ann: Path, allowed: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    carrying(runs / "1.pkl")
    assert "SIGNED" not in jelly(tmp_path, "log", "runs", "--format", "table").stdout.decode()
    carrying(runs / "2.pkl")
    jellyformat.sign(runs / "2.pkl", str(ann))
    unsigned, claimed = jelly(tmp_path, "log", "runs", "--columns", "file,signed").stdout.decode().splitlines()
    assert (unsigned.split("\t"), claimed.split("\t")) == (["runs/1.pkl", ""], ["runs/2.pkl", "not checked"])
    lines = jelly(tmp_path, "log", "runs", "--format", "table", "--signers", "signers").stdout.decode().splitlines()
    assert lines[0].split()[-1] == "SIGNED"
    assert lines[-1].split()[-1] == ANN
    assert [[item.state for item in entry.signatures] for entry in jellyformat.log(runs, signers=allowed)] == [
        [],
        ["good"],
    ]


def test_a_label_is_no_signature(allowed: Path, tmp_path: Path) -> None:
    """Else whoever made a checkpoint could write down that Ann signed it."""
    (tmp_path / "runs").mkdir()
    carrying(tmp_path / "runs" / "1.pkl")
    jellyformat.label(tmp_path / "runs" / "1.pkl", {"signed": ANN, "SIGNED": ANN})
    options = ("log", "runs", "--signers", "signers")
    assert jelly(tmp_path, *options, "--columns", "signed").stdout == b"runs/1.pkl\t\n"
    heads = jelly(tmp_path, *options, "--format", "table").stdout.decode().splitlines()[0].split()
    assert heads[:5] == ["FILE", "TIME", "BRANCH", "COMMIT", "CODE"]
    assert sorted(heads[5:]) == ['"SIGNED"', "signed"]
    heads = (
        jelly(tmp_path, *options, "--columns", "file,signed,SIGNED", "--format", "table").stdout.decode().splitlines()
    )
    assert heads[0].split() == ["FILE", "SIGNED", '"SIGNED"']


def test_embed_and_sign_in_one(ann: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights(repository / "m.pkl")
    assert b"\n  signed\n" in jelly(repository, "embed", "m.pkl", "--sign", "--key", str(ann), "--bind").stdout
    assert states(repository / "m.pkl", None) == ["unknown"]
    keys.configure(tmp_path, monkeypatch, jellyformat_sign="true", gpg_format="ssh", user_signingKey=str(ann))
    assert not json.loads(jelly(repository, "embed", "m.pkl", "--replace", "--no-sign", "--json").stdout)["signed"]
    assert states(repository / "m.pkl", None) == []
    jelly(repository, "embed", "m.pkl", "--replace")
    assert states(repository / "m.pkl", None) == ["unknown"]
    jelly(repository, "embed", "m.pkl", "--replace", "--no-sign", "--key", "x", code=2)


@pytest.mark.slow
def test_code_of_others_is_said_to_be_unsigned(
    ann: Path, allowed: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "remote", "add", "origin", "https://user:password@example.org/who/what.git")
    host = weights(tmp_path / "m.pkl")
    jellyformat.embed(host, jellyformat.snapshot(repository))
    words = "nobody signed this code; no repository here knows it, and it says it comes from"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for arguments in (("export", str(host), "out"), ("restore", str(host), "new")):
        lines = [line for line in jelly(elsewhere, *arguments).stderr.decode().splitlines() if line.startswith("note:")]
        assert len(lines) == 1
        assert f"{words} https://example.org/who/what.git; nothing of it is run" in lines[0]
    assert words in jelly(elsewhere, "show", str(host)).stdout.decode()
    assert b"note" not in jelly(elsewhere, "export", str(host), "quiet", "-q").stderr
    # one's own: the same repository, a clone of it, one with the same remote, the checkpoint in it
    clone, same = tmp_path / "clone", tmp_path / "same"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    same.mkdir()
    git(same, "init", "-q")
    git(same, "remote", "add", "upstream", "git@example.org:who/what")
    for place in (repository, clone, same):
        done = jelly(place, "export", str(host), str(tmp_path / f"out-{place.name}"))
        assert b"note" not in done.stderr
        assert b"nobody" not in jelly(place, "show", str(host)).stdout
    inside = repository / "inside.pkl"
    inside.write_bytes(host.read_bytes())
    assert b"nobody" not in jelly(elsewhere, "show", str(inside)).stdout
    # signed by one who is trusted, by another
    jellyformat.sign(host, str(ann))
    out = jelly(elsewhere, "export", str(host), "unknown").stderr.decode()
    assert "note: this code is signed: by a key that is not known; no repository here knows it" in out
    keys.configure(tmp_path, monkeypatch, **{"gpg.ssh.allowedSignersFile": str(allowed)})
    assert b"note" not in jelly(elsewhere, "export", str(host), "trusted").stderr


# -- the page about it ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_command_of_the_page_works(ann: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of docs/signing.md, one after another, as a shell and Python run them."""
    text = (Path(__file__).parents[1] / "docs" / "signing.md").read_text(encoding="utf-8")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    for ending in ("", ".pub"):
        (home / ".ssh" / f"id_ed25519{ending}").write_bytes(Path(f"{ann}{ending}").read_bytes())
    (home / ".ssh" / "id_ed25519").chmod(0o600)
    repo = tmp_path / "project"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / "train.py").write_text("lr = 1\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "first")
    weights(repo / "model.pt")
    environment = {**os.environ, "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig")}
    preamble = f'set -e\njelly() {{ "{sys.executable}" -m jellyformat "$@"; }}\n'
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 8
    for kind, block in blocks:
        command = ["bash", "-c", preamble + block] if kind == "sh" else [sys.executable, "-c", block]
        done = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, block + done.stdout + done.stderr
    assert "good ann@example.org True" in done.stdout


@pytest.mark.parametrize("way", ["inside", "beside", "out", "directory"])
def test_a_signature_that_a_new_snapshot_has_not_is_told_of(way: str, ann: Path, tmp_path: Path) -> None:
    """It was gone without a word."""
    host = carrying(tmp_path / "m.pkl") if way in ("inside", "out") else weights(tmp_path / "m.pkl")
    more: dict[str, Any] = {"beside": {"sidecar": True}, "directory": {"directory": True}}.get(way, {})
    if way == "directory":
        host = tmp_path
    if way in ("beside", "directory"):
        jellyformat.embed(host, SNAP, **more)
    jellyformat.sign(host, str(ann))
    if way == "out":
        more = {"out": tmp_path / "new.pkl"}
    with pytest.warns(HostWarning, match="had was signed, and the new one is not"):
        jellyformat.embed(host, SNAP, replace=True, sign=False, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if way != "out":
            jellyformat.embed(host, SNAP, replace=True, sign=False, **more)
            jellyformat.embed(host, SNAP, replace=True, sign=str(ann), **more)

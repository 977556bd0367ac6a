"""Allowed signers and SSH signatures, with ssh-keygen and without it: both say the same, or the latter cannot tell."""

from __future__ import annotations

import base64
import dataclasses
import functools
import os
import random
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import craft
import keys
import pytest
from gitrepo import git
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import jellyformat
from jellyformat.errors import NoFile, SystemFailure, Usage
from jellyformat.trust import checking, commits, containers, library, sshsig
from jellyformat.trust.settings import Trust
from jellyformat.trust.signers import matches, moment_of, parse_line, read_signers

MESSAGE, NAMESPACE = b"a message\n", "container@jellyformat.org"
ANN = "ann@example.org"
TOOL = shutil.which("ssh-keygen")
EVERY = {
    "ed25519": ("ed25519",),
    "ecdsa-256": ("ecdsa", "-b", "256"),
    "ecdsa-384": ("ecdsa", "-b", "384"),
    "ecdsa-521": ("ecdsa", "-b", "521"),
    "rsa-1024": ("rsa", "-b", "1024"),
    "rsa-3072": ("rsa", "-b", "3072"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of every kind, and an authority with a certificate for one of them."""
    place = tmp_path_factory.mktemp("keys")
    for name, options in EVERY.items():
        keys.run("ssh-keygen", "-q", "-t", *options, "-N", "", "-C", "", "-f", str(place / name))
    keys.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(place / "authority"))
    shutil.copy(place / "ed25519", place / "certified")
    shutil.copy(place / "ed25519.pub", place / "certified.pub")
    keys.run(
        "ssh-keygen", "-q", "-s", str(place / "authority"), "-I", "id", "-n", f"{ANN},second", "-V",
        "20200101:20400101",
        str(place / "certified.pub"),
    )  # fmt: skip
    return place


def signed(place: Path, name: str, message: bytes = MESSAGE, namespace: str = NAMESPACE) -> bytes:
    return sshsig.unarmored(keys.sign_bytes(place / name, message, namespace))


def trust(path: Path, *lines: str, tool: bool = True, moment: int | None = None) -> Trust:
    return Trust(read_signers(keys.signers(path, *lines)), None, moment, TOOL if tool else None)


def state(blob: bytes, found: Trust, message: bytes = MESSAGE) -> str:
    return checking.check(blob, message, NAMESPACE, found).state


# -- the library against ssh-keygen --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_without_ssh_keygen(name: str, place: Path, tmp_path: Path) -> None:
    blob, line = signed(place, name), f"{ANN} {keys.public(place / name)}"
    other = f"{ANN} {keys.public(place / ('rsa-3072' if name == 'ed25519' else 'ed25519'))}"
    for lines, message, expected in (
        ([line], MESSAGE, "good"),
        ([line], MESSAGE + b"!", "bad"),
        ([other], MESSAGE, "unknown"),
        ([other, "odd", line], MESSAGE, "good"),
        ([f'{ANN} namespaces="git" {keys.public(place / name)}'], MESSAGE, "unknown"),
        ([f'{ANN} namespaces="x,container@*" {keys.public(place / name)}'], MESSAGE, "good"),
        ([f'{ANN} valid-before="20200101" {keys.public(place / name)}'], MESSAGE, "outdated"),
        ([f'{ANN} valid-after="20990101" {keys.public(place / name)}'], MESSAGE, "outdated"),
        ([f"{ANN} cert-authority {keys.public(place / name)}"], MESSAGE, "unknown"),
        ([f"!{ANN} {keys.public(place / name)}"], MESSAGE, "unknown"),
    ):
        for tool in (True, False):
            assert state(blob, trust(tmp_path / "list", *lines, tool=tool), message) == expected, (lines, tool)
    for tool in (True, False):
        assert state(signed(place, name, namespace="git"), trust(tmp_path / "list", line, tool=tool)) == "bad"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ed25519", "ecdsa-256", "ecdsa-521", "rsa-3072"])
def test_a_byte_changed(name: str, place: Path, tmp_path: Path) -> None:
    """Whatever byte of a signature is another: the library calls nothing good that ssh-keygen does not."""
    blob, line = signed(place, name), f"{ANN} {keys.public(place / name)}"
    with_tool, without = (trust(tmp_path / "list", line, tool=tool) for tool in (True, False))
    assert (state(blob, with_tool), state(blob, without)) == ("good", "good")
    numbers = random.Random(name).sample(range(len(blob)), 24)
    for at in numbers:
        for bit in (1, 0x80):
            changed = blob[:at] + bytes([blob[at] ^ bit]) + blob[at + 1 :]
            assert "good" not in (state(changed, with_tool), state(changed, without)), at


def test_ecdsa_numbers_have_one_form(place: Path, tmp_path: Path) -> None:
    """A signature that could be written in two ways is not taken in the other one."""
    blob = signed(place, "ecdsa-256")
    found = sshsig.parse(blob)
    parts = sshsig.Parts(found.value, "")
    numbers = [int.from_bytes(parts.string(), "big") for _ in range(2)]

    def mpint(value: int, *, longer: int = 0) -> bytes:
        raw = b"\0" * longer + value.to_bytes(value.bit_length() // 8 + 1, "big")
        return struct.pack(">I", len(raw)) + raw

    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for value in (
        mpint(numbers[0]) + mpint(numbers[1], longer=40),
        mpint(numbers[0]) + mpint(0),
        mpint(numbers[0]) + mpint(numbers[1] + order),
        mpint(numbers[0]),
        mpint(numbers[0]) + mpint(numbers[1]) + mpint(1),
        b"",
    ):
        changed = sshsig.SshSignature(
            found.key, found.namespace, found.reserved, found.hash, found.algorithm, value, b""
        )
        assert library.holds(changed, MESSAGE) is False
    for name in EVERY:  # only security keys add something
        found = sshsig.parse(signed(place, name))
        assert library.holds(found, MESSAGE) is True
        assert library.holds(dataclasses.replace(found, extra=b"\0\0\0\0\1"), MESSAGE) is False


def test_what_the_library_cannot_check_is_not_good(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = signed(place, "ed25519")
    line = f"{ANN} {keys.public(place / 'ed25519')}"
    without = trust(tmp_path / "list", line, tool=False)
    key = sshsig.parse(blob).key
    # a security key, whose signature has a flag and a counter behind it
    security = b"\0\0\0\x1ask-ssh-ed25519@openssh.com" + key[15:] + b"\0\0\0\x04ssh:"
    listed = f"{ANN} sk-ssh-ed25519@openssh.com {base64.b64encode(security).decode()}"
    lying = blob[:10] + struct.pack(">I", len(security)) + security + blob[14 + len(key) :]
    assert state(lying, trust(tmp_path / "sk", listed, tool=False)) == "unchecked"
    assert state(lying, trust(tmp_path / "sk", listed)) == "bad"
    assert state(signed(place, "certified"), without) in ("good", "unchecked")
    found = checking.check(blob, MESSAGE, NAMESPACE, Trust(without.signers, b"SSHKRL\n\0...", None, None))
    assert found.state == "unchecked"
    revoked = Trust(without.signers, f"\n#\n{keys.public(place / 'ed25519')} x\n".encode(), None, None)
    assert checking.check(blob, MESSAGE, NAMESPACE, revoked).state == "revoked"
    monkeypatch.setattr(library, "is_there", lambda: False)
    found = checking.check(blob, MESSAGE, NAMESPACE, without)
    assert (found.state, "jellyformat[sign]" in found.detail) == ("unchecked", True)


def test_certificates(place: Path, tmp_path: Path) -> None:
    blob = signed(place, "certified-cert.pub")
    assert sshsig.key_type(sshsig.parse(blob).key) == "ssh-ed25519-cert-v01@openssh.com"
    authority = keys.public(place / "authority")
    for line, expected, principals in (
        (f"*@example.org cert-authority {authority}", "good", ANN),
        (f"second,*@example.org cert-authority {authority}", "good", f"{ANN},second"),
        (f"third cert-authority {authority}", "unknown", None),
        (f"*@example.org {authority}", "unknown", None),
        (f'*@example.org cert-authority,namespaces="git" {authority}', "unknown", None),
    ):
        found = checking.check(blob, MESSAGE, NAMESPACE, trust(tmp_path / "list", line))
        names = None if found.principals is None else ",".join(sorted(found.principals.split(",")))
        assert (found.state, names) == (expected, principals), line
        assert not found.is_by("bob@example.org")
        assert state(blob, trust(tmp_path / "list", line, tool=False)) == "unchecked"
    line = f"*@example.org cert-authority {authority}"
    for moment in (1, 2**33):  # before the certificate, and after it
        assert state(blob, trust(tmp_path / "list", line, moment=moment)) != "good"


def test_a_certificate_that_names_a_pattern(place: Path, tmp_path: Path) -> None:
    """It would stand for every name that is asked for."""
    for name in ("ed25519", "ed25519.pub"):
        shutil.copy(place / name, tmp_path / name.replace("ed25519", "wide"))
    keys.run(
        "ssh-keygen", "-q", "-s", str(place / "authority"), "-I", "id", "-n", "*@example.org",
        str(tmp_path / "wide.pub"),
    )  # fmt: skip
    blob = sshsig.unarmored(keys.sign_bytes(tmp_path / "wide-cert.pub", MESSAGE, NAMESPACE))
    line = f"*@example.org cert-authority {keys.public(place / 'authority')}"
    found = checking.check(blob, MESSAGE, NAMESPACE, trust(tmp_path / "list", line))
    assert not found.is_by(ANN)
    assert found.state == "unknown"


@pytest.mark.parametrize("code", ["exit 1", "kill -9 $$", "exit 0"])
def test_a_broken_ssh_keygen(code: str, place: Path, tmp_path: Path) -> None:
    """That it says no, is too old, or dies, is not good; nor is what it was not able to read called bad."""
    tool = tmp_path / "ssh-keygen"
    tool.write_text(f"#!/bin/sh\n{code}\n")
    tool.chmod(0o755)
    lines = read_signers(keys.signers(tmp_path / "list", f"{ANN} {keys.public(place / 'ed25519')}"))
    found = checking.check(signed(place, "ed25519"), MESSAGE, NAMESPACE, Trust(lines, None, None, str(tool)))
    assert found.state == {"exit 1": "unchecked", "kill -9 $$": "unchecked", "exit 0": "good"}[code]
    gone = checking.check(signed(place, "ed25519"), MESSAGE, NAMESPACE, Trust(lines, None, None, str(tool) + "x"))
    assert gone.state == "unchecked"


# -- files of signers ----------------------------------------------------------------------------------------------


def test_odd_lines_spoil_no_other(place: Path, tmp_path: Path) -> None:
    """ssh-keygen itself gives up at the first of them."""
    key = keys.public(place / "ed25519")
    odd = [
        "odd", f"{ANN}", f'"{ANN} {key}', f"{ANN} {key[:-9]}!", f"{ANN} nonsense {key}",
        f"{ANN} ssh-rsa {key.split()[1]}",
        f'{ANN} valid-before="soon" {key}', f"{ANN} valid-before=20400101 {key}", f'{ANN} namespaces="a {key}',
        f'{ANN} namespaces="a",namespaces="b" {key}', f"{ANN} \x00 {key}", f'{ANN} cert-authority="x" {key}',
        f'{ANN} valid-after="20300101",valid-before="20200101" {key}', f'{ANN} valid-after="20200230" {key}',
    ]  # fmt: skip
    path = tmp_path / "list"
    path.write_bytes(b"\xff\xfe x\n" + "".join(line + "\n" for line in ["", "# a", "  ", *odd]).encode())
    found = read_signers(path)
    assert (found.known, len(found.odd)) == ((), len(odd) + 1)
    blob = signed(place, "ed25519")
    told = checking.check(blob, MESSAGE, NAMESPACE, Trust(found, None, None, TOOL))
    assert (told.state, f"{len(odd) + 1} lines there cannot be read, the first is line 1" in told.detail) == (
        "unknown",
        True,
    )
    with path.open("a") as file:
        file.write(f"{ANN} {key} a comment\n")
    for tool in (TOOL, None):
        assert state(blob, Trust(read_signers(path), None, None, tool)) == "good"


@pytest.mark.parametrize(
    "line",
    [
        "{ann} {key}", "  {ann}\t{key}", '"{ann}" {key} c', '{ann} namespaces="a" {key}', "{ann} CERT-authority {key}",
        '"two words,{ann}" valid-after="20200101Z",valid-before="20300101120000" {key}', "{ann},!x {key}", "* {key}",
        '{ann} namespaces="a",cert-authority {key}',
    ],
)  # fmt: skip
def test_lines_that_ssh_keygen_takes(line: str, place: Path, tmp_path: Path) -> None:
    text = line.format(ann=ANN, key=keys.public(place / "ed25519"))
    found = parse_line(text.strip().encode())
    assert found is not None
    path = keys.signers(tmp_path / "list", text)
    said = keys.run("ssh-keygen", "-Y", "match-principals", "-f", str(path), "-I", ANN).decode().strip()
    assert said == found.principals


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patterns=st.lists(st.text("ab*?!", min_size=1, max_size=6), min_size=1, max_size=3).map(",".join),
    name=st.text("abc", min_size=1, max_size=6),
)
def test_patterns_are_ssh_keygens(patterns: str, name: str, place: Path, tmp_path: Path) -> None:
    path = keys.signers(tmp_path / "list", f"{patterns} {keys.public(place / 'ed25519')}")
    done = subprocess.run(
        ["ssh-keygen", "-Y", "match-principals", "-f", str(path), "-I", name], capture_output=True, check=False
    )
    assert matches(name, patterns) == (done.returncode == 0), (patterns, name)


def test_patterns_take_no_time() -> None:
    assert not matches("a" * 5000, "*a" * 500 + "b")


def test_times_are_ssh_keygens(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the second, in the zone of whoever asks, and in UTC."""
    blob = signed(place, "ed25519")
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        import time

        time.tzset()
        for text in ("20250301", "202503011200", "20250301120001", "20250301120001Z"):
            moment = moment_of(text)
            assert moment is not None
            line = f'{ANN} valid-before="{text}" {keys.public(place / "ed25519")}'
            for tool in (True, False):
                for offset, expected in ((0, "good"), (1, "outdated")):
                    at = trust(tmp_path / "list", line, tool=tool, moment=moment + offset)
                    assert state(blob, at) == expected, (zone, text, tool, offset)
    monkeypatch.undo()
    time.tzset()
    assert [moment_of(text) for text in ("", "2025", "20251301", "99999999999999", "00000101", "2025-01-01")] == [
        None
    ] * 6


def test_files_that_are_none(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a FIFO, or reads without end."""
    host = tmp_path / "x.jelly"
    host.write_bytes(craft.assemble(*craft.good()))
    os.mkfifo(tmp_path / "fifo")
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 40)
    for name in ("fifo", "large", "."):
        with pytest.raises((Usage, SystemFailure)):
            jellyformat.verify(host, signers=tmp_path / name)
    with pytest.raises(Usage):
        jellyformat.verify(host, signers="/dev/zero")
    with pytest.raises(NoFile):
        jellyformat.verify(host, signers=tmp_path / "nowhere")
    # what git is configured with may be gone: then nobody is known
    for name in ("nowhere", "fifo"):
        keys.configure(tmp_path, monkeypatch, **{"gpg.ssh.allowedSignersFile": str(tmp_path / name)})
        assert jellyformat.verify(host).ok
        assert not jellyformat.verify(host, require=True).ok


def test_a_line_is_as_long_as_it_is(place: Path) -> None:
    key = keys.public(place / "ed25519").encode()
    assert parse_line(b"a" * (1 << 21) + b" " + key) is None
    for text in (b"a,=" * 100_000, b'a namespaces="' * 50_000, b'"' * 300_000, b"a " + b"x," * 300_000 + b" " + key):
        assert parse_line(text) is None


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    for read in (sshsig.parse, sshsig.unarmored, sshsig.key_type, sshsig.authority_of):
        with suppress(sshsig.Malformed):
            read(data)
    parse_line(data)
    sshsig.public_key(data)


@given(st.binary(min_size=1, max_size=2000))
def test_armor(data: bytes) -> None:
    assert sshsig.unarmored(sshsig.armored(data)) == data


# -- commits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_commits_are_signed_as_git_says(
    object_format: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", f"--object-format={object_format}")
    (repo / "train.py").write_text("lr = 1\n")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "unsigned")
    bare = jellyformat.snapshot(repo).manifest
    assert commits.check_commit(bare, Trust) is None
    key = keys.public(place / "ed25519")
    lines = {
        "good": f"{ANN} {key}",
        "unknown": f"{ANN} {keys.public(place / 'ecdsa-256')}",
        "outdated": f'{ANN} valid-after="20270101" {key}',
    }
    git(
        repo, "-c", "gpg.format=ssh", "-c", f"user.signingKey={place / 'ed25519'}", "commit", "-q", "--allow-empty",
        "-S", "-m", "signed\n\ngpgsig no header\n",
    )  # fmt: skip
    found = jellyformat.snapshot(repo).manifest
    # as git does it, the key has to be valid at the commit's date
    for expected, line in [*lines.items(), ("good", f'{ANN} valid-before="20260601" {key}')]:
        path = keys.signers(tmp_path / "list", line)
        told = commits.check_commit(found, functools.partial(trust, path, line))
        assert told is not None
        assert told.state == expected
        arguments = ["git", "-c", f"gpg.ssh.allowedSignersFile={path}", "verify-commit", "HEAD"]
        assert (subprocess.run(arguments, cwd=repo, capture_output=True, check=False).returncode == 0) == (
            expected == "good"
        )
    assert commits.check_commit(found, lambda: trust(tmp_path / "list", lines["good"], tool=False)).state == "good"  # type: ignore[union-attr]
    keys.signers(tmp_path / "list", lines["good"])
    host = tmp_path / "x.jelly"
    host.write_bytes(jellyformat.snapshot(repo).data)
    report = jellyformat.verify(host, signers=tmp_path / "list")
    assert report.commit_signature is not None
    assert report.commit_signature.principals == ANN
    assert containers.signatures_of(found, Trust()) == ()  # the commit's is not the container's
    assert not jellyformat.verify(host, signers=tmp_path / "list", require=True).ok


def test_a_commit_that_was_changed_after_it_was_signed(place: Path, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / "train.py").write_text("lr = 1\n")
    git(
        repo, "-c", "gpg.format=ssh", "-c", f"user.signingKey={place / 'ed25519'}", "commit", "-q", "--allow-empty",
        "-S", "-m", "signed",
    )  # fmt: skip
    raw = git(repo, "cat-file", "commit", "HEAD").replace(b"signed", b"another")
    made = git(repo, "hash-object", "-t", "commit", "-w", "--stdin", data=raw).decode().strip()
    git(repo, "reset", "-q", "--hard", made)
    line = f"{ANN} {keys.public(place / 'ed25519')}"
    told = commits.check_commit(jellyformat.snapshot(repo).manifest, lambda: trust(tmp_path / "list", line))
    assert told is not None
    assert told.state == "bad"


def test_other_signatures_of_commits(place: Path, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q")
    (repo / "train.py").write_text("lr = 1\n")
    git(repo, "commit", "-q", "--allow-empty", "-m", "x")
    raw = git(repo, "cat-file", "commit", "HEAD")
    for text, expected, said in (
        ("-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----", "unchecked", "OpenPGP"),
        ("-----BEGIN SIGNED MESSAGE-----\nabc\n-----END SIGNED MESSAGE-----", "unchecked", "X.509"),
        ("-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----", "bad", "armor"),
        ("nonsense", "bad", "armor"),
    ):
        lines = text.replace("\n", "\n ").encode()
        head, gap, body = raw.partition(b"\n\n")
        made = git(
            repo, "hash-object", "-t", "commit", "-w", "--stdin", data=head + b"\ngpgsig " + lines + gap + body
        ).decode().strip()  # fmt: skip
        git(repo, "reset", "-q", "--hard", made)
        told = commits.check_commit(jellyformat.snapshot(repo).manifest, lambda: Trust(None, None, None, TOOL))
        assert told is not None
        assert (told.state, said in told.detail) == (expected, True), told

"""Checkpoints that OpenSSF model signing signed: they stay so, or somebody is told.

The signatures are as model_signing 1.1 writes them; where it is installed, it says of each folder what it finds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import warnings
from pathlib import Path

import craft
import plain
import pytest

import jellyformat
from jellyformat.errors import HostWarning, RefusedHost
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))


def folder(path: Path) -> Path:
    """A model folder, with a snapshot in one of its files."""
    path.mkdir()
    (path / "config.json").write_text("{}")
    for name in ("a", "b"):
        plain.save_safetensors(path / f"{name}.safetensors", {name: [0.5] * 100}, {"format": "pt"})
    jellyformat.embed(path / "b.safetensors", SNAP)
    return path


def statement(resources: dict[str, Path], subject: str, method: str = "files") -> bytes:
    said = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": subject, "digest": {"sha256": "00"}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [
                {"name": name, "digest": hashlib.sha256(path.read_bytes()).hexdigest(), "algorithm": "sha256"}
                for name, path in resources.items()
            ],
            "serialization": {"method": method, "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
        },
    }
    payload = base64.b64encode(json.dumps(said).encode()).decode()
    return json.dumps({"mediaType": "x", "dsseEnvelope": {"payload": payload, "signatures": []}}).encode()


def sign(path: Path, signature: Path) -> None:
    """Sign a file or folder as model_signing does; by itself where it is installed."""
    tool = shutil.which("model_signing")
    if tool is not None:
        key = path.parent / "key.pem"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", path.parent / "pub.pem"], check=True)
        command = [tool, "sign", "key", str(path), "--private_key", str(key), "--signature", str(signature)]
        subprocess.run(command, check=True, capture_output=True)
        return
    if path.is_file():
        signature.write_bytes(statement({".": path}, path.name))
    else:
        files = {str(file.relative_to(path)): file for file in path.rglob("*") if file.is_file() and file != signature}
        signature.write_bytes(statement(files, path.name))


def holds(path: Path, signature: Path, *options: str) -> bool | None:
    """What model_signing says; None where it is not installed."""
    tool = shutil.which("model_signing")
    if tool is None:
        return None
    command = [tool, "verify", "key", str(path), "--public_key", str(path.parent / "pub.pem")]
    return not subprocess.run([*command, "--signature", str(signature), *options], capture_output=True).returncode


@pytest.mark.parametrize("where", ["m/model.sig", "model.sig"])
def test_a_signed_folder_stays_signed(where: str, tmp_path: Path) -> None:
    place, signature = folder(tmp_path / "m"), tmp_path / where
    sign(place, signature)
    before = {file: file.read_bytes() for file in place.iterdir()}
    for change in (
        lambda: jellyformat.embed(place / "a.safetensors", SNAP),
        lambda: jellyformat.embed(place / "a.safetensors", SNAP, in_place=True),
        lambda: jellyformat.embed(place / "b.safetensors", SNAP, replace=True),
        lambda: jellyformat.label(place / "b.safetensors", {"epoch": 1}),
        lambda: jellyformat.strip(place / "b.safetensors"),
    ):
        with pytest.raises(RefusedHost, match="is signed") as caught:
            change()
        assert "sign again" in str(caught.value)
        assert {file: file.read_bytes() for file in place.iterdir()} == before
    with pytest.raises(RefusedHost, match="sidecar=True"):
        jellyformat.embed(place / "a.safetensors", SNAP)
    with pytest.raises(RefusedHost) as caught:
        jellyformat.strip(place / "b.safetensors")
    assert "sidecar" not in str(caught.value)
    assert holds(place, signature) is not False
    # a copy is nobody's, and beside it nothing that was signed is touched
    jellyformat.embed(place / "a.safetensors", SNAP, out=tmp_path / "copy.safetensors")
    with pytest.warns(HostWarning, match="--ignore_unsigned_files"):
        jellyformat.embed(place / "a.safetensors", SNAP, sidecar=True)
    assert holds(place, signature, "--ignore_unsigned_files") is not False
    assert {file: file.read_bytes() for file in before} == before
    assert jellyformat.verify(place / "a.safetensors").ok


def test_a_file_in_a_signed_folder_that_is_for_all_of_it(tmp_path: Path) -> None:
    place = folder(tmp_path / "m")
    signature = place / "model.sig"
    sign(place, signature)
    with pytest.warns(HostWarning, match="--ignore_unsigned_files"):
        jellyformat.embed(place, SNAP)
    assert holds(place, signature, "--ignore_unsigned_files") is not False
    sign(place, signature)
    assert holds(place, signature) is not False
    with pytest.warns(HostWarning, match="sign the folder again"):
        jellyformat.embed(place, SNAP, replace=True, labels={"epoch": 2})
    sign(place, signature)
    for path in (place / "b.safetensors", place):
        with pytest.raises(RefusedHost, match="is signed"):
            jellyformat.label(path, {"epoch": 3})


@pytest.mark.parametrize("where", ["a.safetensors.sig", "model.sig"])
def test_a_signed_file(where: str, tmp_path: Path) -> None:
    place = folder(tmp_path / "m")
    file, signature = place / "a.safetensors", place / where
    sign(file, signature)
    with pytest.raises(RefusedHost, match="is signed"):
        jellyformat.embed(file, SNAP)
    link = tmp_path / "link.safetensors"
    link.symlink_to(file)
    with pytest.raises(RefusedHost, match="is signed"):
        jellyformat.embed(link, SNAP)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jellyformat.embed(file, SNAP, sidecar=True)
    assert holds(file, signature) is not False


def test_a_signature_of_something_else(tmp_path: Path) -> None:
    """Of another file, of what was there before, of another kind, crafted: nothing is refused for it."""
    place = folder(tmp_path / "m")
    file = place / "a.safetensors"
    sign(place, place / "model.sig")
    plain.save_safetensors(file, {"a": [0.25] * 100}, {"format": "pt"})  # trained on
    jellyformat.embed(file, SNAP)
    assert jellyformat.verify(file).ok
    good = json.loads(statement({"a.safetensors": file}, "m"))
    for text in (
        b"", b"x", b"[]", b"null", b"{}", b"[" * 100_000, b'{"dsseEnvelope": 1}', b'{"dsseEnvelope": {"payload": "!"}}',
        json.dumps(good | {"dsseEnvelope": {"payload": base64.b64encode(b"[1]").decode()}}).encode(),
        json.dumps(good | {"dsseEnvelope": {"payload": base64.b64encode(b'{"predicateType": "x"}').decode()}}).encode(),
        json.dumps(
            good
            | {"dsseEnvelope": {"payload": base64.b64encode(b'{"predicateType": "https://model_signing/"}').decode()}}
        ).encode(),
        statement({}, "../../x"),
        statement({"../a.safetensors": file}, "\0"),
    ):  # fmt: skip
        (place / "model.sig").write_bytes(text)
        jellyformat.label(file, {"tries": len(text)})
    # parts of files are not read again
    (place / "model.sig").write_bytes(statement({"a.safetensors:0:100": file}, "m", "shards"))
    with pytest.raises(RefusedHost, match="is signed"):
        jellyformat.label(file, {"tries": 0})

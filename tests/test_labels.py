"""Labels and notes: set in place on every kind of host, shown, kept, guarded; the code stays (SPEC JF-EXT)."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import craft
import plain
import pytest
from click.testing import CliRunner
from gitrepo import git
from hypothesis import given
from hypothesis import strategies as st

import jellyformat
from jellyformat import training
from jellyformat.capture import labels as guard
from jellyformat.cli.main import cli
from jellyformat.errors import NoFile, NoSnapshot, RefusedHost, RefusedSigned, Usage
from jellyformat.format import extensions, frames
from jellyformat.format.extensions import Run, Signature
from jellyformat.snapshots import Snapshot

SNAP = Snapshot(craft.assemble(*craft.good()))
TOKEN = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"


def make_pickle(path: Path) -> Path:
    path.write_bytes(pickle.dumps({"w": [0.5] * 200}))
    return path


def make_zip(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w", "0.5 " * 200)
    return path


def make_safetensors(path: Path) -> Path:
    plain.save_safetensors(path, {"w": [0.5] * 200})
    return path


def make_folder(path: Path) -> Path:
    path.mkdir()
    (path / "config.json").write_text("{}")
    plain.save_safetensors(path / "model.safetensors", {"w": [0.5] * 200}, {"format": "pt"})
    return path


def make_gzip(path: Path) -> Path:
    path.write_bytes(gzip.compress(b'{"loss": 0.5}' * 100))
    return path


HOSTS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "trailer": ("m.pkl", make_pickle),
    "zip": ("m.zip", make_zip),
    "safetensors": ("m.safetensors", make_safetensors),
    "directory": ("m", make_folder),
    "sidecar": ("m.json.gz", make_gzip),
}


def everything(place: Path) -> dict[str, bytes]:
    """All files below the directory that a host lies in."""
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()}


def signed() -> Snapshot:
    sign = extensions.to_value(Signature("sshsig", b"SSHSIG"))
    return Snapshot(frames.with_extensions(SNAP.data, {extensions.SIGNATURES: [sign]}))


def blocks(snap: Snapshot) -> bytes:
    header = frames.parse_header(snap.data[: frames.HEADER_LENGTH])
    return snap.data[frames.HEADER_LENGTH + header.manifest_length :]


@pytest.mark.parametrize("kind", HOSTS)
def test_labels_of_every_kind_of_host(kind: str, tmp_path: Path) -> None:
    name, make = HOSTS[kind]
    host = make(tmp_path / name)
    before = everything(tmp_path)
    assert jellyformat.embed(host, SNAP) == kind
    found = jellyformat.label(host, {"epoch": 3, "val_loss": 0.21, "best": True, "who": "ann"}, note="wider\nnet")
    assert found.labels == {"best": "true", "epoch": "3", "val_loss": "0.21", "who": "ann"}
    assert (found.note, found.snapshot_id, found.host) == ("wider\nnet", SNAP.id, kind)
    assert jellyformat.show(host) == found
    loaded = jellyformat.load(host)
    assert blocks(loaded) == blocks(SNAP)
    assert jellyformat.verify(host).ok
    found = jellyformat.label(host, {"epoch": 4}, remove=["who", "no such label"])
    assert (found.labels, found.note) == ({"best": "true", "epoch": "4", "val_loss": "0.21"}, "wider\nnet")
    found = jellyformat.label(host, remove=["best", "epoch", "val_loss"], note="")
    assert (found.labels, found.note) == ({}, None)
    assert blocks(jellyformat.load(host)) == blocks(SNAP)
    jellyformat.strip(host)
    assert everything(tmp_path) == before


def test_labels_of_a_tensor_stay_in_one(tmp_path: Path) -> None:
    host = make_safetensors(tmp_path / "m.safetensors")
    jellyformat.embed(host, SNAP, as_tensor=True)
    with jellyformat.open(host) as box:
        assert box.form == "tensor"
    jellyformat.label(host, {"epoch": 3})
    with jellyformat.open(host) as box:
        assert box.form == "tensor"
        assert box.info().labels == {"epoch": "3"}


def test_labels_of_a_bare_container(tmp_path: Path) -> None:
    file = tmp_path / "x.jelly"
    file.write_bytes(SNAP.data)
    file.chmod(0o640)
    assert jellyformat.label(file, {"epoch": 3}).labels == {"epoch": "3"}
    assert file.stat().st_mode & 0o777 == 0o640
    assert blocks(jellyformat.load(file)) == blocks(SNAP)
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.jelly"]


def test_the_sidecar_stays_one(tmp_path: Path) -> None:
    host = make_gzip(tmp_path / "m.json.gz")
    jellyformat.embed(host, SNAP)
    jellyformat.label(host, {"epoch": 3})
    assert [check.ok for check in jellyformat.verify(host).checks if check.name == "sidecar"] == [True]


def test_what_cannot_be_labelled_is_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "x.jelly"
    file.write_bytes(signed().data)
    with pytest.raises(RefusedSigned):
        jellyformat.label(file, {"epoch": 3})
    with pytest.raises(Usage, match="nothing to change"):
        jellyformat.label(file)
    for labels in ({"": 1}, {"a\n": 1}, {"x" * 129: 1}, {"x": "y" * 4097}, {str(at): at for at in range(1001)}):
        with pytest.raises(Usage, match="a name of 1 to 128 bytes"):
            jellyformat.label(file, labels)
    with pytest.raises(Usage, match="65,536"):
        jellyformat.label(file, note="x" * 65_537)
    with pytest.raises(Usage):
        jellyformat.label(file, {"\udcff": 1})
    assert file.read_bytes() == signed().data
    plain_file = make_pickle(tmp_path / "m.pkl")
    with pytest.raises(NoSnapshot):
        jellyformat.label(plain_file, {"epoch": 3})
    with pytest.raises(NoFile):
        jellyformat.label(tmp_path / "nothing", {"epoch": 3})
    store = tmp_path / "models--x"
    (store / "snapshots").mkdir(parents=True)
    (store / "blobs").mkdir()
    shared = make_pickle(store / "blobs" / "0123")
    with shared.open("ab"):
        pass
    jellyformat.embed(plain_file, SNAP)
    shared.write_bytes(plain_file.read_bytes())
    with pytest.raises(RefusedHost, match="Hugging Face"):
        jellyformat.label(shared, {"epoch": 3})


def test_signatures_are_dropped_when_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "x.jelly"
    file.write_bytes(signed().data)
    jellyformat.label(file, {"epoch": 3}, drop_signatures=True)
    assert set(jellyformat.load(file).manifest.extensions) == {"labels"}
    host = make_pickle(tmp_path / "m.pkl")
    with pytest.raises(RefusedSigned):
        jellyformat.embed(host, signed(), labels={"epoch": 3})
    jellyformat.embed(host, signed())
    assert "signatures" in jellyformat.load(host).manifest.extensions
    jellyformat.embed(host, signed(), labels={"epoch": 3}, replace=True, drop_signatures=True)
    assert set(jellyformat.load(host).manifest.extensions) == {"labels"}


def test_labels_stay_where_a_snapshot_is_replaced(tmp_path: Path) -> None:
    """They say which checkpoint it is, whatever code it carries; a new checkpoint under the old name is another one."""
    host = make_gzip(tmp_path / "m.json.gz")
    run = extensions.to_value(Run(b"r" * 16, 3))
    jellyformat.embed(host, Snapshot(frames.with_extensions(SNAP.data, {"run": run})), labels={"epoch": 3}, note="old")
    jellyformat.embed(host, SNAP, replace=True, labels={"val_loss": 0.2})
    found = jellyformat.show(host)
    assert (found.labels, found.note) == ({"epoch": "3", "val_loss": "0.2"}, "old")
    assert found.run == Run(b"r" * 16, 3)
    jellyformat.embed(host, SNAP, replace=True, note="new")
    assert jellyformat.show(host).note == "new"
    training.embed(host, SNAP)
    assert (jellyformat.show(host).labels, jellyformat.show(host).note) == ({}, None)
    jellyformat.embed(host, SNAP, replace=True, labels={"epoch": 3})
    jellyformat.embed(host, SNAP, replace=True, keep_labels=False)
    assert jellyformat.show(host).labels == {}


def test_secrets_in_the_names_of_labels() -> None:
    assert guard.cleaned({TOKEN: 1, f"to {TOKEN}": 2, "epoch": 3}) == {"***": "1", "to ***": "2", "epoch": "3"}


def test_secrets_are_guarded() -> None:
    """As in a command line; numbers are metrics, whatever their name."""
    given_labels = {
        "hub_token": "abcdefgh", "api_key": "xyz", "password": 1234, "pin": "0042", "note": f"pushed with {TOKEN}",
        "tokens": 3_000_000, "tokens_per_second": "1.5e4", "key_accuracy": 0.5,
        "url": "https://u:hunter" + "22@example.org", "auth_loss": float("nan"), "epoch": 3,
    }  # fmt: skip
    found = guard.cleaned(given_labels)
    blanked = {name for name, value in found.items() if value == "***"}
    assert blanked == {"hub_token", "api_key", "password", "pin"}
    assert TOKEN not in found["note"]
    assert "hunter22" not in found["url"]
    assert found["tokens"] == "3000000"
    assert found["key_accuracy"] == "0.5"
    note = guard.cleaned_note(f"first line\nlogin with --hub_token={TOKEN}\n  and more")
    assert TOKEN not in note
    assert note.startswith("first line\n")
    assert note.endswith("\n  and more")


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.none()))
def test_numbers_are_written_as_json_writes_them(value: object) -> None:
    text = guard.text_of(value)
    assert text == json.dumps(value)
    assert guard.cleaned({"value": value}) == {"value": text}


@pytest.mark.framework
def test_numbers_of_frameworks() -> None:
    import numpy
    import torch

    assert guard.text_of(torch.tensor(3)) == "3"
    assert guard.text_of(torch.tensor([0.5])) == "0.5"
    assert guard.text_of(numpy.float64(0.25)) == "0.25"
    assert guard.text_of(numpy.bool_(True)) == "true"
    assert guard.text_of(numpy.zeros(2)) == "[0. 0.]"
    assert guard.text_of(torch.zeros(0)) == "tensor([])"


# -- the command line -------------------------------------------------------------------------------------------------


def run(*arguments: str, code: int = 0) -> str:
    """Run a command in this process; what it says, and what `main` would say of its error."""
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    error = done.exception
    found = done.return_value or 0 if error is None else getattr(error, "exit_code", 1)
    assert found == code, (done.output, error)
    return done.output if error is None else f"{done.output}{error}"


def test_by_the_command_line(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    host = make_zip(tmp_path / "m.zip")
    run("embed", str(host), "--label", "epoch=3", "--label", "expression=a=b", "--note", "wider")
    assert jellyformat.show(host).labels == {"epoch": "3", "expression": "a=b"}
    said = run("label", str(host), "val_loss=0.21", "--remove", "expression", "--note", "second \x1b[31m try")
    assert "epoch=3 val_loss=0.21" in said
    assert "\x1b" not in said
    told = json.loads(run("label", str(host), "epoch=4", "--json"))
    assert (told["version"], told["labels"], told["note"]) == (
        1, {"epoch": "4", "val_loss": "0.21"}, "second \x1b[31m try",
    )  # fmt: skip
    shown = run("show", str(host))
    assert "epoch = 4" in shown
    assert "note         second \\x1b[31m try" in shown
    told = json.loads(run("show", str(host), "--json"))
    assert (told["version"], told["labels"], told["run"]) == (1, {"epoch": "4", "val_loss": "0.21"}, None)
    run("label", str(host), "epoch", code=2)
    run("label", str(host), "=3", code=2)
    run("label", str(host), code=2)
    run("label", str(host), "--remove", "val_loss", "--note", "")
    assert (jellyformat.show(host).labels, jellyformat.show(host).note) == ({"epoch": "4"}, None)
    git(repository, "status")


def test_many_files_at_once(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that was captured is taken out of all checkpoints; each file is told of, and one stops no other."""
    monkeypatch.chdir(repository)
    (repository / "leak.py").write_text("code = 'WRONG'\n")
    files = [str(make_zip(tmp_path / f"{number}.zip")) for number in range(3)]
    before = [Path(file).read_bytes() for file in files]
    said = run("embed", *files, "--label", "lr=0.1")
    assert [file in said for file in files] == [True] * 3
    run("embed", *files, code=4)
    said = run("embed", *files, "--replace", "--exclude", "leak.py", "--json")
    assert [json.loads(line)["file"] for line in said.splitlines()] == files
    for file in files:
        with jellyformat.open(file) as box:
            assert b"leak.py" not in {item.path for item in box.files()}
            assert box.info().labels == {"lr": "0.1"}
    bare = make_zip(tmp_path / "none.zip")
    said = run("strip", files[0], str(bare), files[1], files[2], code=3)
    assert said.count("as it was before") == 3
    assert f"{bare} carries no snapshot" in said
    assert "1 of 4 files stayed as they were" in said
    assert [Path(file).read_bytes() for file in files] == before
    run("strip", *files, "-o", str(tmp_path / "new"), code=2)
    run("embed", *files, "-o", str(tmp_path / "new"), code=2)

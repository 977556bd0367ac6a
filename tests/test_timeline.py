"""Timelines: the order of runs, what is compared with what, conditions and times, and changes said in a few words."""

from __future__ import annotations

import datetime
import gzip
import json
import re
import time
from contextlib import ExitStack
from pathlib import Path

import craft
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_labels import make_folder, make_pickle, run

import jellyformat
from jellyformat import gathering
from jellyformat.cli.grep import shortened
from jellyformat.cli.timeline import change_text
from jellyformat.errors import CorruptManifest, NoFile, Usage
from jellyformat.exports import edits
from jellyformat.exports.patch import Side
from jellyformat.fleet.looking import natural
from jellyformat.format import extensions, frames, manifest
from jellyformat.format.extensions import Run
from jellyformat.format.model import Manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import BLOB, Leaf, object_id
from jellyformat.format.records import ObjectRecord
from jellyformat.hosts.open import open_container
from jellyformat.selecting import conditions, moment, path_matches
from jellyformat.snapshots import Snapshot

RUN = b"r" * 16


def snap(text: bytes = b"lr = 1\n", **more: object) -> Snapshot:
    """A snapshot of a file ``b.py``, with extensions."""
    leaves = {b"b.py": Leaf(0o100644, object_id(BLOB, text))}
    data = craft.crafted().with_leaves(leaves, (ObjectRecord(BLOB, text),))
    return Snapshot(frames.with_extensions(data, more))  # type: ignore[arg-type]


def put(file: Path, made: Snapshot) -> str:
    """A checkpoint; its digest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    jellyformat.embed(make_pickle(file), made)
    return jellyformat.load(file).digest


def test_a_run_is_in_the_order_of_its_sequence(tmp_path: Path) -> None:
    """The extension `run` goes before directories, and a parent before who comes earlier."""
    place = tmp_path / "runs"
    digests: list[str] = []
    for at, name in enumerate(("z/first.pkl", "a/second.pkl", "m/third.pkl")):
        parent = digests[0] if at else None
        item = Run(RUN, at, None if parent is None else bytes.fromhex(parent))
        digests.append(put(place / name, snap(b"lr = %d\n" % at, run=extensions.to_value(item))))
    put(place / "a" / "other.pkl", snap(b"lr = 9\n"))
    found = jellyformat.log(place)
    assert [Path(entry.file).name for entry in found] == ["other.pkl", "first.pkl", "second.pkl", "third.pkl"]
    other, first, second, third = found
    assert (other.since, other.changes, other.run) == (None, None, None)
    assert (first.since, first.changes) == (other.file, None)
    assert (second.since, second.changes) == (first.file, (("M", b"b.py"),))
    assert (third.since, [edit.text for edit in third.edits or ()]) == (first.file, ["lr: 0 → 2"])
    assert third.run == Run(RUN, 2, bytes.fromhex(digests[0]))
    told = json.loads(run("log", str(place), "--json", "-q"))[-1]
    assert told["run"] == {"id": RUN.hex(), "sequence": 2, "parent": digests[0]}
    assert [entry.file for entry in jellyformat.log(place, where="sequence>0")] == [second.file, third.file]
    shown = run("log", str(place), "--columns", "run", "-q").splitlines()[-1].split("\t")[1]
    assert shown == RUN.hex()[:8]
    assert [entry.file for entry in jellyformat.log(place, where=f"run={shown}")] == [entry.file for entry in found[1:]]
    assert [entry.file for entry in jellyformat.log(place, where=f"run!={shown}")] == [other.file]


def test_a_sidecar_is_told_of_once(tmp_path: Path) -> None:
    host = tmp_path / "m.json.gz"
    host.write_bytes(gzip.compress(b"{}" * 100))
    jellyformat.embed(host, snap())
    for form in ("json", "jsonl"):
        assert run("log", str(tmp_path), "--format", form, "-q").count('"file"') == 1
    (entry,) = jellyformat.log(tmp_path)
    assert (entry.file, entry.host) == (str(host), "sidecar")
    jellyformat.strip(host)
    jellyformat.embed(make_folder(tmp_path / "folder"), snap())
    for form in ("json", "jsonl"):  # its carrier is in another directory than the folder itself
        assert run("log", str(tmp_path), "--format", form, "-q").count('"file"') == 1
    with pytest.raises(NoFile):
        jellyformat.log(tmp_path / "nothing")


def test_labels_that_are_called_as_columns(tmp_path: Path) -> None:
    """They hide nothing, and go before it where they are asked for."""
    host = tmp_path / "m.pkl"
    put(host, snap(labels={"file": "other", "time": "12s", "host": "gpu01"}))
    for form in ("table", "plain"):
        line = run("log", str(host), "--format", form, "-q").splitlines()[-1]
        assert str(host) in line
        assert "2026-" in line or "1970-" in line
    assert run("log", str(host), "--columns", "file,time", "-q").split() == ["other", "12s"]
    assert [entry.file for entry in jellyformat.log(host, where="host=gpu01")] == [str(host)]


def test_a_label_that_is_not_as_it_has_to_be_ends_nothing(tmp_path: Path) -> None:
    """verify tells of it; the checkpoint is shown without."""
    (tmp_path / "x.jelly").write_bytes(snap(labels={"epoch": 3}).data)
    (entry,) = jellyformat.log(tmp_path)
    assert (entry.labels, entry.damaged) == ({}, None)
    assert jellyformat.verify(tmp_path / "x.jelly").ok is False


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_names_are_sorted_as_people_count(numbers: list[int]) -> None:
    names = [f"run/epoch-{number}.pt" for number in numbers]
    assert sorted(names, key=natural) == [f"run/epoch-{number}.pt" for number in sorted(numbers)]


@given(st.text(), st.text())
def test_any_names_can_be_sorted(one: str, two: str) -> None:
    assert (natural(one) < natural(two)) in (True, False)


# -- what is kept while many are read ----------------------------------------------------------------------------------


def test_no_manifest_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(4):
        put(tmp_path / f"{at}.pkl", snap(b"lr = %d\n" % at))
    decoded: list[bytes] = []
    whole = manifest.decode

    def noted(raw: bytes, length: int | None = None) -> Manifest:
        decoded.append(raw)
        return whole(raw, length)

    monkeypatch.setattr(manifest, "decode", noted)
    assert [entry.changes for entry in jellyformat.log(tmp_path)] == [None, *[(("M", b"b.py"),)] * 3]
    assert len(decoded) == 4
    assert len(jellyformat.grep("lr", tmp_path)) == 4
    assert len(decoded) == 8
    monkeypatch.setattr(gathering, "_MANIFEST_BYTES", 0)
    assert len(jellyformat.log(tmp_path)) == 4
    assert len(decoded) == 16


def test_what_is_known_of_a_container_is_of_its_very_bytes(tmp_path: Path) -> None:
    file = tmp_path / "x.jelly"
    file.write_bytes(snap().data)
    with open_container(file) as box:
        known = box.header, box.manifest
    with open_container(file, known=known) as again:
        assert again.manifest is known[1]
    file.write_bytes(snap(b"lr = 2\n").data)
    with open_container(file, known=known) as other:
        assert other.manifest == snap(b"lr = 2\n").manifest
    data = bytearray(snap().data)
    data[frames.HEADER_LENGTH + 5] ^= 1  # in the manifest; the header is as it was
    file.write_bytes(data)
    with pytest.raises(CorruptManifest):
        open_container(file, known=known)


def test_equal_environments_are_kept_once(tmp_path: Path) -> None:
    def noted(value: dict[str, Value]) -> None:
        value["environment"] = {"language": "python", "version": "3.11"}

    for at in range(3):
        (tmp_path / f"{at}.jelly").write_bytes(craft.change_value(snap(b"lr = %d\n" % at).data, noted))
    with ExitStack() as stack:
        (found,) = gathering.gather([tmp_path], gathering.Missed(), stack)
    assert all(item.known and item.known[1].environment for item in found)
    assert len({id(item.known[1].environment) for item in found if item.known}) == 1


# -- what changed, in a few words -------------------------------------------------------------------------------------


def edit(before: bytes, after: bytes) -> jellyformat.Edit:
    old, new = ({b"a.py": Side(0o100644, text, lambda text=text: text)} for text in (before, after))  # type: ignore[misc]
    (found,) = edits.edits_between(old, new)
    return found


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (b"lr = 0.01\n", b"lr = 0.007\n", "lr: 0.01 → 0.007"),
        (b"lr: 1e-3\n", b"lr: 1e-4\n", "lr: 1e-3 → 1e-4"),
        (b"a = f(x, lr=0.1, wd=2)\n", b"a = f(x, lr=0.2, wd=3)\n", "lr: 0.1 → 0.2, wd: 2 → 3"),
        (b"  'name': 'sgd',\n", b"  'name': 'adam',\n", "name: sgd → adam"),
        (b"f(3)\n", b"f(4)\n", "f(3) → f(4)"),
        (b"a\nb\n", b"a\nb\nc = 3\n", "+ c = 3"),
        (b"a\nb\nc\n", b"a\nc\n", "- b"),
        (b"x = 1\ny = 2\n", b"x = 3\ny = 4\n", "x: 1 → 3; y: 2 → 4"),
        (b"x = " + b"1" * 200, b"x = " + b"2" * 200, None),
        (b"".join(b"%d\n" % n for n in range(9)), b"", None),
        (b"\0a", b"\0b", None),
        ("é = 1\n".encode(), "é = 2\n".encode(), "é: 1 → 2"),
        (b"\xff = 1\n", b"\xff = 2\n", "\ufffd = 1 → \ufffd = 2"),
    ],
)
def test_small_changes_are_said_in_full(before: bytes, after: bytes, text: str | None) -> None:
    assert edit(before, after).text == text


def test_larger_changes_are_counted() -> None:
    found = edit(b"".join(b"%d\n" % n for n in range(30)), b"".join(b"%d\n" % n for n in range(10, 35)))
    assert (found.added, found.removed, found.text, found.counts()) == (5, 10, None, "+5 -10")
    binary = edit(b"\0a", b"\0b")
    assert (binary.added, binary.removed, binary.counts()) == (None, None, "")
    same = b"x\n"
    old, new = ({b"a": Side(mode, b"k", lambda: same)} for mode in (0o100644, 0o100755))
    (mode,) = edits.edits_between(old, new)
    assert mode.text == "mode 100644 → 100755"
    old = {b"a": Side(0o100644, b"k", lambda: b"1\n2\n")}
    (gone,) = edits.edits_between(old, {})
    assert (gone.change, gone.counts()) == ("D", "-2")


def test_values_that_changed_among_more() -> None:
    rewritten = edit(b"a()\nb()\n" * 5 + b"same\nlr = 0.01\n", b"c()\n" * 12 + b"same\nlr = 0.007\n")
    assert (rewritten.text, rewritten.values, rewritten.said) == (None, ("lr: 0.01 → 0.007",), "lr: 0.01 → 0.007")
    many = edit(*(b"".join(b"x%d = %d\nsame %d\n" % (n, n + more, n) for n in range(9)) for more in (0, 1)))
    assert (many.values, many.said) == ((), None)


def test_a_small_change_is_said_beside_larger_ones() -> None:
    """Whatever else changed, and however much."""
    small = jellyformat.Edit("M", b"z.py", 1, 1, "lr: 0.01 → 0.007")
    large = [jellyformat.Edit("M", b"m%d.py" % at, 40, 3, None) for at in range(5)]
    entry = jellyformat.LogEntry("b.pt", since="a.pt", edits=(*large, small), changes=())
    assert change_text(entry, None) == (
        "lr: 0.01 → 0.007 (z.py), M m0.py +40 -3, M m1.py +40 -3, M m2.py +40 -3 and 2 more files"
    )
    inside = jellyformat.Edit("M", b"m.py", 40, 3, None, ("lr: 0.01 → 0.007",))
    entry = jellyformat.LogEntry("b.pt", since="a.pt", edits=(inside,), changes=())
    assert change_text(entry, None) == "lr: 0.01 → 0.007 (m.py), M m.py +40 -3"
    many = tuple(jellyformat.Edit("M", b"m%d.py" % at, 1, 1, f"value_{at}: 1 → 2") for at in range(20))
    entry = jellyformat.LogEntry("b.pt", since="a.pt", edits=many, changes=())
    assert "value_3: 1 → 2 (m3.py), M m4.py +1 -1" in change_text(entry, None)
    assert len(change_text(entry, None)) < 200


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_change_can_be_said(one: str, two: str) -> None:
    if one != two:
        found = edit(one.encode("utf-8", "replace"), two.encode("utf-8", "replace"))
        assert found.text is None or 0 < len(found.text) <= 120


# -- conditions and times ---------------------------------------------------------------------------------------------


def info(**labels: str) -> jellyformat.SnapshotInfo:
    return snap(labels=labels).info()


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("loss<0.5", True), ("loss < 0.3", False), ("loss<=0.3", True), ("loss>0.3", False), ("loss>=0.3", True),
        ("loss=0.30", True), ("loss==3e-1", True), ("loss!=0.3", False), ("name=adam", True), ("name!=adam", False),
        ("name~DA", True), ("name<b", False), ("name", True), ("other", False), ("other!=1", True), ("other=1", False),
        ("best=true", True), ("nothing<1", False), ("nothing>1", False), ("nothing!=1", True), ("host=jelly", True),
        ("note~x", False), ("loss<best", False),
    ],
)  # fmt: skip
def test_conditions(condition: str, holds: bool) -> None:
    found = info(loss="0.3", name="adam", best="true", nothing="NaN")
    (made,) = conditions(condition)
    assert made.holds(found) is holds


@pytest.mark.parametrize("text", ["", "<3", "a<", "=", "!"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(Usage, match="is no condition"):
        conditions([text])


def test_times() -> None:
    now = time.time()
    assert moment("@1700000000") == 1_700_000_000
    assert moment("2023-11-14T22:13:20Z") == 1_700_000_000
    assert moment("2023-11-14 22:13:20+00:00") == 1_700_000_000
    assert moment("2026-01-31") == int(datetime.datetime(2026, 1, 31).timestamp())
    for text, seconds in {
        "2 days ago": 172_800, "1 week ago": 604_800, "3h": 10_800, "5 minutes ago": 300, "1 month": 2_629_800,
        "10s": 10, "1 year ago": 31_557_600, "now": 0,
    }.items():  # fmt: skip
        found = moment(text)
        assert found is not None
        assert abs(now - seconds - found) < 60, text
    assert (moment("yesterday") or 0) < (moment("today") or 0) <= now
    assert moment(None) is None
    for text in ("", "tomorrow", "2026-13-01", "@x", "9999999999999 days ago", "@" + "9" * 16):
        with pytest.raises(Usage, match="is no time"):
            moment(text)


def test_paths() -> None:
    for glob, path, means in (
        ("*.py", b"src/a.py", True), ("a.py", b"src/a.py", True), ("src", b"src/a.py", True),
        ("src/", b"src/a.py", True), ("src/*.py", b"src/a.py", True), ("b.py", b"src/ab.py", False),
        ("sr", b"src/a.py", False), ("*.md", b"src/a.py", False),
    ):  # fmt: skip
        assert path_matches(path, glob) is means, (glob, path)


# -- grep -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Path:
    place = tmp_path / "runs"
    put(place / "1.pkl", snap(b"lr = 0.01\nname = 'Lr'\n\nlrx\n"))
    put(place / "2.pkl", snap(b"lr = 0.01\nname = 'other'\nend"))
    put(place / "3.pkl", snap(b"lr = 0.01\nname = 'other'\nend"))
    put(place / "binary.pkl", snap(b"\0lr\0" + b"x" * 50))
    return place


def test_grep(two: Path) -> None:
    found = jellyformat.grep("^lr", two)
    assert [(match.path, match.line, match.text, [Path(file).name for file in match.files]) for match in found] == [
        (b"b.py", 1, "lr = 0.01", ["1.pkl", "2.pkl", "3.pkl"]),
        (b"b.py", 4, "lrx", ["1.pkl"]),
    ]
    assert [match.line for match in jellyformat.grep("lr", two, word=True)] == [None, 1]
    assert [match.text for match in jellyformat.grep("LR", two, ignore_case=True, word=True)] == [
        "binary file", "lr = 0.01", "name = 'Lr'",
    ]  # fmt: skip
    assert jellyformat.grep("0.01", two, fixed=True) != []
    assert jellyformat.grep("0.0.1", two, fixed=True) == []
    assert jellyformat.grep("lr", two, within="*.txt") == []
    assert len(jellyformat.grep("lr", two, within="b.*")) == 3
    assert [match.line for match in jellyformat.grep("^$", two)] == [3]
    with pytest.raises(Usage, match="no regular expression"):
        jellyformat.grep("(", two)
    with pytest.raises(Usage, match="no regular expression"):
        jellyformat.grep("a)(b", two, word=True)
    assert jellyformat.grep("(", two, fixed=True) == []


def test_grep_searches_each_distinct_file_once(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jellyformat import searching

    searched: list[bytes] = []
    whole = searching._hits

    def noted(content: bytes, regex: re.Pattern[str]) -> object:
        searched.append(content)
        return whole(content, regex)

    monkeypatch.setattr(searching, "_hits", noted)
    more = {b"b.py": b"lr = 0.01\nname = 'other'\nend", b"c.py": b"other\n"}  # the first is in 2.pkl, too
    leaves = {path: Leaf(0o100644, object_id(BLOB, text)) for path, text in more.items()}
    records = tuple(ObjectRecord(BLOB, text) for text in more.values())
    put(two / "4.pkl", Snapshot(craft.crafted().with_leaves(leaves, records)))
    found = jellyformat.grep("other", two)
    assert len(searched) == len(set(searched)) == 4
    assert [[Path(file).name for file in match.files] for match in found] == [["2.pkl", "3.pkl", "4.pkl"], ["4.pkl"]]


def test_grep_by_the_command_line(two: Path) -> None:
    said = run("grep", "lr = ", str(two))
    assert said.splitlines() == ["b.py", "  1: lr = 0.01", f"      in 3 checkpoints: {two}/{{1..3}}.pkl"]
    assert run("grep", "-l", "other", str(two)).splitlines() == [f"{two}/2.pkl", f"{two}/3.pkl"]
    told = json.loads(run("grep", "-w", "lrx", str(two), "--json"))
    assert told == [{"version": 1, "path": "b.py", "line": 4, "text": "lrx", "files": [f"{two}/1.pkl"]}]
    assert "not found in 4 checkpoints" in run("grep", "nowhere", str(two), code=3)
    assert json.loads(run("grep", "nowhere", str(two), "--json", "-q", code=3)) == []
    run("grep", "(", str(two), code=2)
    put(two / "4.pkl", snap(b"bad \x1b[31m\n" + b"y" * 5000 + b"zebra\n"))
    assert "\x1b" not in run("grep", "bad|zebra", str(two))
    assert max(map(len, run("grep", "zebra", str(two)).splitlines())) < 1100


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["a-1.pt", "a-2.pt", "a-3.pt", "a-5.pt"], ["a-{1..3}.pt", "a-5.pt"]),
        (["a-100", "a-200", "a-300"], ["a-{100..300..100}"]),
        (["a-01", "a-02", "a-03"], ["a-{01..03}"]),
        (["a-8", "a-9", "a-10"], ["a-{8..10}"]),
        (["a-08", "a-9", "a-10"], ["a-08", "a-9", "a-10"]),
        (["a-1", "a-2"], ["a-1", "a-2"]),
        (["r1/a1.h5", "r1/a2.h5", "r1/a3.h5", "r2/a1.h5"], ["r1/a{1..3}.h5", "r2/a1.h5"]),
        (["best", "last"], ["best", "last"]),
        ([], []),
    ],
)
def test_ranges_of_names(names: list[str], short: list[str]) -> None:
    assert shortened(names) == short


@given(st.lists(st.integers(0, 300), unique=True).map(sorted))
def test_a_shell_takes_ranges_apart_again(numbers: list[int]) -> None:
    names = [f"epoch-{number}.pt" for number in numbers]
    again: list[str] = []
    for name in shortened(names):
        before, brace, rest = name.partition("{")
        if not brace:
            again.append(name)
            continue
        inner, _, after = rest.partition("}")
        first, last, *step = map(int, inner.split(".."))
        again += [f"{before}{number}{after}" for number in range(first, last + 1, *step)]
    assert again == names

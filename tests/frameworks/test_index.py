"""An index of many checkpoints: what `log` says from it, how it is brought up to date, and what is not believed."""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import memory
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from gitrepo import git
from hypothesis import given, settings
from hypothesis import strategies as st
from test_labels import make_pickle, run

import jellyformat
from jellyformat.errors import BadHost, CorruptBlock, RefusedExists, Usage
from jellyformat.exports.edits import Edit
from jellyformat.fleet import looking, table, workers
from jellyformat.fleet.looking import Seen, Spot
from jellyformat.fleet.rows import Row, Stamp
from jellyformat.format.extensions import Run
from jellyformat.indexing import index_paths

OLD = 1_600_000_000
"""Seconds since 1970: long enough ago for times to tell."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve checkpoints of three runs and four codes, one with its snapshot beside it; and two other files."""
    top = tmp_path_factory.mktemp("made")
    code = top / "code"
    code.mkdir()
    git(code, "init", "-q")
    (code / "train.py").write_text("import model\n")
    git(code, "add", ".")
    git(code, "commit", "-qm", "first")
    for number in range(12):
        if number % 3 == 0:
            (code / "model.py").write_text(f"hidden = {2**number}\n")
            snap = jellyformat.snapshot(code)
        file = top / "runs" / f"run-{number // 4}" / f"epoch-{number % 4}.pkl"
        file.parent.mkdir(parents=True, exist_ok=True)
        labels = {"epoch": number % 4, "val_loss": 1 / (number + 1)}
        jellyformat.embed(make_pickle(file), snap, labels=labels, sidecar=number == 7)
    (top / "runs" / "notes.txt").write_text("nothing in it\n")
    (top / "runs" / "metrics.csv").write_text("epoch,loss\n")
    return top


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of these, as if they had been there for a while: times do not tell of files that changed just now."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(looking, "_RACY_NS", 0)
    return Path("runs")


@pytest.fixture
def code(runs: Path) -> Path:
    """The repository."""
    return Path("code").absolute()


def entries(*paths: str | Path, **options: Any) -> list[jellyformat.LogEntry]:
    return jellyformat.log(*paths, **options)


# -- what it says -----------------------------------------------------------------------------------------------------


def test_log_from_it_is_log_without_a_file(runs: Path) -> None:
    """All that `log` says, in each of its forms; not one of the checkpoints is there any more."""
    made = index_paths([runs], "all.parquet", processes=2)
    assert (made.checkpoints, made.read, made.without, made.unreadable) == (12, 15, 2, ())
    asked: list[dict[str, Any]] = [
        {}, {"n": 2}, {"sort": "val_loss", "n": 1}, {"where": "epoch>2"}, {"reverse": True}, {"branch": "m*"},
        {"where": "file~run-1"}, {"since": "@0", "until": "now"},
    ]  # fmt: skip
    expected = [entries(runs, **options) for options in asked]
    printed = {form: run("log", "runs", "--format", form, "--stat", "-q") for form in ("plain", "csv", "json")}
    assert any(entry.edits for entry in expected[0])
    shutil.move("runs", "elsewhere")
    assert [entries("all.parquet", **options) for options in asked] == expected
    assert {form: run("log", "all.parquet", "--format", form, "--stat", "-q") for form in printed} == printed


def test_from_another_directory(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_paths([runs], "all.parquet")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir("other")
    found = entries("../all.parquet")
    assert found == entries(tmp_path / "runs")
    assert found[0].file == str(tmp_path / "runs" / "run-0" / "epoch-0.pkl")


def test_together_with_a_directory(runs: Path) -> None:
    index_paths([runs / "run-0"], "one.parquet")
    assert entries("one.parquet", "runs/run-1") == entries("runs/run-0", "runs/run-1")
    found, expected = entries("one.parquet", "runs/run-2"), entries("runs/run-0", "runs/run-2")
    assert (found[4].since, expected[4].since) == (None, "runs/run-0/epoch-3.pkl")  # which is not opened for it
    assert [*found[:4], *found[5:]] == [*expected[:4], *expected[5:]]
    assert [entry.file for entry in entries("one.parquet", runs)] == [entry.file for entry in entries(runs)]


def test_columns(runs: Path) -> None:
    """What is in a row, for other programs: as `show` says it."""
    index_paths([runs], "all.parquet")
    rows = pq.read_table("all.parquet").to_pylist()
    for row in rows:
        info = jellyformat.show(row["file"])
        assert row["snapshot_id"] == info.snapshot_id
        assert row["digest"] == info.digest
        assert (row["commit"], row["branch"], row["subject"]) == (info.commit, info.branch, info.subject)
        assert dict(row["labels"]) == dict(info.labels)
        assert dict(row["versions"])["python"] == ".".join(map(str, sys.version_info[:3]))
        assert row["created"].timestamp() == row["time"] == info.time
        assert (row["files"], row["unstaged"], row["untracked"]) == (
            info.files,
            len(info.unstaged),
            len(info.untracked),
        )
        assert (row["dirty"], row["signed"], row["host"]) == (True, False, info.host)
        assert row["file_size"] == os.stat(row["file"]).st_size
    assert len({row["code"] for row in rows}) == 4
    assert [row["file"] for row in rows if row["holder_stamp"]] == ["runs/run-1/epoch-3.pkl"]


def test_queries(runs: Path) -> None:
    """Those of the documentation, by DuckDB."""
    import duckdb

    index_paths([runs], "runs.parquet")
    page = Path(__file__).parents[2] / "docs" / "fleets.md"
    queries = page.read_text().partition("```sql\n")[2].partition("```")[0].split(";")[:-1]
    best, by_rate, old, better, sizes = (duckdb.sql(query).fetchall() for query in queries)
    assert [row[1:] for row in best] == [(3, 1 / 12), (3, 1 / 9), (3, 1 / 6), (3, 1 / 3)]
    assert by_rate == [(None, pytest.approx(sum(1 / number for number in range(1, 13)) / 12), 12)]
    assert old == []
    assert better[0][1:] == ("model.py", "hidden: 64 → 512", 1 / 10)
    assert sizes[0][1] == sum(file.stat().st_size for file in runs.rglob("*.pkl")) / 1e9
    page_columns = set(page.read_text().partition("## The columns")[2].split("`")[1::2])
    assert set(pq.read_schema("runs.parquet").names) <= page_columns


def test_grep_and_diff(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index_paths([runs], "all.parquet")
    assert jellyformat.grep("hidden = ", "all.parquet") == jellyformat.grep("hidden = ", runs)
    said = run("diff", "all.parquet", "runs/run-0/epoch-0.pkl", "runs/run-2/epoch-3.pkl", "--", "model.py")
    assert "-hidden = 1\n+hidden = 512\n" in said
    code = jellyformat.show("runs/run-2/epoch-3.pkl").snapshot_id
    assert run("diff", "all.parquet", "runs/run-0/epoch-0.pkl", code[:12], "--", "model.py") == said
    assert "no checkpoint ffff" in run("diff", "all.parquet", "ffff", code=3)
    assert run("diff", "all.parquet", "./runs/run-0/epoch-0.pkl", code[:12], "--", "model.py") == said
    assert run("diff", "all.parquet", code[:12], "code", "--", "model.py") == ""  # the directory is as it was taken
    assert "-hidden = 1\n" in run("diff", "all.parquet", "runs/run-0/epoch-0.pkl", "code", "--", "model.py")
    monkeypatch.chdir("runs")
    names = ("run-0/epoch-0.pkl", str(Path("run-2/epoch-3.pkl").absolute()))
    assert run("diff", "../all.parquet", *names, "--", "model.py") == said
    monkeypatch.chdir("..")
    run("diff", "all.parquet", code=2)
    run("diff", "runs/run-0/epoch-0.pkl", "runs/run-0/epoch-1.pkl", "runs/run-0/epoch-2.pkl", code=2)


def test_grep_and_diff_where_files_have_changed(runs: Path, code: Path) -> None:
    """A file that is not what the index says is looked at anew, or said to be gone: it is not taken for the old one."""
    index_paths([runs], "all.parquet")
    (code / "model.py").write_text("hidden = 77777\n")
    jellyformat.embed("runs/run-0/epoch-1.pkl", jellyformat.snapshot(code), replace=True)
    Path("runs/run-0/epoch-2.pkl").unlink()
    with pytest.warns(jellyformat.HostWarning, match="epoch-1.pkl has changed since it was indexed"):
        (match,) = jellyformat.grep("hidden = 77777", "all.parquet")
    assert match.files == ("runs/run-0/epoch-1.pkl",)
    assert "epoch-2.pkl is in the index, and not there any more" in run("grep", "hidden", "all.parquet", code=3)
    said = run("diff", "all.parquet", "runs/run-0/epoch-0.pkl", "runs/run-0/epoch-1.pkl", code=5)
    assert "has changed since it was indexed" in said
    entry = next(entry for entry in entries("all.parquet") if entry.edits and os.path.exists(str(entry.since)))
    jellyformat.embed(entry.file, jellyformat.snapshot(code), replace=True)
    assert "has changed since it was indexed" in run("log", "all.parquet", "-p", "-q")


# -- brought up to date -----------------------------------------------------------------------------------------------


def test_only_what_has_changed_is_read_again(runs: Path, code: Path) -> None:
    index_paths([runs], "all.parquet")
    before = entries("all.parquet")
    again = index_paths([runs], "all.parquet")
    assert (again.checkpoints, again.read, again.unchanged, again.without) == (12, 0, 15, 2)
    assert entries("all.parquet") == before

    jellyformat.label("runs/run-0/epoch-0.pkl", {"val_loss": 0.001})  # the size and the time of modification may stay
    os.utime("runs/run-0/epoch-1.pkl", (OLD, OLD))
    make_pickle(Path("runs/run-3.pkl"))
    Path("runs/run-2/epoch-3.pkl").unlink()
    jellyformat.embed("runs/notes.txt", jellyformat.snapshot(code), sidecar=True)
    third = index_paths([runs], "all.parquet", processes=2)
    assert (third.checkpoints, third.read, third.gone, third.without) == (12, 5, 1, 2)
    assert entries("all.parquet") == entries(runs)
    assert entries("all.parquet", sort="val_loss", n=1)[0].labels["val_loss"] == "0.001"


def test_a_sidecar_that_changes_is_read_again(runs: Path) -> None:
    index_paths([runs], "all.parquet")
    jellyformat.label("runs/run-1/epoch-3.pkl", {"val_loss": 7})
    assert index_paths([runs], "all.parquet").read == 2  # the file and what lies beside it
    assert entries("all.parquet") == entries(runs)


def test_an_index_that_stays_the_same_is_not_written(runs: Path) -> None:
    """Nor is one that has nothing; what is not one any more by its names is."""
    (runs / "empty").mkdir()
    for paths, count in (([runs], 12), ([runs / "empty"], 0)):
        index_paths(paths, "all.parquet")
        os.utime("all.parquet", (OLD, OLD))
        assert index_paths(paths, "all.parquet").checkpoints == count
        assert os.stat("all.parquet").st_mtime == OLD
    (runs / "empty" / "x.txt").write_text("nothing")
    index_paths([runs / "empty"], "all.parquet")
    assert os.stat("all.parquet").st_mtime != OLD


def test_a_file_that_changed_just_now_is_read_again(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may change again within the same tick of the clock, and be as long."""
    index_paths([runs], "all.parquet")
    assert index_paths([runs], "all.parquet").read == 0
    monkeypatch.setattr(looking, "_RACY_NS", 3_600_000_000_000)
    jellyformat.label("runs/run-0/epoch-0.pkl", {"val_loss": 1})
    index_paths([runs], "all.parquet")
    assert index_paths([runs], "all.parquet").read == 15


def test_the_manifest_is_not_decoded_where_the_digest_is_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jellyformat.format import manifest

    index_paths([runs], "all.parquet")
    before = entries("all.parquet")
    for file in runs.rglob("*.pkl"):
        os.utime(file, (OLD, OLD))

    def broken(*_: object) -> None:
        raise AssertionError("the manifest is read")

    with monkeypatch.context() as patch:
        patch.setattr(manifest, "decode", broken)
        made = index_paths(["runs/run-0"], "all.parquet")
    assert made.read == 4
    assert entries("all.parquet") == before[:4]


def test_what_cannot_be_read_is_told(runs: Path) -> None:
    broken = Path("runs/run-0/epoch-3.pkl")
    data = bytearray(broken.read_bytes())
    data[data.index(b"\x89JELLY") + 90] ^= 1
    broken.write_bytes(data)
    said = run("index", "runs", "-o", "all.parquet", code=1)
    assert "epoch-3.pkl: the digest does not match" in said
    assert "11 checkpoints" in said
    found = json.loads(run("index", "runs", "-o", "all.parquet", "--json", code=1).partition("\n}\n")[0] + "}")
    assert [item["file"] for item in found["unreadable"]] == [str(broken)]
    assert found["version"] == 1
    assert "run-0/epoch-3" not in run("log", "all.parquet")


def test_damaged_code_is_told_at_its_place(runs: Path) -> None:
    broken = Path("runs/run-0/epoch-3.pkl")
    data = bytearray(broken.read_bytes())
    data[data.rindex(b"\x28\xb5\x2f\xfd") + 20] ^= 1
    broken.write_bytes(data)
    index_paths([runs], "all.parquet")
    (entry,) = (entry for entry in entries("all.parquet") if entry.damaged)
    (expected,) = (entry for entry in entries(runs) if entry.damaged)
    assert (entry.file, type(entry.damaged)) == (expected.file, type(expected.damaged))
    shutil.move("runs", "elsewhere")
    run("log", "all.parquet", code=1)


# -- written whole ----------------------------------------------------------------------------------------------------


def test_the_old_index_is_not_lost(runs: Path) -> None:
    index_paths(["runs/run-0"], "all.parquet")
    before = Path("all.parquet").read_bytes()

    def few_bytes() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "index", "runs", "-o", "all.parquet"],
        preexec_fn=few_bytes, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert Path("all.parquet").read_bytes() == before
    assert sorted(path.name for path in Path.cwd().glob("*parquet*")) == ["all.parquet"]


def test_nothing_else_is_written_over(runs: Path) -> None:
    Path("other.parquet").write_text("mine")
    run("index", "runs", "-o", "other.parquet", code=4)
    assert Path("other.parquet").read_text() == "mine"
    pq.write_table(pa.table({"file": ["a"]}), "foreign.parquet")
    before = Path("foreign.parquet").read_bytes()
    with pytest.raises(RefusedExists):
        index_paths([runs], "foreign.parquet")
    assert Path("foreign.parquet").read_bytes() == before
    assert "1 file without a snapshot" in run("log", "foreign.parquet", code=3)
    index_paths([runs], "all.parquet")
    with pytest.raises(Usage, match="an index itself"):
        index_paths(["all.parquet"], "more.parquet")
    index_paths([runs], runs / "inside.parquet")
    assert index_paths([runs], runs / "inside.parquet").read == 0  # not the index itself


def test_a_worker_that_dies_loses_nothing(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "look_at_all", die_once)
    monkeypatch.setenv("DIED", str(tmp_path / "died"))
    made = index_paths([runs], "all.parquet", processes=2)
    assert (tmp_path / "died").exists()
    assert (made.checkpoints, made.read, made.unreadable) == (12, 15, ())


def die_once(spots: Sequence[Spot]) -> list[Seen]:
    died = Path(os.environ["DIED"])
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [looking.look(spot, looking.Manifests(0)) for spot in spots]


def test_a_file_that_workers_die_of_is_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "look_at_all", die_of_one)
    made = index_paths([runs], "all.parquet", processes=2)
    assert (made.checkpoints, [name for name, _ in made.unreadable]) == (11, ["runs/run-1/epoch-1.pkl"])


def die_of_one(spots: Sequence[Spot]) -> list[Seen]:
    if any(spot.name == "runs/run-1/epoch-1.pkl" for spot in spots):
        os.kill(os.getpid(), signal.SIGKILL)
    return [looking.look(spot, looking.Manifests(0)) for spot in spots]


def test_without_pyarrow(runs: Path) -> None:
    index_paths([runs], "all.parquet")
    for arguments in (("index", "runs", "-o", "new.parquet"), ("log", "all.parquet")):
        code = f"import sys; sys.modules['pyarrow'] = None; sys.argv[1:] = {list(arguments)}\n"
        code += "from jellyformat.cli.main import main; main()"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "pip install 'jellyformat[index]'" in done.stderr
    assert not Path("new.parquet").exists()


# -- not believed -----------------------------------------------------------------------------------------------------

ROW = Row(
    "a.pt", Stamp(1, 2, 3, 4), "/x/a.pt", None, "torch", "listed", "a" * 64, "b" * 64, "c" * 64, 5, 6,
    "refs/heads/main", "d" * 40, "subject", None, 1, 2, 3, 4, 5, 6, 7, 8, 9, "jellyformat 1", "program", (b"x",),
    {"a": "1"}, "note", None, {"python": "3"}, False,
)  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
NAME = st.binary(min_size=1, max_size=20).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)
COUNT = st.integers(0, 2**64 - 1)
STAMPS = st.builds(Stamp, COUNT, *[st.none() | st.integers(0, 2**62)] * 3, st.none() | TEXT)
EDITS = st.builds(
    Edit,
    st.sampled_from("ADMT"),
    st.binary(max_size=30),
    st.none() | COUNT,
    st.none() | COUNT,
    st.none() | TEXT,
    st.lists(TEXT, max_size=2).map(tuple),
)
ROWS = st.builds(
    replace, st.just(ROW), file=NAME, holder=NAME, stamp=st.none() | STAMPS, holder_stamp=st.none() | STAMPS,
    ref=st.none() | NAME.map("refs/heads/{}".format), operation=st.none() | TEXT, note=st.none() | TEXT, time=COUNT,
    size=COUNT, staged=COUNT, edited=st.lists(st.binary(max_size=9), max_size=3).map(tuple),
    labels=st.dictionaries(TEXT, TEXT, max_size=3), versions=st.dictionaries(TEXT, TEXT, max_size=2),
    run=st.none() | st.builds(Run, st.binary(min_size=16, max_size=16), COUNT, st.none() | st.just(b"p" * 32)),
    damaged=st.none() | st.just(CorruptBlock("no block", requirement="JF-BLK-005")), signed=st.booleans(),
    compared=st.lists(st.tuples(st.just("e" * 64), st.lists(EDITS, max_size=3).map(tuple)), max_size=2).map(tuple),
)  # fmt: skip


def plainly(row: Row) -> Row:
    return replace(row, damaged=None if row.damaged is None else str(row.damaged.to_json()))  # type: ignore[arg-type]


@given(st.lists(ROWS, max_size=4))
@settings(max_examples=60, deadline=None)
def test_rows_come_back_as_they_were(rows: list[Row]) -> None:
    (batch,) = table.table_of(rows).combine_chunks().to_batches() or [None]
    found = [] if batch is None else table.rows_of(batch, {})
    assert list(map(plainly, found)) == list(map(plainly, rows))


def crafted(path: Path, **values: object) -> None:
    """An index with a row of which some columns are another's."""
    made = {**table.table_of([ROW]).to_pylist()[0], **values}
    write(path, pa.Table.from_pylist([made], schema=table.schema()))


def write(path: Path, content: Any, **said: str) -> None:
    with pq.ParquetWriter(path, content.schema) as writer:
        writer.write_table(content)
        marks = {"jellyformat.index": "1", "jellyformat.directory": '"/"', "jellyformat.rest": "", **said}
        writer.add_key_value_metadata(marks)


def packed(text: bytes) -> str:
    return base64.b64encode(zstandard.compress(text)).decode()


@pytest.mark.parametrize(
    "values",
    [
        {"file": ""}, {"file": None}, {"file": "a\0b"}, {"file": "x" * 100_000},
        {"snapshot_id": "a" * 63}, {"snapshot_id": None}, {"digest": "A" * 64}, {"code": "../" + "a" * 61},
        {"commit": "x" * 40}, {"labels": [("a\x1b", "b")]}, {"labels": [("a", "b"), ("a", "c")]},
        {"labels": [("a", "b" * 5000)]}, {"labels": [(str(at), "") for at in range(1001)]},
        {"host": None}, {"note": "n" * 70_000}, {"run": "ab"}, {"run": "a" * 32, "sequence": None}, {"time": None},
        {"signed": None}, {"damaged": {"class": "exec", "message": "x"}}, {"edited": [None]}, {"raw": [("note", b"x")]},
        {"raw": [("file", b"a\0b")]}, {"holder": None},
        {"compared": [{"code": "zz", "edits": []}]},
        {"compared": [{"code": "a" * 64, "edits": [{"change": "\x1b", "path": b"x"}]}]},
        {"compared": [{"code": "a" * 64, "edits": [{"change": "A", "path": None}]}]},
        {"file": "reference://x"}, {"file": "simplecache::s3://a/b"}, {"file": "zip://x::http://a/b"},
        {"file": "ssh://host/x"}, {"holder": "file:///etc/passwd"},
    ],
)  # fmt: skip
def test_odd_rows_are_refused(values: dict[str, Any], tmp_path: Path) -> None:
    crafted(tmp_path / "x.parquet")
    assert entries(tmp_path / "x.parquet")[0].file == "/a.pt"
    crafted(tmp_path / "x.parquet", **values)
    for arguments in (("log",), ("grep", "x"), ("index", str(tmp_path), "-o")):
        said = run(*arguments, str(tmp_path / "x.parquet"), code=1)
        assert not set(said) & set("\x1b\0")


def test_other_tables_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    good = table.table_of([ROW])
    for content, said in (
        (good.drop_columns(["note"]), {}),
        (good.append_column("more", pa.array([1])), {}),
        (good.set_column(0, "file", pa.array([3])), {}),
        (good, {"jellyformat.index": "2"}),
        (good, {"jellyformat.directory": "3"}),
        (good, {"jellyformat.rest": "AAAA"}),
        (good, {"jellyformat.directory": "[" * 100_000}),
        (good, {"jellyformat.rest": packed(b"[" * 100_000)}),
        (good, {"jellyformat.rest": packed(b"[" + b" " * (1 << 27) + b"]")}),
        (pa.concat_tables([good] * 9000).combine_chunks(), {}),
    ):
        write(file, content, **said)
        with pytest.raises(BadHost):
            entries(file)
    write(file, good)
    data = file.read_bytes()
    for at in range(4, len(data) - 8, 41):
        file.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        with suppress(BadHost):
            entries(file)


def test_names_of_thousands_of_digits(tmp_path: Path) -> None:
    """Python does not make a number of them."""
    names = ["9" * 5000, "1" + "0" * 5000, "a2", "a10"]
    rows = [replace(ROW, file=name, holder=name) for name in names]
    write(tmp_path / "x.parquet", table.table_of(rows[::-1]))
    assert [entry.file.removeprefix("/") for entry in entries(tmp_path / "x.parquet")] == names


@pytest.mark.sampled(3)
def test_a_few_bytes_that_stand_for_very_many_are_refused(tmp_path: Path) -> None:
    """A value of many megabytes, said once and meant of each of many rows."""
    file = tmp_path / "x.parquet"
    text = pa.array(["x" * (1 << 28)])
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 4000, pa.int32()), text)
    rows = pa.concat_tables([table.table_of([ROW])] * 4000)
    at = rows.schema.get_field_index("subject")
    content = rows.set_column(at, "subject", same)
    options = {"compression": "zstd", "dictionary_pagesize_limit": 1 << 30, "write_batch_size": 4000}
    with pq.ParquetWriter(file, content.schema, store_schema=False, **options) as writer:
        writer.write_table(content)
        writer.add_key_value_metadata({"jellyformat.index": "1", "jellyformat.directory": '"/"'})
    assert pq.read_schema(file).equals(table.schema())
    assert file.stat().st_size < 1_000_000
    code = "import sys, jellyformat, memory\nwith __import__('pytest').raises(jellyformat.JellyError):\n"
    code += "    jellyformat.log(sys.argv[1])\nprint(memory.peak())"
    done = subprocess.run(
        [sys.executable, "-c", code, file],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(Path(memory.__file__).parent)},
    )  # fmt: skip
    assert int(done.stdout) < 3_000_000  # kilobytes


def test_labels_do_not_reach_a_terminal_raw(tmp_path: Path) -> None:
    odd = "\x1b]0;title\x07\u202e"
    crafted(tmp_path / "x.parquet", labels=[("a", odd)], note=odd, subject=odd, ref=odd, branch=odd, file="a" + odd)
    for form in ("table", "plain", "json", "jsonl", "csv"):
        said = run("log", str(tmp_path / "x.parquet"), "--format", form, "--columns", "file,a,note,subject,branch")
        assert not set(said) & set("\x1b\x07\u202e"), form


def test_an_index_opens_nothing_but_files(runs: Path, tmp_path: Path) -> None:
    """What it names may be a pipe or a device."""
    os.mkfifo("pipe")
    for name in (str(tmp_path / "pipe"), "/dev/zero", "/dev/full", str(tmp_path), "/proc/self/mem"):
        crafted(tmp_path / "x.parquet", file=name)
        done = subprocess.run(
            [sys.executable, "-m", "jellyformat", "grep", "x", str(tmp_path / "x.parquet")],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert (done.returncode, done.stdout) in ((3, ""), (5, ""))
        assert "Traceback" not in done.stderr

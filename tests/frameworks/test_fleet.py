"""Many checkpoints in a bucket, and looked at by a Ray cluster; what is asked of the store is counted."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import plain
import pytest
from click.testing import CliRunner
from gitrepo import git
from test_ray import cluster  # noqa: F401
from test_remote import bucket  # noqa: F401

import jellyformat
from jellyformat import viewing
from jellyformat.capture.labels import labelled
from jellyformat.cli.main import cli
from jellyformat.errors import BadHost, SystemFailure
from jellyformat.gathering import named_in
from jellyformat.hosts.registry import Listed
from jellyformat.hosts.remote import listed
from jellyformat.indexing import index_paths

pytestmark = pytest.mark.usefixtures("bucket")  # first, so that the workers of a cluster know the store
BEYOND = 64 * 1024


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of two runs and three codes, some of two megabytes, one with its snapshot beside it; another file."""
    top = tmp_path_factory.mktemp("made")
    code = top / "code"
    code.mkdir()
    git(code, "init", "-q")
    runs = top / "runs"
    for number in range(12):
        if number % 4 == 0:
            (code / "train.py").write_text(f"lr = {number}\n")
            (code / "data").write_bytes(os.urandom(100_000))
            snap = jellyformat.snapshot(code, secrets="allow")
        file = runs / f"run-{number // 6}" / f"epoch-{number % 6}.{('pkl', 'npy', 'safetensors')[number % 3]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file, 500_000 if number % 2 else 100)
        jellyformat.embed(file, snap, labels={"epoch": number % 6}, sidecar=number == 3)
    save(runs / "run-0" / "optimizer.npy", 500_000)
    (runs / "notes.txt").write_text("nothing in it\n")
    return top


def save(file: Path, count: int) -> None:
    values = [float(number % 1000) / 7 for number in range(count)]
    if file.suffix == ".npy":
        file.write_bytes(plain.npy(values))
    elif file.suffix == ".safetensors":
        plain.save_safetensors(file, {"w": values})
    else:
        file.write_bytes(pickle.dumps(values))


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Path("runs")


@pytest.fixture
def stored(runs: Path, bucket: list[tuple[str, int]]) -> Iterator[str]:  # noqa: F811
    """The same in a bucket; `bucket` gets what is asked of it from then on."""
    import fsspec

    filesystem = fsspec.filesystem("s3")
    filesystem.put(str(runs), "checkpoints/runs", recursive=True)
    filesystem.invalidate_cache()
    bucket.clear()
    yield "s3://checkpoints/runs"
    filesystem.rm("checkpoints/runs", recursive=True)


def told(entry: jellyformat.LogEntry, top: str) -> tuple[object, ...]:
    """What is said of a checkpoint, wherever it lies."""
    since = None if entry.since is None else entry.since.removeprefix(top).lstrip("/")
    return entry.file.removeprefix(top).lstrip("/"), entry.digest, entry.labels, since, entry.edits, entry.changes


def said(top: str, *paths: str) -> list[tuple[object, ...]]:
    return [told(entry, top) for entry in jellyformat.log(*(paths or (top,)))]


# -- buckets ----------------------------------------------------------------------------------------------------------


def test_log_of_a_bucket(runs: Path, stored: str, bucket: list[tuple[str, int]]) -> None:  # noqa: F811
    """As of the same on a disk; each file by three requests, and not much more than its container."""
    expected = said("runs")
    assert len(expected) == 12
    found = said(stored)
    check_asked(stored, bucket)
    assert found == expected
    assert said(f"{stored}/") == expected
    done = CliRunner().invoke(cli, ("log", stored))
    assert "12 checkpoints; 2 files without a snapshot" in done.output
    assert CliRunner().invoke(cli, ("log", "s3://checkpoints/nothing"), standalone_mode=False).exception.exit_code == 3  # type: ignore[union-attr]


def check_asked(url: str, asked: list[tuple[str, int]]) -> None:
    """At most three requests a file and one for a list, and 64 KiB beyond the containers a file."""
    files = [file for file in Path("runs").rglob("*") if file.is_file()]
    containers = sum(jellyformat.show(file).container_bytes * 4 // 3 + 4 for file in files if carries(file))
    assert len(asked) <= 3 * len(files) + 2, asked
    assert sum(size for method, size in asked if method == "GET") <= containers + BEYOND * len(files)
    assert all(method in ("GET", "HEAD") for method, _ in asked)


def carries(file: Path) -> bool:
    try:
        jellyformat.show(file)
    except jellyformat.JellyError:
        return False
    return True


def test_index_of_a_bucket(runs: Path, stored: str, bucket: list[tuple[str, int]]) -> None:  # noqa: F811
    expected = said("runs")
    made = index_paths([stored], "all.parquet", processes=2)
    check_asked(stored, bucket)
    assert (made.checkpoints, made.without, made.unreadable) == (12, 2, ())
    bucket.clear()
    assert said(stored, "all.parquet") == expected
    assert bucket == []  # nothing is asked
    again = index_paths([stored], "all.parquet")
    assert (again.checkpoints, again.read) == (12, 1)  # a sidecar, whose host may be gone
    assert len(bucket) <= 5, bucket

    import fsspec

    jellyformat.label("runs/run-0/epoch-1.npy", {"epoch": 77})
    fsspec.filesystem("s3").put_file("runs/run-0/epoch-1.npy", "checkpoints/runs/run-0/epoch-1.npy")
    assert index_paths([stored], "all.parquet").read == 2
    assert said(stored, "all.parquet") == said("runs")
    with pytest.raises(jellyformat.JellyError, match="has no checkpoint"):
        named_in("all.parquet", "s3://checkpoints/none")


def test_grep_and_diff_of_a_bucket(runs: Path, stored: str) -> None:
    index_paths([stored], "all.parquet")
    for path in (stored, "all.parquet"):
        (match,) = jellyformat.grep("lr = 4", path)
        assert len(match.files) == 4
    done = CliRunner().invoke(
        cli, ("diff", "all.parquet", f"{stored}/run-0/epoch-0.pkl", f"{stored}/run-1/epoch-5.safetensors")
    )
    assert "-lr = 0" in done.output, done.exception


def test_an_index_in_a_bucket(runs: Path, stored: str, bucket: list[tuple[str, int]]) -> None:  # noqa: F811
    """It is read as one on a disk: its end, and all of it once. Names that files only begin with are none."""
    import fsspec

    index_paths([stored], "all.parquet")
    filesystem = fsspec.filesystem("s3")
    filesystem.put_file("all.parquet", "checkpoints/all.parquet")
    filesystem.put(str(runs), "checkpoints/named.parquet", recursive=True)
    filesystem.invalidate_cache()
    bucket.clear()
    place = "s3://checkpoints/all.parquet"
    assert said(stored, place) == said(stored, "all.parquet")
    asked = [size for method, size in bucket if method == "GET"]
    assert len(bucket) <= 4, bucket
    assert sum(asked) <= 2 * Path("all.parquet").stat().st_size
    assert jellyformat.grep("lr = 4", place) == jellyformat.grep("lr = 4", "all.parquet")
    pair = (f"{stored}/run-0/epoch-0.pkl", f"{stored}/run-1/epoch-5.safetensors")
    done = CliRunner().invoke(cli, ("diff", place, *pair))
    assert "-lr = 0" in done.output, done.exception
    assert [viewing.is_one([path]) for path in (pair[0], place, stored, f"{stored}/")] == [True, False, False, False]
    shown = json.loads(viewing.view_many([stored]).listing())
    assert [row["digest"] for row in shown["rows"]] == [entry[1] for entry in said(stored)]
    assert len(said("s3://checkpoints/named.parquet")) == 12
    assert "is an index itself" in str(CliRunner().invoke(cli, ("index", place, "-o", "x.parquet")).exception)
    assert "is a URL" in str(CliRunner().invoke(cli, ("index", "runs", "-o", place)).exception)
    for number in range(3):
        filesystem.pipe_file("checkpoints/cut.parquet", Path("all.parquet").read_bytes()[number + 1 :])
        filesystem.invalidate_cache()
        with pytest.raises(BadHost):
            jellyformat.log("s3://checkpoints/cut.parquet")
    filesystem.rm(["checkpoints/all.parquet", "checkpoints/cut.parquet"])
    filesystem.rm("checkpoints/named.parquet", recursive=True)


def test_a_store_that_fails_is_asked_again(runs: Path, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that fails loses nothing; what fails each time is told."""
    from jellyformat.fleet import looking
    from jellyformat.hosts.remote import RemoteSource

    monkeypatch.setattr(looking, "_WAIT", 0.01)
    fetch, failed = RemoteSource._fetch, set()

    def failing(self: RemoteSource, start: int, end: int) -> None:
        if self._path not in failed or "epoch-2" in self._path:
            failed.add(self._path)
            raise SystemFailure("the store is busy")
        fetch(self, start, end)

    monkeypatch.setattr(RemoteSource, "_fetch", failing)
    made = index_paths([stored], "all.parquet")
    assert (made.checkpoints, len(made.unreadable)) == (10, 2)
    assert {str(error) for _, error in made.unreadable} == {"the store is busy"}


def test_what_a_listing_says(stored: str) -> None:
    found = {file.url.removeprefix(f"{stored}/"): file for file in listed(stored)}
    assert len(found) == 15
    beside = found["run-0/epoch-3.pkl"].beside
    assert [file.url for file in beside] == [f"{stored}/run-0/jelly.epoch-3.pkl.jelly"]
    assert all(isinstance(file, Listed) and file.etag and file.size for file in found.values())


# -- Ray --------------------------------------------------------------------------------------------------------------


def ray_index(variables: dict[str, str], *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "jellyformat", "index", *arguments, "--ray", "auto"],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_on_a_cluster(runs: Path, cluster: dict[str, str]) -> None:  # noqa: F811
    """Two workers, which are at work elsewhere; a file that is damaged is told."""
    data = bytearray(Path("runs/run-1/epoch-1.npy").read_bytes())
    data[data.index(b"\x89JELLY") + 90] ^= 1
    Path("runs/run-1/epoch-1.npy").write_bytes(data)
    told_of = ray_index(cluster, "runs", "-o", "all.parquet", code=1)
    assert "epoch-1.npy: the digest does not match" in told_of
    assert "11 checkpoints (15 files read" in told_of
    assert said("runs", "all.parquet") == [entry for entry in said("runs") if entry[1] is not None]
    index_paths([runs], "here.parquet")
    assert said("runs", "all.parquet") == said("runs", "here.parquet")


@pytest.mark.slow
def test_a_bucket_on_a_cluster(runs: Path, stored: str, cluster: dict[str, str]) -> None:  # noqa: F811
    assert "12 checkpoints" in ray_index(cluster, stored, "-o", "all.parquet")
    assert said(stored, "all.parquet") == said("runs")


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(runs: Path, cluster: dict[str, str]) -> None:  # noqa: F811
    """Workers of the cluster are killed while they look."""
    for number in range(40):
        shutil.copytree("runs/run-1", f"runs/more-{number}")
    process = subprocess.Popen(
        [sys.executable, "-m", "jellyformat", "index", "runs", "-o", "all.parquet", "--ray", "auto"],
        env={**os.environ, **cluster}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    killed: set[int] = set()
    while process.poll() is None and len(killed) < 2:
        for pid in ray_workers(cluster["RAY_TMPDIR"]):
            if pid not in killed and len(killed) < 2:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
        time.sleep(0.05)
    out, _ = process.communicate(timeout=900)
    assert process.returncode == 0, out
    assert len(killed) == 2
    assert f"{12 + 40 * 6} checkpoints" in out


def ray_workers(place: str) -> list[int]:
    """The processes in which Ray runs tasks of a map, of the cluster that keeps its files there."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                name = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                if b"ray::" in name and b"Map" in name and place.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
    return found


# -- ten thousand -----------------------------------------------------------------------------------------------------


def many(top: Path, count: int) -> None:
    """Small checkpoints, a hundred in a run; every fiftieth has other code."""
    import jellyformat_trailer

    from jellyformat.training.saving import embedded

    code = top / "code"
    code.mkdir(parents=True)
    git(code, "init", "-q")
    data: Any = pickle.dumps({"w": [0.5] * 200})
    for number in range(count):
        if number % 50 == 0:
            (code / "config.py").write_text(f"lr = {number}\n")
            snap = jellyformat.snapshot(code, environment=False)
        file = top / "runs" / f"run-{number // 100}" / f"epoch-{number % 100}.pkl"
        file.parent.mkdir(parents=True, exist_ok=True)
        marked = jellyformat.Snapshot(labelled(snap.data, {"epoch": number % 100, "lr": number // 50}))
        file.write_bytes(embedded(data, jellyformat_trailer.ADAPTER, marked, strict=True))


@pytest.mark.slow
def test_many_small_ones_in_a_bucket(
    tmp_path: Path,
    bucket: list[tuple[str, int]],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One request each, where a file is small, and one for the list; no code is read twice."""
    import fsspec

    monkeypatch.chdir(tmp_path)
    many(tmp_path, 300)
    fsspec.filesystem("s3").put("runs", "checkpoints/many", recursive=True)
    fsspec.filesystem("s3").invalidate_cache()
    bucket.clear()
    made = index_paths(["s3://checkpoints/many"], "all.parquet", processes=2)
    assert made.checkpoints == 300
    assert len(bucket) <= 3 + 300, len(bucket)
    assert sum(size for _, size in bucket) < 300 * BEYOND
    assert len(jellyformat.log("all.parquet", where="epoch=7")) == 3

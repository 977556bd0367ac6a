"""How long ten thousand checkpoints take: on a disk, in a store (a local one, moto), by Ray; and what is asked of it.

    python tests/benchmarks/bench_fleet.py [--count 10000] [--data DIR] [--store] [--ray]

Seconds are said as they pass, and as the processors were at work for it: on a busy machine these tell more. The work of
the store and of a cluster is said apart.
"""

from __future__ import annotations

import argparse
import logging
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import jellyformat
from jellyformat.capture.labels import labelled

sys.path.append(str(Path(__file__).parents[1] / "frameworks"))
PER_RUN, PER_CODE = 100, 50
BUCKET = "s3://checkpoints/runs"


def make(top: Path, count: int) -> None:
    """Small checkpoints, a hundred in a run; every fiftieth has other code."""
    import jellyformat_trailer

    from jellyformat.training.saving import embedded

    code = top / "code"
    code.mkdir(parents=True)
    for command in (["init", "-q"], ["config", "user.name", "a"], ["config", "user.email", "a@b"]):
        subprocess.run(["git", *command], cwd=code, check=True)
    (code / "train.py").write_text("".join(f"line {number}\n" for number in range(300)))
    content: Any = pickle.dumps({"w": [0.5] * 200})
    for number in range(count):
        if number % PER_CODE == 0:
            (code / "config.py").write_text(f"lr = {number}\n")
            snap = jellyformat.snapshot(code)
        file = top / "runs" / f"run-{number // PER_RUN}" / f"epoch-{number % PER_RUN}.pkl"
        file.parent.mkdir(parents=True, exist_ok=True)
        labels = {"epoch": number % PER_RUN, "val_loss": 1 / (number + 1), "lr": number // PER_CODE}
        marked = jellyformat.Snapshot(labelled(snap.data, labels))
        file.write_bytes(embedded(content, jellyformat_trailer.ADAPTER, marked, strict=True))


class Cluster:
    """A Ray cluster.

    Args:
        variables: By which it is found.
        head: The process whose children its workers are.
    """

    def __init__(self, variables: dict[str, str], head: int) -> None:
        self.variables = variables
        self._head = import_module("psutil").Process(head)
        self._seen: dict[Any, float] = {}
        threading.Thread(target=self._watch, daemon=True).start()

    def worked(self) -> float:
        """Seconds that the processors have worked for it; for workers that ended, too, but for their last moments."""
        self._look()
        return sum(self._seen.values())

    def _look(self) -> None:
        for process in (self._head, *self._head.children(recursive=True)):
            with suppress(Exception):  # it has ended meanwhile
                times = process.cpu_times()
                self._seen[process] = times.user + times.system

    def _watch(self) -> None:
        with suppress(Exception):  # the head has ended
            while True:
                self._look()
                time.sleep(0.3)


def timed(what: str, *arguments: str, cluster: Cluster | None = None) -> None:
    """Run a command and say how long it took."""
    before, start, here = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), time.process_time()
    by_cluster = 0.0 if cluster is None else cluster.worked()
    command = [sys.executable, "-m", "jellyformat", *arguments, *(["--ray", "auto"] if cluster else [])]
    variables = os.environ if cluster is None else {**os.environ, **cluster.variables}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    passed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    store = time.process_time() - here
    said = (done.stdout + done.stderr).splitlines()
    apart = "" if cluster is None else f", the cluster's {cluster.worked() - by_cluster:.1f} s"
    apart += f", the store's {store:.1f} s" if store > 1 else ""
    words = f"{what}: {passed:.1f} s, processors {busy:.1f} s{apart}: {len(said)} lines, {said[-1] if said else ''}"
    print(words, flush=True)


@contextmanager
def store(files: Path) -> Iterator[Callable[[], tuple[int, int]]]:
    """A local S3 server that holds the files as s3://checkpoints/runs; requests and bytes since it was asked last."""
    server: Any = import_module("moto.server")
    sent: list[int] = []
    application = server.DomainDispatcherApplication
    answer = application.__call__

    def counting(self: object, environment: dict[str, str], start: Callable[..., object]) -> object:
        def begin(status: str, headers: list[tuple[str, str]], *more: object) -> object:
            sent.append(int(dict(headers).get("Content-Length", "0")))
            return start(status, headers, *more)

        return answer(self, environment, begin)

    application.__call__ = counting
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://{host}:{port}",
        AWS_ACCESS_KEY_ID="testing",
        AWS_SECRET_ACCESS_KEY="testing",
        AWS_DEFAULT_REGION="us-east-1",
    )
    backend = import_module("moto.s3.models").s3_backends["123456789012"]["aws"]  # by requests it takes minutes
    backend.create_bucket("checkpoints", "us-east-1")
    for file in sorted(files.rglob("*.pkl")):
        backend.put_object("checkpoints", f"runs/{file.relative_to(files)}", file.read_bytes())

    def asked() -> tuple[int, int]:
        counts = len(sent), sum(sent)
        sent.clear()
        return counts

    asked()
    yield asked
    running.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--data", type=Path, help="Where the checkpoints are, or are to be made.")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        top = options.data or Path(temporary)
        if not (top / "runs").is_dir():
            make(top, options.count)
        os.chdir(temporary)
        runs = str((top / "runs").resolve())
        print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        timed("index, the first time", "index", runs, "-o", "disk.parquet")
        timed("index, nothing has changed", "index", runs, "-o", "disk.parquet")
        timed("log of the index", "log", "disk.parquet", "-q")
        timed("log of the files", "log", runs, "-q")
        print(f"bytes of the index: {os.stat('disk.parquet').st_size}")
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        with ExitStack() as stack:
            asked = stack.enter_context(store(Path(runs))) if options.store else None
            cluster = None
            if options.ray:  # after the store: so that its workers know of that
                from raycluster import on_this_machine

                cluster = Cluster(*stack.enter_context(on_this_machine(top)))
                timed("index by Ray", "index", runs, "-o", "ray.parquet", cluster=cluster)
            if asked is not None:
                for what in ("index of the store", "index of the store, nothing has changed"):
                    timed(what, "index", BUCKET, "-o", "store.parquet")
                    print("asked of the store: {} requests, {} bytes".format(*asked()))
            if asked is not None and cluster is not None:
                timed("index of the store by Ray", "index", BUCKET, "-o", "r.parquet", cluster=cluster)
                print("asked of the store: {} requests, {} bytes".format(*asked()))


if __name__ == "__main__":
    main()

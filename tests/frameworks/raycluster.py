"""A Ray cluster of this machine alone, with two workers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

RAY = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_DEDUP_LOGS": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
}


@contextmanager
def on_this_machine(home: Path) -> Iterator[tuple[dict[str, str], int]]:
    """The variables that it is found by, and the process whose children its workers are.

    Args:
        home: Its home directory: nothing is written into the user's own.
    """
    short = tempfile.mkdtemp(prefix="ray")  # the names of its sockets may not be long
    variables = {**os.environ, "HOME": str(home), "RAY_TMPDIR": short, **RAY}
    port, other = free_ports(2)
    options = ["--node-ip-address=127.0.0.1", f"--port={port}", f"--runtime-env-agent-port={other}"]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--num-cpus=2", "--block", *options]
    head = subprocess.Popen(
        [*ray, "--include-dashboard=false"],
        env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    started = threading.Event()
    threading.Thread(target=stand_in, args=(Path(short), started), daemon=True).start()
    try:
        assert head.stdout is not None
        said: list[str] = []
        while not said or "Ray runtime started" not in said[-1]:
            said.append(head.stdout.readline())
            assert said[-1], "".join(said)
        started.set()
        threading.Thread(target=head.stdout.read, daemon=True).start()
        yield {**variables, "RAY_ADDRESS": f"127.0.0.1:{port}"}, head.pid  # there may be others on this machine
    finally:
        started.set()
        head.terminate()
        try:
            head.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
        shutil.rmtree(short, ignore_errors=True)


def stand_in(place: Path, started: threading.Event) -> None:
    """Tell Ray that its agent has no ports yet: on a busy machine, that comes after the 15 seconds that it has."""
    while not started.wait(0.1):
        for log in place.glob("ray/session_2*/logs/raylet.out"):
            found = re.search(r"node_id=([0-9a-f]{56})", log.read_text(errors="replace"))
            for name in ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port"):
                if found is not None and not (file := log.parents[1] / f"{name}_{found[1]}").exists():
                    file.write_text("-1")


def free_ports(count: int) -> list[int]:
    with ExitStack() as opened:
        found = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in found]

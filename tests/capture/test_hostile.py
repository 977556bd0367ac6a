"""Each file of a repository as a FIFO, a device, a link out, a file without end …, and every command that reads one.

One run takes a share of them, and every commit takes another; JELLYFORMAT_FULL=1 takes all.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import hostile
import pytest
from gitrepo import git
from hostile import Situation
from owners import ALICE, BOB, give
from sample import FULL, share

import jellyformat

pytestmark = pytest.mark.slow

Case = dict[str, str]
SHARES = 10


def cases(situation: Situation) -> list[Case]:
    """What is tried."""
    own = situation.user == situation.owner
    found = []
    for file in hostile.FILES:
        for kind in hostile.KINDS if own else hostile.CHANGING:
            found.append(case("main", file, kind, "snapshot"))
        for name in hostile.COMMANDS[1:]:
            more = situation.acts and name in ("restore", "undo")
            for kind in ("fifo", "sparse", "link to zero", "link out") if more else ("fifo",):
                found.append(case("main", file, kind, name))
    if own:
        found += [case("linked", file, kind, "snapshot") for file in hostile.LINKED for kind in hostile.KINDS]
    reading = ("snapshot", "embed", "diff")
    nothing = [case("main", "-", "nothing", name) for name in hostile.COMMANDS if situation.acts or name in reading]
    random.Random(0).shuffle(found)  # in their order, some kinds would always be of one share
    always = [case("main", ".git/HEAD", kind, "snapshot") for kind in ("fifo", "sparse")]
    return [*nothing, *always, *(item for item in share(found, SHARES) if item not in always)]


def case(files: str, file: str, kind: str, command: str) -> Case:
    return {"files": files, "file": file, "kind": kind, "command": command}


SITUATIONS = {
    "one's own": Situation(os.geteuid(), os.geteuid()),
    "an ordinary user's own": Situation(BOB, BOB),
    "a container's root on a mounted one": Situation(0, ALICE),
    "a container's root on a mounted one that is named safe": Situation(0, ALICE, said=True),
    "a container without root": Situation(0, ALICE, container=True),
}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory, where there is one: what is written waits for no disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
    path = Path(tempfile.mkdtemp(prefix="jelly-", dir=memory))
    path.chmod(0o755)
    yield path
    hostile.reopen(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", SITUATIONS)
def test_nothing_waits_nothing_leaks_and_all_is_said(place: Path, name: str) -> None:
    """Each command ends soon, with what git would see or with an error for people, and nothing outside is touched."""
    situation = SITUATIONS[name]
    if os.geteuid() and (situation.user != os.geteuid() or situation.user != situation.owner):
        pytest.skip("only root can be somebody else")
    hostile.build(place, git)
    (place / "model.bin").write_bytes(b"\x80\x04K\x01.")
    (place / "linked" / "more.py").write_text("more = 1\n")
    (place / "other.jelly").write_bytes(jellyformat.snapshot(place / "linked").data)
    if os.geteuid() == 0:
        for path in (place / "project", place / "linked"):
            give(path, situation.owner)
        for path in (place, place / "outside"):
            os.chown(path, situation.user, situation.user)
    tried = cases(situation)
    program = [sys.executable, "-W", "ignore", hostile.__file__, str(place), json.dumps(asdict(situation))]
    safe = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    variables = {**os.environ, **(safe if situation.said else {})}
    given = json.dumps(tried)
    done = subprocess.run(program, input=given, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(tried)
    if results[0]["outcome"] == "no namespaces":
        pytest.skip("this system has no user namespaces")
    bad = [result for result in results if not result["outcome"].startswith(("done", "refused", "not here"))]
    assert bad == []
    assert [result for result in results if result["late"]] == []
    assert {result["outcome"] for result in results if result["kind"] == "nothing"} == {"done"}
    refused = Counter(result["kind"] for result in results if result["outcome"].startswith("refused"))
    least = 10 if FULL else 0  # a share has few of a kind, beside those that are always tried
    assert refused["fifo"] > least, "nothing was put there"
    assert refused["sparse"] > least

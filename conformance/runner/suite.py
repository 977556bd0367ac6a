"""The vectors, which of them apply to a program, and a run over them."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.runner.judge import Case
from conformance.runner.place import Place
from conformance.runner.program import UNSUPPORTED, Answer, Batch, Program

PROTOCOL = 2
SAMPLES = 3
"""How many vectors are tried of each feature that the program does not declare."""
SINGLE_EVERY = 25
"""In batch mode, one vector in so many is tried with a single call too."""


@dataclass(frozen=True)
class Vector:
    """A vector as its JSON file says."""

    name: str
    requirements: tuple[str, ...]
    command: str
    needs: frozenset[str]
    files: dict[str, Path]
    options: dict[str, str]
    expect: dict[str, Any]
    why: str
    place: Place | None = None

    @property
    def profile(self) -> str:
        """The one profile that it belongs to."""
        host = next((need for need in sorted(self.needs) if need.startswith("host:") and need != "host:jelly"), None)
        if host is not None and "role:restore" not in self.needs:
            kind = "bind" if "role:bind" in self.needs else "embed" if "role:embed" in self.needs else "host"
            return host.replace("host", kind, 1)
        return next(role for role in ("restore", "write", "verify", "read") if f"role:{role}" in self.needs)


def load(directory: Path) -> list[Vector]:
    """All vectors below a directory."""
    found = []
    for path in sorted(directory.rglob("*.json")):
        entry = json.loads(path.read_bytes())
        files = {argument: path.parent / name for argument, name in entry["files"].items()}
        there = entry.get("place")
        place = there and Place(there["in"], {name: path.parent / file for name, file in there["files"].items()})
        found.append(
            Vector(
                entry["name"],
                tuple(entry["requirements"]),
                entry["command"],
                frozenset(entry["needs"]),
                files,
                entry.get("options", {}),
                entry["expect"],
                entry["why"],
                place,
            )
        )
    return found


@dataclass(frozen=True)
class Result:
    """How one vector went: ``passed``, ``failed``, or ``undeclared`` and not run."""

    vector: Vector
    outcome: str
    message: str = ""
    note: str = ""
    seconds: float = 0.0


@dataclass
class Outcome:
    """A whole run."""

    program: tuple[str, ...]
    capabilities: dict[str, Any] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    results: list[Result] = field(default_factory=list)
    samples: list[Result] = field(default_factory=list)
    total: dict[str, int] = field(default_factory=dict)
    complete: bool = True
    """Whether all vectors were chosen."""
    fault: str = ""
    """Why nothing could be run."""

    def failures(self) -> list[Result]:
        """What failed, samples of undeclared features too."""
        broken = [Result(_NOTHING, "failed", self.fault)] if self.fault else []
        return broken + [result for result in self.results + self.samples if result.outcome == "failed"]

    def passed(self, profile: str) -> int:
        """How many vectors of a profile passed."""
        return sum(result.outcome == "passed" and result.vector.profile == profile for result in self.results)

    def conforming(self) -> list[str]:
        """The profiles of which everything ran and passed."""
        if self.fault or any(sample.outcome == "failed" for sample in self.samples):
            return []
        return [profile for profile, total in sorted(self.total.items()) if total and self.passed(profile) == total]


_NOTHING = Vector("capabilities", (), "capabilities", frozenset({"role:read"}), {}, {}, {}, "")


def features_of(capabilities: dict[str, Any]) -> frozenset[str]:
    """What a program declares, as vectors need it."""
    found = {f"role:{role}" for role in capabilities.get("roles", [])}
    found |= {f"host:{host}" for host in capabilities.get("hosts", [])}
    found.add(f"profile:{capabilities.get('profile', 'full')}")
    return frozenset(found | {f"oid:{name}" for name in capabilities.get("object_formats", ["sha1", "sha256"])})


def _ask_capabilities(program: Program) -> Answer:
    answer = program.ask(["capabilities"])
    if answer.status is None:
        return answer
    if answer.status != 0 or answer.output.get("protocol") != PROTOCOL:
        return Answer(None, None, f"capabilities do not say protocol {PROTOCOL}")
    said = answer.output
    for key, known in _KNOWN.items():
        value = said.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return Answer(None, None, f"{key} in capabilities is no array of str")
        if known and not set(value) <= known:
            return Answer(None, None, f"{key} in capabilities has {', '.join(sorted(set(value) - known))}")
    for role, needed in (("verify", "read"), ("bind", "verify")):
        if role in said.get("roles", []) and needed not in said["roles"]:
            return Answer(None, None, f"capabilities have the role {role} without the role {needed}")
    return answer


_KNOWN = {
    "roles": frozenset({"read", "verify", "write", "embed", "restore", "bind"}),
    "hosts": frozenset(),
    "object_formats": frozenset({"sha1", "sha256"}),
}
"""What capabilities may say; of hosts there may be more than this suite knows."""


def _samples(vectors: Iterable[Vector], features: frozenset[str]) -> list[Vector]:
    """Vectors that need exactly one feature that is not declared, and whose answer therefore has to be 2.

    A verifier cannot be asked for by command, nor a host where no host is named, so these are not sampled.
    """
    taken: dict[str, int] = {}
    chosen = []
    for vector in vectors:
        lacking = vector.needs - features
        if len(lacking) != 1 or "error" in vector.expect:
            continue
        feature = next(iter(lacking))
        if feature == "role:verify" or (feature.startswith(("host:", "role:bind")) and "host" not in vector.options):
            continue
        if taken.get(feature, 0) < SAMPLES:
            taken[feature] = taken.get(feature, 0) + 1
            chosen.append(vector)
    return chosen


def run(
    program: Program,
    vectors: list[Vector],
    chosen: list[Vector],
    *,
    jobs: int = 2,
    batch: bool = False,
    fail_fast: bool = False,
    referee: Program | None = None,
    single_every: int = SINGLE_EVERY,
) -> Outcome:
    """Run vectors against a program.

    Args:
        program: The program.
        vectors: All vectors; they say how many a profile has.
        chosen: Those to run.
        jobs: How many run at once.
        batch: Whether to use batch mode, which the program has to declare.
        fail_fast: Whether to stop at the first failure.
        referee: Another program, which decodes too what this one writes.
        single_every: In batch mode, one vector in so many is tried with a single call too; 0 for none.
    """
    outcome = Outcome(program.command, complete=len(chosen) == len(vectors))
    for vector in vectors:
        outcome.total[vector.profile] = outcome.total.get(vector.profile, 0) + 1
    answer = _ask_capabilities(program)
    if answer.status is None:
        outcome.fault = answer.fault
        return outcome
    outcome.capabilities = answer.output
    outcome.features = features = features_of(answer.output)
    reads = "role:read" in features
    kept = threading.local()
    workers: list[Batch] = []
    stop = threading.Event()

    def asker() -> Program | Batch:
        if not (batch and answer.output.get("batch")):
            return program
        if not hasattr(kept, "worker"):
            kept.worker = Batch(program)
            workers.append(kept.worker)
        worker: Batch = kept.worker
        return worker

    def one(item: tuple[int, Vector, bool]) -> Result:
        number, vector, sampled = item
        if not sampled and not vector.needs <= features:
            return Result(vector, "undeclared", "needs " + ", ".join(sorted(vector.needs - features)))
        if stop.is_set():
            return Result(vector, "undeclared", "not run after a failure")
        begin = time.monotonic()
        ask = asker()
        message, note = _try(ask, vector, sampled, referee, reads)
        again = single_every and number % single_every == 0 and not sampled
        if not message and isinstance(ask, Batch) and again:
            message, note = _try(program, vector, sampled, referee, reads)
        if message and fail_fast:
            stop.set()
        return Result(vector, "failed" if message else "passed", message, note, time.monotonic() - begin)

    items = [(number, vector, False) for number, vector in enumerate(chosen)]
    extra = [(number, vector, True) for number, vector in enumerate(_samples(chosen, features))]
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        done = list(pool.map(one, items + extra))
    outcome.results, outcome.samples = done[: len(items)], done[len(items) :]
    for worker in workers:
        worker.close()
    return outcome


def _try(ask: Program | Batch, vector: Vector, sampled: bool, referee: Program | None, reads: bool) -> tuple[str, str]:
    """What is wrong with the answer to a vector, and what is to be noted."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        case = Case(
            vector.command,
            vector.files,
            vector.options,
            vector.expect,
            Path(directory),
            vector.requirements,
            vector.place,
        )
        answer = ask.ask(case.arguments())
        if sampled:
            if answer.status == UNSUPPORTED:
                return "", ""
            said = answer.fault if answer.status is None else f"status {answer.status}"
            return f"a feature that is not declared has to be answered with 2, not {said}", ""
        problems, note = case.judge(answer, ask, referee, reads=reads)
        return "; ".join(problems), note

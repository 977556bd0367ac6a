"""Two programs asked about the same files, and whether they say the same."""

from __future__ import annotations

import json
import queue
from dataclasses import dataclass
from typing import Any

from conformance.runner.judge import same
from conformance.runner.program import OK, Answer, Worker, checked, crash

STEPS = ("header", "digest", "frame", "msgpack", "requires", "kind", "keys", "blocks", "verifier")
"""The steps of reading (SPEC section 1.3). Of the faults within one, a reader may report any."""
_OF_AREA = {"HDR": "header", "ZST": "frame blocks", "MSG": "msgpack blocks", "REC": "blocks"}
_KEYS = """
MAN-001 MAN-002 MAN-003 HDR-009 BLK-003 BLK-004 BLK-006 BLK-008 SUM-002 STA-001 STA-002 STA-003 STA-004 WRK-005 WRK-007
SUB-003 SUB-006 ROO-001 PTH-001 PTH-002
"""
_VERIFIER = """
HIS-001 HIS-002 HIS-003 HIS-004 NED-001 IDX-001 IDX-002 IDX-003 WRK-002 WRK-003 WRK-004 WRK-006 SUB-001 SUB-002 SUB-005
ROO-002 REC-008 OBJ-001 OBJ-004 OBJ-005 OBJ-007 OBJ-008 OBJ-009 SUM-001 EXT-001 EXT-002 EXT-003 EXT-004 EXT-005 SIG-001
SIG-003 SDC-002 SDC-003 BND-002 BND-003
"""
_STEP = {
    **dict.fromkeys(_KEYS.split(), "keys"), **dict.fromkeys(_VERIFIER.split(), "verifier"), "HDR-008": "digest",
    "MAN-001": "requires keys", "MAN-002": "requires keys", "MAN-003": "requires keys", "MAN-004": "requires",
    "BLK-001": "kind", "BLK-002": "blocks", "BLK-005": "blocks", "BLK-007": "blocks", "OBJ-002": "blocks verifier",
    "OBJ-003": "blocks verifier", "OBJ-008": "blocks verifier", "PTH-001": "keys blocks",
    "PTH-002": "keys blocks verifier",
}  # fmt: skip


def steps(requirement: str | None) -> set[str]:
    """The steps of reading at which a requirement is checked; none where it is not known."""
    name = (requirement or "").removeprefix("JF-")
    return set(_STEP.get(name, _OF_AREA.get(name.partition("-")[0], "")).split())


class Pipe(Worker):
    """A `Worker` that is given many requests at a time."""

    def ask(self, requests: list[list[str]]) -> list[Answer]:
        """An answer for each."""
        answers: list[Answer] = []
        while len(answers) < len(requests):
            answers += self._some(requests[len(answers) :])
        return answers

    def _some(self, requests: list[list[str]]) -> list[Answer]:
        process = self._process or self._begin()
        lines = self._lines
        assert process.stdin is not None
        answers: list[Answer] = []
        try:
            text = "".join(json.dumps({"id": number, "args": args}) + "\n" for number, args in enumerate(requests))
            process.stdin.write(text)
            process.stdin.flush()
            for number in range(len(requests)):
                line = lines.get(timeout=self.program.timeout)
                if line is None:
                    return [*answers, self._broken("it ended")]
                found = json.loads(line)
                if found["id"] != number:
                    return [*answers, self._broken("answers out of order")]
                answers.append(checked(found["exit"], found["output"]))
        except queue.Empty:
            answers.append(self._broken(f"no answer in {self.program.timeout:g} seconds"))
        except (OSError, ValueError, KeyError) as error:
            answers.append(self._broken(repr(error)))
        return answers

    def _broken(self, fault: str) -> Answer:
        self.close()
        return crash(fault)


@dataclass(frozen=True)
class Verdict:
    """What two answers come to.

    Attributes:
        difference: What differs; empty where nothing does.
        accepted: Whether both read it.
        classes: The classes of error, one, or two of faults within one step.
    """

    difference: str = ""
    accepted: bool = False
    classes: tuple[str, ...] = ()


def judge(one: Answer, two: Answer) -> Verdict:
    """Compare what two programs said: verdict, class, and all that was read."""
    for answer in (one, two):
        if answer.status is None:
            return Verdict(f"crash: {answer.fault}")
    if one.status != two.status:
        return Verdict(f"{_said(one)} against {_said(two)}")
    if one.status == OK:
        return _read(one.output, two.output)
    errors: list[dict[str, Any]] = [answer.output.get("error", {}) for answer in (one, two)]
    classes = [str(error.get("class")) for error in errors]
    if classes[0] == classes[1]:
        return Verdict(classes=(classes[0],))
    if not steps(errors[0].get("requirement")) & steps(errors[1].get("requirement")):
        return Verdict(f"{_said(one)} against {_said(two)}")
    return Verdict(classes=(classes[0], classes[1]))


def _read(one: dict[str, Any], two: dict[str, Any]) -> Verdict:
    for key in ("digest", "snapshot_id", "host", "manifest", "files"):
        if not same(one.get(key), two.get(key)):
            return Verdict(f"{key}: {str(one.get(key))[:200]} against {str(two.get(key))[:200]}")
    return Verdict(accepted=True)


def _said(answer: Answer) -> str:
    if answer.status == OK:
        return "accepted"
    error = answer.output.get("error", {})
    return f"{error.get('class')} ({error.get('requirement')}: {str(error.get('message'))[:120]})"

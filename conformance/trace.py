"""Hold every requirement of SPEC.md against the vectors. Standard library only.

python conformance/trace.py            fail where a requirement lacks a vector and a reason
python conformance/trace.py --table    the vectors of each requirement

A requirement has a positive vector, which is to be accepted, and a negative one, which is to be rejected with one of
the classes that the requirement names. Where one of the two cannot be, reasons.json says why: ``positive``,
``negative``, or ``both``.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REQUIREMENT = re.compile(r"^- \*\*\[(JF-[A-Z0-9]+-\d{3})\]\*\* (.*?) \(((?:`[a-z.]+`)[^()]*)\)$", re.M)
MENTION = re.compile(r"^.*\*\*\[(JF-[A-Z0-9]+-\d{3})\]\*\*", re.M)
CLASS_ROW = re.compile(r"^\| `([a-z]+\.[a-z]+)` \|", re.M)
KEYWORD = re.compile(r"\bMUST(?: NOT)?\b")
ACTOR = re.compile(r"^A (writer|reader|verifier|restorer|host adapter) MUST")
SIDES = ("positive", "negative")
STEPS = re.compile(r"<!-- steps:begin.*?<!-- steps:end -->", re.S)
NAMED = re.compile(r"\b([A-Z]{3})(?:-(\d{3})(?:…(\d{3}))?)?\b")


@dataclass(frozen=True)
class Requirement:
    """One of SPEC.md: its id, its sentence, and the classes it names; none where that is ``none``."""

    id: str
    text: str
    classes: frozenset[str]


def requirements(text: str) -> tuple[list[Requirement], list[str]]:
    """All requirements of a text, and what is wrong with it."""
    found = [
        Requirement(name, sentence, frozenset(re.findall(r"`([a-z]+\.[a-z]+)`", classes)))
        for name, sentence, classes in REQUIREMENT.findall(text)
    ]
    problems = [f"SPEC.md: {name} is there twice" for name, n in Counter(item.id for item in found).items() if n > 1]
    known = {item.id for item in found}
    problems += [f"SPEC.md: {name} is not of the form of a requirement" for name in set(MENTION.findall(text)) - known]
    rows = set(CLASS_ROW.findall(text))
    for item in found:
        problems += [f"SPEC.md: {item.id} names {name}, which section 12 has not" for name in item.classes - rows]
        if not ACTOR.match(item.text):
            problems.append(f"SPEC.md: {item.id} does not begin with its actor and MUST")
    named = set().union(*(item.classes for item in found)) if found else set()
    problems += [f"SPEC.md: the class {name} is named by no requirement" for name in sorted(rows - named - _UNNAMED)]
    outside = KEYWORD.findall(re.sub(r"^MUST, MUST NOT, SHOULD.*$", "", REQUIREMENT.sub("", text), flags=re.M))
    if outside:
        problems.append(f"SPEC.md: {len(outside)} MUST outside of a requirement")
    steps = STEPS.search(text)
    if steps is not None:
        problems += _steps(steps[0], known)
    return found, problems


def _steps(table: str, known: set[str]) -> list[str]:
    """What is wrong with the table of steps: it names each requirement, alone, in a range or by its area."""
    named: set[str] = set()
    wrong = []
    for area, first, last in NAMED.findall(table):
        of_area = {name for name in known if name.startswith(f"JF-{area}-")} or {f"JF-{area}"}
        numbers = range(int(first), int(last or first) + 1) if first else ()
        wanted = {f"JF-{area}-{number:03}" for number in numbers} if first else of_area
        wrong += [f"SPEC.md: the table of steps names {name}, which is not there" for name in sorted(wanted - known)]
        named |= wanted
    return wrong + [f"SPEC.md: the table of steps does not name {name}" for name in sorted(known - named)]


_UNNAMED = {"absent.snapshot", "absent.file", "system.io"}
"""Classes of what is no fault of a container."""


def vectors(directory: Path) -> list[dict[str, Any]]:
    """The JSON of all vectors."""
    return [json.loads(path.read_bytes()) for path in sorted(directory.rglob("*.json"))]


def trace(spec: str, found: list[dict[str, Any]], reasons: dict[str, dict[str, str]]) -> tuple[list[str], list[str]]:
    """What is wrong, and the table of vectors by requirement."""
    wanted, problems = requirements(spec)
    known = {item.id: item for item in wanted}
    sides: dict[tuple[str, str], list[str]] = {(item.id, side): [] for item in wanted for side in SIDES}
    for vector in found:
        error = vector["expect"].get("error")
        for name in vector["requirements"]:
            if name not in known:
                problems.append(f"{vector['name']}: SPEC.md has no {name}")
            else:
                sides[name, "negative" if error else "positive"].append(vector["name"])
        if error:
            main = known.get(error["requirement"])
            if main and main.classes and error["class"] not in main.classes:
                problems.append(f"{vector['name']}: {error['class']} is not the class of {main.id}")
            if error["requirement"] is not None and error["requirement"] not in vector["requirements"]:
                problems.append(f"{vector['name']}: expects {error['requirement']}, which is not one of its own")
    for name, given in reasons.items():
        covered = set(SIDES) if "both" in given else set(given)
        if name not in known:
            problems.append(f"reasons.json: SPEC.md has no {name}")
        elif covered - set(SIDES) or not all(len(reason) > 20 for reason in given.values()):
            problems.append(f"reasons.json: {name} does not give a reason as it should")
        else:
            problems += [
                f"reasons.json: {name} has a {side} vector, and no reason is needed"
                for side in sorted(covered)
                if sides[name, side]
            ]
    table = []
    for item in wanted:
        given = reasons.get(item.id, {})
        counts = []
        for side in SIDES:
            reason = given.get(side) or given.get("both")
            if not sides[item.id, side] and not reason:
                problems.append(f"{item.id} lacks a {side} vector: {item.text}")
            counts.append(str(len(sides[item.id, side])) if sides[item.id, side] else "-" if reason else "0")
        table.append(f"{item.id}  positive {counts[0]:>3}  negative {counts[1]:>3}  {item.text[:90]}")
    return problems, table


def main(arguments: list[str]) -> int:
    """Trace, and say what is wrong."""
    spec = (HERE.parent / "SPEC.md").read_text(encoding="utf-8")
    reasons = json.loads((HERE / "reasons.json").read_text(encoding="utf-8"))
    found = vectors(HERE / "vectors")
    problems, table = trace(spec, found, reasons)
    if "--table" in arguments:
        print("\n".join(table))
    for problem in problems:
        print(problem)
    print(f"{len(table)} requirements, {len(found)} vectors, {len(reasons)} reasons: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

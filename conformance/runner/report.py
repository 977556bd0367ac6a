"""Reports: text, JSON, JUnit."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from conformance.runner.program import Program
from conformance.runner.suite import Outcome, Result


def referee(command: str, timeout: float) -> Program | None:
    """The program that a JSON array of words names; None for an empty text."""
    return Program(tuple(json.loads(command)), timeout) if command else None


def profile_lines(outcome: Outcome) -> list[str]:
    """A line for each profile."""
    conforming = set(outcome.conforming())
    lines = []
    for profile, total in sorted(outcome.total.items()):
        passed = outcome.passed(profile)
        ran = sum(item.outcome != "undeclared" and item.vector.profile == profile for item in outcome.results)
        failed = any(item.outcome == "failed" and item.vector.profile == profile for item in outcome.results)
        if profile in conforming:
            word = "conforming"
        elif ran == 0:
            word = "not run"
        elif not failed and ran == passed and ran < total and not outcome.complete:
            word = "run in part"
        else:
            word = "NOT conforming"
        lines.append(f"profile {profile:<18} {word:<15} {passed} of {total} passed, {ran} ran")
    return lines


def text(outcome: Outcome, *, quiet: bool = False) -> str:
    """The report for people."""
    lines = [] if quiet else [f"{item.outcome:<10} {item.vector.name}" for item in outcome.results]
    if not quiet:
        lines += [f"note       {item.vector.name}: {item.note}" for item in outcome.results if item.note]
    lines += [f"FAILED     {item.vector.name}: {item.message}" for item in outcome.failures()]
    counts = {
        word: sum(item.outcome == word for item in outcome.results) for word in ("passed", "failed", "undeclared")
    }
    lines += profile_lines(outcome)
    refused = sum(item.outcome == "passed" for item in outcome.samples)
    lines.append(
        f"{len(outcome.results)} vectors: {counts['passed']} passed, {counts['failed']} failed, "
        f"{counts['undeclared']} need what is not declared ({refused} of {len(outcome.samples)} sampled answer 2)"
    )
    return "\n".join(lines)


def _entry(item: Result) -> dict[str, object]:
    return {
        "name": item.vector.name,
        "requirements": item.vector.requirements,
        "profile": item.vector.profile,
        "outcome": item.outcome,
        "message": item.message,
        "note": item.note,
        "seconds": round(item.seconds, 3),
    }


def as_json(outcome: Outcome) -> str:
    """The report for programs."""
    return json.dumps(
        {
            "program": outcome.program,
            "capabilities": outcome.capabilities,
            "fault": outcome.fault,
            "conforming": outcome.conforming(),
            "results": [_entry(item) for item in outcome.results],
            "samples": [_entry(item) for item in outcome.samples],
        },
        indent=1,
    )


def as_junit(outcome: Outcome) -> str:
    """The report for continuous integration."""
    failures = outcome.failures()
    everything = outcome.results + outcome.samples + ([failures[0]] if outcome.fault else [])
    suite = ElementTree.Element("testsuite", name="jellyformat conformance")
    suite.set("tests", str(len(everything)))
    suite.set("failures", str(len(failures)))
    suite.set("skipped", str(sum(item.outcome == "undeclared" for item in everything)))
    for item in everything:
        case = ElementTree.SubElement(suite, "testcase", classname=item.vector.profile, name=item.vector.name)
        case.set("time", f"{item.seconds:.3f}")
        if item.outcome == "failed":
            ElementTree.SubElement(case, "failure", message=item.message)
        elif item.outcome == "undeclared":
            ElementTree.SubElement(case, "skipped", message=item.message)
    return ElementTree.tostring(suite, encoding="unicode")

"""The runner of the conformance suite: it sees whatever a program does wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).parent / "fake.py"
NAMES = ("header/good", "header/longer", "restore/small", "restore/links", "restore/unsafe-dot-dot", "zip/unlisted")


pytestmark = pytest.mark.sampled(3)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the vectors."""
    directory = tmp_path_factory.mktemp("vectors")
    for name in NAMES:
        source = ROOT / "conformance" / "vectors" / name
        target = directory / name
        target.parent.mkdir(exist_ok=True)
        for path in source.parent.glob(f"{source.name}.*"):
            shutil.copy(path, target.parent)
    return directory


def run(vectors: Path, fault: str, *options: str, program: list[str] | None = None) -> tuple[int, str, dict[str, Any]]:
    """Exit status, text and JSON report of a run."""
    report = vectors.parent / f"report-{fault}.json"
    command = program or [sys.executable, str(FAKE), str(vectors), fault]
    done = subprocess.run(
        [sys.executable, str(ROOT / "conformance" / "run.py"), "--vectors", str(vectors), "--json", str(report),
         *options, "--", *command],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, json.loads(report.read_text()) if report.exists() else {}


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["outcome"] for item in report["results"]}


@pytest.mark.parametrize("batch", [(), ("--batch",)])
def test_who_answers_rightly_conforms(vectors: Path, batch: tuple[str, ...]) -> None:
    status, text, report = run(vectors, "none", *batch, "--require", "read,restore,host:zip")
    assert status == 0, text
    assert report["conforming"] == ["host:zip", "read", "restore"]
    assert set(outcomes(report).values()) == {"passed"}


@pytest.mark.parametrize(
    ("fault", "message", "spared"),
    [
        ("status-3", "exit status 3", 0),
        ("killed", "killed by signal 9", 0),
        ("hangs", "no answer in 1 seconds", 0),
        ("not-json", "is not JSON", 0),
        ("accepts", "accepted, and is malformed.header", 2),
        ("unsupported", "answered 2", 0),
        ("other-class", "rejected as malformed.other", 4),
        ("no-class", "without an error class", 4),
        ("content", "snapshot_id is", 4),
        ("true-for-one", "manifest.history.commits is True, not 1", 5),
        ("changes-input", "the file given as --in was changed", 0),
        ("escapes", "OUTSIDE of the directory: b'escaped' is file, not nothing", 3),
        ("changes-beside", "OUTSIDE of the directory: b'beside/file' is file with other content", 3),
        ("half", "in the directory: b'out/a.py' is file, not nothing", 5),
        ("executable", "is executable, not file", 4),
        ("git", "in the directory: b'out/.git' is directory, not nothing", 4),
    ],
)
def test_a_fault_is_seen(vectors: Path, fault: str, message: str, spared: int) -> None:
    status, text, report = run(vectors, fault, "--timeout", "1" if fault == "hangs" else "30")
    assert status == 1
    assert message in text
    assert list(outcomes(report).values()).count("passed") == spared, text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("dies-in-batch", "ended with status 7 in batch mode"),
        ("wrong-id", "out of order"),
        ("killed", "ended with status -9 in batch mode"),
    ],
)
def test_a_fault_is_seen_in_batch_mode(vectors: Path, fault: str, message: str) -> None:
    status, text, _ = run(vectors, fault, "--batch", "--jobs", "1")
    assert status == 1
    assert message in text


def test_a_process_that_died_in_batch_mode_is_started_again(vectors: Path) -> None:
    _, _, report = run(vectors, "dies-in-batch", "--batch", "--jobs", "1")
    assert list(outcomes(report).values()).count("failed") == 2
    assert list(outcomes(report).values()).count("passed") == 4


@pytest.mark.parametrize(
    "fault", ["protocol-1", "role-unknown", "roles-no-array", "verify-without-read", "bind-without-verify"]
)
def test_capabilities_are_checked(vectors: Path, fault: str) -> None:
    status, text, report = run(vectors, fault)
    assert status == 1
    assert report["conforming"] == []
    assert "FAILED     capabilities" in text


def test_a_program_that_is_not_there_fails(vectors: Path) -> None:
    status, text, _ = run(vectors, "absent", program=["/nonexistent/program"])
    assert status == 1
    assert "does not start" in text


def test_what_is_not_declared_is_counted_apart_and_has_to_answer_2(vectors: Path) -> None:
    status, text, report = run(vectors, "read-only")
    assert status == 0, text
    assert outcomes(report)["restore/small"] == "undeclared"
    assert report["conforming"] == ["host:zip", "read"]
    status, text, report = run(vectors, "restore-hidden")
    assert status == 1
    assert "has to be answered with 2, not status 0" in text
    assert report["conforming"] == []


def test_a_profile_of_which_not_all_ran_does_not_conform(vectors: Path) -> None:
    status, text, report = run(vectors, "none", "--only", "restore/small", "--require", "restore")
    assert status == 1
    assert "not conforming, though required: restore" in text
    assert "run in part" in text
    assert report["conforming"] == []


def test_standard_error_and_other_requirements_are_no_fault(vectors: Path) -> None:
    assert run(vectors, "noise")[0] == 0
    status, text, _ = run(vectors, "other-requirement")
    assert status == 0
    assert "names JF-HDR-001, the vector JF-HDR-010" in text


def test_junit_has_every_vector(vectors: Path, tmp_path: Path) -> None:
    run(vectors, "other-class", "--junit", str(tmp_path / "junit.xml"))
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("6", "2")
    assert sorted(str(case.get("name")) for case in suite) == sorted(NAMES)


REFERENCE = [sys.executable, "-m", "jellyformat.conformance"]
LIAR = """
import json, sys
from pathlib import Path
from jellyformat import conformance
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
state = Path(__file__).with_suffix(".json")
if sys.argv[1] == "capabilities":
    print(json.dumps({"protocol": 2, "roles": ["read", "verify", "write"], "hosts": ["jelly"]}))
elif sys.argv[1] == "encode":
    logical = json.loads(Path(given["--in"]).read_bytes())
    state.write_text(json.dumps(logical))
    logical["manifest"]["provenance"]["tool"] = "something else"
    changed = Path(given["--out"] + ".logical")
    changed.write_text(json.dumps(logical))
    conformance.encode(changed, Path(given["--out"]))
else:
    found = conformance.decode(Path(given["--in"]))
    found["manifest"] = json.loads(state.read_text())["manifest"]
    print(json.dumps(found))
"""


def test_a_referee_sees_what_a_writer_says_otherwise_than_it_writes(tmp_path: Path) -> None:
    directory = tmp_path / "vectors"
    directory.mkdir()
    for path in (ROOT / "conformance" / "vectors" / "write").glob("small.*"):
        shutil.copy(path, directory)
    (tmp_path / "liar.py").write_text(LIAR)
    liar = [sys.executable, str(tmp_path / "liar.py")]
    assert run(directory, "liar", program=liar)[0] == 0
    status, text, _ = run(directory, "liar", "--referee", json.dumps(REFERENCE), program=liar)
    assert status == 1
    assert "manifest.provenance.tool is 'something else'" in text


PLACED = """
import json, shutil, sys
from pathlib import Path
from jellyformat import conformance
fault, args = sys.argv[1], sys.argv[2:]
given = dict(zip(args[1::2], args[2::2]))
status, output = conformance.answer(args)
if "--host" in given:
    host = Path(given["--in"])
    sidecar = host.with_name("jelly." + host.name + ".jelly")
    if fault == "removes":
        sidecar.unlink(missing_ok=True)
    elif fault == "keeps" and not sidecar.exists():
        sidecar.write_bytes(b"x")
    elif fault == "changes":
        host.write_bytes(b"x")
    elif fault == "litters":
        host.with_name("new").write_bytes(b"x")
    elif fault == "untied" and args[0] == "embed" and status == 0:
        shutil.copy(given["--container"], sidecar)
    elif fault == "other-class" and status == 1:
        output["error"]["class"] = "refused.other"
    elif fault == "accepts":
        status = 0
print(json.dumps(output))
sys.exit(status)
"""
PLACES = {
    "sidecar/embed": {"removes", "changes", "litters", "untied"},
    "sidecar/embed-taken-text": {"removes", "changes", "litters", "accepts"},
    "sidecar/strip": {"keeps", "changes", "litters"},
    "sidecar/strip-bytes": {"removes", "changes", "litters", "accepts", "other-class"},
    "sidecar/found": set[str](),
}


@pytest.mark.parametrize(
    "fault", ["none", "removes", "keeps", "changes", "litters", "untied", "accepts", "other-class"]
)
def test_a_directory_of_several_files_is_walked(fault: str, tmp_path: Path) -> None:
    for name in PLACES:
        source = ROOT / "conformance" / "vectors" / name
        target = tmp_path / "vectors" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in source.parent.glob(f"{source.name}.*"):
            shutil.copy(path, target.parent)
    (tmp_path / "placed.py").write_text(PLACED)
    _, text, report = run(tmp_path / "vectors", fault, program=[sys.executable, str(tmp_path / "placed.py"), fault])
    failed = {name for name, outcome in outcomes(report).items() if outcome == "failed"}
    assert failed == {name for name, faults in PLACES.items() if fault in faults}, text


def python(code: str) -> str:
    """What a program prints that imports from the repository's root, where the suite is."""
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    return subprocess.run([sys.executable, "-c", start + code], check=True, capture_output=True, text=True).stdout


TRACE = """
from conformance import trace
spec = "| `a.b` | x |\\n- **[JF-ABC-001]** A reader MUST reject it. (`a.b`)\\n"
good = {"name": "v", "requirements": ["JF-ABC-001"], "expect": {"content": {}}}
bad = {"name": "w", "requirements": ["JF-ABC-001"], "expect": {"error": {"class": "a.b", "requirement": "JF-ABC-001"}}}
why = {"JF-ABC-001": {"negative": "a reason that is long enough"}}
steps = "<!-- steps:begin -->%s<!-- steps:end -->"
"""


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("trace.trace(spec, [good, bad], {})", None),
        ("trace.trace(spec, [good], why)", None),
        ("trace.trace(spec, [bad], {})", "JF-ABC-001 lacks a positive vector"),
        ("trace.trace(spec, [good], {})", "JF-ABC-001 lacks a negative vector"),
        ("trace.trace(spec, [good, bad], why)", "no reason is needed"),
        ("trace.trace(spec, [good], {'JF-ABC-001': {'negative': ''}})", "does not give a reason"),
        ("trace.trace(spec, [good, bad], {'JF-ABC-009': why['JF-ABC-001']})", "SPEC.md has no JF-ABC-009"),
        ("trace.trace(spec, [good, bad, {**good, 'requirements': ['JF-X-1']}], {})", "SPEC.md has no JF-X-1"),
        ("trace.trace(spec.replace('(`a.b`)', '(`c.d`)'), [good, bad], {})", "c.d, which section 12 has not"),
        ("trace.trace(spec + spec[14:], [good, bad], {})", "there twice"),
        ("trace.trace(spec + 'It MUST too.', [good, bad], {})", "1 MUST outside"),
        ("trace.trace(spec + '- **[JF-ABC-002]** A reader MUST. (x)', [good, bad], {})", "not of the form"),
        ("trace.trace(spec + steps % 'ABC', [good, bad], {})", None),
        ("trace.trace(spec + steps % 'ABC-001', [good, bad], {})", None),
        ("trace.trace(spec + steps % 'none', [good, bad], {})", "does not name JF-ABC-001"),
        ("trace.trace(spec + steps % 'ABC-001…003', [good, bad], {})", "names JF-ABC-002, which is not there"),
        ("trace.trace(spec + steps % 'ABC, ABD', [good, bad], {})", "names JF-ABD, which is not there"),
    ],
)
def test_requirements_are_traced(call: str, problem: str | None) -> None:
    found = python(TRACE + f"print(*{call}[0], sep='\\n')").strip()
    assert found == "" if problem is None else problem in found


def test_a_mutant_whose_text_is_gone_is_a_fault() -> None:
    code = """
from pathlib import Path
from tempfile import TemporaryDirectory
from conformance import mutants
from conformance.mutations import Mutation
with TemporaryDirectory() as name:
    mutants.copy(Path(name))
    vectors = mutants.load(mutants.ROOT / "conformance" / "vectors" / "header")
    for text, instead in (("nowhere", ""), ("if source.size > header.total_length:", "if :"),
                          ("if source.size > header.total_length:", "if False:"),
                          ("if source.size > header.total_length:", "if header.total_length < source.size:")):
        mutation = Mutation("format/frames.py", text, instead, "header/")
        found = mutants.fate(mutation, Path(name), vectors, everything=False)
        print(found.fault.split(":")[0], "|", found.caught.split(":")[0])
"""
    assert python(code).splitlines() == ["the text is there 0 times | ", "is no Python | ", " | header/longer", " | "]


@pytest.mark.parametrize(
    "name", ["nested-below-link", "nested-below-file", "nested-below-nested", "empty-below-link", "empty-below-file"]
)
def test_what_lies_below_no_directory_is_seen_before_anything_is_written(name: str, tmp_path: Path) -> None:
    """Export came upon it when half of the files were there, and ended with an error of the system."""
    vector = ROOT / "conformance" / "vectors" / "restore" / name
    expected = json.loads(vector.with_suffix(".json").read_bytes())["expect"]["error"]
    args = ["restore", "--in", str(vector.with_suffix(".jelly")), "--out", str(tmp_path / "out")]
    done = subprocess.run([*REFERENCE, *args], capture_output=True, text=True)
    found = json.loads(done.stdout)["error"]
    assert (done.returncode, found["class"], found["requirement"]) == (1, expected["class"], expected["requirement"])
    assert list(tmp_path.iterdir()) == []


def test_trees_that_stand_for_a_billion_entries_are_counted_not_built() -> None:
    """The memory of a process that reads such a container stays near that of one that reads a small one."""
    code = """
import sys
import memory
from jellyformat.conformance import answer
for name in ("header/good", "objects/entries-bomb-files-worktree"):
    status, _ = answer(["decode", "--in", f"{sys.argv[1]}/conformance/vectors/{name}.jelly"])
    print(status, memory.peak())
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
    )  # fmt: skip
    (good, before), (bad, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (good, bad) == (0, 1)
    assert after - before < 50_000  # kilobytes; it was 280,000

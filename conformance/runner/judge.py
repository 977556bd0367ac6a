"""Whether an answer, and what the program left on disk, is what a vector expects."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from conformance.runner import hosts
from conformance.runner.place import Place, seen
from conformance.runner.program import OK, UNSUPPORTED, Answer

ENDINGS = {"encode": ".jelly", "extract": ".jelly"}
SAYS = ("decode", "weights")
"""Commands that write nothing."""


class Asks(Protocol):
    """What answers requests."""

    def ask(self, arguments: list[str]) -> Answer:
        """One request."""


@dataclass(frozen=True)
class Case:
    """One vector, to be run in a directory of its own."""

    command: str
    files: dict[str, Path]
    options: dict[str, str]
    expect: dict[str, Any]
    directory: Path
    requirements: tuple[str, ...] = ()
    place: Place | None = None

    @property
    def writes(self) -> bool:
        """Whether the program is to write something new; it changes a place itself, but for what it takes out."""
        return self.command not in SAYS and (self.place is None or self.command == "extract")

    @property
    def out(self) -> Path:
        """What the program is to write."""
        if self.command == "restore":
            return self.directory / "parent" / "out"
        ending = ENDINGS.get(self.command) or self.files["in"].suffix
        return self.directory / f"out{ending}"

    @property
    def inputs(self) -> dict[str, Path]:
        """The files the program is given: copies, so that it can be seen whether they were changed."""
        return {argument: self.directory / f"{argument}{path.suffix}" for argument, path in self.files.items()}

    def arguments(self) -> list[str]:
        """The request; what it needs is put in place."""
        for argument, path in self.inputs.items():
            shutil.copyfile(self.files[argument], path)
        if self.command == "restore":
            _make_parent(self.directory / "parent")
        found = [self.command]
        for name, value in self.options.items():
            found += [f"--{name}", value]
        for argument, path in self.inputs.items():
            found += [f"--{argument}", str(path)]
        if self.place is not None:
            found += ["--in", str(self.place.make(self._there))]
        if self.writes:
            found += ["--out", str(self.out)]
        return found

    @property
    def _there(self) -> Path:
        return self.directory / "place"

    def judge(self, answer: Answer, ask: Asks, referee: Asks | None, *, reads: bool = True) -> tuple[list[str], str]:
        """What is wrong, and a note; ``reads`` says whether the program itself can decode what it encodes."""
        if answer.status is None:
            return [f"crash: {answer.fault}"], ""
        problems = [
            f"the file given as --{argument} was changed"
            for argument, path in self.inputs.items()
            if path.read_bytes() != self.files[argument].read_bytes()
        ]
        if self.place is not None:
            problems += self.place.problems(self._there, self.expect.get("after", {}))
        if answer.status == UNSUPPORTED:
            return [*problems, "answered 2, unsupported, though everything it needs is declared"], ""
        if "error" in self.expect:
            found, note = self._judge_error(answer)
            return problems + found, note
        if answer.status != OK:
            return [*problems, f"rejected as {_error(answer)}, and is good"], ""
        return problems + self._judge_good(answer, ask, referee, reads), ""

    def _judge_error(self, answer: Answer) -> tuple[list[str], str]:
        wanted, note = self.expect["error"], ""
        problems = []
        if answer.status == OK:
            problems.append(f"accepted, and is {wanted['class'] or 'to be refused'} ({wanted.get('requirement')})")
        elif wanted["class"] is not None and answer.output["error"]["class"] != wanted["class"]:
            problems.append(f"rejected as {_error(answer)}, and is {wanted['class']} ({wanted.get('requirement')})")
        else:
            said = answer.output["error"].get("requirement")
            if said and wanted.get("requirement") and said not in self.requirements:
                note = f"names {said}, the vector {wanted['requirement']}"
        if self.command == "restore":
            problems += _walk(self.directory / "parent", [])
        elif self.writes and (self.out.exists() or self.out.is_symlink()):
            problems.append("failed, and left a file behind")
        return problems, note

    def _judge_good(self, answer: Answer, ask: Asks, referee: Asks | None, reads: bool) -> list[str]:
        if self.command in SAYS:
            return compare(self.expect["content"], answer.output)
        if self.command == "restore":
            return _walk(self.directory / "parent", self.expect["tree"])
        readers = [who for who in (ask if reads else None, referee) if who is not None]
        if not self.writes:
            made = {name: item for name, item in self.expect["after"].items() if item and "content" in item}
            return [
                problem
                for name, item in made.items()
                if (self._there / name).is_file()
                for problem in _judge_container(self._there / name, item["content"], readers)
            ]
        if not self.out.is_file():
            return ["wrote no file"]
        if self.command == "encode":
            return _judge_container(self.out, self.expect["content"], readers)
        return self._judge_output(self.out.read_bytes(), ask)

    def _judge_output(self, data: bytes, ask: Asks) -> list[str]:
        wanted = self.expect["output"]
        problems = []
        if "sha256" in wanted and hashlib.sha256(data).hexdigest() != wanted["sha256"]:
            problems.append(f"the {len(data)} bytes written are not the {wanted['length']} expected")
        if self.command != "embed":
            return problems
        host = self.files["in"].read_bytes()
        container = self.files["container"].read_bytes()
        if "zip" in wanted:
            problems += hosts.check_zip(host, container, data, wanted["zip"])
        again = self.directory / "again.jelly"
        answer = ask.ask(["extract", "--host", self.options["host"], "--in", str(self.out), "--out", str(again)])
        if answer.status != OK or not again.is_file():
            problems.append(f"what was put in does not come out again: {answer.fault or _error(answer)}")
        elif again.read_bytes() != container:
            problems.append("what was put in comes out changed")
        return problems


def _judge_container(path: Path, content: dict[str, Any], readers: list[Asks]) -> list[str]:
    """What is wrong with a container that the program chose the bytes of."""
    problems = hosts.check_header(path.read_bytes())
    if not readers:
        problems.append("the program does not read, so that what it wrote has to be read by a --referee")
    for who in readers:
        problems += [] if problems else _decoded(who, path, content)
    return problems


def _decoded(who: Asks, path: Path, content: dict[str, Any]) -> list[str]:
    answer = who.ask(["decode", "--in", str(path)])
    if answer.status != OK:
        return [f"what it wrote is rejected: {answer.fault or _error(answer)}"]
    manifest = answer.output.get("manifest")
    if not isinstance(manifest, dict):
        return ["decode answers without a manifest"]
    found = {**answer.output, "manifest": {key: item for key, item in manifest.items() if key != "blocks"}}
    return compare(content, found)


def _error(answer: Answer) -> str:
    if not isinstance(answer.output, dict) or "error" not in answer.output:
        return f"status {answer.status}"
    error = answer.output["error"]
    return f"{error.get('class')} ({error.get('requirement')}: {error.get('message')})"


def compare(wanted: dict[str, Any], found: dict[str, Any], where: str = "") -> list[str]:
    """Where ``found`` differs from ``wanted``; at the top, keys that are not wanted may be there."""
    problems = []
    for key, value in wanted.items():
        if key not in found:
            problems.append(f"{where}{key} is not there")
        elif isinstance(value, dict) and isinstance(found[key], dict):
            problems += compare(value, found[key], f"{where}{key}.")
            problems += [f"{where}{key}.{name} is one too many" for name in found[key] if name not in value]
        elif not same(found[key], value):
            problems.append(f"{where}{key} is {_short(found[key])}, not {_short(value)}")
    return problems


def same(one: Any, two: Any) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(same(a, b) for a, b in zip(one, two, strict=True))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return type(one) is type(two) and bool(one == two)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "…"


# -- restore ---------------------------------------------------------------------------------------------------

_BESIDE = {b"keep": b"as it was\n", b"beside/file": b"as it was\n"}


def _make_parent(parent: Path) -> None:
    for name, content in _BESIDE.items():
        path = parent / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _walk(parent: Path, tree: list[dict[str, Any]]) -> list[str]:
    """Compare all that is below the parent directory with what was there and what is to be there."""
    wanted: dict[bytes, tuple[str, bytes]] = {b"beside": ("directory", b"")}
    wanted |= {name: ("file", content) for name, content in _BESIDE.items()}
    for item in tree:
        path = b"out/" + bytes.fromhex(item["path"]["hex"])
        wanted[path] = (item["type"], bytes.fromhex(item["content"]["hex"]))
        while b"/" in path:
            path = path.rpartition(b"/")[0]
            wanted.setdefault(path, ("directory", b""))
    found = seen(os.fsencode(parent))
    if found.get(b"out") == ("directory", b""):
        wanted.setdefault(b"out", ("directory", b""))
    problems = []
    for path in sorted(wanted.keys() | found.keys()):
        if wanted.get(path) != found.get(path):
            inside = path == b"out" or path.startswith(b"out/")
            where = "in the directory" if inside else "OUTSIDE of the directory"
            there, right = found.get(path, ("nothing", b""))[0], wanted.get(path, ("nothing", b""))[0]
            other = " with other content" if there == right else ""
            problems.append(f"{where}: {path!r} is {there}{other}, not {right}")
    return problems

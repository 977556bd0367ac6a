"""What a vector is, and how it is written: one JSON file, and the files it names beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from conformance.generate import derive
from conformance.generate.draft import Draft

READ, VERIFY, RESTORE, WRITE, EMBED = "role:read", "role:verify", "role:restore", "role:write", "role:embed"
BIND = "role:bind"
Json = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """One vector.

    Attributes:
        area: Its directory.
        name: Its name in there.
        requirements: The ids it tests.
        command: What the program under test is asked to do.
        needs: What it has to have declared.
        expect: The outcome, as in ``schema.json``.
        why: What is wrong, or what is shown.
        files: What the command works on: argument name to ending and bytes.
        options: Arguments that are no files.
        place: Files that lie together in a directory, by path; what ``named`` says of them is ``in``.
        named: The path in that directory; ``.`` for the directory itself.
    """

    area: str
    name: str
    requirements: tuple[str, ...]
    command: str
    needs: tuple[str, ...]
    expect: Json
    why: str
    files: dict[str, tuple[str, bytes]]
    options: Json = field(default_factory=dict)
    place: dict[str, bytes] = field(default_factory=dict)
    named: str = "."

    def written(self, made_by: str) -> dict[str, bytes]:
        """The files of the vector, by name."""
        found: dict[str, bytes] = {}
        names = {}
        for number, (argument, (ending, data)) in enumerate(self.files.items()):
            name = f"{self.name}.{ending}" if number == 0 else f"{self.name}.{argument}.{ending}"
            if name in found:
                raise ValueError(f"{self.area}/{name} twice")
            found[name], names[argument] = data, name
        there = {}
        for number, (path, data) in enumerate(self.place.items()):
            name = f"{self.name}.place{number}.bin"  # whatever it is called there: no vector
            found[name], there[path] = data, name
        entry: Json = {
            "name": f"{self.area}/{self.name}",
            "requirements": sorted(self.requirements),
            "command": self.command,
            "needs": sorted(self.needs),
            "files": names,
            **({"place": {"in": self.named, "files": there}} if there else {}),
            **({"options": self.options} if self.options else {}),
            "expect": self.expect,
            "why": self.why,
            "made_by": made_by,
        }
        found[f"{self.name}.json"] = compact(entry).encode() + b"\n"
        return found


def compact(value: Any, indent: int = 0) -> str:
    """JSON with a line for what is short, and one for each member of what is long."""
    plain = json.dumps(value, ensure_ascii=True)
    if len(plain) + indent <= 116 or not isinstance(value, (dict, list)) or not value:
        return plain
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        lines = [f"{json.dumps(key)}: {compact(item, indent + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(pad + line for line in lines) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + compact(item, indent + 1) for item in value) + "\n" + " " * indent + "]"


class Area:
    """The vectors of one area, collected as they are made.

    Args:
        name: Its directory.
        needs: What every vector of it needs, unless it says otherwise.
    """

    def __init__(self, name: str, needs: tuple[str, ...] = (READ, "host:jelly")) -> None:
        self.name = name
        self.needs = needs
        self.vectors: list[Vector] = []

    def add(self, vector: Vector) -> None:
        """Any vector."""
        if any(known.name == vector.name for known in self.vectors):
            raise ValueError(f"{self.name}/{vector.name} twice")
        self.vectors.append(vector)

    def reject(
        self,
        name: str,
        requirement: str,
        error: str,
        why: str,
        data: Draft | bytes,
        *,
        verify: bool = False,
        needs: tuple[str, ...] = (),
        ending: str = "jelly",
        command: str = "decode",
        also: tuple[str, ...] = (),
    ) -> None:
        """A file that is to be rejected, with this class."""
        raw = data.build() if isinstance(data, Draft) else data
        role = tuple(VERIFY if need == READ and verify else need for need in self.needs)
        expect = {"error": {"class": error, "requirement": requirement}}
        file = {"in": (ending, raw)}
        self.add(Vector(self.name, name, (requirement, *also), command, (*role, *needs), expect, why, file))

    def accept(
        self,
        name: str,
        requirements: str,
        why: str,
        made: Draft,
        *,
        data: bytes | None = None,
        host: str = "jelly",
        verify: bool = False,
        needs: tuple[str, ...] = (),
        ending: str = "jelly",
        leave_out: tuple[str, ...] = (),
        content: bool = True,
    ) -> None:
        """A container to be read: what it says is derived here from ``made``.

        Args:
            name: The vector's name.
            requirements: Ids, separated by spaces.
            why: What is shown.
            made: The container.
            data: The file it lies in, if it is not bare.
            host: The kind of that file.
            verify: Whether a verifier is needed.
            needs: What else is needed.
            ending: The file's ending.
            leave_out: Keys of the content that are not compared.
            content: Whether the manifest and the files are compared at all.
        """
        raw = made.build()
        expected = expected_content(made, raw, host, leave_out if content else ("manifest", "files"))
        role = tuple(VERIFY if need == READ and verify else need for need in self.needs)
        file = {"in": (ending, raw if data is None else data)}
        expect = {"content": expected}
        self.add(Vector(self.name, name, tuple(requirements.split()), "decode", (*role, *needs), expect, why, file))


def expected_content(made: Draft, raw: bytes, host: str = "jelly", leave_out: tuple[str, ...] = ()) -> Json:
    """What ``decode`` answers for a container, without the keys ``leave_out``."""
    found: Json = {
        "digest": raw[40:72].hex(),
        "snapshot_id": derive.snapshot_id(made.state),
        "host": host,
    }
    if "manifest" not in leave_out:
        found["manifest"] = derive.to_json(made.value())
    if "files" not in leave_out:
        found["files"] = derive.files_json(made.box, made.state)
    return found


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, in hex."""
    return hashlib.sha256(data).hexdigest()

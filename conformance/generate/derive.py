"""What follows from a state, derived without the reference: the summary (SPEC JF-SUM), the files, JSON forms."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from conformance.generate.gitobjects import EXECUTABLE, GITLINK, REGULAR, Box, Leaf
from conformance.generate.wire import Pairs, Raw, Value, pack

Leaves = dict[bytes, Leaf]


def parents(content: bytes) -> list[bytes]:
    """The parents of a commit."""
    return [bytes.fromhex(found.decode()) for found in re.findall(rb"^parent ([0-9a-f]+)$", content, re.M)]


def _letter(old: Leaf | None, new: Leaf | None) -> str:
    if old is None:
        return "A"
    if new is None:
        return "D"
    kinds = [REGULAR if mode == EXECUTABLE else mode for mode, _ in (old, new)]
    return "M" if kinds[0] == kinds[1] else "T"


def walk(state: Value, prefix: bytes = b"") -> list[tuple[bytes, Value]]:
    """A state and those in it, with the prefix of their paths."""
    found = [(prefix, state)]
    for item in state["submodules"]:
        found += walk(item["state"], prefix + item["path"] + b"/")
    for item in state["roots"]:
        found += walk(item["state"], prefix + item["name"] + b"/")
    return found


def _trees(box: Box, state: Value) -> tuple[Leaves, Leaves, Leaves]:
    commit = state["head"]["commit"]
    head = box.leaves.get(box.heads.get(commit, b""), {}) if commit else {}
    index = box.leaves.get(state["index"]["tree"], {}) if state["index"] else {}
    work = box.leaves.get(state["worktree"]["tree"], {}) if state["worktree"] else {}
    return head, index, work


def files(box: Box, state: Value) -> list[tuple[bytes, int, bytes, int]]:
    """Path, mode, id and size of every file shown, by path."""
    found = []
    for prefix, part in walk(state):
        head, _, work = _trees(box, part)
        shown = head if part["worktree"] is None else work
        for path, (mode, oid) in shown.items():
            if mode != GITLINK:
                size = len(box.objects[oid][1]) if oid in box.objects else 0
                found.append((prefix + path, mode, oid, size))
    return sorted(found)


def summary(box: Box, state: Value) -> dict[str, Value]:
    """The summary of a state."""
    lists: dict[str, dict[bytes, str]] = {"staged": {}, "unstaged": {}, "untracked": {}, "conflicted": {}}
    for prefix, part in walk(state):
        head, index, work = _trees(box, part)
        stage = part["index"]
        conflicts = {item[0] for item in stage["conflicts"]} if stage else set()
        intents = {item[0] for item in stage["intent_to_add"]} if stage else set()
        skipped = set(stage["skip_worktree"]) if stage else set()

        def note(name: str, path: bytes, letter: str, prefix: bytes = prefix) -> None:
            lists[name].setdefault(prefix + path, letter)

        for path in conflicts:
            note("conflicted", path, "")
        if stage:
            for path in (head.keys() | index.keys()) - conflicts:
                if head.get(path) != index.get(path):
                    note("staged", path, _letter(head.get(path), index.get(path)))
        if stage and part["worktree"]:
            gone = {item["path"] for item in part["worktree"]["omitted"]}
            inside = {
                path
                for path in index.keys() | intents
                for item in gone
                if item[-1:] == b"/" and path[: len(item)] == item
            }
            gone |= inside
            for path in index.keys() - conflicts - gone:
                if path not in work:
                    if path not in skipped:
                        note("unstaged", path, "D")
                elif work[path] != index[path] and path not in part["worktree"]["converted"]:
                    note("unstaged", path, _letter(index[path], work[path]))
            for path in intents - gone:
                note("unstaged", path, "A" if path in work else "D")
        for path in work.keys() - index.keys() - conflicts - intents:
            note("untracked", path, "")
    shown = files(box, state)
    commit = state["head"]["commit"]
    return {
        "commit": box.objects[commit][1] if commit in box.objects else None,
        "conflicted": sorted(lists["conflicted"]),
        "files": len(shown),
        "size": sum(item[3] for item in shown),
        "staged": [[letter, path] for path, letter in sorted(lists["staged"].items())],
        "unstaged": [[letter, path] for path, letter in sorted(lists["unstaged"].items())],
        "untracked": sorted(lists["untracked"]),
    }


def to_json(value: Value) -> Any:
    """A value as JSON: bytes as ``{"hex": …}``."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (Raw, Pairs)):
        raise TypeError("a value said wrongly has no JSON form")
    return value


def snapshot_id(state: Value) -> str:
    """The snapshot id, in hex."""
    return hashlib.sha256(pack(state)).hexdigest()


def files_json(box: Box, state: Value) -> list[Any]:
    """The files as ``decode`` answers them."""
    return [
        {"path": {"hex": path.hex()}, "mode": f"{mode:06o}", "oid": {"hex": oid.hex()}, "size": size}
        for path, mode, oid, size in files(box, state)
    ]

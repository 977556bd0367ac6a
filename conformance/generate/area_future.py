"""Vectors from the future: what a later version of the format, or an extension of it, may put into a container."""

from __future__ import annotations

from conformance.generate.area_blocks import foreign
from conformance.generate.draft import Draft, Map, draft, index, nested, small, state, worktree
from conformance.generate.gitobjects import Box
from conformance.generate.suite import Area
from conformance.generate.wire import pack

FEATURE, BLOCK, BAD = "unsupported.feature", "unsupported.block", "malformed.manifest"


def make() -> Area:
    """The area."""
    area = Area("future")
    _required(area)
    _critical(area)
    _first(area)
    _ignored(area)
    return area


def saying(value: Map, made: Draft | None = None) -> Draft:
    """A container whose manifest is this map."""
    made = made or small()
    made.raw = [pack(value)]
    return made


def with_requires(**more: object) -> Map:
    """A manifest that requires what nobody knows, with other keys changed too."""
    return {**small().value(), "requires": ["org.example.next"], **more}


def _required(area: Area) -> None:
    changes: dict[str, Map] = {
        "key-added": with_requires(index={"kind": "b-tree"}),
        "state-other": with_requires(state=[1, 2, 3]),
        "state-key": with_requires(state={**small().state, "stashes": []}),
        "history-other": with_requires(history=None),
        "summary-other": with_requires(summary={}),
        "provenance-other": with_requires(provenance="a str"),
        "unsafe-path": with_requires(ignored=[b"../x"]),
        "blocks-other": with_requires(blocks={"state": []}),
        "blocks-missing": {key: item for key, item in with_requires().items() if key != "blocks"},
        "all-missing": {"requires": ["org.example.next"]},
        "critical-too": with_requires(blocks=[{"critical": True, "kind": "org.example.next"}]),
        "one-of-two": with_requires(requires=["com.example.a", "org.example.next"], state=None),
    }
    for name, value in changes.items():
        why = f"a feature is required, and something else is not of this version: {name}"
        area.reject(f"requires-{name}", "JF-MAN-004", FEATURE, why, saying(value))


def _critical(area: Area) -> None:
    entry = small().value()["blocks"][0]
    unknown: dict[str, Map] = {
        "key-added": {**entry, "kind": "org.example.next", "order": 1},
        "keys-missing": {"critical": True, "kind": "org.example.next"},
        "types-other": {**entry, "kind": "org.example.next", "length": "long", "sha256": None},
        "kind-long": {**entry, "kind": "k" * 65},
    }
    for name, item in unknown.items():
        value = small().value()
        value["blocks"] = [*value["blocks"], item]
        why = f"a critical block of an unknown kind: {name}"
        area.reject(f"block-{name}", "JF-BLK-001", BLOCK, why, saying(value))
    for name, more in (("state-key", {"state": {**small().state, "stashes": []}}), ("key-added", {"more": 1})):
        value = {**small().value(), **more}
        value["blocks"] = [*value["blocks"], {**entry, "kind": "org.example.next"}]
        why = f"a critical block of an unknown kind, and something else is not of this version: {name}"
        area.reject(f"block-and-{name}", "JF-BLK-001", BLOCK, why, saying(value))


def _first(area: Area) -> None:
    """What is looked at first has to be as this version has it."""
    value = small().value()
    bad: dict[str, tuple[str, Map]] = {
        "requires-missing": ("JF-MAN-001", {key: item for key, item in value.items() if key != "requires"}),
        "requires-nil": ("JF-MAN-002", {**value, "requires": None}),
        "requires-map": ("JF-MAN-002", {**value, "requires": {"org.example.next": True}}),
        "requires-bin": ("JF-MAN-002", {**value, "requires": [b"org.example.next"]}),
        "block-kind-missing": ("JF-MAN-001", {**value, "blocks": [{"critical": True}]}),
        "block-kind-bin": ("JF-MAN-002", {**value, "blocks": [{"critical": True, "kind": b"next"}]}),
        "block-critical-integer": ("JF-MAN-002", {**value, "blocks": [{"critical": 1, "kind": "next"}]}),
        "state-key-alone": ("JF-MAN-001", {**value, "state": {**value["state"], "stashes": []}}),
    }
    for name, (requirement, item) in bad.items():
        area.reject(f"bad-{name}", requirement, BAD, f"nothing unknown is required, and {name}", saying(item))


def _ignored(area: Area) -> None:
    made = small()
    made.state["facts"] = {"org.example.stash": [{"commit": bytes(20), "message": b"WIP"}]}
    plain = small()
    assert made.state != plain.state
    why = "a fact that nobody knows, part of the snapshot id and nothing else"
    area.accept("facts", "JF-MAN-001 JF-STA-005", why, made)
    box = Box()
    inner = state(None, index(box.tree({})), worktree(box.tree({b"n": b"n\n"})), facts={"x": {"y": [None, True, -1]}})
    around = box.tree({})
    made = draft(state(None, index(around), worktree(around), submodules=[nested(b"in", inner)]), box)
    area.accept("facts-nested", "JF-MAN-001 JF-STA-005", "facts of a nested state", made)
    made = small()
    made.manifest["provenance"] |= {"host": "node7", "org.example.run": {"id": b"\1"}}
    area.accept("provenance", "JF-MAN-001 JF-PRV-002", "provenance has keys that nobody knows", made)
    made = small()
    made.state["facts"] = {"a": 1}
    made.manifest["provenance"]["b"] = 2
    made.manifest["extensions"] = {"org.example.c": 3}
    made.manifest["environment"] = {"d": 4}
    made.blocks.append(foreign("org.example.next"))
    why = "everything that a reader has to pass over, at once"
    area.accept("everything", "JF-MAN-001 JF-BLK-002 JF-STA-005", why, made)

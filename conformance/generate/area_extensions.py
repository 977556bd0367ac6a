"""Vectors of SPEC JF-EXT: labels, note, run, edited, signatures."""

from __future__ import annotations

from conformance.generate.area_state import thin
from conformance.generate.draft import Draft, small
from conformance.generate.suite import VERIFY, Area
from conformance.generate.wire import Value

BAD = "malformed.manifest"


def make() -> Area:
    """The area."""
    area = Area("extensions", (VERIFY, "host:jelly"))
    _good(area)
    _bad(area)
    return area


def saying(name: str, value: Value, made: Draft | None = None) -> Draft:
    """A container with an extension."""
    made = made or small()
    made.manifest["extensions"] = {name: value}
    return made


RUN: dict[str, Value] = {"id": b"r" * 16, "parent": b"p" * 32, "sequence": 7}
SIGNATURE: dict[str, Value] = {"format": "sshsig", "signature": b"SSHSIG\0\0\0\1"}
GOOD: dict[str, tuple[str, Value]] = {
    "labels": ("labels", {"epoch": "3", "val_loss": "0.21", "\u00e9t\u00e9": "oui\n", " ": ""}),
    "labels-none": ("labels", {}),
    "labels-key-128": ("labels", {"k" * 128: "x"}),
    "labels-value-4096": ("labels", {"k": "\u00e9" * 2048}),
    "labels-1000": ("labels", {f"k{n}": "" for n in range(1000)}),
    "note": ("note", "wider layers\n\u00e9"),
    "note-empty": ("note", ""),
    "note-65536": ("note", "n" * 65_536),
    "run": ("run", RUN),
    "run-first": ("run", {**RUN, "parent": None, "sequence": 0}),
    "run-parent-unknown": ("run", {**RUN, "parent": None}),
    "edited": ("edited", [b"a.py", b"lib/x", b"lib/x.y"]),
    "edited-none": ("edited", []),
    "edited-nested": ("edited", [b"/".join([b"d" * 255] * 20)]),
    "signatures": ("signatures", [SIGNATURE]),
    "signatures-unknown": ("signatures", [{"format": "org.example.sig", "signature": b"x"}, SIGNATURE, SIGNATURE]),
    "signatures-64": ("signatures", [{"format": "f" * 64, "signature": b"x"}] * 64),
    "signatures-65536": ("signatures", [{"format": "x", "signature": b"s" * 65_536}]),
}
IDS = {
    "labels": "JF-EXT-001",
    "note": "JF-EXT-002",
    "run": "JF-EXT-003",
    "edited": "JF-EXT-004",
    "signatures": "JF-EXT-005",
}


def _good(area: Area) -> None:
    plain = small()
    for name, (key, value) in GOOD.items():
        ids = IDS[key] + (" JF-SIG-001 JF-SIG-002" if key == "signatures" else "")
        made = saying(key, value)
        assert made.state == plain.state
        area.accept(name, ids, f"the extension {key}: {name}", made)


def _bad(area: Area) -> None:
    bad: dict[str, tuple[str, Value]] = {
        "labels-array": ("labels", [["epoch", "3"]]),
        "labels-nil": ("labels", None),
        "labels-integer": ("labels", {"epoch": 3}),
        "labels-bin": ("labels", {"epoch": b"3"}),
        "labels-key-empty": ("labels", {"": "x"}),
        "labels-key-129": ("labels", {"k" * 129: "x"}),
        "labels-key-129-bytes": ("labels", {"\u00e9" * 64 + "k": "x"}),
        "labels-key-control": ("labels", {"a\nb": "x"}),
        "labels-key-escape": ("labels", {"\x1b[31m": "x"}),
        "labels-key-delete": ("labels", {"a\x7f": "x"}),
        "labels-value-4097": ("labels", {"k": "\u00e9" * 2048 + "x"}),
        "labels-1001": ("labels", {f"k{n}": "" for n in range(1001)}),
        "note-bin": ("note", b"wider"),
        "note-nil": ("note", None),
        "note-65537": ("note", "n" * 65_537),
        "run-array": ("run", [b"r" * 16, None, 0]),
        "run-key-missing": ("run", {"id": b"r" * 16, "sequence": 0}),
        "run-key-added": ("run", {**RUN, "name": "x"}),
        "run-id-15": ("run", {**RUN, "id": b"r" * 15}),
        "run-id-str": ("run", {**RUN, "id": "r" * 16}),
        "run-parent-20": ("run", {**RUN, "parent": bytes(20)}),
        "run-sequence-negative": ("run", {**RUN, "sequence": -1}),
        "run-sequence-boolean": ("run", {**RUN, "sequence": True}),
        "run-first-with-parent": ("run", {**RUN, "sequence": 0}),
        "edited-map": ("edited", {"a": True}),
        "edited-str": ("edited", ["a"]),
        "edited-unsorted": ("edited", [b"b", b"a"]),
        "edited-twice": ("edited", [b"a", b"a"]),
        "signatures-none": ("signatures", []),
        "signatures-map": ("signatures", SIGNATURE),
        "signatures-65": ("signatures", [SIGNATURE] * 65),
        "signatures-key-added": ("signatures", [{**SIGNATURE, "key": b""}]),
        "signatures-key-missing": ("signatures", [{"format": "sshsig"}]),
        "signatures-format-empty": ("signatures", [{**SIGNATURE, "format": ""}]),
        "signatures-format-65": ("signatures", [{**SIGNATURE, "format": "f" * 65}]),
        "signatures-empty": ("signatures", [{**SIGNATURE, "signature": b""}]),
        "signatures-str": ("signatures", [{**SIGNATURE, "signature": "-----BEGIN"}]),
        "signatures-65537": ("signatures", [{**SIGNATURE, "signature": bytes(65_537)}]),
    }
    for name, (key, value) in bad.items():
        area.reject(f"bad-{name}", IDS[key], BAD, f"the extension {key}: {name}", saying(key, value))
    for name, path in (("parent", b"../a"), ("git", b".git/config"), ("empty", b""), ("slash", b"d/")):
        made = saying("edited", [path])
        area.reject(f"bad-edited-{name}", "JF-EXT-004", "unsafe.path", f"an edited path {path!r}", made)
    made = saying("edited", [b"/".join([b"d" * 255] * 145)])
    area.reject("bad-edited-long", "JF-EXT-004", "limit.path", "an edited path of 37,119 bytes", made)
    made = thin()
    made.manifest["extensions"] = {"signatures": [SIGNATURE]}
    area.reject("thin-signed", "JF-SIG-001", BAD, "a thin container that is signed", made)

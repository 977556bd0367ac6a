"""Vectors of SPEC JF-SDC: containers beside files into which nothing can be put."""

from __future__ import annotations

import hashlib

from conformance.generate.area_zip import arrays, container, other, output
from conformance.generate.draft import Draft, small
from conformance.generate.suite import EMBED, READ, VERIFY, Area, Json, Vector, expected_content, sha256
from conformance.generate.wire import Value
from conformance.generate.zips import embedded

NAME, BESIDE = "weights.json", "jelly.weights.json.jelly"
OLD = "weights.json.jelly"
"""The name that sidecars had before."""
TEXT = b'{"text": true}\n' * 9
"""A file that its own reader would no longer read with anything behind it."""
CHANGED = TEXT.replace(b"true", b"null")
HOST = "host:sidecar"


def make() -> Area:
    """The area."""
    area = Area("sidecar", (READ, HOST))
    _found(area)
    _absent(area)
    _checked(area)
    _extension(area)
    _extract(area)
    _embed(area)
    _strip(area)
    return area


def tie(host: bytes = TEXT, name: Value = b"weights.json", **said: Value) -> Value:
    """The extension `sidecar`."""
    return {"name": name, "sha256": hashlib.sha256(host).digest(), "size": len(host), **said}


def sidecar(value: Value = None, **more: Value) -> Draft:
    """A container with the extension; by default the one beside `TEXT`."""
    made = small()
    made.manifest["extensions"] = {"sidecar": tie() if value is None else value, **more}
    return made


def damaged(made: Draft) -> bytes:
    """A container one bit of whose manifest is another."""
    raw = made.build()
    return raw[:100] + bytes([raw[100] ^ 1]) + raw[101:]


def error(name: str | None, requirement: str | None) -> Json:
    """A rejection; of any class where none is named."""
    return {"error": {"class": name, "requirement": requirement}}


def content(made: Draft, host: str) -> Json:
    """That ``decode`` finds this container."""
    return {"content": expected_content(made, made.build(), host, ("manifest", "files"))}


def made_anew(made: Draft) -> Json:
    """That a file is a container of this content, in bytes of the program's own choice."""
    found = expected_content(made, made.build())
    del found["digest"], found["manifest"]["blocks"]
    return {"content": found}


def bytes_of(data: bytes) -> Json:
    """That a file has these bytes."""
    return {"sha256": sha256(data), "length": len(data)}


def _add(
    area: Area, name: str, ids: str, why: str, place: dict[str, bytes], expect: Json, *, command: str = "decode",
    named: str = NAME, role: str = READ, needs: tuple[str, ...] = (), files: dict[str, tuple[str, bytes]] | None = None,
) -> None:  # fmt: skip
    options = {} if command == "decode" else {"host": "sidecar"}
    given, wanted = files or {}, (role, HOST, *needs)
    area.add(Vector(area.name, name, tuple(ids.split()), command, wanted, expect, why, given, options, place, named))


def _found(area: Area) -> None:
    made = sidecar()
    box = made.build()
    good = {NAME: TEXT, BESIDE: box}
    ids = "JF-SDC-001 JF-SDC-002 JF-SDC-003"
    _add(area, "found", ids, "a container beside its host", good, content(made, "sidecar"))
    why = "the sidecar is named, and its host is beside it"
    _add(area, "named-itself", ids, why, good, content(made, "jelly"), named=BESIDE, role=VERIFY)
    why = "the sidecar is named, and its host is not there: no fault"
    _add(area, "host-absent", ids, why, {BESIDE: box}, content(made, "jelly"), named=BESIDE, role=VERIFY)
    both = {"best.json": TEXT, "jelly.best.json.jelly": box}
    why = "both were renamed together"
    _add(area, "renamed", ids, why, both, content(made, "sidecar"), named="best.json")
    why = "both were renamed together, and the sidecar is named"
    _add(area, "renamed-itself", ids, why, both, content(made, "jelly"), named="jelly.best.json.jelly", role=VERIFY)
    why = "the sidecar was renamed; its host is the file of the name in it"
    _add(area, "renamed-alone", ids, why, {NAME: TEXT, "x.jelly": box}, content(made, "jelly"), named="x.jelly",
         role=VERIFY)  # fmt: skip
    inside = small()
    zipped = {"a.npz": embedded(arrays(), inside.build()), "jelly.a.npz.jelly": sidecar(tie(b"x"), a=1).build()}
    why = "what lies in the file goes first"
    _add(area, "in-the-file", "", why, zipped, content(inside, "zip"), named="a.npz", needs=("host:zip",))

    _names(area)


def _names(area: Area) -> None:
    """Names of before, and long ones."""
    made, inside = sidecar(), sidecar(tie(b"x"), a=1)
    box = made.build()
    old = {NAME: TEXT, OLD: box}
    ids = "JF-SDC-001 JF-SDC-003"
    _add(area, "old-name", ids, "a sidecar with a name of before", old, content(made, "sidecar"))
    why = "the same, named itself"
    _add(area, "old-name-itself", ids, why, old, content(made, "jelly"), named=OLD, role=VERIFY)
    why = "the name of now goes before that of before"
    _add(area, "old-name-and-new", ids, why, {**old, OLD: inside.build(), BESIDE: box}, content(made, "sidecar"))
    why = "a file of the name of now that is no sidecar, and a sidecar with that of before"
    _add(area, "old-name-taken", ids, why, {**old, BESIDE: container()}, content(made, "sidecar"))
    why = "a host whose own name begins as that of a sidecar does"
    host, beside = "jelly.w.json", "jelly.jelly.w.json.jelly"
    _add(area, "name-alike", ids, why, {host: TEXT, beside: box}, content(made, "sidecar"), named=host)
    why = "its sidecar with a name of before, which looks like one of now of another file"
    place = {host: TEXT, f"{host}.jelly": box}
    _add(area, "name-alike-old", ids, why, place, content(made, "jelly"), named=f"{host}.jelly", role=VERIFY)
    why = "the same where that other file is there, too"
    place = {host: TEXT, f"{host}.jelly": box, "w.json": CHANGED}
    expect = error("mismatch.binding", "JF-SDC-003")
    _add(area, "name-alike-other", ids, why, place, expect, named=f"{host}.jelly", role=VERIFY)
    for length in (243, 244, 255):
        name = "n" * (length - 5) + ".json"
        short = name if length == 243 else hashlib.sha256(name.encode()).hexdigest()
        made = sidecar(tie(name=name.encode()))
        place = {name: TEXT, f"jelly.{short}.jelly": made.build()}
        why = f"a host whose name has {length} bytes"
        _add(area, f"name-{length}", ids, why, place, content(made, "sidecar"), named=name)
        why = f"the sidecar of a host whose name has {length} bytes, named itself"
        beside = f"jelly.{short}.jelly"
        place = {name: CHANGED, beside: made.build()}
        _add(area, f"name-{length}-other", ids, why, place, expect, named=beside, role=VERIFY)


def _absent(area: Area) -> None:
    cases = {
        "text": ("a file of text", b"nothing\n"),
        "empty": ("an empty file", b""),
        "short": ("the first bytes of the magic", container()[:7]),
        "no-extension": ("a container without the extension", container()),
    }
    for name, (why, data) in cases.items():
        place, expect = {NAME: TEXT, BESIDE: data}, error("absent.snapshot", "JF-SDC-001")
        _add(area, f"absent-{name}", "JF-SDC-001", f"in the sidecar's place is {why}", place, expect)
    _add(area, "absent", "", "nothing is beside it", {NAME: TEXT}, error("absent.snapshot", None))
    bad = {NAME: TEXT, BESIDE: damaged(sidecar())}
    why = "a sidecar whose manifest is damaged counts as one, and the damage is reported"
    _add(area, "damaged", "JF-SDC-001 JF-HDR-008", why, bad, error("corrupt.manifest", "JF-HDR-008"))


def _checked(area: Area) -> None:
    box = sidecar().build()
    cases: dict[str, tuple[str, str, dict[str, bytes]]] = {
        "size": ("whose host is longer", NAME, {NAME: TEXT + b"\n", BESIDE: box}),
        "bytes": ("whose host has other bytes", NAME, {NAME: CHANGED, BESIDE: box}),
        "size-itself": ("that is named, whose host is longer", BESIDE, {NAME: TEXT + b"\n", BESIDE: box}),
        "bytes-itself": ("that is named, whose host has other bytes", BESIDE, {NAME: CHANGED, BESIDE: box}),
        "name-of-its-own": (
            "that is named; the file of its own name goes before that of the name in it", "jelly.x.json.jelly",
            {NAME: TEXT, "x.json": CHANGED, "jelly.x.json.jelly": box},
        ),
        "name-in-it": ("that was renamed; the file of the name in it has other bytes", "x.jelly",
                       {NAME: CHANGED, "x.jelly": box}),
        "said-size": ("that says another size", NAME, {NAME: TEXT, BESIDE: sidecar(tie(size=1)).build()}),
        "said-sha256": (
            "that says another SHA-256", NAME, {NAME: TEXT, BESIDE: sidecar(tie(sha256=bytes(32))).build()},
        ),
    }  # fmt: skip
    for name, (why, named, place) in cases.items():
        expect = error("mismatch.binding", "JF-SDC-003")
        _add(area, f"other-{name}", "JF-SDC-003", f"a sidecar {why}", place, expect, named=named, role=VERIFY)


def _extension(area: Area) -> None:
    good: dict[str, Value] = {
        "short": tie(name=b"x"),
        "long": tie(name=b"x" * 255),
        "bytes": tie(name=b"\xff\n\\..\x01"),
        "dots": tie(name=b"..."),
        "size": tie(size=(1 << 64) - 1),
        "size-nought": tie(size=0),
    }
    needs = (VERIFY, "host:jelly")
    for name, value in good.items():
        made = sidecar(value)
        area.add(
            Vector("sidecar", f"extension-{name}", ("JF-SDC-002",), "decode", needs,
                   {"content": expected_content(made, made.build())}, f"a good extension: {name}",
                   {"in": ("jelly", made.build())})
        )  # fmt: skip
    bad: dict[str, Value] = {
        "array": [],
        "bool": False,
        "empty": {},
        "name-missing": {key: item for key, item in tie().items() if key != "name"},
        "size-missing": {key: item for key, item in tie().items() if key != "size"},
        "sha256-missing": {key: item for key, item in tie().items() if key != "sha256"},
        "key": tie(more=1),
        "name-str": tie(name="weights.json"),
        "name-empty": tie(name=b""),
        "name-long": tie(name=b"x" * 256),
        "name-slash": tie(name=b"a/b"),
        "name-nul": tie(name=b"a\0b"),
        "name-dot": tie(name=b"."),
        "name-dots": tie(name=b".."),
        "sha256-short": tie(sha256=bytes(31)),
        "sha256-long": tie(sha256=bytes(33)),
        "sha256-str": tie(sha256="0" * 64),
        "size-negative": tie(size=-1),
        "size-bool": tie(size=True),
        "size-nil": tie(size=None),
    }
    bad_made = {name: sidecar(value) for name, value in bad.items()}
    bad_made["nil"] = sidecar()
    bad_made["nil"].manifest["extensions"] = {"sidecar": None}
    for name, made in bad_made.items():
        expect, file = error("malformed.manifest", "JF-SDC-002"), {"in": ("jelly", made.build())}
        why = f"an extension that is not as it has to be: {name}"
        area.add(Vector("sidecar", f"extension-bad-{name}", ("JF-SDC-002",), "decode", needs, expect, why, file))


def _extract(area: Area) -> None:
    box = sidecar().build()
    for name, host in (("same", TEXT), ("changed", CHANGED), ("longer", TEXT + b"\n"), ("emptied", b"")):
        why = f"what the sidecar holds is given out, the host being: {name}"
        ids = "JF-SDC-005 JF-SDC-001"
        _add(area, f"extract-{name}", ids, why, {NAME: host, BESIDE: box}, output(box), command="extract")
    expect = error("absent.snapshot", "JF-SDC-001")
    why = "a container that is no sidecar is not given out"
    _add(area, "extract-absent", "JF-SDC-001", why, {NAME: TEXT, BESIDE: container()}, expect, command="extract")


def _embed(area: Area) -> None:
    given = {"container": ("jelly", container())}
    wanted = {"after": {BESIDE: made_anew(sidecar())}}

    def embed(name: str, ids: str, why: str, place: dict[str, bytes], expect: Json, box: bytes | None = None) -> None:
        files = given if box is None else {"container": ("jelly", box)}
        _add(area, name, ids, why, place, expect, command="embed", role=EMBED, files=files)

    embed("embed", "JF-SDC-004 JF-HST-004", "put beside a file that cannot carry anything", {NAME: TEXT}, wanted)
    before = small()
    before.manifest["provenance"]["tool"] = "another"
    before.manifest["extensions"] = {"sidecar": tie()}
    why = "put in the place of a sidecar"
    embed("embed-again", "JF-SDC-004", why, {NAME: TEXT, BESIDE: before.build()}, wanted)
    before.manifest["extensions"] = {"sidecar": tie(CHANGED)}
    why = "put in the place of a sidecar of what the host was before it was changed"
    embed("embed-again-changed", "JF-SDC-004", why, {NAME: TEXT, BESIDE: before.build()}, wanted)
    why = "an extension about another host is replaced"
    embed("embed-tied", "JF-SDC-007", why, {NAME: TEXT}, wanted, sidecar(tie(b"other", b"other")).build())
    both = {"after": {BESIDE: made_anew(sidecar()), OLD: None}}
    embed("embed-old-name", "JF-SDC-004", "put in the place of a sidecar with a name of before",
          {NAME: TEXT, OLD: before.build()}, both)  # fmt: skip
    why = "a damaged sidecar with a name of before stays"
    embed("embed-old-name-damaged", "JF-SDC-004", why, {NAME: TEXT, OLD: damaged(sidecar())}, error(None, "JF-SDC-004"))
    why = "a file with the name of before that is no sidecar stays"
    kept = {"after": {BESIDE: made_anew(sidecar()), OLD: bytes_of(b"nothing\n")}}
    embed("embed-old-name-taken", "JF-SDC-004", why, {NAME: TEXT, OLD: b"nothing\n"}, kept)
    long = "n" * 250 + ".json"
    made = {f"jelly.{hashlib.sha256(long.encode()).hexdigest()}.jelly": made_anew(sidecar(tie(name=long.encode())))}
    _add(area, "embed-name-255", "JF-SDC-004", "put beside a file whose name has 255 bytes", {long: TEXT},
         {"after": made}, command="embed", role=EMBED, files=given, named=long)  # fmt: skip
    taken = {"text": b"nothing\n", "empty": b"", "container": other(), "zip": arrays().build()}
    taken |= {"damaged": damaged(sidecar()), "cut-off": sidecar().build()[:200]}
    for name, data in taken.items():
        why = f"the name is taken by a file that is no sidecar, or a damaged one, and it stays: {name}"
        embed(f"embed-taken-{name}", "JF-SDC-004", why, {NAME: TEXT, BESIDE: data}, error(None, "JF-SDC-004"))


def _strip(area: Area) -> None:
    def strip(name: str, ids: str, why: str, place: dict[str, bytes], expect: Json, named: str = NAME) -> None:
        _add(area, name, ids, why, place, expect, command="strip", role=EMBED, named=named)

    box = sidecar().build()
    why = "the sidecar is removed, and the host stays"
    strip("strip", "JF-SDC-006 JF-HST-002", why, {NAME: TEXT, BESIDE: box}, {"after": {BESIDE: None}})
    why = "a sidecar with a name of before"
    strip("strip-old-name", "JF-SDC-006 JF-HST-002", why, {NAME: TEXT, OLD: box}, {"after": {OLD: None}})
    why = "the same where both were renamed"
    both = {"b.json": TEXT, "jelly.b.json.jelly": box}
    strip("strip-renamed", "JF-SDC-006", why, both, {"after": {"jelly.b.json.jelly": None}}, "b.json")
    kept = {
        "damaged": ("it is damaged", TEXT, damaged(sidecar())),
        "cut-off": ("its manifest is cut off", TEXT, box[:200]),
        "size": ("its host is longer", TEXT + b"\n", box),
        "bytes": ("its host has other bytes", CHANGED, box),
    }
    for name, (why, host, data) in kept.items():
        expect = error("refused.host", "JF-SDC-006")
        strip(f"strip-{name}", "JF-SDC-006", f"a sidecar stays: {why}", {NAME: host, BESIDE: data}, expect)
    absent = error("absent.snapshot", "JF-SDC-001")
    why = "a container that is no sidecar stays"
    strip("strip-no-sidecar", "JF-SDC-001", why, {NAME: TEXT, BESIDE: container()}, absent)
    strip("strip-absent", "", "nothing is beside it", {NAME: TEXT}, error("absent.snapshot", None))

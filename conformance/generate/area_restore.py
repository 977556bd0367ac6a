"""Vectors for restorers (SPEC JF-PTH): what is written, and what must not be; the runner walks the parent too."""

from __future__ import annotations

from conformance.generate import derive
from conformance.generate.area_blocks import with_history
from conformance.generate.area_objects import with_tree
from conformance.generate.area_paths import IN_TREES, ignoring, raw_tree
from conformance.generate.area_trailer import ARRAY
from conformance.generate.area_write import everything
from conformance.generate.area_zip import EXITS, torch
from conformance.generate.draft import (
    Draft,
    draft,
    gitlink,
    index,
    nested,
    objects_block,
    omitted,
    root,
    small,
    state,
    with_worktree,
    worktree,
)
from conformance.generate.gitobjects import EXECUTABLE, GITLINK, REGULAR, SYMLINK, Box, Files
from conformance.generate.suite import RESTORE, Area, Json, Vector
from conformance.generate.trailers import trailer
from conformance.generate.zips import Item

UNSAFE, NAME, MISMATCH = "unsafe.path", "refused.name", "mismatch.state"
TYPES = {REGULAR: "file", EXECUTABLE: "executable", SYMLINK: "link"}
IDS = "JF-PTH-001 JF-PTH-004 JF-PTH-005 JF-PTH-006"

NOT_PORTABLE = {
    "colon": b"12:30",
    "stream": b"f::$DATA",
    "backslash": b"a\\b",
    "backslash-twice": b"a\\\\b",
    "dot-last": b"name.",
    "dots": b"...",
    "space-last": b"name ",
    "con": b"con",
    "con-upper": b"CON",
    "nul-ending": b"nul.tar.gz",
    "aux-ending": b"aUx.c",
    "prn-space": b"prn .txt",
    "com1": b"com1.log",
    "com9": b"COM9",
    "lpt1": b"lpt1.",
    "lpt9": b"Lpt9.x",
    "less": b"a<b",
    "greater": b"a>b",
    "quote": b'say "x"',
    "pipe": b"a|b",
    "question": b"what?",
    "star": b"*.py",
    "line-end": b"a\nb",
    "escape": b"\x1b[31m",
    "control-first": b"\x01",
    "control-last": b"a\x1f",
    "delete": b"a\x7f",
    "no-text-star": b"\xff*",
}
PORTABLE = (
    b"con1", b"console", b"xcon", b"con-", b"com", b"com0", b"com10", b"lpt", b"lpt0.x", b"aux_", b".con", b"a.con",
    b"nul0", b"name.x", b" name", b".name", b"a b", b"\xff\xfe", b"-rf", b"a'b", b"a;b&c", "\u00e9".encode(),
    b"prnx.txt",
)  # fmt: skip
TWINS = {
    "case": (b"Readme", b"README"),
    "case-directories": (b"Src/a", b"src/b"),
    "case-file-directory": (b"Src", b"src/b"),
    "nfc": ("\u00e9".encode(), "e\u0301".encode()),
    "sharp-s": ("stra\u00dfe".encode(), b"strasse"),
    "case-other-script": ("\u0416".encode(), "\u0436".encode()),
    "case-no-text": (b"\xffA", b"\xffa"),
    "case-below": (b"d/x", b"d/X"),
    "greek-sigma": ("\u03a3\u03a3".encode(), "\u03c3\u03c2".encode()),
    "greek-marks": ("\u1f80".encode(), "\u1f00\u03b9".encode()),
    "kana": ("\u30ac".encode(), "\u30ab\u3099".encode()),
    "hangul": ("\uac00".encode(), "\u1100\u1161".encode()),
    "cyrillic-last": ("\u052e".encode(), "\u052f".encode()),
    "two-marks": ("a\u0323\u0307".encode(), "a\u0307\u0323".encode()),
}
APART = {
    "newer": ("\ua7c0".encode(), "\ua7c1".encode()),
    "georgian": ("\u10a0".encode(), "\u2d00".encode()),
    "cherokee": ("\u13a0".encode(), "\uab70".encode()),
    "deseret": ("\U00010400".encode(), "\U00010428".encode()),
    "fullwidth": ("\uff21".encode(), "\uff41".encode()),
    "armenian": ("\u0531".encode(), "\u0561".encode()),
    "devanagari": ("\u0958".encode(), "\u0915\u093c".encode()),
    "compatible": ("\u212b".encode(), "\u00c5".encode()),
    "across": ("\u0915e\u0301".encode(), "\u0915\u00ea".encode()),
}


def make() -> Area:
    """The area."""
    area = Area("restore", (RESTORE,))
    _written(area)
    _names(area)
    _unsafe(area)
    _links(area)
    _targets(area)
    _validated(area)
    return area


def tree(made: Draft) -> list[Json]:
    """Everything that is to be in the directory."""
    found: list[Json] = [
        {"path": {"hex": path.hex()}, "type": TYPES[mode], "content": {"hex": made.box.objects[oid][1].hex()}}
        for path, mode, oid, _ in derive.files(made.box, made.state)
    ]
    for prefix, part in derive.walk(made.state):
        for path in part["worktree"]["empty_directories"] if part["worktree"] else []:
            found.append({"path": {"hex": (prefix + path).hex()}, "type": "directory", "content": {"hex": ""}})
    return sorted(found, key=lambda item: bytes.fromhex(item["path"]["hex"]))


def _accept(
    area: Area, name: str, why: str, made: Draft, *, ids: str = IDS, data: bytes | None = None,
    needs: tuple[str, ...] = (), ending: str = "jelly",
) -> None:  # fmt: skip
    file = {"in": (ending, made.build() if data is None else data)}
    area.add(Vector("restore", name, tuple(ids.split()), "restore", (RESTORE, *needs), {"tree": tree(made)}, why, file))


def _refuse(area: Area, name: str, requirement: str, error: str, why: str, made: Draft | bytes, also: str = "") -> None:
    ids = tuple(dict.fromkeys([*also.split()])) or ()
    area.reject(name, requirement, error, why, made, command="restore", also=ids)


def _written(area: Area) -> None:
    _accept(area, "small", "two files, one in a directory", small())
    ids = IDS + " JF-SUB-004 JF-PTH-007 JF-PRV-002"
    why = "everything a state can have: the files of nested repositories, converted and filtered ones, no `.git`"
    _accept(area, "everything", why, everything(), ids=ids)
    _accept(area, "history", "with two old commits, which are not written", with_history())
    box = Box()
    bare = draft(state(box.commit(box.tree({b"a": b"a\n", b"run": (EXECUTABLE, b"x\n")})), None, None), box)
    _accept(area, "bare", "a bare repository: the files of HEAD", bare)
    _accept(area, "nothing", "no file at all", with_worktree({}))
    made = with_worktree({b"f": b"f\n"}, more={"empty_directories": [b"d/e", b"d/e2/f", b"hollow"]})
    _accept(area, "empty-directories", "empty directories, one in another", made)
    made = with_worktree({b"/".join([b"d"] * 100): b"deep\n", b"n" * 255: b"long\n"})
    _accept(area, "deep", "a file in 99 directories, and a name of 255 bytes", made)
    made = with_worktree({b"empty": b"", b"zeros": bytes(100_000), b"lines": b"a\r\nb\rc\n\xff"})
    _accept(area, "contents", "an empty file, zeros, and line ends of every kind", made)
    dangerous = {
        b".gitattributes": b"* filter=evil ident eol=crlf\n",
        b".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c false\n\tupdate = !false\n',
        b"hooks/post-checkout": (EXECUTABLE, b"#!/bin/sh\ntouch ../ran\n"),
        b"HEAD": b"ref: refs/heads/main\n",
        b"config": b"[core]\n\tfsmonitor = touch ran\n\thooksPath = hooks\n",
        b"x": gitlink(b"\1" * 20),
        b"id.txt": b"$Id$\n",
    }
    made = with_worktree(dangerous)
    made.manifest["provenance"]["remotes"] = [[b"origin", b"ext::sh -c touch% ran"]]
    ids = IDS + " JF-SUB-004 JF-PTH-007 JF-PRV-002"
    why = "attributes, submodules, hooks and configuration that git would act on: they are files, and nothing is run"
    _accept(area, "nothing-run", why, made, ids=ids)
    made = small()
    made.state["facts"] = {"org.example.stash": [{"path": b"stashed", "content": b"x"}], "modes": {"a.py": 0o700}}
    box = Box()
    main, helper = box.tree({b"main.py": b"m\n"}), box.tree({b"lib/h.py": b"h\n", b"run": (EXECUTABLE, b"x\n")})
    roots = [root(b"helper", state(None, index(helper), worktree(helper, empty_directories=[b"hollow"])))]
    made = draft(state(None, index(main), worktree(main), roots=roots), box)
    _accept(area, "roots", "another repository, whose files lie under its name", made, ids=IDS + " JF-ROO-001")
    made = small()
    _accept(area, "facts", "facts that nobody knows: nothing is done with them", made, ids=IDS + " JF-STA-005")
    box = Box("sha256")
    leaf = box.tree({b"a": b"a\n"})
    made = draft(state(None, index(leaf), worktree(leaf), object_format="sha256"), box)
    _accept(area, "sha256", "a repository of SHA-256", made, needs=("oid:sha256",))
    made = small()
    _accept(
        area, "from-trailer", "out of a host", made, data=trailer(ARRAY, made.build()), needs=("host:trailer",),
        ending="npy",
    )  # fmt: skip
    data = torch(Item(b"archive/.jelly/snapshot", made.build()), Item(b"archive/x.pkl", EXITS)).build()
    _accept(area, "from-zip", "out of a zip", made, data=data, needs=("host:zip",), ending="pt")


def _names(area: Area) -> None:
    made = with_worktree(dict.fromkeys(PORTABLE, b"x\n"))
    why = "names that come near to those that are not portable"
    _accept(area, "portable", why, made, ids=IDS + " JF-PTH-003")
    made = with_worktree({b"a/x": b"x\n", b"b/X": b"x\n", b"x": b"x\n"})
    _accept(area, "portable-apart", "names alike in other directories", made, ids=IDS + " JF-PTH-003")
    for name, path in NOT_PORTABLE.items():
        made = with_worktree({b"f": b"f\n", b"d/" + path: b"x\n"})
        _refuse(area, f"name-{name}", "JF-PTH-003", NAME, f"a file named {path!r}", made)
    for name, (one, two) in APART.items():
        made = with_worktree({one: b"1\n", two: b"2\n"})
        why = f"{one!r} and {two!r}, which are different whatever a version of Unicode says"
        _accept(area, f"apart-{name}", why, made, ids=IDS + " JF-PTH-003")
    for name, (one, two) in TWINS.items():
        made = with_worktree({one: b"1\n", two: b"2\n"})
        _refuse(area, f"twins-{name}", "JF-PTH-003", NAME, f"{one!r} and {two!r}", made)
    made = with_worktree({b"con/f": b"f\n"})
    _refuse(area, "name-directory", "JF-PTH-003", NAME, "a directory that is a device elsewhere", made)
    made = with_worktree({b"f": b"f\n"}, more={"empty_directories": [b"aux"]})
    _refuse(area, "name-empty-directory", "JF-PTH-003", NAME, "an empty directory that is a device elsewhere", made)
    made = with_worktree({b"l:": (SYMLINK, b"f")})
    _refuse(area, "name-link", "JF-PTH-003", NAME, "a symbolic link with a colon", made)


def _unsafe(area: Area) -> None:
    for name, component in IN_TREES.items():
        box = Box()
        blob = box.blob(b"escaped\n")
        made = with_tree(raw_tree(box, [(b"100644", component, blob)]), box)
        why = f"a file named {component!r}: nothing is written, inside or outside"
        _refuse(area, f"unsafe-{name}", "JF-OBJ-003", UNSAFE, why, made, also="JF-PTH-001 JF-PTH-004")
    box = Box()
    inner = raw_tree(box, [(b"100644", b"keep", box.blob(b"escaped\n"))])
    made = with_tree(raw_tree(box, [(b"40000", b"..", inner)]), box)
    why = "a directory `..` with a file of the name that lies there"
    _refuse(area, "unsafe-parent", "JF-OBJ-003", UNSAFE, why, made, also="JF-PTH-001 JF-PTH-004")
    made = with_worktree({b"f": b"f\n"}, more={"empty_directories": [b"../made"]})
    _refuse(area, "unsafe-empty-directory", "JF-STA-004", UNSAFE, "an empty directory outside", made, also="JF-PTH-001")
    box = Box()
    empty = box.tree({})
    at = box.tree({b"x": b"escaped\n"})
    outside = state(None, index(empty), worktree(at))
    made = draft(state(None, index(empty), worktree(empty), submodules=[nested(b"../beside", outside)]), box)
    _refuse(area, "unsafe-nested", "JF-STA-004", UNSAFE, "a nested repository outside", made, also="JF-PTH-001")
    _refuse(area, "unsafe-ignored", "JF-PTH-001", UNSAFE, "an unsafe path of what was ignored", ignoring(b"../x"))


def _targets(area: Area) -> None:
    made = with_worktree({b"f": b"f\n", b"l": (SYMLINK, b"t" * 4095)})
    why = "a link whose target is as long as it may be"
    _accept(area, "target-4095", why, made, ids=IDS + " JF-PTH-008")
    for name, target in (("empty", b""), ("nul", b"a\0b"), ("4096", b"t" * 4096)):
        made = with_worktree({b"f": b"f\n", b"l": (SYMLINK, target)})
        _refuse(area, f"target-{name}", "JF-PTH-008", NAME, f"a link whose target no system takes: {name}", made)


def _links(area: Area) -> None:
    links: Files = {
        b"a": (SYMLINK, b"../keep"),
        b"b": (SYMLINK, b".."),
        b"c": (SYMLINK, b"/"),
        b"d/e": (SYMLINK, b"../../beside/file"),
        b"f": (SYMLINK, b"nowhere"),
        b"g": (SYMLINK, b"g"),
        b"h": b"a file\n",
        b"i": (SYMLINK, b".git/config"),
        b"z/file": b"z\n",
    }
    why = "links to the outside, to nowhere and to themselves: they are written as they are, and not followed"
    _accept(area, "links", why, with_worktree(links))
    for name, entries in {
        "link-first": ((b"120000", b"a", b"..", None), (b"40000", b"a", None, b"keep")),
        "directory-first": ((b"40000", b"a", None, b"keep"), (b"120000", b"a", b"..", None)),
    }.items():
        box = Box()
        raw = []
        for mode, component, target, inside in entries:
            oid = box.blob(target) if target is not None else box.tree({inside or b"": b"escaped\n"})
            raw.append((mode, component, oid))
        made = with_tree(raw_tree(box, raw), box)
        why = f"a link and a directory of one name, so that a file would be written through the link: {name}"
        _refuse(area, f"link-and-{name}", "JF-OBJ-005", "malformed.object", why, made, also="JF-PTH-005 JF-PTH-006")
    kinds: dict[str, Files] = {
        "link": {b"a": (SYMLINK, b"..")},
        "file": {b"a": b"file\n"},
    }
    for name, files in kinds.items():
        made = with_worktree(files, more={"empty_directories": [b"a/made"]})
        why = f"an empty directory below a {name} of the worktree"
        _refuse(area, f"empty-below-{name}", "JF-WRK-006", MISMATCH, why, made, also="JF-PTH-005 JF-PTH-006")
        box = Box()
        empty, around = box.tree({}), box.tree(files)
        inner = state(None, index(empty), worktree(box.tree({b"keep": b"escaped\n"})))
        made = draft(state(None, index(empty), worktree(around), submodules=[nested(b"a/beside", inner)]), box)
        why = f"a nested repository without a commit below a {name} of the worktree"
        _refuse(area, f"nested-below-{name}", "JF-SUB-005", MISMATCH, why, made, also="JF-PTH-005 JF-PTH-006")
    box = Box()
    empty = box.tree({})
    inner = state(None, index(empty), worktree(box.tree({b"keep": b"escaped\n"})))
    link = state(None, index(empty), worktree(box.tree({b"beside": (SYMLINK, b"..")})))
    nests = [nested(b"m", link), nested(b"m/beside", inner)]
    made = draft(state(None, index(empty), worktree(empty), submodules=nests), box)
    why = "a nested repository at a path below another of the same state, where that one has a link"
    _refuse(area, "nested-below-nested", "JF-SUB-005", MISMATCH, why, made, also="JF-PTH-005 JF-PTH-006")


def _validated(area: Area) -> None:
    made = small()
    made.manifest["summary"]["files"] = 3
    _refuse(area, "fault-summary", "JF-SUM-001", "mismatch.summary", "a summary that lies", made, also="JF-PTH-004")
    made = small()
    made.manifest["history"]["commits"] = 2
    _refuse(area, "fault-history", "JF-HIS-001", MISMATCH, "a number of commits that is wrong", made, also="JF-PTH-004")
    made = with_history()
    made.blocks[1].said = {"sha256": bytes(32)}
    why = "a history block that was changed, though no file is in it"
    _refuse(area, "fault-history-block", "JF-BLK-005", "corrupt.block", why, made, also="JF-PTH-004")
    made = small()
    gone = Box().blob(b"new\n")
    made.blocks = [objects_block("state", made.box, [oid for oid in made.box.objects if oid != gone])]
    why = "the last file is not there"
    _refuse(area, "fault-missing", "JF-NED-001", "missing.object", why, made, also="JF-PTH-004")
    good = small().build()
    flipped = good[:-1] + bytes([good[-1] ^ 1])
    why = "the last bit was changed"
    _refuse(area, "fault-last-bit", "JF-BLK-005", "corrupt.block", why, flipped, also="JF-PTH-004")
    _refuse(
        area, "fault-truncated", "JF-HDR-004", "truncated", "the last byte is missing", good[:-1], also="JF-PTH-004"
    )
    box = Box()
    old = box.commit(raw_tree(box, [(b"100644", b"..", box.blob(b"x\n"))]), (), b"old\n")
    clean = box.tree({b"f": b"f\n"})
    made = draft(state(box.commit(clean, (old,)), index(clean), worktree(clean)), box)
    why = "an unsafe name in a tree of an old commit, which is not written"
    _refuse(area, "fault-old-tree", "JF-OBJ-003", UNSAFE, why, made, also="JF-PTH-004")
    made = with_worktree({b"f": b"f\n"}, more={"omitted": [omitted(b"f", "size")]})
    _refuse(
        area, "fault-state", "JF-WRK-002", MISMATCH, "a file that is there is called omitted", made, also="JF-PTH-004"
    )
    box = Box()
    leaf = box.tree({b"m": (GITLINK, b"\1" * 20)})
    inner_tree = box.tree({b"x": b"x\n"})
    inner = state(box.commit(inner_tree), index(inner_tree), worktree(inner_tree))
    made = draft(state(None, index(leaf), worktree(leaf), submodules=[nested(b"m", inner)]), box)
    why = "a nested repository whose commit is not that of its entry"
    _refuse(area, "fault-nested", "JF-SUB-001", MISMATCH, why, made, also="JF-PTH-004")

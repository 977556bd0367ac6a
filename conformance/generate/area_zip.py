"""Vectors of SPEC JF-LOC, JF-ZIP and JF-TEN: containers in zips."""

from __future__ import annotations

from collections.abc import Callable

from conformance.generate.draft import small
from conformance.generate.suite import EMBED, READ, Area, Json, Vector, sha256
from conformance.generate.trailers import locator
from conformance.generate.zips import DEFLATED, ONES16, ONES32, Item, Zip, deflated, embedded, wide

HOST, LOCATOR = "malformed.host", "corrupt.locator"
EXITS = b"cposix\n_exit\n(K\x03tR."
"""A pickle: whoever unpickles it, ends with status 3."""
ENTRY = b".jelly/snapshot"
GOOD_IDS = "JF-LOC-001 JF-ZIP-001 JF-ZIP-006"


def make() -> Area:
    """The area."""
    area = Area("zip", (READ, "host:zip"))
    _located(area)
    _repacked(area)
    _tensors(area)
    _absent(area)
    _locators(area)
    _records(area)
    _entries(area)
    _embed(area)
    _strip(area)
    return area


def container() -> bytes:
    """The container that lies in all of them."""
    return small().build()


def other() -> bytes:
    """Another one."""
    made = small()
    made.manifest["provenance"]["tool"] = "another"
    return made.build()


def arrays(**more: object) -> Zip:
    """Arrays as numpy saves them, as far as a zip is concerned."""
    return Zip([Item(b"a.npy", b"\x93NUMPY a"), Item(b"b.npy", b"\x93NUMPY b")], **more)  # type: ignore[arg-type]


def torch(*extra: Item, **more: object) -> Zip:
    """A file as torch saves it; whoever unpickles its object, ends."""
    own = [
        Item(b"archive/data.pkl", EXITS),
        Item(b"archive/byteorder", b"little"),
        Item(b"archive/data/0", bytes(64)),
        Item(b"archive/version", b"3\n"),
    ]
    return Zip([*own, *extra], **more)  # type: ignore[arg-type]


def accept(area: Area, name: str, requirements: str, why: str, data: bytes, *, ending: str = "zip") -> None:
    """A file in which the container is found."""
    host = "trailer" if ending == "bin" else "safetensors" if ending == "safetensors" else "zip"
    area.accept(name, requirements, why, small(), data=data, host=host, ending=ending, content=False)


def written(
    area: Area, command: str, name: str, ids: str, why: str, files: dict[str, tuple[str, bytes]], expect: Json,
    host: str = "zip",
) -> None:  # fmt: skip
    """A vector whose file written is compared."""
    needs = (READ if command == "extract" else EMBED, f"host:{host}")
    area.add(Vector(area.name, name, tuple(ids.split()), command, needs, expect, why, files, {"host": host}))


def output(data: bytes) -> Json:
    """These bytes are expected."""
    return {"output": {"sha256": sha256(data), "length": len(data)}}


def _located(area: Area) -> None:
    box = container()
    cases: dict[str, tuple[str, Zip, bytes | None]] = {
        "unlisted": ("the unlisted form, behind arrays", arrays(), None),
        "listed": ("the listed form, in a file of torch", torch(), b"archive/" + ENTRY),
        "empty": ("in a zip without entries", Zip([]), None),
        "comment": ("behind a comment of the host", arrays(comment=b"made by hand \x80"), None),
        "zip64": ("in a zip with zip64 records", arrays(zip64=True), None),
        "zip64-listed": ("in a file of torch with zip64 records", torch(zip64=True), b"archive/" + ENTRY),
        "comment-end-record": (
            "behind a comment with an end record in it, whose comment does not reach to the end",
            arrays(comment=b"PK\5\6" + bytes(18) + b"x"),
            None,
        ),
    }
    for name, (why, host, listed) in cases.items():
        data = embedded(host, box, listed=listed)
        ids = GOOD_IDS + (" JF-HST-001" if b"_exit" in data else "")
        accept(area, name, ids, why, data)
        if name in ("unlisted", "listed"):
            file = {"in": ("zip", data)}
            written(area, "extract", f"extract-{name}", ids, f"taken out of {name}", file, output(box))
    junk = embedded(arrays(), box, directory=bytes(90))
    why = "with a locator, the central directory is not read; here it is none"
    accept(area, "directory-not-read", "JF-ZIP-001 JF-LOC-001", why, junk)
    data = embedded(torch(Item(b"archive/" + ENTRY, other())), box)
    why = "the locator counts, not the entry of another container"
    accept(area, "locator-before-entry", "JF-LOC-001 JF-ZIP-003", why, data)


def _repacked(area: Area) -> None:
    box = container()
    cases = {
        "stored": ("an entry of the name", [Item(b"archive/" + ENTRY, box)]),
        "deflated": ("an entry of the name, deflated", [Item(b"archive/" + ENTRY, box, DEFLATED)]),
        "at-root": ("an entry of the name alone", [Item(ENTRY, box)]),
        "below": ("an entry of the name, further below", [Item(b"a/b/" + ENTRY, box)]),
        "twice-same": ("two entries with the same container", [Item(ENTRY, box), Item(b"x/" + ENTRY, box, DEFLATED)]),
        "descriptor": (
            "sizes behind the data, where flag bit 3 is set",
            [
                Item(
                    ENTRY, box, DEFLATED, local={"flags": 8, "size": 0, "packed": 0, "crc": 0}, central={"flags": 8},
                    behind=b"PK\7\x08" + bytes(12),
                )
            ],
        ),
        "zip64-sizes": (
            "sizes in a zip64 extra field",
            [
                Item(
                    ENTRY, box, extra=wide(len(box), len(box)), local={"size": ONES32, "packed": ONES32},
                    central={"size": ONES32, "packed": ONES32, "extra": b"\x42\0\1\0x" + wide(len(box), len(box))},
                )
            ],
        ),
        "bytes-before": ("an extra field in the local header alone", [Item(ENTRY, box, extra=b"FB\4\0zzzz")]),
    }  # fmt: skip
    for name, (why, items) in cases.items():
        data = Zip([Item(b"archive/data.pkl", EXITS), *items]).build()
        ids = "JF-ZIP-002 JF-ZIP-001" + (" JF-ZIP-004" if "deflated" in name else "")
        ids += " JF-ZIP-003" if "twice" in name else ""
        accept(area, f"repacked-{name}", ids, why, data)
        if name == "deflated":
            written(
                area, "extract", "extract-deflated", ids, "taken out of deflate", {"in": ("zip", data)}, output(box)
            )
    data = Zip([Item(b"archive/data.pkl", EXITS), Item(ENTRY, box)], zip64=True).build()
    accept(area, "repacked-zip64", "JF-ZIP-001 JF-ZIP-002", "an entry in a zip with zip64 records", data)
    used = Zip([Item(b"a", b"a"), Item(ENTRY, box)], zip64=True, end={"count": ONES16, "here": ONES16, "size": ONES32})
    used.end["offset"] = ONES32
    accept(area, "repacked-zip64-used", "JF-ZIP-001", "all numbers in the zip64 record alone", used.build())
    for name, method in (("stored", 0), ("deflated", DEFLATED)):
        longer = Zip([Item(ENTRY, box + b"\0", method)]).build()
        why = f"a byte behind the container in an entry, {name}"
        area.reject(f"repacked-longer-{name}", "JF-HDR-010", "malformed.header", why, longer, ending="zip")
    shorter = Zip([Item(ENTRY, box[:-1])]).build()
    area.reject("repacked-shorter", "JF-HDR-004", "truncated", "the container ends early", shorter, ending="zip")
    two = Zip([Item(ENTRY, box), Item(b"x/" + ENTRY, other())]).build()
    area.reject("two-entries", "JF-ZIP-003", HOST, "two entries with different containers", two, ending="zip")


def _tensors(area: Area) -> None:
    box = container()
    ids = "JF-ZIP-002 JF-ZIP-001 JF-HST-001"
    accept(area, "tensor", ids, "a tensor of bytes", torch(Item(b"archive/data/1", box)).build())
    why = "a tensor that is a part of a longer run: what lies behind the container does not count"
    accept(area, "tensor-longer", ids + " JF-HDR-010", why, torch(Item(b"archive/data/12", box + bytes(9))).build())
    twice = torch(Item(b"archive/data/1", box), Item(b"archive/data/2", box + b"\1"))
    accept(area, "tensor-twice", ids + " JF-ZIP-003", "the same container in two tensors", twice.build())
    data = torch(Item(b"archive/" + ENTRY, box), Item(b"archive/data/1", other())).build()
    accept(area, "entry-before-tensor", "JF-ZIP-003", "an entry of the name comes before a tensor", data)
    written(
        area, "extract", "extract-tensor", ids, "taken out of a tensor in a longer run",
        {"in": ("zip", torch(Item(b"archive/data/1", box + bytes(7))).build())}, output(box),
    )  # fmt: skip
    two = torch(Item(b"archive/data/1", box), Item(b"archive/data/2", other())).build()
    area.reject("two-tensors", "JF-ZIP-003", HOST, "two tensors with different containers", two, ending="zip")
    short = torch(Item(b"archive/data/1", box[:-1])).build()
    area.reject("tensor-shorter", "JF-HDR-004", "truncated", "a tensor that ends early", short, ending="zip")


def _absent(area: Area) -> None:
    box = container()
    cases = {
        "nothing": ("a zip with nothing in it", arrays().build()),
        "torch": ("a file of torch with nothing in it", torch().build()),
        "no-entries": ("a zip without entries", Zip([]).build()),
        "name-longer": ("a name that only ends alike", Zip([Item(b"x" + ENTRY, box)]).build()),
        "name-upper": ("a name in upper case", Zip([Item(ENTRY.upper(), box)]).build()),
        "tensor-deflated": ("a tensor that is deflated", torch(Item(b"archive/data/1", box, DEFLATED)).build()),
        "tensor-other-root": ("a tensor below another root", torch(Item(b"other/data/1", box)).build()),
        "tensor-name": ("a tensor whose name is no digits", torch(Item(b"archive/data/x1", box)).build()),
        "tensor-below": ("a tensor further below", torch(Item(b"archive/data/1/2", box)).build()),
        "tensor-later": ("a tensor with a byte before the magic", torch(Item(b"archive/data/1", b"\0" + box)).build()),
        "no-root": ("a first entry without a directory", Zip([Item(b"a", b"a"), Item(b"a/data/1", box)]).build()),
        "digits-upper": (
            "an end magic in upper-case digits is none",
            embedded(arrays(), box, digits=lambda digits: digits[:-16] + digits[-16:].upper()),
        ),
        "digits-shortened": ("a comment without the last digit", embedded(arrays(), box, digits=lambda it: it[:-1])),
    }
    for name, (why, data) in cases.items():
        expect: Json = {"error": {"class": "absent.snapshot", "requirement": None}}
        file = {"in": ("zip", data)}
        area.add(Vector("zip", f"absent-{name}", (), "decode", area.needs, expect, why, file))


def _locators(area: Area) -> None:
    box, host = container(), arrays()
    length = len(host.build())

    def flipped(place: int) -> Callable[[bytes], bytes]:
        def flip(digits: bytes) -> bytes:
            raw = bytearray(bytes.fromhex(digits.decode()))
            raw[place] ^= 1
            return bytes(raw).hex().encode()

        return flip

    for name, place in (("offset", 7), ("length", 15), ("host-length", 23), ("sha256", 24), ("sha256-last", 55)):
        data = embedded(host, box, digits=flipped(place))
        area.reject(f"locator-bit-{name}", "JF-LOC-001", LOCATOR, f"a bit of its {name} flipped", data, ending="zip")
    wrong: dict[str, tuple[str, dict[str, int]]] = {
        "before-host-end": ("the container begins before the host ends", {"host_length": length + 1}),
        "length-less": ("its length is one less than the total length", {"length": len(box) - 1}),
        "length-more": ("its length is one more than the total length", {"length": len(box) + 1}),
        "length-short": ("its length is less than a header's", {"length": 71}),
        "offset-far": ("the container lies far behind the file", {"offset": 1 << 62}),
        "sum-wraps": ("offset and length wrap around", {"offset": (1 << 64) - 64, "length": length + 64}),
        "all-ones": ("all ones", {"offset": (1 << 64) - 1, "length": (1 << 64) - 1, "host_length": (1 << 64) - 1}),
    }
    for name, (why, fault) in wrong.items():
        data = embedded(host, box, locator=fault)
        area.reject(f"locator-{name}", "JF-LOC-001", LOCATOR, why, data, ending="zip")
    raw = bytearray(embedded(host, box))
    raw[length + 20] ^= 1
    why = "a bit of the container's header flipped, which the locator covers"
    area.reject("locator-header", "JF-LOC-001", LOCATOR, why, bytes(raw), ending="zip")
    cases: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
        "short": ("126 digits", lambda digits: digits[2:]),
        "only-magic": ("the end magic alone", lambda digits: digits[-16:]),
        "no-digit": ("a byte that is no digit", lambda digits: b"g" + digits[1:]),
        "upper": ("digits in upper case", lambda digits: digits[:-16].upper() + digits[-16:]),
        "space": ("a space in it", lambda digits: digits[:20] + b" " + digits[21:]),
    }
    for name, (why, change) in cases.items():
        data = embedded(host, box, digits=change)
        area.reject(f"digits-{name}", "JF-ZIP-006", LOCATOR, why, data, ending="zip")
    inside = _inside(host, box)
    why = "the container reaches beyond the begin of the end record"
    area.reject("locator-in-end-record", "JF-ZIP-006", LOCATOR, why, inside, ending="zip", also=("JF-LOC-001",))


def _inside(host: Zip, box: bytes) -> bytes:
    """A file whose comment begins with the container."""
    before = host.build()
    directory = host.directory()
    here = len(before) + len(directory)
    comment = box + locator(here + 22, box, len(before)).hex().encode()
    records = host.records(len(before), len(directory), len(host.items), here, len(comment))
    return before + directory + records + comment


def _records(area: Area) -> None:
    box = container()

    def zipped(**more: object) -> Zip:
        return Zip([Item(b"a", b"a"), Item(ENTRY, box)], **more)  # type: ignore[arg-type]

    good = zipped().build()
    size = len(zipped().directory())
    at = len(zipped().entries())
    cases: dict[str, tuple[str, bytes]] = {
        "no-end-record": ("no end record", good[:-22]),
        "cut-off": ("its last byte is missing", good[:-1]),
        "byte-behind": ("a byte behind the end record", good + b"\0"),
        "comment-longer": ("a comment longer than the file", zipped(end={"comment": 1}).build()),
        "comment-shorter": ("a comment shorter than what follows", zipped(comment=b"ab", end={"comment": 1}).build()),
        "offset-more": ("the directory one byte later", zipped(end={"offset": at + 1}).build()),
        "offset-less": ("the directory one byte earlier", zipped(end={"offset": at - 1}).build()),
        "offset-far": ("the directory behind the file", zipped(end={"offset": 1 << 31}).build()),
        "size-more": ("the directory one byte longer", zipped(end={"size": size + 1}).build()),
        "size-less": ("the directory one byte shorter", zipped(end={"size": size - 1}).build()),
        "gap": ("a gap behind the directory", zipped(gap=b"gap").build()),
        "count-more": ("an entry more than there are", zipped(end={"count": 3, "here": 3}).build()),
        "count-less": ("an entry less than there are", zipped(end={"count": 1, "here": 1}).build()),
        "count-zero": ("no entry", zipped(end={"count": 0, "here": 0}).build()),
        "count-here": ("not all entries on this disk", zipped(end={"here": 1}).build()),
        "disk": ("the second disk of several", zipped(end={"disk": 1, "start": 1}).build()),
        "ones-without-zip64": ("a number that is in no zip64 record", zipped(end={"offset": ONES32}).build()),
        "zip64-magic": ("no zip64 end record", zipped(zip64=True, end64={"magic": b"PK\6\5"}).build()),
        "zip64-place": ("a zip64 locator that points nowhere", zipped(zip64=True, end64={"at": 1 << 40}).build()),
        "zip64-wraps": ("a zip64 locator of all ones", zipped(zip64=True, end64={"at": (1 << 64) - 1}).build()),
        "zip64-length": ("a zip64 end record of another length", zipped(zip64=True, end64={"length": 45}).build()),
        "zip64-offset": ("two offsets", zipped(zip64=True, end64={"offset": at + 1}).build()),
        "zip64-size": ("two sizes", zipped(zip64=True, end64={"size": size - 1}).build()),
        "zip64-count": ("two counts", zipped(zip64=True, end64={"count": 3, "here": 3}).build()),
        "zip64-offset-short": ("two offsets, the zip64 one right", zipped(zip64=True, end={"offset": at + 1}).build()),
        "zip64-size-short": ("two sizes, the zip64 one right", zipped(zip64=True, end={"size": size - 1}).build()),
        "zip64-count-short": (
            "two counts, the zip64 one right",
            zipped(zip64=True, end={"count": 1, "here": 1}).build(),
        ),
        "zip64-wraps-sum": (
            "offset and size that wrap around",
            zipped(
                zip64=True, end={"offset": ONES32, "size": ONES32},
                end64={"offset": (1 << 64) - 8, "size": at + size + 8},
            ).build(),
        ),
        "directory-magic": (
            "an entry of the directory without its magic",
            Zip([Item(b"a", b"a"), Item(ENTRY, box, central={"magic": b"PK\1\3"})]).build(),
        ),
        "extra-short": (
            "a zip64 extra field that is too short",
            Zip([Item(ENTRY, box, central={"size": ONES32, "extra": b"\1\0\4\0abcd"})]).build(),
        ),
        "data-in-directory": (
            "data that reach into the directory",
            Zip([
                Item(
                    ENTRY, box, local={"size": len(box) + 9, "packed": len(box) + 9},
                    central={"size": len(box) + 9, "packed": len(box) + 9},
                )
            ]).build(),
        ),
        "header-in-directory": (
            "a local header in the directory",
            Zip([Item(ENTRY, box, central={"offset": at})]).build(),
        ),
        "header-far": ("a local header behind the file", Zip([Item(ENTRY, box, central={"offset": 1 << 31})]).build()),
    }  # fmt: skip
    for name, (why, data) in cases.items():
        area.reject(f"broken-{name}", "JF-ZIP-001", HOST, why, data, ending="zip")


def _entries(area: Area) -> None:
    box = container()
    cases: dict[str, tuple[str, Item]] = {
        "encrypted": ("encrypted", Item(ENTRY, box, local={"flags": 1}, central={"flags": 1})),
        "no-header": ("without a local header", Item(ENTRY, box, local={"magic": b"PK\3\5"})),
        "name": ("of another name in its local header", Item(ENTRY, box, local={"name": b".jelly/snapshoT"})),
        "name-shorter": ("of a shorter name in its local header", Item(ENTRY, box, local={"name": ENTRY[:-1]})),
        "method": ("of another method in its local header", Item(ENTRY, box, local={"method": DEFLATED})),
        "size": ("of another size in its local header", Item(ENTRY, box, local={"size": len(box) - 1})),
        "packed": ("of another packed size in its local header", Item(ENTRY, box, local={"packed": len(box) - 1})),
        "sizes-differ": (
            "stored, and of two sizes",
            Item(ENTRY, box, local={"size": len(box) + 1}, central={"size": len(box) + 1}),
        ),
    }
    for name, (why, item) in cases.items():
        data = Zip([Item(b"a", b"a"), item]).build()
        area.reject(f"entry-{name}", "JF-ZIP-002", HOST, f"an entry {why}", data, ending="zip")
    item = Item(b"archive/data/1", box, local={"name": b"archive/data/2"})
    why = "a tensor of another name in its local header"
    area.reject("tensor-name", "JF-ZIP-002", HOST, why, torch(item).build(), ending="zip")
    wrong = box[:32] + (71).to_bytes(8, "big") + box[40:]
    both = torch(Item(b"archive/data/1", wrong), Item(b"archive/data/2", wrong + b"more")).build()
    why = "two tensors whose headers say 71 bytes: they are the same for 72, and no container"
    area.reject("tensor-twice-broken", "JF-HDR-005", "malformed.header", why, both, ending="zip", also=("JF-ZIP-003",))
    item = Item(b"archive/data/1", b"no container", local={"size": 11}, central={"size": 11})
    why = "a tensor that is stored and has two sizes, though it holds no container"
    area.reject("tensor-two-sizes", "JF-ZIP-002", HOST, why, torch(item).build(), ending="zip")
    inflating: dict[str, tuple[str, Item]] = {
        "more": ("that inflates to more than it declares", Item(ENTRY, box[:-1], DEFLATED, deflated(box))),
        "less": ("that inflates to less than it declares", Item(ENTRY, box + b"\0", DEFLATED, deflated(box))),
        "broken": ("that does not inflate", Item(ENTRY, box, DEFLATED, b"\7" + deflated(box)[1:])),
        "cut-off": ("whose deflate stream ends early", Item(ENTRY, box, DEFLATED, deflated(box)[:-4])),
        "empty": ("without a deflate stream", Item(ENTRY, box, DEFLATED, b"")),
    }
    for name, (why, item) in inflating.items():
        data = Zip([item]).build()
        area.reject(f"inflate-{name}", "JF-ZIP-004", HOST, f"an entry {why}", data, ending="zip")
    huge = {"size": (2 << 30) + 1}
    data = Zip([Item(ENTRY, box, DEFLATED, local=huge, central=huge)]).build()
    why = "an entry that declares more than 2 GiB"
    area.reject("inflate-declared", "JF-ZIP-004", HOST, why, data, ending="zip")
    bomb = _bomb(8 << 20)
    data = Zip([Item(ENTRY, box, DEFLATED, bomb)]).build()
    why = "a real bomb: an entry that inflates to 8 MiB and declares less than a kilobyte"
    area.reject("inflate-bomb", "JF-ZIP-004", HOST, why, data, ending="zip")


def _bomb(size: int) -> bytes:
    """A deflate stream of ``size`` zeros in fixed Huffman codes: each 258 of them take 13 bits."""
    bits: list[int] = []

    def put(value: int, width: int, *, huffman: bool = False) -> None:
        bits.extend((value >> (width - 1 - n if huffman else n)) & 1 for n in range(width))

    put(1, 1)
    put(1, 2)
    put(0x30, 8, huffman=True)
    count = 1
    while size - count >= 258 and len(bits) % 8:
        put(0b11000101, 8, huffman=True)
        put(0, 5, huffman=True)
        count += 258
    head = list(bits)
    unit: list[int] = []
    for _ in range(8):
        bits = []
        put(0b11000101, 8, huffman=True)
        put(0, 5, huffman=True)
        unit += bits
    bits = [0] * 7

    def packed(items: list[int]) -> bytes:
        items = items + [0] * (-len(items) % 8)
        return bytes(
            sum(bit << place for place, bit in enumerate(items[at : at + 8])) for at in range(0, len(items), 8)
        )

    return packed(head) + packed(unit) * ((size - count) // (258 * 8)) + packed(bits)


def _embed(area: Area) -> None:
    box = container()
    files = {"container": ("jelly", box)}
    ids = "JF-HST-001 JF-HST-002 JF-HST-003 JF-HST-004 JF-ZIP-005"

    def put(name: str, why: str, host: Zip, listed: bytes | None) -> None:
        expect = {"output": {"zip": {"listed": None if listed is None else listed.decode()}}}
        written(area, "embed", f"embed-{name}", ids, why, {"in": ("zip", host.build()), **files}, expect)

    put("arrays", "into arrays: unlisted", arrays(), None)
    put("torch", "into a file of torch: listed", torch(), b"archive/" + ENTRY)
    put("comment", "behind a comment", arrays(comment=b"made by hand"), None)
    put("empty", "into a zip without entries", Zip([]), None)
    put("zip64", "into a zip with zip64 records", arrays(zip64=True), None)
    put("deflated", "into a zip with a deflated entry", Zip([Item(b"a", b"a" * 99, DEFLATED)]), None)
    put("longest-comment", "behind the longest comment that leaves room", arrays(comment=b"c" * (65_535 - 128)), None)
    put("script", "into a program of torch: listed", Zip([Item(b"net/constants.pkl", EXITS)]), b"net/" + ENTRY)
    packaged = Zip([Item(b"p/.data/version", b"1"), Item(b"p/.data/serialization_id", b"7")])
    put("package", "into a package of torch: listed", packaged, b"p/" + ENTRY)
    put("version-alone", "into a zip with one of the two marks of torch", Zip([Item(b"p/version", b"1")]), None)
    bad: dict[str, tuple[str, str, bytes]] = {
        "bytes-behind": ("JF-ZIP-005", "bytes behind the end record", arrays().build() + b"\0"),
        "comment-long": ("JF-HST-004", "a comment that leaves no room", arrays(comment=b"c" * 65_408).build()),
    }
    for name, (requirement, why, data) in bad.items():
        expect = {"error": {"class": "refused.host", "requirement": requirement}}
        written(
            area, "embed", f"embed-refused-{name}", f"{requirement} JF-HST-003", why,
            {"in": ("zip", data), **files}, expect,
        )  # fmt: skip


def _strip(area: Area) -> None:
    box = container()
    cases: dict[str, tuple[Zip, bytes | None]] = {
        "unlisted": (arrays(), None),
        "listed": (torch(), b"archive/" + ENTRY),
        "comment": (arrays(comment=b"made by hand"), None),
        "zip64": (arrays(zip64=True), None),
    }
    for name, (host, listed) in cases.items():
        file = {"in": ("zip", embedded(host, box, listed=listed))}
        why = f"taken out again: {name}"
        written(area, "strip", f"strip-{name}", "JF-HST-002 JF-ZIP-007 JF-ZIP-008", why, file, output(host.build()))
    host = arrays()
    whole = len(host.build())
    for name, cut in (("one-less", whole - 1), ("in-directory", whole - 60), ("nothing", 0)):
        data = embedded(host, box, locator={"host_length": cut})
        expect: Json = {"error": {"class": HOST, "requirement": "JF-ZIP-007"}}
        why = f"a host length at which no zip ends: {name}"
        written(area, "strip", f"strip-cut-{name}", "JF-ZIP-007 JF-HST-003", why, {"in": ("zip", data)}, expect)
    added = b"an entry that a tool has put there"
    data = embedded(host, box, added=added)
    expect = {"error": {"class": "refused.host", "requirement": "JF-ZIP-008"}}
    why = "a directory that begins behind the container, what a tool has added being between"
    written(area, "strip", "strip-added", "JF-ZIP-008 JF-HST-003", why, {"in": ("zip", data)}, expect)
    expect = {"error": {"class": "refused.host", "requirement": None}}
    foreign = {
        "entry": ("an entry that another tool has written", Zip([Item(b"a", b"a"), Item(ENTRY, box)])),
        "tensor": ("a tensor in the saved object", torch(Item(b"archive/data/1", box))),
    }
    for name, (why, made) in foreign.items():
        written(area, "strip", f"strip-{name}", "JF-HST-003", f"{why} stays", {"in": ("zip", made.build())}, expect)
    expect = {"error": {"class": "absent.snapshot", "requirement": None}}
    written(area, "strip", "strip-absent", "JF-HST-003", "nothing to take out", {"in": ("zip", host.build())}, expect)

"""Vectors made of the worked examples in SPEC.md itself, which is cut up here."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from conformance.generate import trailers, wire
from conformance.generate.area_safetensors import DATA, FORMAT, WEIGHT, file
from conformance.generate.area_trailer import LEGACY
from conformance.generate.area_zip import accept, container
from conformance.generate.draft import Draft, block_of, index, manifest, record, state, worktree
from conformance.generate.gitobjects import TREE, Box
from conformance.generate.suite import READ, Area

SPEC = Path(__file__).resolve().parents[2] / "SPEC.md"


def make() -> Area:
    """The area."""
    area = Area("examples", (READ, "host:jelly"))
    text = SPEC.read_text(encoding="utf-8")
    _smallest(area, text)
    _constants(text)
    forms = Area("examples", (READ, "host:safetensors"))
    _safetensors(forms, text)
    for vector in forms.vectors:
        area.add(vector)
    return area


def one(pattern: str, text: str) -> str:
    """The one place at which a pattern stands in the text."""
    found = re.findall(pattern, text, re.M | re.S)
    if len(found) != 1:
        raise ValueError(f"SPEC.md has {len(found)} places of {pattern!r}")
    return str(found[0])


def listing(text: str) -> bytes:
    """The bytes of the annotated hex in appendix A."""
    part = one(r"<!-- smallest:begin[^\n]*\n```\n(.*?)```\n<!-- smallest:end", text)
    raw = b""
    for line in part.splitlines():
        offset, digits = re.fullmatch(r"([0-9A-F]{4})  ((?:[0-9A-F]{2} ?){1,16}) *(?: .*)?", line).groups()  # type: ignore[union-attr]
        if int(offset, 16) != len(raw):
            raise ValueError(f"SPEC.md, appendix A: the line {line!r} stands at {len(raw):04X}")
        raw += bytes.fromhex(digits)
    return raw


def _smallest(area: Area, text: str) -> None:
    raw = listing(text)
    box = Box()
    empty = box.tree({})
    whole = state(None, index(empty), worktree(empty))
    made = Draft(box, manifest(whole, box), [block_of("state", [(record(TREE, b""), 0)])])
    if made.build() != raw:
        raise ValueError("the smallest container in SPEC.md is not what its text says")
    ids = "JF-HDR-001 JF-HDR-008 JF-ZST-001 JF-MSG-002 JF-MAN-001 JF-BLK-007 JF-REC-001 JF-SUM-001"
    area.accept("smallest", ids, "appendix A: the smallest container, cut out of the hex in SPEC.md", made)


def _constants(text: str) -> None:
    """What else stands in bytes in the text is what the generator writes."""
    wanted = {
        r"^\| 0 \| 8 \| magic `([0-9A-F ]+)` \|$": wire.MAGIC,
        r"^\| 56 \| 8 \| end magic `([0-9A-F ]+)`": trailers.END_MAGIC,
        r"number\s+0x1950A86A20F9469CFC6C \(`([0-9A-F ]+)` as torch writes it\)": LEGACY,
    }
    for pattern, value in wanted.items():
        if bytes.fromhex(one(pattern, text)) != value:
            raise ValueError(f"SPEC.md says other bytes at {pattern!r}")


def forms(text: str) -> dict[str, str]:
    """The texts of section 14.4 that are inserted, as they stand there."""
    return {
        "metadata": one(r'^```\n("jellyformat":"BASE64~+",)\n```$', text),
        "new-metadata": one(r'`("__metadata__":\{"jellyformat":"BASE64!+"\},)`', text),
        "tensor": one(r'^```\n("jellyformat":\{"dtype":"U8","shape":\[LENGTH\],[^\n]*\},)\n```$', text),
    }


def _filled(form: str, values: dict[str, str], fill: str) -> bytes:
    """A form with its values in place, and ``fill`` repeated until it is a multiple of 64 long."""
    for name, value in values.items():
        form = form.replace(name, value)
    head, run, tail = re.fullmatch(rf"(.*?)({re.escape(fill)}+)([^{re.escape(fill)}]*)", form).groups()  # type: ignore[union-attr]
    least = 1 if fill != " " else 0
    count = next(n for n in range(least, 65) if (len(head) + len(tail) + n) % 64 == 0)
    return (head + run[0] * count + tail).encode()


def _safetensors(area: Area, text: str) -> None:
    box = container()
    encoded = {"BASE64": base64.b64encode(box).decode()}
    found = forms(text)
    first = _filled(found["metadata"], encoded, "~")
    data = file(b'{"__metadata__":{' + first + b'"format":"pt"},' + WEIGHT + b"}")
    ids = "JF-SFT-001 JF-SFT-002"
    why = "section 14.4: the text in SPEC.md, with a container in place of BASE64"
    accept(area, "metadata-form", ids, why, data, ending="safetensors")
    data = file(b"{" + _filled(found["new-metadata"], encoded, "!") + WEIGHT + b"}")
    accept(area, "new-metadata-form", ids, why, data, ending="safetensors")
    values = {"LENGTH": str(len(box)), "BEGIN": str(len(DATA)), "END": str(len(DATA) + len(box))}
    text_of = _filled(found["tensor"], values, " ")
    data = file(b"{" + text_of + FORMAT + b"," + WEIGHT + b"}", DATA + box)
    accept(area, "tensor-form", "JF-SFT-001", "section 14.4: the tensor form as it stands in SPEC.md", data,
           ending="safetensors")  # fmt: skip

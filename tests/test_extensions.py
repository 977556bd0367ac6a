"""The registered extensions: read, written, and what a signature is made over (SPEC JF-EXT)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from craft import assemble, good

from jellyformat import errors
from jellyformat.format import extensions, frames, manifest, msgpack
from jellyformat.format.container import Container
from jellyformat.format.extensions import Run, Signature
from jellyformat.format.msgpack import Value
from jellyformat.format.source import BytesSource


def opened(data: bytes) -> Container:
    return Container(BytesSource(data))


def plain() -> bytes:
    return assemble(*good())


def signed() -> bytes:
    sign: list[Value] = [extensions.to_value(Signature("sshsig", b"SSHSIG"))]
    return frames.with_extensions(plain(), {extensions.SIGNATURES: sign})


def test_they_are_read_as_they_were_written() -> None:
    run = Run(b"r" * 16, 3, b"p" * 32)
    data = frames.with_extensions(
        plain(),
        {"labels": {"epoch": "3"}, "note": "wider", "run": extensions.to_value(run), "edited": [b"a.py"]},
    )
    found = opened(data).manifest.extensions
    assert extensions.labels_of(found) == {"epoch": "3"}
    assert extensions.note_of(found) == "wider"
    assert extensions.run_of(found) == run
    assert extensions.edited_of(found) == (b"a.py",)
    assert extensions.signatures_of(found) == ()
    assert opened(data).snapshot_id == opened(plain()).snapshot_id
    none: dict[str, Value] = {}
    assert extensions.labels_of(none) == {}
    assert extensions.note_of(none) is None
    assert extensions.run_of(none) is None
    assert extensions.edited_of(none) == ()


def test_what_is_signed() -> None:
    """All of the manifest but the signatures and the sidecar."""
    before, after = opened(plain()).manifest, opened(signed()).manifest
    assert extensions.signed_bytes(before) == extensions.signed_bytes(after)
    assert extensions.signed_bytes(before) == b"jellyformat container 1\0" + manifest.encode(before)
    beside: Value = {"name": b"x", "sha256": bytes(32), "size": 1}
    moved = opened(frames.with_extensions(signed(), {"sidecar": beside})).manifest
    assert extensions.signed_bytes(moved) == extensions.signed_bytes(before)
    assert extensions.signatures_of(moved.extensions) == (Signature("sshsig", b"SSHSIG"),)
    for changed in (
        replace(before, extensions={"note": "x"}),
        replace(before, blocks=(replace(before.blocks[0], sha256=bytes(32)),)),
        replace(before, provenance=replace(before.provenance, more={"host": "x"})),
    ):
        assert extensions.signed_bytes(changed) != extensions.signed_bytes(before)
    assert msgpack.decode(extensions.signed_bytes(before)[24:])


def test_a_signed_container_is_not_changed_unasked() -> None:
    """JF-SIG-002: a signature that no longer holds is worth less than none."""
    with pytest.raises(errors.RefusedSigned) as caught:
        frames.with_extensions(signed(), {"note": "x"})
    assert caught.value.requirement == "JF-SIG-002"
    assert frames.with_extensions(signed(), {"note": None}) == signed()
    dropped = frames.with_extensions(signed(), {"note": "x"}, drop_signatures=True)
    assert dict(opened(dropped).manifest.extensions) == {"note": "x"}
    again: list[Value] = [{"format": "sshsig", "signature": b"new"}]
    both = frames.with_extensions(signed(), {"note": "x", "signatures": again})
    assert opened(both).manifest.extensions["signatures"] == again

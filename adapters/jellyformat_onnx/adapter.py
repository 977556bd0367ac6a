"""The adapter for ONNX: a container in a field of its own, appended to the model (SPEC JF-ONX)."""

from __future__ import annotations

from dataclasses import dataclass

from jellyformat.adapter import (
    HEADER_LENGTH,
    MAGIC,
    Append,
    BadHost,
    Carried,
    Copy,
    Plan,
    Rewrite,
    Segment,
    Source,
    Truncate,
    Window,
    nothing_fits_in,
)
from jellyformat_onnx.appending import appending
from jellyformat_onnx.message import FIELD, TAG, Field, NotAMessage, encode_field, is_onnx, walk

FORM = "field"
MESSAGE_MAX = (1 << 31) - 1
"""The longest message in bytes: protocol buffers' libraries read no longer one."""


@dataclass(frozen=True)
class OnnxAdapter:
    """Containers in ONNX models, in a field that readers of ONNX do not know and so skip."""

    name: str = "onnx"
    priority: int = 20

    def matches(self, source: Source) -> bool:
        """Whether ``source`` is one protocol buffers message with an ONNX model's fields (SPEC JF-HST, step 6)."""
        return is_onnx(source)

    def find(self, source: Source) -> Carried | None:
        """The container in its field, wherever another tool has moved that; None where there is none.

        Raises:
            BadHost: the message does not parse, there are two such fields, or it does not hold just a container
                (JF-ONX-001).
        """
        found = _field(source)
        if found is None:
            return None
        window = Window(source, found.value, found.end - found.value)
        return Carried(FORM, window, source.size - (found.end - found.start))

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        """How to put ``container`` behind the model, in place of one that may be there.

        Raises:
            BadHost: the message does not parse, or what is there is broken (JF-ONX-001).
            RefusedHost: the model would be longer than protocol buffers can be (JF-HST-004).
        """
        present, field = _field(source), encode_field(container)
        own = source.size if present is None else source.size - (present.end - present.start)
        if own + len(field) > MESSAGE_MAX:
            raise nothing_fits_in(f"the ONNX model would have {own + len(field)} bytes, more than its readers take")
        back: tuple[tuple[int, bytes], ...] = ()
        if present is not None:
            old = source.read_at(present.start, present.end - present.start)
            if present.end < source.size or not old.startswith(TAG):
                return Rewrite((*_without(source, present), field))
            back = appending(own, old)
        return Append(own, appending(own, field), own + len(field), back)

    def plan_strip(self, source: Source, carried: Carried) -> Plan:
        """How to take the field out again.

        Raises:
            BadHost: the message does not parse, or what is there is broken (JF-ONX-001).
        """
        present = _field(source)
        if present is None:
            return Truncate(source.size)
        if present.end == source.size:
            return Truncate(present.start)
        return Rewrite(_without(source, present))


def _field(source: Source) -> Field | None:
    try:
        fields = [found for found in walk(source) if found.number == FIELD]
    except NotAMessage:
        raise _bad("the fields of this ONNX model do not lead to its end: bytes were changed or are missing") from None
    if not fields:
        return None
    if len(fields) > 1:
        raise _bad("this ONNX model carries two snapshots", fields[1].start)
    found = fields[0]
    header = source.read_at(found.value, HEADER_LENGTH)
    whole = len(header) == HEADER_LENGTH and header.startswith(MAGIC)
    if not whole or int.from_bytes(header[32:40], "big") != found.end - found.value:
        raise _bad("the field for a snapshot in this ONNX model does not hold just one", found.value)
    return found


def _without(source: Source, field: Field) -> tuple[Segment, ...]:
    parts = (Copy(0, field.start), Copy(field.end, source.size - field.end))
    return tuple(part for part in parts if part.length)


def _bad(message: str, offset: int | None = None) -> BadHost:
    return BadHost(message, requirement="JF-ONX-001", offset=offset)


ADAPTER = OnnxAdapter()

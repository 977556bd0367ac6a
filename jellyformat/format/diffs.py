"""Diffs: an object rebuilt from a base (SPEC JF-REC). Ops are bytes (insert) or ``(offset, length)`` (copy)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeAlias

from jellyformat.errors import BadDiff, SizeLimit
from jellyformat.format import limits

Op: TypeAlias = bytes | tuple[int, int]

_MIN_COPY = 16
_CANDIDATES = 8


def result_length(base_length: int, ops: Sequence[Op]) -> int:
    """The length in bytes of what ``ops`` make of a base of ``base_length`` bytes; nothing is allocated.

    Raises:
        BadDiff: an op reaches beyond the base (JF-REC-003).
        SizeLimit: the sum is over the limit for one object (JF-REC-007).
    """
    total = sum(len(op) if isinstance(op, bytes) else op[1] for op in ops)
    if total > limits.OBJECT_BYTES:
        raise SizeLimit(f"a diff would make an object of {total} bytes", requirement="JF-REC-007")
    if any(op[0] + op[1] > base_length for op in ops if not isinstance(op, bytes)):
        raise BadDiff(f"a diff copies beyond the {base_length} bytes of its base", requirement="JF-REC-003")
    return total


def apply(base: bytes, ops: Sequence[Op]) -> bytes:
    """What ``ops`` make of ``base``.

    Raises:
        BadDiff, SizeLimit: as `result_length`.
    """
    result_length(len(base), ops)
    return b"".join(op if isinstance(op, bytes) else base[op[0] : op[0] + op[1]] for op in ops)


def make(base: bytes, target: bytes) -> list[Op]:
    """Ops that make ``target`` of ``base``: common ends, and between them runs of equal lines. Linear in time.

    Args:
        base: The content to start from.
        target: The content to make; not empty.
    """
    head = _common_prefix(base, target)
    tail = _common_prefix(base[head:][::-1], target[head:][::-1])
    ops: list[Op] = []
    if head:
        _copy(ops, 0, head)
    _middle(ops, base, target[head : len(target) - tail])
    if tail:
        _copy(ops, len(base) - tail, tail)
    return ops


def _common_prefix(one: bytes, two: bytes) -> int:
    low, high = 0, min(len(one), len(two))
    while low < high:  # halving, since comparing slices runs at memory speed
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _middle(ops: list[Op], base: bytes, target: bytes) -> None:
    """Ops for ``target``, from runs of lines that stand anywhere in ``base``."""
    base_lines = base.splitlines(keepends=True)
    starts = list(accumulate(map(len, base_lines), initial=0))
    places: dict[bytes, list[int]] = {}
    for index, line in enumerate(base_lines):
        known = places.setdefault(line, [])
        if len(known) < _CANDIDATES:
            known.append(index)
    lines = target.splitlines(keepends=True)
    pending: list[bytes] = []
    position = 0
    while position < len(lines):
        best, best_run = 0, 0
        for candidate in places.get(lines[position], ()):
            run = 1
            limit = min(len(lines) - position, len(base_lines) - candidate)
            while run < limit and lines[position + run] == base_lines[candidate + run]:
                run += 1
            if run > best_run:
                best, best_run = candidate, run
        length = starts[best + best_run] - starts[best]
        if length >= _MIN_COPY:
            _insert(ops, pending)
            _copy(ops, starts[best], length)
            position += best_run
        else:
            pending.append(lines[position])
            position += 1
    _insert(ops, pending)


def _copy(ops: list[Op], offset: int, length: int) -> None:
    last = ops[-1] if ops else b""
    if isinstance(last, tuple) and last[0] + last[1] == offset:
        ops[-1] = (last[0], last[1] + length)
    else:
        ops.append((offset, length))


def _insert(ops: list[Op], pending: list[bytes]) -> None:
    if pending:
        ops.append(b"".join(pending))
        pending.clear()

"""Hosts that were damaged: what an adapter may still say of them, and what it must not do to them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress

from jellyformat.adapter import Adapter, BytesSource, JellyError, read_all
from jellyformat.testing.containers import is_sound, make_container
from jellyformat.testing.hosts import ShrinkingSource, applied, embed, strip

_EDGE = 80
"""Bytes at both ends and around the container of which each is tried: a locator has 64."""
_SPREAD = 150
_CONTAINER = make_container(300, 3)
_MOST = 1500
"""Bytes of which each bit is tried."""
_ROUNDS = 150
_NUMBER = 8
"""Bytes of a number in a host. Where it is one that is moved with the host, all may differ for one that was flipped."""


def places(host: bytes, file: bytes) -> list[int]:
    """Where a file is to be flipped or cut: all bytes at its ends and around what was put in, and every Nth between.

    Args:
        host: The file before.
        file: The file with what was put in.
    """
    begin = _common(host, file)
    behind = _common(host[begin:][::-1], file[begin:][::-1])
    edges = (0, begin, len(file) - behind, len(file))
    near = {place for edge in edges for place in range(edge - _EDGE, edge + _EDGE)}
    spread = range(0, len(file), max(1, len(file) // _SPREAD))
    return sorted(place for place in near.union(spread) if 0 <= place < len(file))


def _common(one: bytes, two: bytes) -> int:
    """How many bytes at the beginning are the same."""
    pairs = enumerate(zip(one, two, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(two)))


def check_flipped(adapter: Adapter, host: bytes, file: bytes, container: bytes) -> None:
    """A byte that was changed, here or there, is noticed, or it is the host's own and all that differs after strip."""
    for place in places(host, file):
        data = flipped(file, place, place % 8)
        _check(adapter, host, file, container, data, place)
        check_nothing_lost(adapter, data, f"byte {place} flipped")


def check_every_bit(adapter: Adapter, host: bytes, file: bytes, container: bytes) -> None:
    """Each bit of what was put in is noticed where it is flipped, or does no harm."""
    begin = _common(host, file)
    behind = _common(host[begin:][::-1], file[begin:][::-1])
    for place in range(begin, min(begin + _MOST, len(file) - behind)):
        for bit in range(8):
            _check(adapter, host, file, container, flipped(file, place, bit), place)


def flipped(file: bytes, place: int, bit: int) -> bytes:
    """``file`` with one bit flipped."""
    return file[:place] + bytes([file[place] ^ 1 << bit]) + file[place + 1 :]


def _check(adapter: Adapter, host: bytes, file: bytes, container: bytes, data: bytes, place: int) -> None:
    """One bit of ``file`` was flipped at ``place``, which gives ``data``."""
    found = left_by_strip(adapter, data)
    if found is None:
        return
    carried, left = found
    assert carried == container or not is_sound(BytesSource(carried)), f"byte {place}: another container"
    if left is not None and left != host:
        changed = sum(one != two for one, two in zip(left, host, strict=False))
        assert len(left) == len(host), f"byte {place}: strip leaves {len(left)} bytes of {len(host)}"
        assert changed <= _NUMBER, f"byte {place}: strip changes {changed} bytes of the host"
        at = file.find(container)
        assert at < 0 or not at <= place < at + len(container), f"byte {place} of the container: strip changes the host"


def check_cut(adapter: Adapter, host: bytes, file: bytes, container: bytes) -> None:
    """A file that was cut off has lost its container, or is broken, or keeps all of its own that is left."""
    for place in places(host, file):
        data = file[:place]
        found = left_by_strip(adapter, data)
        if found is not None:
            carried, left = found
            assert carried == container or not is_sound(BytesSource(carried)), f"cut at {place}: another container"
            if left is not None:
                assert host.startswith(left), f"cut at {place}: strip gives other bytes than the host's"
                lost = len(file) - place
                assert len(left) >= len(host) - lost, f"cut at {place}: strip cuts off more of the host"
        check_nothing_lost(adapter, data, f"cut at {place}")


def check_followed(adapter: Adapter, host: bytes, file: bytes) -> None:
    """What another program has put behind the file since is not cut off with the container."""
    for more in (b"\0", b"\n" * 64, make_container(5000, 9)[100:]):
        found = left_by_strip(adapter, file + more)
        if found is not None and found[1] is not None:
            assert found[1] == host + more, f"strip takes {len(more)} bytes along that were put behind the file"
        check_nothing_lost(adapter, file + more, f"{len(more)} bytes behind it")


def left_by_strip(adapter: Adapter, data: bytes) -> tuple[bytes, bytes | None] | None:
    """The container, and the file without it (None: refused); None where no container is found, or an error is."""
    source = BytesSource(data)
    adapter.matches(source)
    try:
        carried = adapter.find(source)
        if carried is None:
            return None
        container = read_all(carried.container)
    except JellyError:
        return None
    try:
        return container, applied(data, adapter.plan_strip(source, carried))
    except JellyError:
        return container, None


def check_nothing_lost(adapter: Adapter, data: bytes, what: str) -> None:
    """Whatever a file of its kind is like: an adapter that puts a container into it can give all of it back."""
    found = left_by_strip(adapter, data)
    if not adapter.matches(BytesSource(data)):  # then it is never asked to
        return
    try:
        file = embed(adapter, data, _CONTAINER)
    except JellyError:
        return
    before = found[1] if found is not None and found[1] is not None else data
    assert strip(adapter, file) == before, f"{what}: embedding into it and strip give other bytes"


def noisy(data: bytes) -> Iterator[bytes]:
    """``data`` with a few bytes changed, most of them near its ends, or with noise behind its beginning."""
    noise = random.Random(3)
    for _ in range(_ROUNDS):
        changed = bytearray(data if noise.random() < 0.7 else data[: noise.randrange(len(data) + 1)])
        for _ in range(noise.randrange(1, 5) if changed else 0):
            reach = len(changed) if noise.random() < 0.2 else min(len(changed), 700)
            place = noise.randrange(reach) * noise.choice((1, -1))
            changed[place] = noise.choice((0, 255, noise.randrange(256)))
        yield bytes(changed)
    for _ in range(_ROUNDS):
        yield data[: noise.choice((4, 8, 16, 64))] + noise.randbytes(noise.randrange(300))


def check_shrinking(adapter: Adapter, data: bytes) -> None:
    """A file that is cut off while it is read is an error of jellyformat's, or seems to be another one."""
    there = adapter.find(BytesSource(data))
    for reads in range(12):
        adapter.matches(ShrinkingSource(data, reads))
        with suppress(JellyError):
            adapter.find(ShrinkingSource(data, reads))
        with suppress(JellyError):
            adapter.plan_embed(ShrinkingSource(data, reads), _CONTAINER)
        if there is not None:
            with suppress(JellyError):
                adapter.plan_strip(ShrinkingSource(data, reads), there)

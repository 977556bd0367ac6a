"""Values to put into a container: names, paths, anything that msgpack has."""

from __future__ import annotations

from random import Random

from conformance.generate.wire import Value

NAMES = (
    b"a",
    b"b.py",
    b"src",
    b"z",
    b".x",
    b"a-b",
    b"A",
    b"\xff\xfe",
    b"caf\xc3\xa9",
    b" ",
    b"~",
    b"git",
    b"x" * 255,
    b"aux",
    b"c:d",
    b".gitignore",
)
TEXTS = ("", "x", "é", "\u202e", "\U0001f600", "a" * 300, "\0", "\ufeff")


def a_name(random: Random) -> bytes:
    """A safe component."""
    return random.choice(NAMES) if random.random() < 0.7 else b"n%d" % random.randrange(1000)


def a_path(random: Random) -> bytes:
    """A safe path."""
    return b"/".join(a_name(random) for _ in range(random.choice((1, 1, 2, 3))))


def a_value(random: Random, depth: int = 2) -> Value:
    """Any canonical value."""
    kind = random.randrange(9 if depth else 6)
    if kind == 0:
        return random.choice((None, True, False))
    if kind == 1:
        return random.choice((0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53, 2**53 + 1, 2**64 - 1))
    if kind == 2:
        return random.choice((-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**53) - 1, -(2**63)))
    if kind in (3, 4):
        return random.choice(TEXTS)
    if kind == 5:
        return random.randbytes(random.choice((0, 1, 20, 32, 300)))
    if kind == 6:
        return [a_value(random, depth - 1) for _ in range(random.choice((0, 1, 2, 16)))]
    return {random.choice(TEXTS) + str(n): a_value(random, depth - 1) for n in range(random.choice((0, 1, 2, 16)))}

"""Whether time grows with the size alone: the search for secrets, and the reader of git's index.

python tests/benchmarks/bench_linear.py
"""

from __future__ import annotations

import hashlib
import struct
import sys
import time
from collections.abc import Callable

from jellyformat.capture.secrets import find_secrets
from jellyformat.git.index import parse_index

PIECES = (b"://", b"a://b:" + b"c" * 100, b"-----BEGIN ", b"A=", b"export ", b"hf_", b" ", b"\n", b"password", b"SG.")
MOST = 2.0
"""How many times as long a byte of the large input may take as one of the small."""


def seconds(action: Callable[[], object]) -> float:
    """The least of three."""
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def search(content: bytes) -> None:
    """Search where the rules are the widest."""
    find_secrets(b".env", content)
    find_secrets(b"x.tfvars", content)


def index_of(count: int) -> bytes:
    """A version 2 index."""
    parts = [struct.pack(">4sII", b"DIRC", 2, count)]
    for number in range(count):
        name = b"some/directory/%03d/file%06d.py" % (number // 100, number)
        entry = struct.pack(">10I20sH", *(0,) * 6, 0o100644, *(0,) * 3, bytes(20), len(name)) + name
        parts.append(entry + bytes(8 - len(entry) % 8))
    data = b"".join(parts)
    return data + hashlib.sha1(data).digest()


def main() -> int:
    """Measure small and large, and print the ratio for a byte."""
    slow = 0
    for piece in PIECES:
        small, large = piece * (100_000 // len(piece)), piece * (1_600_000 // len(piece))
        one, many = seconds(lambda small=small: search(small)), seconds(lambda large=large: search(large))  # type: ignore[misc]
        ratio = many / one / (len(large) / len(small))
        slow += ratio > MOST
        print(
            f"secrets, {piece[:12]!r:18}: {many * 1e3:8.1f} ms for 1.6 MB, {ratio:.2f} times the small one's for a byte"
        )
    small, large = index_of(10_000), index_of(100_000)
    one, many = seconds(lambda: parse_index(small, 20)), seconds(lambda: parse_index(large, 20))
    ratio = many / one / (len(large) / len(small))
    slow += ratio > MOST
    print(f"index, 100,000 entries     : {many * 1e3:8.1f} ms, {ratio:.2f} times the small one's for a byte")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

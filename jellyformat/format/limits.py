"""Limits of SPEC JF-LIM: what this reader supports, each checked before memory is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

MANIFEST_LENGTH: Final = 64 * MIB
MANIFEST_RAW_LENGTH: Final = 256 * MIB
BLOCKS: Final = 65_536
BLOCK_RAW_LENGTH: Final = 2 * GIB
OBJECT_BYTES: Final = 2 * GIB - 64 * KIB
TOTAL_OBJECT_BYTES: Final = 256 * GIB
"""What a capture takes at most; what a reader does is said by `bounds`."""
RECORDS: Final = 268_435_456
STATE_WINDOW: Final = 8 * MIB
HISTORY_WINDOW: Final = 128 * MIB
DIFF_CHAIN: Final = 50
NESTED_STATES: Final = 8
MSGPACK_DEPTH: Final = 40
COMPONENT_BYTES: Final = 255
PATH_BYTES: Final = 4096
PATH_COMPONENTS: Final = 256
PARTS: Final = NESTED_STATES + 1
"""A path of the summary goes through so many repositories."""
WEIGHTS: Final = 1_000_000
WEIGHT_NAME_BYTES: Final = 16 * MIB
CANDIDATES: Final = 64
"""Places that look like a container in a legacy torch file and are none."""
CANDIDATE_BYTES: Final = 64 * MIB

SMALL_BLOCK: Final = 16 * MIB
"""Raw bytes of a block that a writer makes, where no record alone is larger (SPEC JF-LIM-001)."""
PREFIX_LEAST: Final = 8
PREFIX_MOST: Final = 64 * MIB
"""Raw bytes of a block that is the prefix of another (SPEC JF-BLK-008)."""
SMALL_MANIFEST: Final = 16 * MIB
SMALL_BYTES: Final = 256 * MIB
SMALL_RECORDS: Final = 65_536
SMALL_VALUES: Final = 262_144
"""Values of msgpack in all records that readers of the profile `small` take."""


@dataclass(frozen=True)
class Bounds:
    """What a container may cost its reader, by the number of its bytes (SPEC JF-LIM).

    Attributes:
        manifest: Raw bytes of the manifest.
        raw: Raw bytes of all blocks.
        objects: Bytes of all objects, rebuilt.
        values: Values of msgpack in the manifest, and as many in all records.
        entries: Entries of the flattened trees of all states.
        paths: Bytes of the paths of these entries.
        trees: Entries of all trees, each tree once.
        states: Nested states and roots.
    """

    manifest: int
    raw: int
    objects: int
    values: int
    entries: int
    paths: int
    trees: int
    states: int


def bounds(length: int) -> Bounds:
    """The bounds for a container of ``length`` bytes; for one of 0 bytes they are those of the profile `small`."""
    return Bounds(
        manifest=min(SMALL_MANIFEST + 64 * length, MANIFEST_RAW_LENGTH),
        raw=SMALL_BYTES + 512 * length,
        objects=SMALL_BYTES + 512 * length,
        values=SMALL_VALUES + 2 * length,
        entries=(1 << 18) + length,
        paths=32 * MIB + 128 * length,
        trees=(1 << 20) + 32 * length,
        states=1024 + length // 256,
    )

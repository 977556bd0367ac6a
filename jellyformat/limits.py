"""Limits of SPEC section 11: what this reader supports, each checked before memory is allocated."""

from __future__ import annotations

from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

MANIFEST_LENGTH: Final = 64 * MIB
MANIFEST_RAW_LENGTH: Final = 256 * MIB
BLOCKS: Final = 65_536
BLOCK_RAW_LENGTH: Final = 2 * GIB
TOTAL_RAW_LENGTH: Final = 64 * GIB
OBJECT_BYTES: Final = 2 * GIB - 64 * KIB
TOTAL_OBJECT_BYTES: Final = 256 * GIB
RECORDS: Final = 268_435_456
TREE_ENTRIES: Final = 2_000_000
ALL_TREE_ENTRIES: Final = 16_000_000
ALL_TREE_PATH_BYTES: Final = GIB
STATE_WINDOW: Final = 8 * MIB
HISTORY_WINDOW: Final = 128 * MIB
DIFF_CHAIN: Final = 50
NESTED_STATES: Final = 8
MSGPACK_DEPTH: Final = 40
MSGPACK_VALUES: Final = 16_000_000
COMPONENT_BYTES: Final = 255
PATH_BYTES: Final = 4096
PATH_COMPONENTS: Final = 256
WEIGHTS: Final = 1_000_000
WEIGHT_NAME_BYTES: Final = 16 * MIB

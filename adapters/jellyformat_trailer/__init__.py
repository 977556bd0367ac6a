"""The host adapter for any file whose loader does not mind bytes behind the end (SPEC JF-TRL)."""

from __future__ import annotations

from jellyformat_trailer.adapter import ADAPTER, TrailerAdapter
from jellyformat_trailer.carry import find_trailer, plan_trailer

__all__ = ["ADAPTER", "TrailerAdapter", "find_trailer", "plan_trailer"]

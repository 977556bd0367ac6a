"""A cache bounded by bytes: of objects that are read again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class ByteCache(Generic[Key, Item]):
    """The items used last, up to ``most`` bytes of them together, or one item alone.

    Args:
        most: Bytes.
        largest: Bytes of an item that is still kept; None for any.
    """

    def __init__(self, most: int, *, largest: int | None = None) -> None:
        self._most, self._largest = most, largest
        self._items: OrderedDict[Key, tuple[Item, int]] = OrderedDict()
        self._size = 0

    def widen(self, most: int) -> None:
        """Keep up to ``most`` bytes, where that is more than before."""
        self._most = max(self._most, most)

    def get(self, key: Key) -> Item | None:
        """What is kept under a key; None for nothing."""
        found = self._items.get(key)
        if found is None:
            return None
        self._items.move_to_end(key)
        return found[0]

    def put(self, key: Key, item: Item, size: int) -> None:
        """Keep ``item`` of ``size`` bytes; what is kept under ``key`` already stays."""
        if key in self._items or (self._largest is not None and size > self._largest):
            return
        self._items[key] = item, size
        self._size += size
        while self._size > self._most and len(self._items) > 1:
            _, (_, dropped) = self._items.popitem(last=False)
            self._size -= dropped

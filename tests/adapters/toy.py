"""A made-up framework with a file format of its own, a third party's adapter for it, and adapters that are wrong.

`test_contract` runs the contract on each of them: on the right one nothing fails, on each other one its ``caught_by``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jellyformat.adapter import (
    END_MAGIC,
    LOCATOR_LENGTH,
    Adapter,
    Append,
    BadHost,
    Carried,
    Copy,
    CorruptLocator,
    Plan,
    RefusedHost,
    Rewrite,
    Source,
    Splice,
    Truncate,
    Weight,
    Window,
    locate,
    locator,
    read_all,
    read_exactly,
)
from jellyformat.testing import (
    AdapterContract,
    BesideContract,
    SplicingContract,
    TensorContract,
    WeightsContract,
)

# -- the framework: records of one letter, a length, and bytes; its loader skips letters that it does not know ---------

MAGIC = b"TOY\x89"
HEAD = struct.Struct(">cI")


def save(path: Path, *values: bytes) -> None:
    path.write_bytes(MAGIC + b"".join(HEAD.pack(b"v", len(value)) + value for value in values))


def load(path: Path) -> list[bytes]:
    data = path.read_bytes()
    assert data.startswith(MAGIC)
    values, at = [], len(MAGIC)
    while at < len(data):
        letter, length = HEAD.unpack_from(data, at)
        value = data[at + HEAD.size : at + HEAD.size + length]
        assert len(value) == length, "cut off"
        if letter == b"v":
            values.append(value)
        at += HEAD.size + length
    return values


# -- the adapter -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToyAdapter:
    """The container is a record of its own at the end, with its locator."""

    name: str = "toy"
    priority: int = 40

    def matches(self, source: Source) -> bool:
        return source.read_at(0, len(MAGIC)) == MAGIC

    def find(self, source: Source) -> Carried | None:
        end = source.size - LOCATOR_LENGTH
        raw = source.read_at(max(0, end), LOCATOR_LENGTH)
        if not raw.endswith(END_MAGIC):
            return None
        if len(raw) < LOCATOR_LENGTH:
            raise CorruptLocator("the toy file is cut off")
        carried = locate(source, raw, end, "record")
        own = end - carried.container.size - HEAD.size
        if carried.host_length != own or read_exactly(source, own, HEAD.size) != head(carried.container.size):
            raise BadHost("the record with the snapshot does not fill the end of the toy file")
        return carried

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        carried = self.find(source)
        own = source.size if carried is None or carried.host_length is None else carried.host_length
        return Rewrite((Copy(0, own), record(container, own)))

    def plan_strip(self, source: Source, carried: Carried) -> Plan:
        assert carried.host_length is not None
        return Truncate(carried.host_length)


def head(length: int) -> bytes:
    return HEAD.pack(b"j", length + LOCATOR_LENGTH)


def record(container: bytes, own: int) -> bytes:
    return head(len(container)) + container + locator(own + HEAD.size, container, own)


class TestToy(AdapterContract):
    adapter = ToyAdapter()
    hosts = {
        "empty.toy": lambda path: save(path),
        "values.toy": lambda path: save(path, b"one", bytes(1000), b"three"),
    }
    caught_by = ""

    def loads(self, path: Path) -> object:
        return load(path)

    def large(self, path: Path, size: int) -> None:
        save(path, bytes(size))


# -- adapters that are wrong -------------------------------------------------------------------------------------------


class KeepsTheOldOne(ToyAdapter):
    def plan_embed(self, source: Source, container: bytes) -> Plan:
        return Rewrite((Copy(0, source.size), record(container, source.size)))


class FindsNothingAfterReplacing(ToyAdapter):
    def plan_embed(self, source: Source, container: bytes) -> Plan:
        carried = self.find(source)
        if carried is None or carried.host_length is None:
            return super().plan_embed(source, container)
        return Rewrite((Copy(0, carried.host_length), record(container, carried.host_length), b"\0\0\0\0\0"))


class StripsOneByteShort(ToyAdapter):
    def plan_strip(self, source: Source, carried: Carried) -> Plan:
        assert carried.host_length is not None
        return Truncate(carried.host_length - 1)


class ReadsTheWholeFile(ToyAdapter):
    def find(self, source: Source) -> Carried | None:
        return super().find(source) if len(read_all(source)) == source.size else None


class WritesOverTheHost(ToyAdapter):
    def plan_embed(self, source: Source, container: bytes) -> Plan:
        new = super().plan_embed(source, container)
        assert isinstance(new, Rewrite)
        assert isinstance(new.segments[1], bytes)
        return Rewrite((MAGIC, Copy(len(MAGIC) + 1, max(0, source.size - len(MAGIC) - 1)), new.segments[1]))


class AppendsInTwoWrites(ToyAdapter):
    """Between the two the record has no end."""

    def plan_embed(self, source: Source, container: bytes) -> Plan:
        carried = self.find(source)
        own = source.size if carried is None or carried.host_length is None else carried.host_length
        new = record(container, own)
        half = len(new) // 2
        return Append(own, ((own, new[:half]), (own + half, new[half:])), own + len(new))


class TrustsItsNumbers(ToyAdapter):
    """Nothing is hashed: it takes the host's length as it stands there."""

    def find(self, source: Source) -> Carried | None:
        raw = source.read_at(max(0, source.size - LOCATOR_LENGTH), LOCATOR_LENGTH)
        if not raw.endswith(END_MAGIC) or len(raw) < LOCATOR_LENGTH:
            return None
        offset, length, own = struct.unpack(">QQQ", raw[:24])
        return Carried("record", Window(source, offset, length), own) if offset + length <= source.size else None


class Raises(ToyAdapter):
    """An error that is none of jellyformat's, of a file that is cut off."""

    def find(self, source: Source) -> Carried | None:
        HEAD.unpack(source.read_at(len(MAGIC), HEAD.size) or bytes(HEAD.size))
        return super().find(source)


class CutsOffWhatFollows(ToyAdapter):
    """It looks for its locator behind what another program has appended, and strips that, too."""

    def find(self, source: Source) -> Carried | None:
        begin = max(0, source.size - 4096)
        end = source.read_at(begin, 4096).rfind(END_MAGIC)
        return None if end < 0 else super().find(Window(source, 0, begin + end + len(END_MAGIC)))


class TakesAnything(ToyAdapter):
    def matches(self, source: Source) -> bool:
        return source.size > 0


class DoesNotKnowItsCarriers(ToyAdapter):
    def matches(self, source: Source) -> bool:
        return super().matches(source) and source.read_at(max(0, source.size - 8), 8) != END_MAGIC


class Weighs(ToyAdapter):
    """The whole file is one weight, the container with it; and its errors are none of jellyformat's."""

    def weights(self, source: Source, carried: Carried | None) -> tuple[str, Iterable[Weight]]:
        if not self.matches(source):
            raise ValueError("no toy file")
        return "tensors", [Weight(b"all", "", (), source)]


class MakesNoTensor(ToyAdapter):
    def plan_embed_as_tensor(self, source: Source, container: bytes) -> Plan:
        return self.plan_embed(source, container)


class SplicesNoBlocks(ToyAdapter):
    def plan_embed_in_place(self, source: Source, container: bytes, block: int) -> Splice:
        return Splice(source.size, read_all(source) + record(container, source.size))

    def plan_strip_in_place(self, source: Source, carried: Carried, block: int) -> Splice:
        assert carried.host_length is not None
        return Splice(source.size, source.read_at(0, carried.host_length))


class RefusesWithoutAWayOn(ToyAdapter):
    def plan_embed(self, source: Source, container: bytes) -> Plan:
        raise RefusedHost("no")


class TestLoadsSomethingElse(TestToy):
    """A framework that sees what was put in."""

    caught_by = "test_loads"

    def loads(self, path: Path) -> object:
        return path.read_bytes()


class TestRefusesWithoutAWayOn(BesideContract):
    adapter = RefusesWithoutAWayOn()
    hosts = TestToy.hosts
    caught_by = "test_nothing_is_put_in"

    def large(self, path: Path, size: int) -> None:
        save(path, bytes(size))


WRONG: list[tuple[Adapter, str, tuple[type, ...]]] = [
    (KeepsTheOldOne(), "test_replaced", ()),
    (FindsNothingAfterReplacing(), "test_replaced", ()),
    (StripsOneByteShort(), "test_stripped", ()),
    (ReadsTheWholeFile(), "test_little_is_read", ()),
    (WritesOverTheHost(), "test_loads", ()),
    (AppendsInTwoWrites(), "test_every_fault", ()),
    (TrustsItsNumbers(), "test_every_bit", ()),
    (Raises(), "test_cut", ()),
    (CutsOffWhatFollows(), "test_followed", ()),
    (TakesAnything(), "test_other_files_are_left_alone", ()),
    (ToyAdapter("zip"), "test_name_and_priority", ()),
    (DoesNotKnowItsCarriers(), "test_told_by_its_content", ()),
    (Weighs(), "test_all_that_it_can_do_is_tested", ()),
    (Weighs(), "test_weights_stay", (WeightsContract,)),
    (Weighs(), "test_weights_of_damaged_files", (WeightsContract,)),
    (MakesNoTensor(), "test_as_a_tensor", (TensorContract,)),
    (SplicesNoBlocks(), "test_spliced", (SplicingContract,)),
]
for _number, (_adapter, _caught_by, _more) in enumerate(WRONG):
    _name = f"Test{_number}{type(_adapter).__name__}"
    globals()[_name] = type(_name, (*_more, TestToy), {"adapter": _adapter, "caught_by": _caught_by})

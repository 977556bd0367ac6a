"""The entries of a zip as the weights it holds (SPEC JF-BND)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from jellyformat.adapter import CHUNK, BadHost, Hint, RefusedHost, Source, Weight, Window, option
from jellyformat_zip._find import is_listed_name
from jellyformat_zip._records import (
    DEFLATED,
    FLAG_ENCRYPTED,
    STORED,
    LocalHeaders,
    bad_zip,
    parse_entries,
    read_archive,
    read_directory,
)

_REQUIREMENT = "JF-BND-004"
_UNSTABLE = b".data/serialization_id"


@dataclass(frozen=True)
class Deflated:
    """The data of a deflated entry, inflated as they are read; never more than are declared.

    Attributes:
        source: The compressed bytes.
        size: What the directory declares, in bytes.
        offset: Of the entry, for errors.
    """

    source: Source
    size: int
    offset: int

    def pieces(self, length: int) -> Iterator[bytes]:
        """The data in pieces of ``length`` bytes, the last one shorter.

        Raises:
            BadHost: they do not inflate to what is declared (JF-BND-004).
        """
        decoder = zlib.decompressobj(-zlib.MAX_WBITS)
        place, done = 0, 0
        piece, pending = bytearray(), b""
        try:
            while not decoder.eof:
                if not pending:
                    pending = self.source.read_at(place, CHUNK)
                    place += len(pending)
                part = decoder.decompress(pending, length - len(piece))
                if not part and not pending:
                    break
                pending = decoder.unconsumed_tail
                piece += part
                done += len(part)
                if done > self.size:
                    break
                if len(piece) == length:
                    yield bytes(piece)
                    piece.clear()
        except zlib.error as error:
            raise self._bad() from error
        if done != self.size or not decoder.eof:
            raise self._bad()
        if piece:
            yield bytes(piece)

    def _bad(self) -> BadHost:
        return bad_zip("an entry does not inflate to what it declares", self.offset, _REQUIREMENT)


def read_weights(source: Source, *, torch: bool) -> Iterator[Weight]:
    """The entries, but for the container's, in the order of the directory.

    Args:
        source: The zip.
        torch: Leave out the root, which is the name the file had when it was saved, and the id of the saving.

    Raises:
        BadHost: the zip is broken (JF-ZIP-001, JF-ZIP-002), or its entries overlap (JF-BND-004).
        RefusedHost: an entry is encrypted, or compressed by a method that is not known here.
    """
    archive = read_archive(source)
    locals_, left = LocalHeaders(source, archive), source.size
    for entry in parse_entries(read_directory(source, archive), archive):
        name = entry.name.partition(b"/")[2] or entry.name if torch else entry.name
        if is_listed_name(entry.name) or (torch and name == _UNSTABLE):
            continue
        if entry.flags & FLAG_ENCRYPTED or entry.method not in (STORED, DEFLATED):
            raise RefusedHost(
                "an entry of the zip file is encrypted, or compressed by a method not known here, so that its content "
                "cannot be bound",
                requirement="JF-BND-007",
                hint=Hint("nothing was changed; embed without ", option("bind")),
            )
        left -= entry.compressed_size
        if left < 0:  # else a small file could ask for any number of passes over it
            raise bad_zip("its entries overlap", entry.offset, _REQUIREMENT)
        begin = locals_.data_offset(entry)
        data = Window(source, begin, entry.compressed_size)
        if entry.method == DEFLATED:
            yield Weight(name, "", (), Deflated(data, entry.size, entry.offset))
        elif entry.size != entry.compressed_size:
            raise bad_zip("a stored entry has two sizes", entry.offset, "JF-ZIP-002")
        else:
            yield Weight(name, "", (), data)

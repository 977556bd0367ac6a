"""What a host adapter is made with: the one module of jellyformat that a package for another kind of file imports.

An adapter finds a container in a file of its kind, and plans how one is put in and taken out (SPEC JF-HST). It
parses the file as bytes and opens nothing itself: it is given a `Source`, and answers with a `Carried` or a plan, which
jellyformat carries out so that a crash leaves the old file or the new one::

    class ToyAdapter:
        name = "toy"
        priority = 40

        def matches(self, source: Source) -> bool: ...
        def find(self, source: Source) -> Carried | None: ...
        def plan_embed(self, source: Source, container: bytes) -> Plan: ...
        def plan_strip(self, source: Source, carried: Carried) -> Plan: ...

    ADAPTER = ToyAdapter()

The package says so under the entry point group ``jellyformat.adapters``::

    [project.entry-points."jellyformat.adapters"]
    toy = "jellyformat_toy:ADAPTER"

An adapter that can do more has the methods of `SplicingAdapter`, `TensorAdapter` or `WeightsAdapter`, too. What has to
hold of each is tested by `jellyformat.testing`. Save calls of a framework use `jellyformat.training`.

What is named here stays as it is in all versions 1.x; nothing else of the package is promised to adapters.
"""

from __future__ import annotations

from jellyformat.errors import (
    BadHost,
    CorruptLocator,
    CountLimit,
    FormatError,
    JellyError,
    Refused,
    RefusedHost,
    SizeLimit,
    Truncated,
    Usage,
)
from jellyformat.files.plans import WITHOUT_IN_PLACE, Append, Copy, Plan, Rewrite, Segment, Splice, Truncate
from jellyformat.format.frames import HEADER_LENGTH, MAGIC, parse_header
from jellyformat.format.limits import CANDIDATE_BYTES as MAX_CANDIDATE_BYTES
from jellyformat.format.limits import CANDIDATES as MAX_CANDIDATES
from jellyformat.format.limits import WEIGHT_NAME_BYTES as MAX_WEIGHT_NAME_BYTES
from jellyformat.format.limits import WEIGHTS as MAX_WEIGHTS
from jellyformat.format.source import (
    CHUNK,
    BytesSource,
    FileSource,
    Joined,
    Source,
    StreamSource,
    Window,
    read_all,
    read_exactly,
)
from jellyformat.hints import Hint, option
from jellyformat.hosts.adapter import (
    END_MAGIC,
    LOCATOR_LENGTH,
    Adapter,
    Carried,
    SplicingAdapter,
    TensorAdapter,
    locate,
    locator,
    nothing_fits_in,
)
from jellyformat.hosts.weights import ENTRIES, TENSORS, Content, Stream, Weight, WeightsAdapter

__all__ = [
    "CHUNK",
    "END_MAGIC",
    "ENTRIES",
    "HEADER_LENGTH",
    "LOCATOR_LENGTH",
    "MAGIC",
    "MAX_CANDIDATES",
    "MAX_CANDIDATE_BYTES",
    "MAX_WEIGHTS",
    "MAX_WEIGHT_NAME_BYTES",
    "TENSORS",
    "WITHOUT_IN_PLACE",
    "Adapter",
    "Append",
    "BadHost",
    "BytesSource",
    "Carried",
    "Content",
    "Copy",
    "CorruptLocator",
    "CountLimit",
    "FileSource",
    "FormatError",
    "Hint",
    "JellyError",
    "Joined",
    "Plan",
    "Refused",
    "RefusedHost",
    "Rewrite",
    "Segment",
    "SizeLimit",
    "Source",
    "Splice",
    "SplicingAdapter",
    "Stream",
    "StreamSource",
    "TensorAdapter",
    "Truncate",
    "Truncated",
    "Usage",
    "Weight",
    "WeightsAdapter",
    "Window",
    "convert_jellyml",
    "locate",
    "locator",
    "nothing_fits_in",
    "option",
    "parse_header",
    "read_all",
    "read_exactly",
]


def convert_jellyml(record: bytes) -> bytes:
    """A container of what a snapshot of jellyml 1.0.0 holds.

    Args:
        record: The snapshot's bytes, its header first.

    Raises:
        FormatError: it is damaged, or made to do harm.
    """
    from jellyformat.compat.jellyml import convert  # not needed for other files

    return convert(record)

"""What has to hold of every host adapter, as tests: those of jellyformat pass them, and those of others can.

They are for pytest (``pip install 'jellyformat[testing]'``). A class says how the framework saves and loads its files::

    from jellyformat.testing import AdapterContract
    from jellyformat_toy import ADAPTER

    class TestToy(AdapterContract):
        adapter = ADAPTER
        hosts = {"small.toy": lambda path: toy.save(path, [1, 2, 3])}

        def loads(self, path):
            return toy.load(path)

        def large(self, path, size):
            toy.save(path, bytes(size))

and inherits tests that a file is told by its content; that a container is found, replaced, and taken out bit for bit;
that the file loads all the while; that damage is noticed; that little is read; and that a write that fails, or a
process that is killed, leaves the old file or the new one.

`BesideContract` is for files that can carry nothing. An adapter with more methods than every adapter has inherits
`WeightsContract`, `TensorContract` or `SplicingContract`, too. `embed`, `strip`, `make_container` and the others here
are what tests of an adapter's own need besides.
"""

from __future__ import annotations

import pytest

for _name in ("contract", "damage", "hosts"):
    pytest.register_assert_rewrite(f"{__name__}.{_name}")

from jellyformat.testing.containers import is_sound, make_container  # noqa: E402
from jellyformat.testing.contract import (  # noqa: E402
    AdapterContract,
    BesideContract,
    SplicingContract,
    TensorContract,
    WeightsContract,
)
from jellyformat.testing.hosts import (  # noqa: E402
    CountingSource,
    ShrinkingSource,
    applied,
    described,
    embed,
    embed_file,
    strip,
    strip_file,
)

__all__ = [
    "AdapterContract",
    "BesideContract",
    "CountingSource",
    "ShrinkingSource",
    "SplicingContract",
    "TensorContract",
    "WeightsContract",
    "applied",
    "described",
    "embed",
    "embed_file",
    "is_sound",
    "make_container",
    "strip",
    "strip_file",
]

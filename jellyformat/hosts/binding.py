"""What ties a container to its host: the extensions `sidecar` and `binding` (SPEC JF-SDC and JF-BND)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from jellyformat.errors import BadManifest
from jellyformat.format import limits
from jellyformat.format.msgpack import Value
from jellyformat.hosts.weights import Leaf, root_of

SIDECAR = "sidecar"
BINDING = "binding"
CHECK_LENGTH = 8
_HASH_LENGTH = 32
_MOST_NAMED = 65_536
_MOST_NAME_BYTES = 4 << 20


@dataclass(frozen=True)
class Sidecar:
    """The host that a sidecar was put beside (SPEC JF-SDC): its name then, its length in bytes, its SHA-256."""

    name: bytes
    size: int
    sha256: bytes

    def to_value(self) -> Value:
        """The extension `sidecar`."""
        return {"name": self.name, "sha256": self.sha256, "size": self.size}


@dataclass(frozen=True)
class Binding:
    """The hash of a host's weights (SPEC JF-BND).

    Attributes:
        kind: How they were told apart.
        count: How many there were.
        root: The hash of all, 32 bytes.
        named: The name of each and the first 8 bytes of its hash, sorted; None where there were too many.
    """

    kind: str
    count: int
    root: bytes
    named: tuple[tuple[bytes, bytes], ...] | None

    @classmethod
    def of(cls, kind: str, leaves: Sequence[Leaf]) -> Binding:
        """The binding to these weights, sorted as `hash_weights` gives them."""
        few = len(leaves) <= _MOST_NAMED and sum(len(name) for name, _ in leaves) <= _MOST_NAME_BYTES
        named = tuple((name, digest[:CHECK_LENGTH]) for name, digest in leaves) if few else None
        return cls(kind, len(leaves), root_of(leaves), named)

    def to_value(self) -> Value:
        """The extension `binding`."""
        named = None if self.named is None else [list(item) for item in self.named]
        return {"count": self.count, "kind": self.kind, "leaves": named, "root": self.root}

    def difference(self, other: Binding) -> str:
        """How ``other``, the weights there are now, differs from these; for people, and empty where it does not."""
        if self.kind != other.kind:
            return f"it holds {other.kind} and not {self.kind}"
        if (self.count, self.root) == (other.count, other.root):
            same = self.named is None or other.named is None or self.named == other.named
            return "" if same else "the names in the container are not those that its own hash is of"
        if self.named is None or other.named is None:
            return f"it holds {other.count} weights, and {self.count} then; which differ is not known"
        then, now = _by_name(self.named), _by_name(other.named)
        changed = [name for name in now if name in then and then[name] != now[name]]
        parts = (
            ("changed", changed),
            ("not there then", [name for name in now if name not in then]),
            ("missing now", [name for name in then if name not in now]),
        )
        return "; ".join(_names(word, names) for word, names in parts if names) or "they differ, by no name"


def _by_name(named: Sequence[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, check in named:
        found.setdefault(name, []).append(check)
    return found


def _names(word: str, names: Sequence[bytes]) -> str:
    shown = ", ".join(name.decode("utf-8", "backslashreplace") or "the bytes of the file" for name in names[:5])
    return f"{len(names)} {word}: {shown}{'' if len(names) <= 5 else ', …'}"


def sidecar_of(extensions: Mapping[str, Value]) -> Sidecar | None:
    """The extension `sidecar`; None where there is none.

    Raises:
        BadManifest: it is not as SPEC JF-SDC says (JF-SDC-002).
    """
    match extensions.get(SIDECAR):
        case None if SIDECAR not in extensions:
            return None
        case {"name": bytes(name), "sha256": bytes(digest), "size": int(size), **rest} if (
            not rest and len(digest) == _HASH_LENGTH and _is_count(size) and 0 < len(name) <= limits.COMPONENT_BYTES
            and not set(name) & set(b"/\0") and name not in (b".", b"..")
        ):  # fmt: skip
            return Sidecar(name, size, digest)
    raise BadManifest("the extension sidecar is not as it has to be", requirement="JF-SDC-002")


def binding_of(extensions: Mapping[str, Value]) -> Binding | None:
    """The extension `binding`; None where there is none.

    Raises:
        BadManifest: it is not as SPEC JF-BND says (JF-BND-002).
    """
    match extensions.get(BINDING):
        case None if BINDING not in extensions:
            return None
        case {"count": int(count), "kind": str(kind), "leaves": leaves, "root": bytes(root), **rest} if (
            not rest and len(root) == _HASH_LENGTH and _is_count(count) and count <= limits.WEIGHTS
        ):
            if leaves is None:
                return Binding(kind, count, root, None)
            named = _named(leaves)
            if named is not None and len(named) == count:
                return Binding(kind, count, root, named)
    raise BadManifest("the extension binding is not as it has to be", requirement="JF-BND-002")


def _is_count(value: int) -> bool:
    return not isinstance(value, bool) and value >= 0


def _named(value: Value) -> tuple[tuple[bytes, bytes], ...] | None:
    if not isinstance(value, list):
        return None
    named: list[tuple[bytes, bytes]] = []
    for item in value:
        match item:
            case [bytes(name), bytes(check)] if len(check) == CHECK_LENGTH:
                named.append((name, check))
            case _:
                return None
    return tuple(named) if all(one <= two for one, two in pairwise(named)) else None

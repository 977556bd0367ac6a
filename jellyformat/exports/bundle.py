"""Git bundles (gitformat-bundle(5)) of snapshots, for those who only have git. No git program is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jellyformat.exports.commits import GitView, make_view
from jellyformat.format.text import plural, size_text
from jellyformat.git.write import make_pack
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import Readable


@dataclass(frozen=True)
class Bundle:
    """A git bundle of a snapshot.

    Attributes:
        parts: Its bytes, in pieces.
        snapshot_id: 64 hex digits.
        head: The commit that HEAD is at, in hex.
        refs: Commit by ref name, HEAD apart.
        prerequisites: Commits, in hex, that a repository has to have to fetch from it.
        rewritten: New id by old one, in hex, of commits that have lost parents the snapshot does not have.
    """

    parts: tuple[bytes, ...]
    snapshot_id: str
    head: str
    refs: Mapping[bytes, str]
    prerequisites: tuple[str, ...]
    rewritten: Mapping[str, str]

    def __repr__(self) -> str:
        size = size_text(sum(map(len, self.parts)))
        return f"<Bundle of snapshot {self.snapshot_id[:12]}: {plural(len(self.refs), 'ref')}, {size}>"

    def to_bytes(self) -> bytes:
        """The bundle's bytes."""
        return b"".join(self.parts)


def bundle(file: Readable, *, prerequisites: bool = False) -> Bundle:
    """The snapshot in a file as a git bundle, which is the same whenever it is made from the same container.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        prerequisites: Keep commits whose parents the snapshot does not have as they are: only a repository that has
            these parents can fetch from the bundle. Else such commits lose these parents and get other ids, so that
            `git clone` takes the bundle.

    Raises:
        NoSnapshot: the file carries none.
        FormatError: it is damaged.
        Refused: it was made to do harm, or does not have all that git would ask for.
    """
    with open_container(file) as box:
        view = make_view(box, rewrite=not prerequisites)
        pack = make_pack(view.objects(), view.object_format, view.names)
        return Bundle(
            parts=(_header(view), *pack.data),
            snapshot_id=box.snapshot_id,
            head=view.head.hex(),
            refs={name: oid.hex() for name, oid in view.refs.items()},
            prerequisites=tuple(oid.hex() for oid in view.prerequisites),
            rewritten={old.hex(): new.hex() for old, new in view.rewritten.items()},
        )


def _header(view: GitView) -> bytes:
    if view.object_format == "sha1":
        lines = [b"# v2 git bundle"]
    else:
        lines = [b"# v3 git bundle", b"@object-format=" + view.object_format.encode()]
    lines += [b"-%s " % oid.hex().encode() for oid in view.prerequisites]
    lines += [b"%s %s" % (oid.hex().encode(), name) for name, oid in view.refs.items()]
    return b"\n".join((*lines, b"%s HEAD" % view.head.hex().encode(), b"", b""))

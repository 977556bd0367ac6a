"""Where code comes from that nothing here shows to be the user's own, and whether anybody signed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jellyformat.format.extensions import SIGNATURES
from jellyformat.format.model import Manifest
from jellyformat.format.text import brief, decoded
from jellyformat.git.related import is_own
from jellyformat.hosts.registry import PathLike

if TYPE_CHECKING:
    from jellyformat.trust.settings import Trust
    from jellyformat.trust.signature import SignatureCheck


@dataclass(frozen=True)
class Origin:
    """Where code comes from that nothing here shows to be the user's own.

    Attributes:
        url: The first remote that it names; None for none.
        signatures: What is known of its signatures, none of which is good.
    """

    url: str | None
    signatures: tuple[SignatureCheck, ...]

    def in_words(self) -> str:
        """For people, on one line; no control is in it."""
        signed = next(iter(self.signatures), None)
        state = "nobody signed this code" if signed is None else f"this code is signed: {signed.in_short()}"
        where = "does not say where it comes from" if self.url is None else f"says it comes from {brief(self.url, 200)}"
        return f"{state}; no repository here knows it, and it {where}"


def origin(manifest: Manifest, trust: Callable[[], Trust], *places: PathLike) -> Origin | None:
    """Where the code of a snapshot comes from; None where it is the user's own, or signed by one who is trusted.

    It is the user's own where the repository around the current directory, or another place, has its commit or one of
    its remotes. What is not signed can say anything of itself.

    Args:
        manifest: The snapshot's manifest.
        trust: Gives who may sign; called where there is a signature.
        places: Other directories: where the checkpoint lies, where its files are to go.
    """
    for place in (".", *places):
        if is_own(place, manifest):
            return None
    found: tuple[SignatureCheck, ...] = ()
    if SIGNATURES in manifest.extensions:
        from jellyformat.trust import containers  # only now: it is slow to import, and most have no signature

        found = containers.signatures_of(manifest, trust())
    if any(item.is_by(None) for item in found):
        return None
    remotes = {name: decoded(url) for name, url in manifest.provenance.remotes}
    return Origin(remotes.get(b"origin") or next(iter(remotes.values()), None), found)

"""Checkpoints signed, and whose signatures they have (SPEC JF-EXT, JF-SIG)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jellyformat.errors import Busy, HostWarning, JellyError, RefusedHost, RefusedSigned
from jellyformat.format import frames
from jellyformat.format.extensions import NAMESPACE, SIGNATURES
from jellyformat.format.msgpack import Value
from jellyformat.format.source import read_exactly
from jellyformat.hints import Hint, command, option
from jellyformat.hosts import changing, lookup, registry, ties
from jellyformat.hosts.binding import BINDING
from jellyformat.hosts.open import open_container
from jellyformat.hosts.registry import PathLike, Readable
from jellyformat.trust import choosing, containers, settings
from jellyformat.trust.signature import SignatureCheck


def sign(
    path: PathLike,
    key: str | None = None,
    *,
    bind: bool = False,
    out: PathLike | None = None,
    drop_signatures: bool = False,
    in_place: bool = False,
    copy: bool = False,
) -> tuple[SignatureCheck, ...]:
    """Sign the snapshot that a checkpoint carries with an SSH key, as git signs commits (SPEC JF-EXT).

    ssh-keygen signs, so agents, security keys and passphrases work as they do elsewhere. A signature by the same key
    gives way to the new one; those of others stay. It vouches for the code; for the weights only where they are bound.

    Args:
        path: The file or directory. What holds the snapshot is changed in place, whole or not at all.
        key: The path of a key, or of its public half; ``agent`` for the agent's first key, ``agent:NAME`` for that of
            this comment or fingerprint. None: git's ``user.signingKey``, or the agent's first.
        bind: First put in the hash of the weights (SPEC JF-BND), which the signature then covers; reads all of them.
        drop_signatures: Take signatures of others away, which would no longer hold with another binding (JF-SIG-002).
        out: A new file to write instead; not where the snapshot is beside the file, or the file is a directory.
        in_place: As for `jellyformat.embed`.
        copy: As for `jellyformat.embed`.

    Returns:
        What is known of each signature that it then has.

    Raises:
        NoSnapshot: the file carries none.
        Usage: there is no such key, or no ssh-keygen.
        RefusedKey: the key did not sign.
        RefusedSigned: others signed it, and it is to be bound anew; or it builds on commits that it does not have.
        RefusedHost: the file cannot be changed in place or is in a store that others read from; or it has more than
            one name, and neither ``out`` nor ``copy`` is given (JF-HST-005).
        FormatError: host or container are damaged; nothing was changed.
        Busy: another program has the file open, or is changing it.
    """
    changing.check_one_way(out=out, in_place=in_place, copy=copy)
    host = Path(path)
    trust = settings.trust_of()
    with open_container(host) as box:
        box.check_hashes()  # nobody is to sign for blocks that are not there
        place, digest = box.file or host, box.digest
    with changing.holding(host, place, out=out, copy=copy) as target:
        found = registry.recognize(target.source)
        header = None
        if found.carried is not None:
            header = frames.parse_header(found.carried.container.read_at(0, frames.HEADER_LENGTH))
        if found.carried is None or header is None or header.digest.hex() != digest:
            raise Busy(f"{host} was changed by somebody else meanwhile", hint="nothing was done; run it again")
        data = old = read_exactly(found.carried.container, 0, header.total_length)
        if bind:
            inside = place == host and found.adapter is not None
            own = ties.BoundHost(str(host), target.source, found.adapter, found.carried) if inside else None
            changes = {BINDING: _binding(host) if own is None else ties.bind(own).to_value()}
            data = frames.with_extensions(data, changes, drop_signatures=True)
        data = signed(data, key, ask=True)
        if not drop_signatures and containers.lost(old, data):
            raise RefusedSigned(
                f"{host} is signed by others, and would not be any more with another binding",
                requirement="JF-SIG-002",
                hint=Hint("nothing was changed; to do it without their signatures, add ", option("drop_signatures")),
            )
        changing.put_back(target, found.adapter, found.carried, data, out=out, in_place=in_place, copy=copy)
    with open_container(host if out is None else Path(out)) as box:
        return containers.signatures_of(box.manifest, trust)


@contextmanager
def told_if_lost(host: Path, written: Path, *, replaced: bool) -> Iterator[None]:
    """Warn where a snapshot that was signed has given way to one that is not.

    Args:
        host: The file or directory whose snapshot is replaced.
        written: The one that has the new snapshot in the end.
        replaced: Whether any is replaced.
    """
    was_signed = replaced and _is_signed(host)
    yield
    if was_signed and not _is_signed(written):
        warnings.warn(
            Hint(
                f"the snapshot that {host} had was signed, and the new one is not; to sign it: ",
                command("sign", str(written)),
            ),
            HostWarning,
            stacklevel=4,
        )


def _is_signed(path: Path) -> bool:
    with suppress(JellyError), open_container(path) as box:
        return SIGNATURES in box.manifest.extensions
    return False


def _binding(host: Path) -> Value:
    """The binding to the weights that a container beside them, or in a directory, is for.

    Raises:
        RefusedHost: they are not here, or cannot be told.
    """
    with lookup.named(host) as named:
        held = lookup.container_in(named)
        with ties.open_bound(named, held, lookup.read_extensions(held.container)) as bound:
            if bound is None:
                raise RefusedHost(
                    f"the weights that {host} is of are not here, so it cannot be bound to them",
                    hint=Hint("nothing was changed; sign it without ", option("bind")),
                )
            return ties.bind(bound).to_value()


def unasked(data: bytes, sign: bool | str | None) -> bytes:
    """As `as_asked`, and nobody is asked for a passphrase."""
    asked = settings.wants_signatures() if sign is None else sign is not False
    return signed(data, sign if isinstance(sign, str) else None, ask=False) if asked else data


def as_asked(data: bytes, sign: bool | str | None) -> bytes:
    """A container, signed where that is asked for.

    Args:
        data: The whole container.
        sign: Whether, or with which key; None: if the user's git configuration says so, and then nobody is asked.

    Raises:
        As `sign`.
    """
    if sign is None:
        return unasked(data, sign)
    return signed(data, sign if isinstance(sign, str) else None, ask=True) if sign is not False else data


def signed(data: bytes, key: str | None, *, ask: bool) -> bytes:
    """A container with one more signature; arguments and errors as for `sign`."""
    return containers.signed(data, lambda message: choosing.signature(message, NAMESPACE, key, ask=ask))


def signatures(file: Readable, signers: PathLike | None = None, *, at: int | None = None) -> tuple[SignatureCheck, ...]:
    """Whose signatures the snapshot of a file has, and whether they are good; empty where it has none.

    Nothing of the weights is looked at: `jellyformat.verify` does that.

    Args:
        file: A path, a binary file object, or a URL that fsspec knows.
        signers: A file of allowed signers, as git has them; None: what git's ``gpg.ssh.allowedSignersFile`` names.
        at: When the keys have to be valid, in seconds since 1970; None for now.

    Raises:
        NoSnapshot: the file carries none.
        NoFile: there is no such file of signers.
        FormatError: host or manifest are damaged.
        SystemFailure: the file cannot be read.
    """
    trust = settings.trust_of(signers, at)
    with open_container(file) as box:
        return containers.signatures_of(box.manifest, trust)

"""Whether a host is the one that a container was made for, and what ties a container to it (JF-SDC, JF-DIR, JF-BND)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jellyformat import progress
from jellyformat.errors import BindingMismatch, FormatError, Refused, RefusedHost
from jellyformat.files.plans import Copy, Rewrite, Truncate
from jellyformat.format import container
from jellyformat.format.msgpack import Value
from jellyformat.format.paths import show_name
from jellyformat.format.source import CHUNK, BytesSource, FileSource, Joined, Source, StreamSource, Window, read_exactly
from jellyformat.hints import Hint, command, option
from jellyformat.hosts import binding, directories, lookup, pointers, registry
from jellyformat.hosts.adapter import Adapter, Carried
from jellyformat.hosts.binding import Binding, Sidecar
from jellyformat.hosts.directories import Directory
from jellyformat.hosts.lookup import Extensions, Holding, Named
from jellyformat.hosts.weights import BYTES, ENTRIES, FILES, TENSORS, Leaf, Weight, WeightsAdapter, hash_weights


@dataclass(frozen=True)
class BoundHost:
    """A host, open for reading.

    Attributes:
        name: For people.
        place: Its bytes, or the directory.
        adapter: The adapter for it; None for a directory.
        carried: The container that lies in it; None where it lies beside it, or there is none.
    """

    name: str
    place: Source | Directory
    adapter: Adapter | None
    carried: Carried | None


@contextmanager
def open_bound(named: Named, held: Holding, extensions: Extensions) -> Iterator[BoundHost | None]:
    """The host of a container; None where it stands alone, or where its host is not beside it."""
    with ExitStack() as resources:
        if isinstance(named.place, Directory):
            yield BoundHost(named.name, named.place, None, None)
        elif held.host == binding.SIDECAR and pointers.pointer(named.place) is not None:
            yield None  # the file itself is still to be fetched
        elif held.host == binding.SIDECAR:
            yield BoundHost(named.name, named.place, registry.adapter_for(named.place), None)
        elif held.host != container.BARE:
            yield BoundHost(named.name, named.place, held.adapter, held.carried)
        else:
            yield _host_beside(named, extensions, resources)


def _host_beside(named: Named, extensions: Extensions, resources: ExitStack) -> BoundHost | None:
    if named.path is None:
        return None
    if named.path.name == directories.FILE_NAME and binding.SIDECAR not in extensions:
        directory = directories.named_by(named.path.parent)
        return None if directory is None else BoundHost(str(directory.path), directory, None, None)
    sidecar = binding.sidecar_of(extensions)
    path = None if sidecar is None else lookup.host_of(named.path, sidecar)
    if path is None:
        return None
    source = FileSource.of(resources.enter_context(registry.open_file(path)))
    return BoundHost(str(path), source, registry.adapter_for(source), None)


def check_sidecar(host: BoundHost | None, extensions: Extensions, *, quick: bool) -> str:
    """Whether the host is the file that the sidecar was put beside; ``quick``: by its size alone.

    Raises:
        BadManifest: the extension is not as it has to be (JF-SDC-002, JF-BND-002).
        BindingMismatch: it is another file (JF-SDC-003), and its weights are not told apart either.
    """
    sidecar = binding.sidecar_of(extensions)
    assert sidecar is not None
    name = os.fsdecode(sidecar.name)
    if host is None or isinstance(host.place, Directory):
        return f"its host, {name}, is not beside it, or still to be fetched"
    if not host_is(host.place, sidecar, quick=quick):
        if _tells_weights(extensions) and (quick or _is_near(host.place)):
            return f"{Path(host.name).name} was saved again since: its weights tell whether it is the same"
        raise BindingMismatch(
            f"{host.name} is not the file that the snapshot was put beside: it was changed since, or is another one",
            requirement="JF-SDC-003",
            hint=Hint(
                "the snapshot is whole, but may be of other code; for one of the code as it is now: ",
                command("embed", host.name, option("replace")),
            ),
        )
    renamed = "" if Path(host.name).name == name else f", then called {name}"
    how = "has the size that it had" if quick else "is, byte for byte, what it was put beside"
    return f"{Path(host.name).name} {how}{renamed}"


def host_is(place: Source, sidecar: Sidecar, *, quick: bool = False) -> bool:
    """Whether a file is the host of a sidecar, by size and SHA-256; ``quick``: by size alone."""
    return place.size == sidecar.size and (quick or sha256_of(place) == sidecar.sha256)


def sha256_of(source: Source) -> bytes:
    """The SHA-256 of a whole file."""
    hasher = hashlib.sha256()
    with progress.work("hashing the file", source.size):
        for offset in range(0, source.size, CHUNK):
            hasher.update(read_exactly(source, offset, min(CHUNK, source.size - offset)))
            progress.advance(min(CHUNK, source.size - offset))
    return hasher.digest()


def check_binding(host: BoundHost | None, extensions: Extensions, *, quick: bool) -> str:
    """Whether the host has the weights that the container is bound to; ``quick``: nothing is read.

    Raises:
        BadManifest: the extension is not as it has to be (JF-BND-002).
        BindingMismatch: it has not (JF-BND-003).
    """
    bound = binding.binding_of(extensions)
    assert bound is not None
    if host is None:
        return f"bound to {bound.count} {bound.kind}, which are not here: not checked"
    if quick:
        return f"bound to {bound.count} {bound.kind}: not read"
    if not _is_near(host.place):
        return f"bound to {bound.count} {bound.kind}: not checked, all of the host would have to be read from afar"
    try:
        found = bind(host)
    except (FormatError, Refused) as error:
        raise BindingMismatch(
            f"the weights cannot be told, so they are not those that the code was embedded for: {error.message}",
            requirement="JF-BND-003",
        ) from error
    if difference := bound.difference(found):
        raise BindingMismatch(
            f"these are not the weights that the code was embedded for: {difference}",
            requirement="JF-BND-003",
            hint="the snapshot is whole, but the weights were changed since",
        )
    if bound.kind == BYTES:  # what weights are in it is not known, nor whether it names other files for them
        return "the file is, byte for byte, the one that the code was embedded for"
    return f"the weights are those that the code was embedded for: {bound.count} {bound.kind}"


def has_its_weights(host: BoundHost, extensions: Extensions) -> bool:
    """Whether a host has the weights that a container is bound to, told by more than all of its bytes.

    Raises:
        BadManifest: the extension is not as it has to be (JF-BND-002).
    """
    bound = binding.binding_of(extensions)
    if bound is None or not _tells_weights(extensions):
        return False
    try:
        return not bound.difference(bind(host))
    except (FormatError, Refused):
        return False


def _tells_weights(extensions: Extensions) -> bool:
    bound = binding.binding_of(extensions)
    return bound is not None and bound.kind != BYTES


def _is_near(place: Source | Directory) -> bool:
    """Whether all of a host can be read without a network."""
    return isinstance(place, (Directory, FileSource, BytesSource, StreamSource))


def kept(extensions: Extensions, host: BoundHost, *, anew: bool) -> Value:
    """The extension `binding` for a host; None for none. One that a snapshot has stays if it is to these weights.

    Args:
        extensions: Those of the snapshot that the host is to carry.
        host: The host.
        anew: Whether it is bound to these weights, whatever the snapshot has.

    Raises:
        RefusedHost: it is to others (JF-BND-006).
    """
    if anew:
        return bind(host).to_value()
    try:
        old = binding.binding_of(extensions)
    except FormatError:  # the snapshot is embedded as it is, and verify tells
        return None
    if old is None:
        return None
    difference = old.difference(bind(host))
    if difference:
        raise RefusedHost(
            f"the snapshot is bound to other weights than those of {host.name}: {difference}",
            requirement="JF-BND-006",
            hint=Hint("nothing was changed; to bind it to these, add ", option("bind")),
        )
    return old.to_value()


def bind(host: BoundHost) -> Binding:
    """The binding to a host's weights as they are; reads all of them.

    Raises:
        BadHost: the host is broken.
        CountLimit: it has too many weights.
        RefusedHost: its weights cannot be read, or its own bytes not be told from the container.
        SystemFailure: a file of a directory cannot be read.
    """
    if isinstance(host.place, Directory):
        total = sum(path.stat().st_size for path in _files_of(host.place) if path.is_file())
        with progress.work(f"hashing the weights of {host.place.path.name}", total):
            return _bind_directory(host.place)
    kind, weights = _weights_of(host, host.place)
    with progress.work(f"hashing the weights of {Path(host.name).name}", host.place.size):
        return Binding.of(kind, hash_weights(weights))


def _files_of(directory: Directory) -> Iterator[Path]:
    """The files of a directory that hold weights."""
    if directory.kind == directories.HUGGING_FACE:
        yield from directories.weight_files(directory.path)
    else:
        yield from (path for _, path in directories.data_files(directory))


def _bind_directory(directory: Directory) -> Binding:
    """The binding to all files of a directory that hold weights, one after another."""
    leaves: list[Leaf] = []
    if directory.kind == directories.HUGGING_FACE:
        missing = directories.missing_file(directory.path)
        if missing is not None:
            raise RefusedHost(
                f"not all weights of {directory.path} can be bound to: "
                f"{show_name(missing.encode('utf-8', 'replace'))} is not among its files, or no index",
                requirement="JF-BND-008",
                hint=Hint(
                    "nothing was changed; embed without ",
                    option("bind"),
                    ", or name the files with weights one by one",
                ),
            )
        kind = ENTRIES
        for path in directories.weight_files(directory.path):
            with registry.open_file(path) as fd:
                source = FileSource.of(fd)
                found = registry.recognize(source)
                told, weights = _weights_of(BoundHost(str(path), source, found.adapter, found.carried), source)
                kind = TENSORS if told == TENSORS else ENTRIES
                prefix = b"" if told == TENSORS else os.fsencode(path.name) + b"/"
                leaves += hash_weights((replace(weight, name=prefix + weight.name) for weight in weights), len(leaves))
    else:
        kind = FILES
        for name, path in directories.data_files(directory):
            with registry.open_file(path) as fd:
                leaves += hash_weights([Weight(name, "", (), FileSource.of(fd))], len(leaves))
    return Binding.of(kind, sorted(set(leaves)))


def _weights_of(host: BoundHost, place: Source) -> tuple[str, Iterable[Weight]]:
    told = host.adapter.weights(place, host.carried) if isinstance(host.adapter, WeightsAdapter) else None
    if told is not None:
        return told
    return BYTES, [Weight(b"", "", (), own_bytes(host, place))]


def own_bytes(host: BoundHost, place: Source) -> Source:
    """What strip would give back, without a copy.

    Raises:
        Refused: the adapter cannot give it back.
    """
    if host.carried is None or host.adapter is None:
        return place
    plan = host.adapter.plan_strip(place, host.carried)
    if isinstance(plan, Truncate):
        return Window(place, 0, plan.length)
    if isinstance(plan, Rewrite):
        return Joined(
            tuple(
                Window(place, part.offset, part.length) if isinstance(part, Copy) else BytesSource(part)
                for part in plan.segments
            )
        )
    raise RefusedHost(f"what {host.name} was without the snapshot cannot be told")

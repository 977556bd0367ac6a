"""The reference as a program under test: the protocol of conformance/PROTOCOL.md.

python -m jellyformat.conformance capabilities
python -m jellyformat.conformance decode --in F
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from jellyformat import snapshots
from jellyformat.errors import FormatError, JellyError, RefusedPath, SystemFailure, Usage
from jellyformat.exports.files import export
from jellyformat.format import blocks, manifest, msgpack
from jellyformat.format.blocks import BlockWriter
from jellyformat.format.container import Container
from jellyformat.format.model import HISTORY, STATE, Manifest
from jellyformat.format.msgpack import Value
from jellyformat.format.objects import KIND_NAMES
from jellyformat.format.records import KINDS, ObjectRecord
from jellyformat.hosts import binding, directories, lookup, registry, ties
from jellyformat.hosts.directories import Directory
from jellyformat.hosts.open import open_container
from jellyformat.snapshots import Snapshot
from jellyformat.verifier import verify
from jellyformat.version import __version__

PROTOCOL = 2
OK, FAULT, UNSUPPORTED = 0, 1, 2
CAPABILITIES = {
    "protocol": PROTOCOL,
    "name": "jellyformat (Python reference)",
    "version": __version__,
    "roles": ["read", "verify", "write", "embed", "restore", "bind"],
    "hosts": [
        "jelly",
        "zip",
        "safetensors",
        "hdf5",
        "gguf",
        "onnx",
        "flax",
        "trailer",
        binding.SIDECAR,
        directories.HOST,
    ],
    "object_formats": ["sha1", "sha256"],
    "batch": True,
}
_OPTIONS = {
    "decode": ("in",),
    "encode": ("in", "out"),
    "extract": ("host", "in", "out"),
    "embed": ("host", "in", "container", "out"),
    "strip": ("host", "in", "out"),
    "restore": ("in", "out"),
    "weights": ("host", "in"),
}
_WITHOUT_OUT = ("embed", "strip")
"""Commands that change what lies beside the file, or in the directory, themselves."""
_KINDS = {KIND_NAMES[kind].decode(): kind for kind in KINDS}


def to_json(value: Any) -> Any:
    """A msgpack value as JSON: bytes as ``{"hex": …}``."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(value: Any) -> Value:
    """What `to_json` was given."""
    if isinstance(value, dict):
        if value.keys() == {"hex"} and isinstance(value["hex"], str):
            return bytes.fromhex(value["hex"])
        return {key: from_json(item) for key, item in value.items()}
    return [from_json(item) for item in value] if isinstance(value, list) else value


def host_kind(path: Path) -> str:
    """The protocol's name for the kind of a file: SPEC knows zips and trailers, whoever wrote them."""
    with lookup.named(path) as named:
        name = lookup.container_in(named).host
        if name in ("torch", "npz") and not isinstance(named.place, Directory):
            return "zip" if named.place.read_at(0, 2) == b"PK" else "trailer"
        return name


def decode(path: Path) -> dict[str, Any]:
    """The content of a container, bare or in a host, after all checks of a verifier."""
    report = verify(path)
    if report.error is not None:
        raise report.error
    with open_container(path) as box:
        return {
            "digest": box.digest,
            "snapshot_id": box.snapshot_id,
            "host": host_kind(path),
            "manifest": to_json(manifest.to_value(box.manifest)),
            "files": _files(box),
        }


def _files(box: Container) -> list[dict[str, Any]] | None:
    box.pool.decode((STATE, HISTORY))  # of a thin container, what the state names may lie in either
    try:
        files = box.files()
    except FormatError:
        if box.checker.thin:  # what they name is in the prerequisites
            return None
        raise
    return [
        {"path": to_json(file.path), "mode": f"{file.mode:06o}", "oid": to_json(file.oid), "size": file.size}
        for file in files
    ]


def encode(logical: Path, out: Path) -> None:
    """Write the container that a logical content describes."""
    wanted = json.loads(logical.read_bytes())
    value = from_json(wanted["manifest"])
    assert isinstance(value, dict)
    parts: Manifest = manifest.decode(msgpack.encode({**value, "blocks": []}))
    written: list[blocks.Written] = []
    for kind in (STATE, HISTORY):
        writer = BlockWriter(kind, blocks.prefix_of(written) if kind == HISTORY else None)
        for item in wanted["objects"]:
            if item["block"] == kind:
                content = from_json(item["content"])
                assert isinstance(content, bytes)
                writer.add(ObjectRecord(_KINDS[item["kind"]], content), len(content))
        written += writer.close()
    out.write_bytes(blocks.assemble(parts, written))


def restore(path: Path, directory: Path) -> None:
    """Write the files of a snapshot into a new directory."""
    with open_container(path) as box:
        try:
            export(box, directory)
        except RefusedPath as error:
            if isinstance(error.__cause__, JellyError):
                raise error.__cause__ from None
            raise


def weights(path: Path) -> dict[str, Any]:
    """The binding to a host's weights."""
    with lookup.named(path) as named:
        if isinstance(named.place, Directory):
            host = ties.BoundHost(named.name, named.place, None, None)
        else:
            found = registry.recognize(named.place)
            host = ties.BoundHost(named.name, named.place, found.adapter, found.carried)
        return {"binding": to_json(ties.bind(host).to_value())}


def _run(command: str, given: Mapping[str, str]) -> dict[str, Any]:
    path = Path(given["in"])
    out = Path(given["out"]) if "out" in given else None
    if command == "decode":
        return decode(path)
    if command == "weights":
        return weights(path)
    if command == "embed":
        snapshots.embed(path, Snapshot(Path(given["container"]).read_bytes()), out=out, replace=True)
        return {}
    if command == "strip":
        snapshots.strip(path, out=out)
        return {}
    assert out is not None
    if command == "encode":
        encode(path, out)
    elif command == "restore":
        restore(path, out)
    else:
        with open_container(path) as box:
            out.write_bytes(box.to_bytes())
            return {"digest": box.digest}
    return {}


def _parse(args: list[str]) -> tuple[str, dict[str, str]]:
    command, *rest = args or [""]
    names = _OPTIONS.get(command)
    if names is None:
        raise Usage(f"there is no command {command!r}")
    given = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=False)}
    if command in _WITHOUT_OUT and given.get("host") in (binding.SIDECAR, directories.HOST):
        names = tuple(name for name in names if name != "out")
    if len(rest) % 2 or set(given) != set(names):
        raise Usage(f"{command} takes " + " ".join(f"--{name}" for name in names))
    if given.get("host", "jelly") not in CAPABILITIES["hosts"]:  # type: ignore[operator]
        raise Usage(f"the host {given['host']!r} is not known")
    return command, given


def answer(args: list[str]) -> tuple[int, object]:
    """Exit status and standard output, as a JSON value, for one request."""
    if args == ["capabilities"]:
        return OK, CAPABILITIES
    try:
        command, given = _parse(args)
        return OK, _run(command, given)
    except (Usage, SystemFailure) as error:
        return FAULT if isinstance(error, SystemFailure) else UNSUPPORTED, {"error": error.to_json()}
    except JellyError as error:
        return FAULT, {"error": error.to_json()}


def batch(requests: TextIO, answers: TextIO) -> None:
    """Answer requests, one in a line, until there are no more."""
    for line in requests:
        request = json.loads(line)
        status, output = answer(request["args"])
        answers.write(json.dumps({"id": request["id"], "exit": status, "output": output}) + "\n")
        answers.flush()


def main(args: list[str]) -> int:
    """The program."""
    if args == ["batch"]:
        with suppress(KeyboardInterrupt):
            batch(sys.stdin, sys.stdout)
        return OK
    status, output = answer(args)
    json.dump(output, sys.stdout)
    sys.stdout.write(os.linesep)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

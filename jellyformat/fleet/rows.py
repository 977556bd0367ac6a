"""What is kept of each of many checkpoints: what `log` shows, chooses and sorts by, and what an index has a row of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jellyformat.errors import JellyError
from jellyformat.exports.edits import Edit
from jellyformat.exports.requirements import packages_of
from jellyformat.format.container import Container
from jellyformat.format.extensions import SIGNATURES, Run
from jellyformat.format.info import Told
from jellyformat.format.model import STATE
from jellyformat.format.msgpack import Value
from jellyformat.trust.containers import claimed_by
from jellyformat.trust.signature import SignatureCheck

PACKAGES: Final = frozenset(
    {
        "accelerate", "deepspeed", "diffusers", "flax", "jax", "jaxlib", "keras", "lightning", "numpy", "onnx", "optax",
        "orbax-checkpoint", "peft", "pytorch-lightning", "ray", "safetensors", "scikit-learn", "tensorflow",
        "tokenizers", "torch", "torchaudio", "torchvision", "transformers", "triton", "vllm", "xgboost",
    }
)  # fmt: skip
"""Packages whose versions are kept, of those in an environment."""
_VERSION_LENGTH = 256


@dataclass(frozen=True)
class Stamp:
    """By what a file is seen to be the one it was, without being read.

    Attributes:
        size: Its length in bytes.
        mtime_ns: When it was modified, in nanoseconds since 1970; None behind a URL.
        ctime_ns: When it was changed in any way; None behind a URL.
        inode: Its number in its filesystem; None behind a URL.
        etag: What the store calls this version of it; None on a disk.
    """

    size: int
    mtime_ns: int | None = None
    ctime_ns: int | None = None
    inode: int | None = None
    etag: str | None = None

    @property
    def tells(self) -> bool:
        """Whether it can be told by this that a file is the same; not of one that changed while it was read."""
        return self.etag is not None or None not in (self.mtime_ns, self.ctime_ns, self.inode)


@dataclass(frozen=True)
class Row(Told):
    """One checkpoint, as its manifest tells of it. The attributes that `SnapshotInfo` has too are as there.

    Attributes:
        stamp: The file, as it was when it was read; None where that was not noted.
        holder: The file that holds the container, links followed: the host itself, or one beside or in it.
        holder_stamp: The same of that, where it is another file.
        code: The same for checkpoints of the same files: 64 hex digits.
        state_bytes: Bytes of the code, packed and unpacked.
        staged, unstaged, untracked, conflicted, omitted: How many there are.
        versions: Of the interpreter, the platform and the main packages, by name.
        signed: Whether it has a signature; whether that is good is for verify to say.
        claims: By which keys it says that it is signed; nothing of that is checked.
        damaged: Why its code cannot be read; None where that is not known.
        compared: What changed since the code of others, by their ``code``.
    """

    file: str
    stamp: Stamp | None
    holder: str
    holder_stamp: Stamp | None
    host: str
    form: str
    snapshot_id: str
    digest: str
    code: str
    container_bytes: int
    state_bytes: int
    ref: str | None
    commit: str | None
    subject: str | None
    operation: str | None
    staged: int
    unstaged: int
    untracked: int
    conflicted: int
    omitted: int
    files: int
    size: int
    history: int
    time: int
    tool: str
    captured: str | None
    edited: tuple[bytes, ...]
    labels: Mapping[str, str]
    note: str | None
    run: Run | None
    versions: Mapping[str, str]
    signed: bool
    claims: tuple[SignatureCheck, ...] = ()
    damaged: JellyError | None = None
    compared: tuple[tuple[str, tuple[Edit, ...]], ...] = ()

    @property
    def uncommitted(self) -> int:
        """How many changes were not committed."""
        return self.staged + self.unstaged + self.untracked + self.conflicted

    @property
    def dirty(self) -> bool:
        """Whether anything was not committed, or in progress."""
        return self.uncommitted > 0 or self.operation is not None


def row_of(
    box: Container,
    *,
    file: str,
    stamp: Stamp | None,
    holder: str,
    holder_stamp: Stamp | None,
    versions: Mapping[str, str],
) -> Row:
    """What the manifest of an open container says; no block is read.

    Args:
        box: The container.
        file: The file, as it is named.
        stamp: As the attribute.
        holder: As the attribute.
        holder_stamp: As the attribute.
        versions: Of its environment, by `versions_of`.
    """
    info = box.info()
    blocks = [block for block in box.manifest.blocks if block.kind == STATE]
    return Row(
        file=file,
        stamp=stamp,
        holder=holder,
        holder_stamp=holder_stamp,
        host=info.host,
        form=info.form,
        snapshot_id=info.snapshot_id,
        digest=info.digest,
        code=_code_of(box, info.snapshot_id),
        container_bytes=info.container_bytes,
        state_bytes=sum(block.raw_length + block.object_bytes for block in blocks),
        ref=info.ref,
        commit=info.commit,
        subject=info.subject,
        operation=info.operation,
        staged=len(info.staged),
        unstaged=len(info.unstaged),
        untracked=len(info.untracked),
        conflicted=len(info.conflicted),
        omitted=len(info.omitted) + len(info.staged_omitted),
        files=info.files,
        size=info.size,
        history=info.history,
        time=info.time,
        tool=info.tool,
        captured=info.captured,
        edited=info.edited,
        labels=info.labels,
        note=info.note,
        run=info.run,
        versions=versions,
        signed=SIGNATURES in box.manifest.extensions,
        claims=claimed_by(box.manifest),
    )


def _code_of(box: Container, snapshot_id: str) -> str:
    """The same for checkpoints of the same files; for a bare repository, for those of the same state."""
    hasher = hashlib.sha256()
    for prefix, state in box.manifest.state.parts():
        if state.worktree is None:
            return snapshot_id
        for part in (prefix, state.worktree.tree):
            hasher.update(len(part).to_bytes(8, "big") + part)
    return hasher.hexdigest()


def versions_of(environment: Mapping[str, Value]) -> dict[str, str]:
    """The main versions in an environment; what a stranger wrote there that is none is passed over."""
    found: dict[str, str] = {}
    language, version, platform = (environment.get(key) for key in ("language", "version", "platform"))
    if isinstance(language, str) and isinstance(version, str):
        found[language.lower()[:_VERSION_LENGTH]] = version[:_VERSION_LENGTH]
    if isinstance(platform, str):
        found["platform"] = platform[:_VERSION_LENGTH]
    for package in packages_of(environment):
        name = package.name.lower().replace("_", "-")
        if name in PACKAGES:
            found.setdefault(name, package.version[:_VERSION_LENGTH])
    return found

"""What is not committed and is kept out of a snapshot: files over a size, files with secrets (SPEC JF-WRK).

Only what HEAD does not have is looked at: what is committed was published, or not, by whoever committed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jellyformat.capture.options import Budget, Scan
from jellyformat.capture.secrets import Finding, find_secrets
from jellyformat.errors import RefusedSecret, RefusedSize, Usage
from jellyformat.format.collect import Collector
from jellyformat.format.model import Omitted
from jellyformat.format.objects import GITLINK, SYMLINK, Leaf, canonical_mode
from jellyformat.format.paths import show_name
from jellyformat.git.index import IndexEntry
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, option

CHOICES = ("refuse", "omit", "allow")
_SHOWN = 3


@dataclass(frozen=True)
class Held:
    """One file kept out, its path from the top of the outermost repository.

    Attributes:
        reason: ``size``, ``secret`` or ``excluded``.
        size: Bytes; None where not known.
        staged: Whether it is the staged content, and not the file on disk.
        findings: The secrets in it.
    """

    path: bytes
    reason: str
    size: int | None
    staged: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass
class Withholder:
    """Decides for one capture.

    Args:
        secrets: ``refuse``, ``omit`` or ``allow``.
        oversize: The same, for files over a size.
        max_file_size: Bytes.
        budget: Bytes left for everything new, shared with the scanners.
        collector: What of HEAD was collected.
    """

    secrets: str
    oversize: str
    max_file_size: int
    budget: Budget
    collector: Collector
    held: list[Held] = field(default_factory=list)
    _judged: dict[bytes, Held | None] = field(default_factory=dict)

    def worktree(self, repository: Repository, scan: Scan, head: Mapping[bytes, Leaf], prefix: bytes) -> None:
        """Take out of a scan what is kept out, and list it there."""
        for item in scan.omitted:
            if item.reason == "size":
                self.held.append(Held(prefix + item.path, "size", item.size))
        kept_out: set[bytes] = set()
        for path, leaf in sorted([item for item in scan.leaves.items() if self._new(item[1])]):
            data = scan.contents.get(leaf.oid)
            held = self._judge(repository, path, leaf, data, head.get(path), staged=False)
            if held is not None:
                del scan.leaves[path]
                scan.omitted.append(Omitted(path, held.reason, held.size))
                kept_out.add(path)
                self.held.append(Held(prefix + path, held.reason, held.size, False, held.findings))
        scan.converted = [path for path in scan.converted if path not in kept_out]
        scan.filtered = [path for path in scan.filtered if path not in kept_out]
        scan.omitted.sort(key=lambda item: item.path)

    def index(
        self,
        repository: Repository,
        entries: list[IndexEntry],
        head: Mapping[bytes, Leaf],
        prefix: bytes,
        excluded: Callable[[bytes], bool],
    ) -> tuple[list[IndexEntry], tuple[Omitted, ...]]:
        """Index entries without staged content that is kept out: HEAD's takes its place, or nothing; and its list."""
        kept: list[IndexEntry] = []
        omitted: list[Omitted] = []
        for entry in entries:
            if entry.oid in self.collector.kept:
                kept.append(entry)
                continue
            leaf = Leaf(canonical_mode(entry.mode), entry.oid)
            plain = entry.stage == 0 and not entry.intent_to_add
            held = None
            if plain and self._new(leaf) and excluded(entry.path):
                held = Held(entry.path, "excluded", repository.size(leaf.oid), True)
            elif plain and self._new(leaf):
                held = self._judge(repository, entry.path, leaf, None, head.get(entry.path), staged=True)
            if held is None:
                kept.append(entry)
                continue
            self.held.append(Held(prefix + entry.path, held.reason, held.size, True, held.findings))
            omitted.append(Omitted(entry.path, held.reason, held.size))
            old = head.get(entry.path)
            if old is not None:
                kept.append(entry._replace(mode=old.mode, oid=old.oid))
        return kept, tuple(sorted(omitted, key=lambda item: item.path))

    def _new(self, leaf: Leaf) -> bool:
        return leaf.oid not in self.collector.kept and leaf.mode not in (GITLINK, SYMLINK)

    def _judge(
        self, repository: Repository, path: bytes, leaf: Leaf, data: bytes | None, old: Leaf | None, *, staged: bool
    ) -> Held | None:
        if leaf.oid in self._judged:
            return self._judged[leaf.oid]
        self._judged[leaf.oid] = held = self._look(repository, path, leaf, data, old, staged=staged)
        return held

    def _look(
        self, repository: Repository, path: bytes, leaf: Leaf, data: bytes | None, old: Leaf | None, *, staged: bool
    ) -> Held | None:
        size = repository.size(leaf.oid) if data is None else len(data)
        if size is None:
            return None  # a partial clone does not have it: nothing to keep out
        if self.oversize != "allow":
            if data is None:
                self.budget.left -= size  # what was read from disk is counted already
            if size > self.max_file_size or self.budget.left < 0:
                return Held(path, "size", size, staged)
        if self.secrets == "allow":
            return None
        if data is None:
            try:
                data = repository.read(leaf.oid)[1]
            except KeyError:  # damaged, or too large for a snapshot: it is not in it
                return None
        findings = find_secrets(path, data)
        if findings and old is not None and old.mode != GITLINK:
            try:
                before = repository.read(old.oid)[1]
            except KeyError:
                before = b""
            findings = [finding for finding in findings if finding.value not in before]
        return Held(path, "secret", size, staged, tuple(findings)) if findings else None

    def refuse(self) -> None:
        """Refuse the capture for what was held, where that was asked for.

        Raises:
            RefusedSecret: naming file, line and kind.
            RefusedSize: naming files and sizes.
        """
        secret = [held for held in self.held if held.reason == "secret"]
        if secret and self.secrets == "refuse":
            lines = [(held, finding) for held in secret for finding in held.findings]
            names = "; ".join(
                f"{show_name(held.path)} line {finding.line}{' as staged' if held.staged else ''} ({finding.kind})"
                for held, finding in lines[:_SHOWN]
            )
            globs = tuple(show_name(held.path) for held in _unique(secret)[:_SHOWN])
            raise RefusedSecret(
                f"what looks like a secret would get into the snapshot: {names}{_more(len(lines))}",
                hint=Hint(
                    "nothing was changed; leave it out with ",
                    option("exclude", globs),
                    ", or with .gitignore; if it is no secret: ",
                    option("secrets", "allow"),
                    ", or `pragma: allowlist secret` in the line",
                ),
            )
        large = sorted((held for held in self.held if held.reason == "size"), key=lambda held: -(held.size or 0))
        if large and self.oversize == "refuse":
            names = ", ".join(f"{show_name(held.path)} ({(held.size or 0) / 1e6:.1f} MB)" for held in large[:_SHOWN])
            total = sum(held.size or 0 for held in large)
            sizes = [held.size or 0 for held in large if not held.path.endswith(b"/")]
            raise RefusedSize(
                f"too large for a snapshot: {names}{_more(len(large))}",
                hint=Hint(
                    "nothing was changed; leave files out with ",
                    option("exclude", ("GLOB",)),
                    " or .gitignore, or raise the limits: ",
                    option("max_file_size", max(sizes, default=self.max_file_size)),
                    f" (now {self.max_file_size}) and ",
                    option("max_size", self.budget.size + total),
                    f" (now {self.budget.size})",
                ),
            )


def check_choice(name: str, value: str) -> None:
    """Check a value of ``secrets=`` or ``oversize=``.

    Raises:
        Usage: it is none.
    """
    if value not in CHOICES:
        raise Usage(f"{name} is refuse, omit or allow, not {value!r}")


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _unique(held: list[Held]) -> list[Held]:
    return list({item.path: item for item in held}.values())

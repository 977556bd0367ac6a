"""Errors: one class per row of SPEC's error table, and those of the tools around it.

JellyError                      base of all; never raised itself
├── FormatError                 exit 1: the container or its host is damaged or not conforming
│   ├── BadMagic … one per class `malformed.*`, `corrupt.*`, `limit.*`, `missing.*`, `mismatch.*`
│   └── UnsafePath
├── Absent                      exit 3: no snapshot, no repository
├── Refused                     exit 4: something would be lost, leaked or broken
├── Usage                       exit 2
└── SystemFailure               exit 5: no space, no permission, an I/O error
"""

from __future__ import annotations

from typing import ClassVar

from jellyformat.hints import Hint


class HostWarning(UserWarning):
    """A snapshot is read though its host is not what it was made for, or does not lie where it was to be put."""


class RepositoryWarning(UserWarning):
    """The repository is another user's, or not the one here; or what a restore had left half done there was mended."""


class PromptWarning(UserWarning):
    """What was typed at a prompt or in a notebook, and is in no file, is in no snapshot."""


class CaptureWarning(UserWarning):
    """A snapshot has, or lacks, what its user may not expect."""


class JellyError(Exception):
    """Base of all errors of jellyformat.

    Args:
        message: What happened, one sentence, for people.
        requirement: Id of the SPEC requirement that is broken, such as ``JF-HDR-001``.
        offset: Byte offset of the fault in the container or host, where there is one.
        hint: What to do now: the command that mends it, and that nothing was lost. A `Hint` where it names one.

    Attributes:
        hint: As given, in Python's words; the error's text ends with it.
    """

    error_class: ClassVar[str] = ""
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, requirement: str | None = None, offset: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.requirement = requirement
        self.offset = offset
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def to_json(self, program: str = "jelly") -> dict[str, str | int | None]:
        """The error as the ``error`` object of ``--json`` output: its hint in the words of the command line.

        Args:
            program: What our command line is called there.
        """
        return {
            "class": self.error_class,
            "requirement": self.requirement,
            "message": self.message,
            "offset": self.offset,
            "hint": self.hint.command_line(program) if isinstance(self.hint, Hint) else self.hint,
        }


class FormatError(JellyError):
    """The container, or what carries it, does not conform to SPEC."""


class BadMagic(FormatError):
    """Not a container."""

    error_class = "malformed.magic"


class UnsupportedVersion(FormatError):
    """A major version this reader does not know."""

    error_class = "unsupported.version"


class BadHeader(FormatError):
    """The header contradicts itself."""

    error_class = "malformed.header"


class Truncated(FormatError):
    """Bytes are missing at the end."""

    error_class = "truncated"


class SizeLimit(FormatError):
    """A size over the limits."""

    error_class = "limit.size"


class CountLimit(FormatError):
    """A count over the limits."""

    error_class = "limit.count"


class DepthLimit(FormatError):
    """Nested or chained deeper than the limits."""

    error_class = "limit.depth"


class WindowLimit(FormatError):
    """A zstd window over the limits."""

    error_class = "limit.window"


class PathLimit(FormatError):
    """A path longer than the limits."""

    error_class = "limit.path"


class CorruptManifest(FormatError):
    """The header's digest does not match."""

    error_class = "corrupt.manifest"


class CorruptBlock(FormatError):
    """A block's SHA-256 does not match."""

    error_class = "corrupt.block"


class BadCompression(FormatError):
    """Not one proper zstd frame of the declared size."""

    error_class = "malformed.compression"


class BadMsgpack(FormatError):
    """Not canonical msgpack."""

    error_class = "malformed.msgpack"


class BadManifest(FormatError):
    """A key, type or value that SPEC does not allow."""

    error_class = "malformed.manifest"


class UnsupportedFeature(FormatError):
    """Needs a feature this reader does not know."""

    error_class = "unsupported.feature"


class UnsupportedBlock(FormatError):
    """A critical block of an unknown kind."""

    error_class = "unsupported.block"


class BadRecord(FormatError):
    """Not an object or a diff, or not as many as declared."""

    error_class = "malformed.record"


class BadDiff(FormatError):
    """A diff that does not fit its base."""

    error_class = "malformed.diff"


class MissingBase(FormatError):
    """A diff without its base."""

    error_class = "missing.base"


class BadObject(FormatError):
    """Not a proper git object."""

    error_class = "malformed.object"


class DuplicateObject(FormatError):
    """One object twice."""

    error_class = "malformed.duplicate"


class UnsafePath(FormatError):
    """A path that could reach outside of the directory or into ``.git``."""

    error_class = "unsafe.path"


class MissingObject(FormatError):
    """An object that is needed is not there."""

    error_class = "missing.object"


class StateMismatch(FormatError):
    """Parts of the state contradict each other."""

    error_class = "mismatch.state"


class SummaryMismatch(FormatError):
    """The summary is not what the state says."""

    error_class = "mismatch.summary"


class BindingMismatch(FormatError):
    """The host is not the one, or has not the weights, that the container was made for."""

    error_class = "mismatch.binding"


class SignatureMismatch(FormatError):
    """A signature that was asked for is not there, or not good."""

    error_class = "mismatch.signature"


class BadHost(FormatError):
    """The host's structure is broken or ambiguous."""

    error_class = "malformed.host"


class CorruptLocator(FormatError):
    """The host's locator does not fit its container."""

    error_class = "corrupt.locator"


class Absent(JellyError):
    """What was asked for is not there."""

    exit_code = 3


class NoSnapshot(Absent):
    """The file has no container."""

    error_class = "absent.snapshot"


class NoRepository(Absent):
    """There is no git repository."""

    error_class = "absent.repository"


class NoPath(Absent):
    """The snapshot has no such file."""

    error_class = "absent.path"


class OnlyPointer(NoSnapshot):
    """The file only stands for another one, which is still to be fetched."""


class NoEnvironment(Absent):
    """The snapshot has no environment noted."""

    error_class = "absent.environment"


class NoFile(Absent):
    """The file that was named does not exist."""

    error_class = "absent.file"


class Refused(JellyError):
    """Something would be lost, leaked or broken, so nothing was done."""

    exit_code = 4


class RefusedName(Refused):
    """Names that not every system can hold."""

    error_class = "refused.name"


class RefusedPath(Refused):
    """A crafted container's path was not written."""

    error_class = "unsafe.path"


class RefusedSigned(Refused):
    """A signature would no longer hold."""

    error_class = "refused.signed"


class RefusedKey(Refused):
    """A key did not sign: a wrong passphrase, nobody there to be asked, no touch."""

    error_class = "refused.key"


class RefusedHost(Refused):
    """This kind of file would break."""

    error_class = "refused.host"


class RefusedExists(Refused):
    """There is something already, and it would be replaced."""

    error_class = "refused.exists"


class RefusedSize(Refused):
    """Over a size limit of the capture."""

    error_class = "refused.size"


class RefusedSecret(Refused):
    """What is not committed holds something that looks like a secret."""

    error_class = "refused.secret"


class RefusedRepository(Refused):
    """A repository that cannot be captured as it is."""

    error_class = "refused.repository"


class ForeignRepository(RefusedRepository):
    """A repository of another user, in a place or for a purpose that asks for trust in that user."""

    error_class = "refused.owner"


class RefusedBundle(Refused):
    """Not all that git would ask for is there."""

    error_class = "refused.bundle"


class Busy(Refused):
    """Somebody else is at work on it, or it changed meanwhile."""

    error_class = "refused.busy"


class Usage(JellyError):
    """Called wrongly."""

    error_class = "usage"
    exit_code = 2


class SystemFailure(JellyError):
    """The system: no space, no permission, an I/O error."""

    error_class = "system.io"
    exit_code = 5

"""What is known of one signature. Apart from what checks it, which most who show it do not need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from jellyformat.format.text import brief, timestamp

GOOD: Final = "good"
UNKNOWN: Final = "unknown"
BAD: Final = "bad"
OUTDATED: Final = "outdated"
REVOKED: Final = "revoked"
UNCHECKED: Final = "unchecked"
_WORDS: Final = {
    UNKNOWN: "by a key that is not known",
    BAD: "BAD",
    OUTDATED: "by a key that is out of date",
    REVOKED: "by a key that is revoked",
    UNCHECKED: "not checked",
}


@dataclass(frozen=True)
class SignatureCheck:
    """What is known of one signature.

    Attributes:
        state: ``good``; ``unknown``: it is of this container, by a key that nobody allowed; ``outdated`` or
            ``revoked``: by one that is not valid at that time, or not any more; ``bad``: it is not of this container;
            ``unchecked``: that cannot be told here.
        principals: Whose key it is, as the allowed signers say; patterns with commas between. None where not good.
        key_type: Such as ``ssh-ed25519``; None where the signature cannot be read.
        fingerprint: ``SHA256:…`` of the key; None as above.
        since: From when the key is valid, in seconds since 1970; None where that is not said.
        until: Until when.
        detail: The same in words.
        bound: Whether it is for the weights too, as they are bound to (SPEC JF-BND); None where it is no container's.
    """

    state: str
    principals: str | None = None
    key_type: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    until: int | None = None
    detail: str = ""
    bound: bool | None = None

    def is_by(self, principal: str | None) -> bool:
        """Whether it is good, and by this one; None for anyone who is allowed."""
        if self.state != GOOD or self.principals is None:
            return False
        if principal is None:
            return True
        from jellyformat.trust.signers import matches  # slow to import

        return matches(principal, self.principals)

    def in_words(self) -> str:
        """For people, on one line; no control is in it."""
        key = "" if self.fingerprint is None else f"{brief(self.key_type or '')} {brief(self.fingerprint)}"
        said = ", ".join(filter(None, (self.in_short(), key)))
        detail = self.detail
        if self.state == GOOD and self.bound is not None:
            detail = (
                "for the code and the weights it is bound to" if self.bound else "for the code, not for the weights"
            )
        return said + (f": {brief(detail, 200)}" if detail else "")

    def in_short(self) -> str:
        """For people, in a few words; no control is in it."""
        if self.state == GOOD:
            return f"good, by {brief(self.principals or '')}"
        return _WORDS[self.state]

    def __repr__(self) -> str:
        return f"<SignatureCheck {', '.join(filter(None, (self.in_short(), brief(self.fingerprint or ''))))}>"

    def to_json(self) -> dict[str, object]:
        """The check as ``--json`` prints it."""
        return {
            "state": self.state,
            "principals": self.principals,
            "key_type": self.key_type,
            "fingerprint": self.fingerprint,
            "since": None if self.since is None else timestamp(self.since),
            "until": None if self.until is None else timestamp(self.until),
            "detail": self.detail,
            "bound": self.bound,
        }

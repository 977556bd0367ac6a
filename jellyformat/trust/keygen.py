"""ssh-keygen, run: it signs with the user's keys, and says of a signature whether it holds and whose it is."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jellyformat.files import newfile
from jellyformat.searchpath import find_program, program_path
from jellyformat.trust import sshsig

if TYPE_CHECKING:
    import subprocess

PREFIX = "jellyformat-sign-"
"""Of temporary directories."""
_SECONDS = 60
"""That a check may take; nobody is asked anything meanwhile."""
_UNASKED_SECONDS = 5
"""That signing may take where nobody is to be asked for a passphrase, or to touch a key."""
_OUTPUT_MOST = 1 << 20
_KEPT = ("HOME", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")


class Failed(Exception):
    """The program did not do it; the text says why, for people."""


@dataclass(frozen=True)
class Answer:
    """What the program said: its exit status, what it printed, and what it complained of."""

    code: int
    out: bytes
    complaint: str


def program() -> str | None:
    """The path of ssh-keygen; one that lies in the current directory is none."""
    return find_program("ssh-keygen")


def check_alone(tool: str, blob: bytes, message: bytes, namespace: str) -> Answer:
    """Ask whether a signature is of a message, whoever made it. Raises Failed."""
    with newfile.scratch_folder(PREFIX) as (place, _):
        signature = _written(place / "signature", sshsig.armored(blob))
        return _asked([tool, "-Y", "check-novalidate", "-n", namespace, "-s", signature], message)


@dataclass(frozen=True)
class Question:
    """Whether a signature is of a message, and by one of those who may.

    Attributes:
        blob: The signature, in its binary form.
        message: What it is to have signed.
        namespace: What it is to be for.
        line: One line of a file of allowed signers.
        revoked: A list of keys that are no longer trusted, as ssh-keygen reads it; None for none.
        moment: At which time; None for now.
    """

    blob: bytes
    message: bytes
    namespace: str
    line: bytes
    revoked: bytes | None = None
    moment: int | None = None

    def ask(self, tool: str, name: str) -> Answer:
        """Ask whether it is by ``name``. Raises Failed."""
        return self._ask([tool, "-Y", "verify", "-n", self.namespace, "-I", name], self.message)

    def names(self, tool: str) -> tuple[str, ...]:
        """Whose it can be, by the names in its certificate. Raises Failed."""
        answer = self._ask([tool, "-Y", "find-principals"], b"")
        names = answer.out.decode("utf-8", "replace").splitlines() if answer.code == 0 else []
        return tuple(name for name in names if name and not set(name) & set("*?!,"))  # names, not patterns

    def _ask(self, command: Sequence[str], data: bytes) -> Answer:
        with newfile.scratch_folder(PREFIX) as (place, _):
            command = [*command, "-s", _written(place / "signature", sshsig.armored(self.blob))]
            command += ["-f", _written(place / "signers", self.line + b"\n")]
            if self.revoked is not None and "verify" in command:
                command += ["-r", _written(place / "revoked", self.revoked)]
            if self.moment is not None:
                command.append("-Overify-time=" + local_time(self.moment))
            return _asked(command, data)


def local_time(moment: int) -> str:
    """A time as ssh-keygen reads it. Raises Failed."""
    try:
        return time.strftime("%Y%m%d%H%M%S", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        raise Failed("no calendar has the time that is asked for") from None


def _written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def _asked(command: Sequence[str], data: bytes) -> Answer:
    """Run a check: with no terminal, no agent and no more of the environment than it needs."""
    import subprocess  # only now: what is not signed needs none

    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PATH": program_path(), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, input=data, env=environment, capture_output=True, timeout=_SECONDS, check=False,
            start_new_session=True,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"ssh-keygen could not be run: {error}") from None
    if done.returncode < 0:
        raise Failed(f"ssh-keygen was ended by signal {-done.returncode}")
    return Answer(done.returncode, done.stdout[:_OUTPUT_MOST], _complaint(done.stderr))


def _complaint(text: bytes) -> str:
    """What a program complained of in the end, on one line."""
    lines = text[-4096:].decode("utf-8", "replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines[-3:])


@dataclass(frozen=True)
class SigningKey:
    """A key to sign with.

    Attributes:
        name: For people.
        path: Of the key, or of its public half; None where the public half is given.
        public: The line of the public half; then the agent has the other.
    """

    name: str
    path: Path | None = None
    public: bytes | None = None


def sign(tool: str, key: SigningKey, message: bytes, namespace: str, *, ask: bool) -> bytes:
    """Sign a message; the signature in its binary form.

    Args:
        tool: The path of ssh-keygen, or of a program that is called as it is.
        key: With which key.
        message: What to sign.
        namespace: What for.
        ask: Whether the user may be asked for a passphrase, or to touch a key.

    Raises:
        Failed: it is not signed.
        SystemFailure: the system says no.
    """
    with newfile.scratch_folder(PREFIX) as (place, _):
        data = place / "container"
        data.write_bytes(message)
        named = _written(place / "key.pub", key.public) if key.path is None and key.public else str(key.path)
        literal = ["-U"] if key.path is None else []
        command = [tool, "-Y", "sign", "-n", namespace, "-f", named, *literal, str(data)]
        complaint = _signing(command, ask=ask)
        try:
            with open(place / "container.sig", "rb") as file:
                text = file.read(_OUTPUT_MOST)
        except FileNotFoundError:
            raise Failed(complaint or f"{tool} made no signature") from None
        try:
            blob = sshsig.unarmored(text)
            found = sshsig.parse(blob)
        except sshsig.Malformed as error:
            raise Failed(f"{tool} made no SSH signature: {error}") from None
        if found.namespace != namespace.encode():
            raise Failed(f"{tool} signed for another namespace")
        return blob


def _signing(command: Sequence[str], *, ask: bool) -> str:
    """Run the program that signs; what it complained of, which the user hears as well. Raises Failed."""
    import subprocess  # only now: what is not signed needs none

    environment = {**os.environ, "PATH": program_path(), "LC_ALL": "C"}
    if not ask:
        environment["SSH_ASKPASS_REQUIRE"] = "never"
    try:
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=not ask,  # without a terminal to ask on
        ) as process:  # fmt: skip
            try:
                said = _heard(process) if ask else process.communicate(timeout=_UNASKED_SECONDS)[1]
            except BaseException:
                _end(process, group=not ask)
                raise
    except subprocess.TimeoutExpired:
        raise Failed(
            f"{command[0]} did not answer for {_UNASKED_SECONDS} s; does the key have to be touched?"
        ) from None
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}") from None
    return _complaint(b"\n".join(line for line in said.splitlines() if not _is_usual(line)))


def _end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a program, and what it started where that is a group of its own."""
    with suppress(ProcessLookupError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _heard(process: subprocess.Popen[bytes]) -> bytes:
    """What a program says while it runs, said on: it may ask for a key to be touched."""
    said = b""
    assert process.stderr is not None
    for line in iter(lambda: process.stderr.readline(4096) if process.stderr else b"", b""):
        said = (said + line)[-65_536:]
        if not _is_usual(line) and sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(line.decode("utf-8", "replace"))
                sys.stderr.flush()
    process.wait()
    return said


def _is_usual(line: bytes) -> bool:
    return line.startswith((b"Signing file ", b"Write signature to "))


def agent_keys() -> list[tuple[bytes, str, str]]:
    """The keys of the agent, in its order: the line of each, its fingerprint, its comment.

    Raises:
        Failed: there is no agent, or no key in it.
    """
    import subprocess

    tool = find_program("ssh-add")
    if tool is None:
        raise Failed("there is no ssh-add program on this system")
    environment = {**os.environ, "PATH": program_path(), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [tool, "-L"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_UNASKED_SECONDS,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"ssh-add could not be run: {error}") from None
    found = []
    for line in done.stdout[:_OUTPUT_MOST].splitlines():
        key = sshsig.public_key(line)
        if key is not None:
            words = line.split(None, 2)
            comment = words[2].decode("utf-8", "replace") if len(words) > 2 else ""
            found.append((line + b"\n", sshsig.fingerprint(key), comment))
    if done.returncode or not found:
        raise Failed(_complaint(done.stderr) or "the agent has no key")
    return found

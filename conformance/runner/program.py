"""The program under test: called once for each request, or kept running in batch mode."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import Any

OK, FAULT, UNSUPPORTED = 0, 1, 2


@dataclass(frozen=True)
class Answer:
    """What the program said.

    Attributes:
        status: 0, 1 or 2; None where it crashed: any other status, a signal, a time-out, or output that is not as
            the protocol says.
        output: The JSON value it wrote.
        fault: How it crashed.
    """

    status: int | None
    output: Any = None
    fault: str = ""


def crash(fault: str) -> Answer:
    """The answer of a program that gave none."""
    return Answer(None, None, fault)


def judge_output(status: int, text: str) -> Answer:
    """The answer for an exit status and what was written to standard output."""
    if status not in (OK, FAULT, UNSUPPORTED):
        return crash(f"exit status {status}" if status >= 0 else f"killed by signal {-status}")
    if status == UNSUPPORTED or (status == OK and not text.strip()):
        return Answer(status, {})
    try:
        output = json.loads(text)
    except ValueError as error:
        return crash(f"exit status {status}, and standard output is not JSON: {error}")
    return checked(status, output)


def checked(status: int, output: Any) -> Answer:
    """The answer, if its output has the shape the protocol says."""
    if status == FAULT:
        error = output.get("error") if isinstance(output, dict) else None
        if not isinstance(error, dict) or not isinstance(error.get("class"), str):
            return crash("exit status 1 without an error class")
    elif status == OK and output is None:
        output = {}  # a command that has nothing to say
    elif status == OK and not isinstance(output, dict):
        return crash("exit status 0, and standard output is no JSON object")
    return Answer(status, output)


def _kill(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


@dataclass(frozen=True)
class Program:
    """A program by its command line, and the seconds it has for one request."""

    command: tuple[str, ...]
    timeout: float = 60.0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, stdin: int) -> subprocess.Popen[str]:
        """A process of its own group, whose standard error is not looked at."""
        return subprocess.Popen(
            [*self.command, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env={**os.environ, **self.environment},
        )

    def ask(self, arguments: list[str]) -> Answer:
        """One request in a process of its own."""
        try:
            process = self.start(*arguments, stdin=subprocess.DEVNULL)
        except OSError as error:
            return crash(f"does not start: {error}")
        try:
            text, _ = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            _kill(process)
            return crash(f"no answer in {self.timeout:g} seconds")
        return judge_output(process.returncode, text)


class Worker:
    """A process in batch mode; started again after a crash or a time-out."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()

    def _begin(self) -> subprocess.Popen[str]:
        process = self.program.start("batch", stdin=subprocess.PIPE)
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        self._process, self._lines = process, lines
        return process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            _kill(self._process)
            with contextlib.suppress(OSError):
                if self._process.stdin is not None:
                    self._process.stdin.close()
            self._process = None


class Batch(Worker):
    """A `Worker` that is given one request at a time."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._number = 0

    def ask(self, arguments: list[str]) -> Answer:
        """One request."""
        self._number += 1
        try:
            process = self._process or self._begin()
            assert process.stdin is not None
            process.stdin.write(json.dumps({"id": self._number, "args": arguments}) + "\n")
            process.stdin.flush()
        except OSError as error:
            self.close()
            return crash(f"does not take a request: {error}")
        try:
            line = self._lines.get(timeout=self.program.timeout)
        except queue.Empty:
            self.close()
            return crash(f"no answer in {self.program.timeout:g} seconds")
        if line is None:
            status = process.wait()
            self.close()
            return crash(f"ended with status {status} in batch mode")
        try:
            found = json.loads(line)
            number, status, output = found["id"], found["exit"], found.get("output")
        except (ValueError, KeyError, TypeError, AttributeError):
            self.close()
            return crash("an answer in batch mode that is not as the protocol says")
        if number != self._number:
            self.close()
            return crash("answers in batch mode out of order")
        if status not in (OK, FAULT, UNSUPPORTED):
            return crash(f"exit status {status} in batch mode")
        return checked(status, output)

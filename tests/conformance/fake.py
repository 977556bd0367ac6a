"""A program under test that looks the right answers up in the vectors, and misbehaves as it is told.

python fake.py VECTORS FAULT COMMAND …
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

CAPABILITIES: dict[str, Any] = {
    "protocol": 2,
    "roles": ["read", "verify", "embed", "restore"],
    "hosts": ["jelly", "zip", "safetensors", "trailer"],
    "batch": True,
}
DECLARED: dict[str, dict[str, Any]] = {
    "protocol-1": {"protocol": 1},
    "role-unknown": {"roles": ["read", "fly"]},
    "roles-no-array": {"roles": "read"},
    "verify-without-read": {"roles": ["verify"]},
    "bind-without-verify": {"roles": ["read", "bind"]},
    "read-only": {"roles": ["read"]},
    "restore-hidden": {"roles": ["read", "verify", "embed"]},
}


def restored(directory: Path, tree: list[dict[str, Any]]) -> None:
    directory.mkdir()
    for item in tree:
        path = directory / os.fsdecode(bytes.fromhex(item["path"]["hex"]))
        content = bytes.fromhex(item["content"]["hex"])
        path.parent.mkdir(parents=True, exist_ok=True)
        if item["type"] == "link":
            path.symlink_to(os.fsdecode(content))
        elif item["type"] == "directory":
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(content)
            path.chmod(0o755 if item["type"] == "executable" else 0o644)


def right(vectors: Path, args: list[str]) -> tuple[int, Any]:
    """The right answer, done."""
    command, given = args[0], dict(zip(args[1::2], args[2::2], strict=True))
    wanted = hashlib.sha256(Path(given["--in"]).read_bytes()).hexdigest()
    for path in sorted(vectors.rglob("*.json")):
        entry = json.loads(path.read_bytes())
        file = path.parent / entry["files"]["in"]
        if entry["command"] != command or hashlib.sha256(file.read_bytes()).hexdigest() != wanted:
            continue
        expect = entry["expect"]
        if "error" in expect:
            return 1, {"error": {**expect["error"], "message": "as the vector says"}}
        if "tree" in expect:
            restored(Path(given["--out"]), expect["tree"])
        return 0, expect.get("content", {})
    raise AssertionError(args)


def misbehave(fault: str, args: list[str], status: int, output: Any) -> tuple[int, Any]:
    """What the fault makes of a right answer."""
    given = dict(zip(args[1::2], args[2::2], strict=True))
    if fault == "status-3":
        return 3, output
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "hangs":
        time.sleep(60)
    if fault == "accepts":
        return 0, {}
    if fault == "unsupported":
        return 2, None
    if fault == "other-class" and status == 1:
        output["error"]["class"] = "malformed.other"
    if fault == "other-requirement" and status == 1:
        output["error"]["requirement"] = "JF-HDR-001"
    if fault == "no-class" and status == 1:
        return 1, {"error": {"class": None, "message": "none"}}
    if fault == "content" and status == 0:
        output = {**output, "snapshot_id": "0" * 64}
    if fault == "true-for-one" and status == 0 and "manifest" in output:
        output["manifest"]["history"]["commits"] = True
    if fault == "changes-input":
        with open(given["--in"], "ab") as file:
            file.write(b"x")
    if "--out" in given and args[0] == "restore":
        out = Path(given["--out"])
        if fault == "escapes":
            (out.parent / "escaped").write_bytes(b"x")
        if fault == "changes-beside":
            (out.parent / "beside" / "file").write_bytes(b"changed\n")
        if fault == "half" and status == 1:
            out.mkdir()
            (out / "a.py").write_bytes(b"x")
        if fault == "executable" and status == 0:
            for path in out.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    path.chmod(0o755)
        if fault == "git" and status == 0:
            (out / ".git").mkdir()
    return status, output


def answer(vectors: Path, fault: str, args: list[str]) -> tuple[int, Any]:
    if args == ["capabilities"]:
        return 0, {**CAPABILITIES, **DECLARED.get(fault, {})}
    if args[0] == "restore" and fault == "read-only":
        return 2, None
    return misbehave(fault, args, *right(vectors, args))


def main() -> None:
    vectors, fault, args = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if args != ["batch"]:
        status, output = answer(vectors, fault, args)
        if fault == "not-json" and args != ["capabilities"]:
            print("Traceback (most recent call last):")
        elif output is not None:
            print(json.dumps(output))
        if fault == "noise":
            print("a warning", file=sys.stderr)
        sys.exit(status)
    for number, line in enumerate(sys.stdin):
        request = json.loads(line)
        if fault == "dies-in-batch" and number == 2:
            os._exit(7)
        status, output = answer(vectors, fault, request["args"])
        found = {"id": request["id"] + (fault == "wrong-id"), "exit": status, "output": output}
        print(json.dumps(found), flush=True)


main()

"""A repository in which each file that we read is, one after the other, something else: run in a process of its own.

`build` makes the repositories; as a program it runs the cases that it reads as JSON from stdin and writes one JSON line
for each: what came of it, and whether anything outside of the repository was read into the snapshot or changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jellyformat

CANARY = b"canary-5f0e71a2-private"
SECONDS = 20
"""For one command; a second is long."""
MEMORY = 6 << 30
TERA = 1 << 40

KINDS = (
    "fifo", "socket", "zero device", "link to zero", "link to fifo", "loop", "dangling", "link out", "link to proc",
    "directory", "empty", "garbage", "NUL", "sparse", "unreadable", "of another",
)  # fmt: skip
"""What may be in the place of a file."""
WAITING = ("fifo", "zero device", "link to zero", "link to fifo", "link to proc", "sparse")
"""Those at which git waits, or fills the memory."""
CHANGING = ("fifo", "socket", "link to zero", "loop", "link out", "directory", "garbage", "sparse")
"""Those that are tried with every command."""

FILES = (
    ".git/HEAD", ".git/commondir", ".git/config", ".git/included", ".git/config.worktree", ".git/index",
    ".git/sharedindex", ".git/packed-refs", ".git/shallow", ".git/refs/heads/main", ".git/refs", ".git/refs/heads",
    ".git/objects", ".git/objects/info", ".git/objects/info/alternates", ".git/objects/pack", ".git/objects/pack/idx",
    ".git/objects/pack/pack", ".git/objects/loose", ".git/objects/fan", ".git/info", ".git/info/exclude",
    ".git/info/attributes", ".git/MERGE_HEAD", ".git/MERGE_MSG", ".git/MERGE_MODE", ".git/ORIG_HEAD",
    ".git/CHERRY_PICK_HEAD", ".git/REVERT_HEAD", ".git/BISECT_LOG", ".git/rebase-merge", ".git/rebase-merge/done",
    ".git/rebase-apply", ".git/rebase-apply/applying", ".git/logs", ".git/logs/HEAD", ".git/logs/refs/heads/main",
    ".git/worktrees", ".git/worktrees/linked/HEAD", ".git", ".gitignore", ".gitattributes", "src/.gitignore",
    "src/.gitattributes", "inner/.git", "inner/.git/HEAD", "inner/.git/config", "inner/.git/index",
    "inner/.git/objects", "train.py", "src", "new.dist-info/METADATA",
)  # fmt: skip
LINKED = (".git", "gitdir/HEAD", "gitdir/commondir", "gitdir/index", "gitdir")
"""The same of a linked worktree, ``gitdir`` being its own git directory."""
_QUIET = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.directory=*")
COMMANDS = ("snapshot", "embed", "diff", "restore", "undo", "redo", "history", "fix", "git")


def build(place: Path, git: Callable[..., bytes]) -> None:
    """Make ``project``, a linked worktree of it, what is outside, and a snapshot to restore."""
    outside = place / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(CANARY + b"\n")
    (outside / "oid").write_bytes(b"1" * 40 + b"\n")
    (outside / "config").write_bytes(b'[remote "x"]\n\turl = https://example.org/%s\n' % CANARY)
    os.mkfifo(outside / "fifo")
    root = place / "project"
    root.mkdir()
    git(root, "init", "-q")
    (root / "src").mkdir()
    for name in ("train.py", "src/data.py", ".gitignore", ".gitattributes", "src/.gitignore", "src/.gitattributes"):
        text = "*.log\n" if name.endswith("ignore") else "*.txt text\n" if name.endswith("butes") else "lr = 0.1\n"
        (root / name).write_text(text)
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    git(root, "worktree", "add", "-q", "--detach", place / "linked")
    (root / "train.py").write_text("lr = 0.2\n")
    git(root, "commit", "-qam", "second")
    git(root, "gc", "-q")
    git(root, "branch", "side")
    (root / "train.py").write_text("lr = 0.3\n")
    git(root, "commit", "-qam", "third")
    (root / "staged.py").write_text("staged = 1\n")
    git(root, "add", "staged.py")
    git(root, "update-index", "--split-index")
    head = git(root, "rev-parse", "HEAD").strip()
    (root / "new.txt").write_text("new\n")
    (root / "run.log").write_text("ignored\n")
    (root / "new.dist-info").mkdir()
    (root / "new.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: new\nVersion: 1\n")
    inner = root / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "inner.py").write_text("inner = 1\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "inner")
    git_dir = root / ".git"
    with (git_dir / "config").open("a") as config:
        config.write("[include]\n\tpath = included\n[extensions]\n\tworktreeConfig = true\n")
    (git_dir / "included").write_text("[color]\n\tui = false\n")
    (git_dir / "config.worktree").write_text("[core]\n\tfilemode = true\n")
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "exclude").write_text("*.tmp\n")
    (git_dir / "info" / "attributes").write_text("*.md text\n")
    (git_dir / "MERGE_MSG").write_text("merging\n")
    (git_dir / "MERGE_HEAD").write_bytes(git(root, "rev-parse", "side"))
    (git_dir / "shallow").write_bytes(git(root, "rev-parse", "HEAD~2"))
    assert head


def real(root: Path, name: str) -> Path:
    """The path of one of `FILES` or `LINKED`, in which some names stand for others."""
    if name.startswith("gitdir"):
        return (root.parent / "project" / ".git" / "worktrees" / "linked") / name[len("gitdir") :].strip("/")
    path = root / name
    found: dict[str, str] = {"sharedindex": "sharedindex.*", "idx": "*.idx", "pack": "*.pack", "fan": "", "loose": ""}
    if path.parent.parent.name == "objects" or path.parent.name in (".git", "objects"):
        if path.name in ("sharedindex", "idx") or (path.name == "pack" and path.parent.name == "pack"):
            return next(iter(sorted(path.parent.glob(found[path.name]))))
        if path.name in ("fan", "loose"):
            head = (root / ".git/refs/heads/main").read_text().strip()
            return path.parent / head[:2] if path.name == "fan" else path.parent / head[:2] / head[2:]
    return path


def put(path: Path, kind: str, outside: Path) -> bool:
    """Put something into the place of a file; False where this user cannot."""
    was_directory = path.is_dir() and not path.is_symlink()
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b"*\n"
    if kind in ("unreadable", "of another"):
        if not os.path.lexists(path) or (kind == "of another" and os.geteuid() != 0):
            return False
        if not was_directory:  # it has other names
            mode = path.stat().st_mode
            path.unlink()
            path.write_bytes(content)
            path.chmod(mode)
        path.chmod(0) if kind == "unreadable" else os.chown(path, 12345, 12345)
        return True
    if was_directory and kind == "link out":
        shutil.move(path, outside / "moved")
        path.symlink_to(outside / "moved")
        return True
    shutil.rmtree(path) if was_directory else path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)  # a name of a socket has 107 bytes at most
            server.bind(path.name)
            os.chdir(here)
    elif kind == "zero device":
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
        except OSError:
            return False
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "directory":
        path.mkdir()
        (path / "x").write_bytes(content)
    elif kind in ("empty", "sparse", "garbage", "NUL"):
        path.write_bytes({"garbage": b"\xff\x00[garbage\n\\" * 1000, "NUL": b"ref: \0"}.get(kind, b""))
        if kind == "sparse":
            os.truncate(path, TERA)
    else:
        targets = {"zero": "/dev/zero", "fifo": outside / "fifo", "dangling": "nowhere", "proc": "/proc/self/environ"}
        path.symlink_to(str(targets.get(kind.rpartition(" ")[2], outside / "secret")))
    return True


def outside_of(place: Path) -> dict[str, tuple[int, ...]]:
    """What may not change."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted((place / "outside").rglob("*")):
        info = path.lstat()
        found[str(path)] = (info.st_mode, info.st_size, info.st_mtime_ns, info.st_ino)
    return found


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """An end to a command that waits."""

    def ring(number: int, frame: object) -> None:
        raise TimeoutError("it waits")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def leaked(data: bytes) -> bool:
    """Whether what is outside got into a container."""
    from jellyformat.format.container import Container
    from jellyformat.format.source import BytesSource

    with Container(BytesSource(data)) as box:
        box.pool.decode()
        return CANARY in repr(box.manifest).encode() or any(CANARY in box.pool.read(oid) for oid in box.pool.places)


def compared(root: Path, snap: jellyformat.Snapshot) -> str:
    """Whether git says the same of the worktree, where it says anything."""
    quiet = [word for option in _QUIET for word in ("-c", option)]
    asked = ["status", "--porcelain", "-z", "--no-renames", "-uall", "--ignore-submodules=all"]
    done = subprocess.run(["git", *quiet, *asked], cwd=root, capture_output=True, check=False)
    if done.returncode:
        return "done, and git fails"
    lines = [line for line in done.stdout.split(b"\0") if line and not line[3:].startswith(b"inner/")]
    theirs = {line[3:] for line in lines if line.startswith(b"??")}, {line[3:] for line in lines if line[1:2] == b"D"}
    summary = snap.manifest.summary
    left = {item.path for _, state in snap.manifest.state.walk() if state.worktree for item in state.worktree.omitted}
    ours = {path for path in summary.untracked if not (path + b"/").startswith(b"inner/")} | left & theirs[0]
    gone = {path for letter, path in summary.unstaged if letter == "D"}
    if ours != theirs[0] or not gone >= theirs[1]:
        return f"DIFFERS from git: {sorted(ours ^ theirs[0])} {sorted(theirs[1] - gone)}"
    return "done"


def command(name: str, kind: str, root: Path, place: Path) -> str:
    """Run a command; what came of it."""
    import jellyformat
    from jellyformat.comparing import _directory_side
    from jellyformat.exports import rungit

    options = {"history": "full", "secrets": "omit", "oversize": "omit"}
    if name in ("snapshot", "embed"):
        snap = jellyformat.snapshot(root, **options)  # type: ignore[arg-type]  # each of them is a str
        if name == "embed":
            shutil.copyfile(place / "model.bin", root.parent / "model.bin")
            jellyformat.embed(root.parent / "model.bin", snap)
        if leaked(snap.data):
            return "LEAK"
        return "done" if kind in WAITING or name == "embed" else compared(root, snap)
    if name == "diff":
        with jellyformat.open(place / "other.jelly") as box:
            _directory_side(root, box)
    elif name == "restore":
        jellyformat.restore(place / "other.jelly", root)
    elif name == "git":
        os.chdir(root)
        try:
            with rungit.temporary_repository(place / "other.jelly", borrow=True):
                pass
        finally:
            os.chdir(place)
    else:
        getattr(jellyformat, name)(root)
    return "done"


@dataclass(frozen=True)
class Situation:
    """Who runs commands in whose repository.

    Attributes:
        user: Who runs them.
        owner: Whose it is.
        container: Whether they run in a user namespace, which has no number for the owner.
        said: Whether ``safe.directory`` names it.
    """

    user: int
    owner: int
    container: bool = False
    said: bool = False

    @property
    def acts(self) -> bool:
        """Whether git would act there."""
        return self.user == self.owner or self.said


def run(case: dict[str, str], place: Path, situation: Situation) -> str:
    """One case."""
    import jellyformat

    scratch = place / "case"
    template = "linked" if case["files"] == "linked" else {"undo": "T1", "redo": "T2"}.get(case["command"], "T0")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    if template == "linked":
        for name in ("project", "linked"):
            copy(place / name, scratch / name)
        git_dir = scratch / "project/.git/worktrees/linked"
        (scratch / "linked/.git").write_text(f"gitdir: {git_dir}\n")
        (git_dir / "gitdir").write_text(f"{scratch / 'linked/.git'}\n")
        root = scratch / "linked"
    else:
        root = scratch / "project"
        copy(place / template, root)
        if template != "T0" and situation.acts:
            jellyformat.fix(root, adopt=True)  # else a history that was copied is left alone
    moved = place / "outside" / "moved"
    shutil.rmtree(moved, ignore_errors=True)
    if case["kind"] != "nothing":
        path = real(root, case["file"])
        if not put(path, case["kind"], place / "outside"):
            return "not here"
        if situation.user != situation.owner and case["kind"] != "of another":
            give(path, situation.owner)
    before = outside_of(place)
    act = in_container if situation.container else outcome_of
    outcome = act(case["command"], case["kind"], root, place)
    if outside_of(place) != before and case["file"] != ".git":  # which may lie elsewhere
        outcome = "CHANGED " + outcome
    reopen(scratch)
    return outcome


def outcome_of(name: str, kind: str, root: Path, place: Path) -> str:
    """Run a command; what came of it, errors too."""
    from jellyformat.errors import JellyError

    try:
        with limited():
            return command(name, kind, root, place)
    except JellyError as error:
        return f"refused {error.exit_code}: {error.message}" if error.message else "no message"
    except BaseException as error:
        return f"FAILED {type(error).__name__}: {error} " + traceback.format_exc(limit=-4)


def in_container(name: str, kind: str, root: Path, place: Path) -> str:
    """`outcome_of` in a user namespace in which there is nobody but root."""
    output, wanted = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(wanted, (enter_namespace() or outcome_of(name, kind, root, place)).encode())
        finally:
            os._exit(0)
    os.close(wanted)
    with open(output, "rb") as file:
        outcome = file.read().decode()
    os.waitpid(child, 0)
    return outcome or "FAILED: the process ended"


def enter_namespace() -> str:
    """Go into a new user namespace; what hinders it."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        return "no namespaces"
    try:
        for file, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
            Path(f"/proc/self/{file}").write_text(text)
    except OSError:
        return "no namespaces"
    return ""


def reopen(top: Path) -> None:
    """Make directories readable again, to be removed."""
    for directory, names, _ in os.walk(top):
        for name in names:
            if not os.path.islink(os.path.join(directory, name)):
                os.chmod(os.path.join(directory, name), 0o700)


def copy(one: Path, two: Path) -> None:
    """A copy whose files are second names: what is changed is renamed over, by git and by us."""
    shutil.copytree(one, two, symlinks=True, copy_function=os.link)
    if os.geteuid():
        return
    for directory, names, files in os.walk(one):
        for name in (".", *names, *files):
            path = os.path.join(directory, name)
            info = os.lstat(path)
            os.chown(two / os.path.relpath(path, one), info.st_uid, info.st_gid, follow_symlinks=False)


def give(path: Path, owner: int) -> None:
    """Give a file or a directory and all in it to a user."""
    for directory, names, files in os.walk(path) if not path.is_symlink() else ():
        for name in (*names, *files):
            os.chown(os.path.join(directory, name), owner, owner, follow_symlinks=False)
    if os.path.lexists(path):
        os.chown(path, owner, owner, follow_symlinks=False)


def main() -> None:
    place = Path(sys.argv[1])
    situation = Situation(**json.loads(sys.argv[2]))
    other = situation.user != os.geteuid()
    sys.path.append(str(place / "case/project"))  # as a script's directory is: what it has of packages is looked at
    import jellyformat

    if other or situation.container:  # what is imported only when it is needed cannot be read by everybody
        shutil.copytree(place / "project", place / "spare" / "project", symlinks=True)
        give(place / "spare", 0)
        for name in COMMANDS:
            command(name, "fifo", place / "spare" / "project", place)
    if other:
        os.setgroups([])
        os.setgid(situation.user)
        os.setuid(situation.user)
    os.chdir(place)
    for template in ("T0", "T1", "T2"):
        shutil.copytree(place / "project", place / template, symlinks=True)
        if situation.user != situation.owner:
            give(place / template, situation.owner)
    if situation.acts:
        for template in ("T1", "T2"):
            jellyformat.restore(place / "other.jelly", place / template)
        jellyformat.undo(place / "T2")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for case in json.load(sys.stdin):
        begun, modules = time.monotonic(), set(sys.modules)
        outcome = run(case, place, situation)
        late = sorted(set(sys.modules) - modules) if other else []  # which this user may not be able to read
        print(json.dumps({**case, "outcome": outcome, "late": late, "seconds": time.monotonic() - begun}), flush=True)


if __name__ == "__main__":
    main()

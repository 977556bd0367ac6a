"""Repositories to measure with: made here, the same each time; and clones of real ones, changed as in work."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path


def git(directory: Path, *arguments: str) -> bytes:
    """Run git without anybody's configuration."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gc.auto=0"]
    done = subprocess.run(["git", *who, *arguments], cwd=directory, check=True, capture_output=True, env=environment)
    return done.stdout


def many_files(path: Path, count: int) -> Path:
    """A repository of one commit with so many files of some 2,000 bytes that look like code."""
    chance = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz_"
    words = ["".join(chance.choice(letters) for _ in range(chance.randint(2, 12))) for _ in range(2000)]
    stream = chance.choices(words, [1 / (number + 1) for number in range(2000)], k=400_000)
    for number in range(count):
        directory = path / f"package_{number // 400:03d}" / f"module_{number // 20 % 20:02d}"
        if number % 20 == 0:
            directory.mkdir(parents=True)
        lines = []
        for _ in range(chance.randint(5, 70)):
            at = chance.randrange(399_980)
            said = stream[at : at + chance.randint(2, 8)]
            lines.append(" " * 4 * chance.randint(0, 3) + f"{said[0]} = {'.'.join(said[1:])}({chance.randrange(1000)})")
        (directory / f"file_{number:06d}.py").write_text("\n".join(lines) + "\n")
    git(path, "init", "-q")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "all")
    git(path, "repack", "-adq")
    return path


def grown(path: Path, commits: int) -> Path:
    """A repository with so many commits over 60 files, packed: where no real one is at hand."""
    many_files(path, 60)
    chance = random.Random(2)
    files = sorted(path.rglob("*.py"))
    for number in range(commits):
        for file in chance.sample(files, 4):
            lines = file.read_text().splitlines()
            lines.insert(chance.randrange(len(lines) + 1), f"changed_{number} = {chance.random()}")
            file.write_text("\n".join(lines) + "\n")
        git(path, "commit", "-q", "-a", "-m", f"commit {number}")
    git(path, "repack", "-adfq")
    return path


def dirty_clone(repository: Path, directory: Path) -> Path:
    """A clone with staged, unstaged, deleted and new files."""
    git(directory.parent, "clone", "-q", "--no-hardlinks", str(repository), str(directory))
    for name, value in (("user.name", "A"), ("user.email", "a@example.org")):
        git(directory, "config", name, value)
    names = git(directory, "ls-files", "-z", "*.py").split(b"\0")
    files = [directory / os.fsdecode(name) for name in names if name][:40]
    for number, file in enumerate(files):
        if number % 2 == 0:
            file.write_bytes(file.read_bytes() + b"\n# changed\n")
        if number % 4 == 0:
            git(directory, "add", str(file))
    if files:
        files[-1].unlink()
    for number in range(10):
        (directory / f"experiment_{number}.py").write_text(f"rate = {number}\n" * 50)
    return directory

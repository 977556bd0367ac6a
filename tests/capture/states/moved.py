"""Files that are gone, moved, or changed in kind."""

from __future__ import annotations

import shutil
from pathlib import Path

from states.build import base, state


@state()
def deleted(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.remove("src/lib")


@state()
def deleted_all(path: Path) -> None:
    repo = base(path)
    for name in (".gitignore", "README.md", "src", "tool.sh", "data", "latest"):
        repo.remove(name)


@state()
def staged_deletion(path: Path) -> None:
    repo = base(path)
    repo.git("rm", "-q", "-r", "src/lib", "README.md")


@state()
def rm_cached(path: Path) -> None:
    repo = base(path)
    repo.git("rm", "-q", "--cached", "README.md", "src/train.py")
    repo.append("src/train.py")


@state()
def rm_cached_ignored(path: Path) -> None:
    """Taken out of the index, and ignored from now on."""
    repo = base(path)
    repo.git("rm", "-q", "--cached", "data/values.json")
    repo.write(".gitignore", b"*.log\n/build/\ndata/\n")


@state()
def renamed(path: Path) -> None:
    repo = base(path)
    repo.git("mv", "src/train.py", "src/main.py")
    repo.git("mv", "src/lib", "src/library")
    repo.append("src/main.py")


@state()
def renamed_not_staged(path: Path) -> None:
    base(path)
    (path / "src/train.py").rename(path / "src/main.py")


@state()
def renamed_case(path: Path) -> None:
    repo = base(path)
    repo.git("mv", "README.md", "readme.md")


@state()
def copied(path: Path) -> None:
    repo = base(path)
    shutil.copy(path / "src/train.py", path / "src/train2.py")
    shutil.copy(path / "src/model.py", path / "src/model2.py")
    repo.git("add", "src/train2.py")


@state()
def mode_changed(path: Path) -> None:
    repo = base(path)
    (path / "tool.sh").chmod(0o644)
    (path / "src/train.py").chmod(0o755)
    (path / "README.md").chmod(0o600)
    repo.git("update-index", "--chmod=+x", "src/model.py")


@state()
def filemode_false(path: Path) -> None:
    """A filesystem without permissions: modes on disk mean nothing."""
    repo = base(path)
    repo.git("config", "core.fileMode", "false")
    (path / "tool.sh").chmod(0o644)
    (path / "src/train.py").chmod(0o755)
    repo.append("src/model.py")


@state()
def symlinks_false(path: Path) -> None:
    """A filesystem without links: they are files that hold the target."""
    repo = base(path)
    repo.git("config", "core.symlinks", "false")
    repo.remove("latest")
    repo.write("latest", b"README.md")


@state()
def file_to_symlink(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.link("README.md", "src/train.py")
    repo.remove("data/values.json")
    repo.link("data/values.json", "../README.md")
    repo.git("add", "data/values.json")


@state()
def symlink_to_file(path: Path) -> None:
    repo = base(path)
    repo.link("second", "README.md")
    repo.commit()
    for name in ("latest", "second"):
        repo.remove(name)
        repo.write(name, b"README.md")
    repo.git("add", "second")


@state()
def symlink_retargeted(path: Path) -> None:
    repo = base(path)
    repo.remove("latest")
    repo.link("latest", "tool.sh")


@state()
def file_to_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    repo.write("README.md/part1")
    repo.write("README.md/part2")
    repo.remove("tool.sh")
    repo.write("tool.sh/inside")
    repo.git("add", "-A", "tool.sh")


@state()
def file_to_empty_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("README.md")
    (path / "README.md").mkdir()


@state()
def directory_to_file(path: Path) -> None:
    repo = base(path)
    repo.remove("src/lib")
    repo.write("src/lib", b"a file\n")
    repo.remove("data")
    repo.write("data", b"a file\n")
    repo.git("add", "-A", "data")


@state()
def directory_to_symlink(path: Path) -> None:
    """Tracked files are seen through a link, which git does not follow."""
    repo = base(path)
    (path / "src/lib").rename(path / "moved")
    repo.link("src/lib", "../moved")


@state()
def symlink_to_directory(path: Path) -> None:
    repo = base(path)
    repo.remove("latest")
    repo.write("latest/file.txt")

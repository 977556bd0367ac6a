"""Build what a release publishes, from the commit alone: wheel, sdist, bill of materials, archive of vectors.

python .ci/release.py [--out DIRECTORY]      into dist/, with SHA256SUMS

Each is built twice, in two directories and with other permissions: it fails where a byte differs. Needs hatchling.
Files that are not committed are in none of them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import sbom

ROOT = Path(__file__).resolve().parents[1]
ARCHIVED = (
    "LICENSE", "SPEC.md", "docs/errata.md", "docs/extensions.md", "conformance/PROTOCOL.md", "conformance/run.py",
)  # fmt: skip
ARCHIVED_FOLDERS = ("conformance/runner", "conformance/vectors")
ABOUT = """\
The conformance suite of jellyformat, version {version}.

SPEC.md is the format, conformance/PROTOCOL.md how a program is driven. Only Python 3.10 or newer is needed:

    python conformance/run.py -- PROGRAM ARGUMENT ...

SHA256SUMS names every file. The vectors are under CC0, SPEC.md under CC BY 4.0, the runner under Apache-2.0.
"""


def version_of(tree: Path) -> str:
    """The version that a checkout says it is."""
    found: dict[str, str] = {}
    exec((tree / "jellyformat" / "version.py").read_text(encoding="utf-8"), found)
    return found["__version__"]


def archive(tree: Path, out: Path) -> Path:
    """Write the archive of vectors: the same bytes for the same files, whoever makes it, and when.

    Args:
        tree: A checkout.
        out: The directory to write it into.
    """
    version = version_of(tree)
    top = f"jellyformat-conformance-{version}"
    names = [name for name in ARCHIVED if (tree / name).is_file()]
    for folder in ARCHIVED_FOLDERS:
        found = (path for path in (tree / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
        names += [path.relative_to(tree).as_posix() for path in found]
    contents = {name: (tree / name).read_bytes() for name in names}
    contents["README.md"] = ABOUT.format(version=version).encode()
    contents["VERSION"] = f"{version}\n".encode()
    sums = "".join(f"{hashlib.sha256(contents[name]).hexdigest()}  {name}\n" for name in sorted(contents))
    contents["SHA256SUMS"] = sums.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(contents):
            item = tarfile.TarInfo(f"{top}/{name}")
            item.size, item.mode = len(contents[name]), 0o644
            tar.addfile(item, io.BytesIO(contents[name]))
    path = out / f"{top}.tar.xz"
    path.write_bytes(lzma.compress(packed.getvalue(), check=lzma.CHECK_SHA256, preset=6))
    return path


def package(tree: Path, out: Path, date: str) -> None:
    """Build wheel, sdist, their bill of materials, and archive.

    Args:
        tree: A checkout.
        out: The directory they go to.
        date: The time that files in them have, in seconds since 1970.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": date}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    sbom.write(tree, out, date)
    archive(tree, out)


def build(place: Path, out: Path, mask: int) -> None:
    """Build all of them from HEAD.

    Args:
        place: A directory that does not exist yet, to build in.
        out: Where they go.
        mask: The permissions that new files do not get: those of whoever builds do not matter.
    """
    before = os.umask(mask)
    try:
        place.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", "HEAD"))) as tar:
            for item in tar:
                item.mode &= ~mask
                tar.extract(item, place)
        package(place, out, git("log", "-1", "--format=%ct", "HEAD").decode().strip())
    finally:
        os.umask(before)


def git(*arguments: str) -> bytes:
    """What git prints."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


def main() -> int:
    """Build twice, compare, and say the checksums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where they go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        first, second = Path(directory, "one"), Path(directory, "two")
        build(Path(directory, "a"), first, 0o022)
        build(Path(directory, "elsewhere", "b"), second, 0o077)
        sums = ""
        for path in sorted(first.iterdir()):
            data = path.read_bytes()
            if (second / path.name).read_bytes() != data:
                print(f"{path.name}: two builds differ", file=sys.stderr)
                return 1
            sums += f"{hashlib.sha256(data).hexdigest()}  {path.name}\n"
        print(sums, end="")
        options.out.mkdir(parents=True, exist_ok=True)
        for path in first.iterdir():
            shutil.copy(path, options.out)
        (options.out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

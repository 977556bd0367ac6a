"""Check a wheel: its top-level names are exactly our packages, each typed, and `adapters` is a plain folder.

python .ci/check_wheel.py WHEEL
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Compare the wheel with the checkout."""
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        names = wheel.namelist()
    ours = {"jellyformat", *(path.name for path in (ROOT / "adapters").iterdir() if (path / "__init__.py").is_file())}
    found = {name.split("/")[0] for name in names if ".dist-info/" not in name and ".data/data/share/" not in name}
    faults = []
    if found != ours:
        faults.append(f"top-level names are {sorted(found)}, not {sorted(ours)}")
    if (ROOT / "adapters" / "__init__.py").exists():
        faults.append("adapters/__init__.py exists: adapters is a plain folder")
    faults += [f"{package}/py.typed is missing" for package in sorted(ours) if f"{package}/py.typed" not in names]
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "jellyformat").rglob("*.py")}
    modules |= {str(path.relative_to(ROOT / "adapters")) for path in (ROOT / "adapters").rglob("*.py")}
    faults += [f"{module} is not in the wheel" for module in sorted(modules - set(names))]
    faults += ["jellyformat/exports/view.html is missing"] * ("jellyformat/exports/view.html" not in names)
    commands = {path.stem for path in (ROOT / "jellyformat" / "cli").glob("*.py")}
    pages = {name.rpartition("/jelly-")[2].removesuffix(".1") for name in names if "/share/man/man1/jelly-" in name}
    faults += [f"no command has the manual page jelly-{name}.1" for name in sorted(pages - commands)]
    faults += ["there are no manual pages"] * (not pages)
    for fault in faults:
        print(fault)
    print(f"wheel: {len(names)} files, " + ("FAULTY" if faults else "exactly our packages"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

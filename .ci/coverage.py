"""Print how much of each room the tests have run, from the data that pytest-cov left. Standard library and coverage.

python .ci/coverage.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path, PurePath

ROOMS = ("format", "files", "git", "hosts", "compat", "capture", "exports", "checkout", "training", "cli")


def room_of(path: str) -> str:
    """The room of a module: a folder of jellyformat, `verbs` for what lies in no folder, or `adapters`."""
    parts = PurePath(path).parts
    if "jellyformat" not in parts:
        return "adapters"
    below = parts[len(parts) - parts[::-1].index("jellyformat") :]
    return below[0] if len(below) > 1 else "verbs"


def main() -> int:
    """Read, add up, print."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "coverage.json"
        subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet"], check=False, capture_output=True)
        subprocess.run([sys.executable, "-m", "coverage", "json", "--quiet", "-o", report], check=True)
        files = json.loads(report.read_text())["files"]
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, found in files.items():
        summary = found["summary"]
        for name in (room_of(path), "all"):
            lines[name][0] += summary["covered_lines"] + summary["covered_branches"]
            lines[name][1] += summary["num_statements"] + summary["num_branches"]
    for name in (*ROOMS, "verbs", *sorted(lines.keys() - {*ROOMS, "verbs", "adapters", "all"}), "adapters", "all"):
        covered, total = lines[name]
        if total:
            print(f"coverage of {name:12} {100 * covered / total:5.1f} % of {total} lines and branches")
    return 0


if __name__ == "__main__":
    sys.exit(main())

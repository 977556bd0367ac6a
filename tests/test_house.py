"""jellyformat/README.md says what rooms there are and what each may import: as the contract and the folders have it."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
HOUSE = ROOT / "jellyformat"
BOTTOM = {"errors", "hints", "progress", "searchpath", "version"}
"""What every room may import."""


def contracts() -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def layers() -> list[set[str]]:
    """The layers, the lowest first."""
    return [set(re.findall(r"\w+", layer)) for layer in reversed(contracts()["rooms"]["layers"])]


def table() -> dict[str, str]:
    """What each room may import, by its name."""
    rows = {}
    for line in (HOUSE / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            assert len(cells) == 4, line
            rows.update(dict.fromkeys(re.findall(r"`(\w+)`", cells[0]), cells[3]))
    return rows


def test_every_module_and_room_is_in_the_contract() -> None:
    there = {path.stem for path in HOUSE.glob("*.py")} | {path.parent.name for path in HOUSE.glob("*/__init__.py")}
    assert set().union(*layers()) == there - {"__init__"}
    assert contracts()["rooms"]["exhaustive"] is True
    assert not any("ignore_imports" in contract for contract in contracts().values())


def test_the_table_names_every_room() -> None:
    assert table().keys() == set().union(*layers()) - {"__main__", *BOTTOM}


def test_the_table_says_what_the_contract_allows() -> None:
    allowed: set[str] = set()
    rows = table()
    for layer in layers()[2:]:
        for room in layer & rows.keys():
            named = set(re.findall(r"`(\w+)(?:\.\w+)?`", rows[room]))
            below = "and below" in rows[room]
            if rows[room] == "everything":
                named, below = allowed, False
            if rows[room].startswith("the verbs"):
                named = {
                    "bisecting",
                    "comparing",
                    "fixing",
                    "gathering",
                    "importing",
                    "labelling",
                    "reading",
                    "running",
                }
                named |= {"searching", "selecting", "signing", "snapshots", "timeline", "verifier"}
                named |= {"indexing", "following"}
            assert named <= allowed, room
            assert (closure(named) if below else named) == allowed, room
        allowed = allowed | layer


def closure(rooms: set[str]) -> set[str]:
    """The rooms, those beside them, and all below; but `BOTTOM`."""
    found: set[str] = set()
    for layer in layers()[2:]:
        found |= layer
        if rooms & layer:
            rooms = rooms - layer
        if not rooms:
            return found
    raise AssertionError(rooms)


def test_files_know_of_the_format_its_sources_alone() -> None:
    others = {f"jellyformat.format.{path.stem}" for path in (HOUSE / "format").glob("*.py")}
    assert set(contracts()["files"]["forbidden_modules"]) == others - {
        "jellyformat.format.__init__",
        "jellyformat.format.source",
    }


def test_no_room_hides_a_verb() -> None:
    import jellyformat

    assert not set(jellyformat.__all__) & {path.stem for path in HOUSE.iterdir()}


def test_modules_have_one_reason_to_change() -> None:
    long = {str(path.relative_to(ROOT)) for path in HOUSE.rglob("*.py") if len(path.read_text().splitlines()) > 420}
    assert long == set()


def test_adapters_import_their_face_and_training_alone() -> None:
    contract = contracts()["adapters"]
    others = {
        f"jellyformat.{path.stem}"
        for path in HOUSE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    inner = {f"jellyformat.training.{name}" for name in ("background", "process", "ranks", "saving", "trackers")}
    assert set(contract["forbidden_modules"]) - inner == others - {
        "jellyformat.__init__",
        "jellyformat.adapter",
        "jellyformat.training",
    }
    packages = {path.name for path in (ROOT / "adapters").iterdir() if (path / "__init__.py").is_file()}
    assert set(contract["source_modules"]) == packages
    for file in (ROOT / "adapters").rglob("*.py"):
        assert ours_in(file.read_text(encoding="utf-8")) <= {"jellyformat.adapter", "jellyformat.training"}, file
    assert ours_in("import jellyformat") == ours_in("from jellyformat import Snapshot") == {"jellyformat"}


def ours_in(text: str) -> set[str]:
    """The modules of jellyformat that a text imports from; the package itself where that is all it names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "jellyformat":
            modules = {name.name for name in node.names} & {"adapter", "training"}
            found.update({f"jellyformat.{name}" for name in modules} or {"jellyformat"})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] == "jellyformat"}

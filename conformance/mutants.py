"""Break the reference on purpose, one check at a time: the suite has to see every one. Standard library only.

python conformance/mutants.py [--jobs N] [--only TEXT]      fails where a mutant passes, or a text is no longer there

Each mutant is a copy of the packages in a directory of its own, in which one text is another. The vectors of its hints
are run until one fails; with --all the others then, to tell where a mutant is seen whose hints are wrong.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance.mutations import MUTATIONS, Mutation  # noqa: E402
from conformance.runner.program import Program  # noqa: E402
from conformance.runner.suite import Vector, load, run  # noqa: E402

START = """import sys
import jellyformat
from jellyformat.conformance import main
assert jellyformat.__file__.startswith(sys.path[0]), jellyformat.__file__
sys.exit(main(sys.argv[1:]))
"""
TIMEOUT = 20.0


@dataclass(frozen=True)
class Fate:
    """How a mutant went: what caught it, empty where nothing did; a fault is what kept it from running."""

    mutation: Mutation
    caught: str = ""
    fault: str = ""
    seconds: float = 0.0


def place(mutation: Mutation) -> Path:
    """The module's file below a directory that has all packages."""
    return (
        Path(mutation.module) if mutation.module.startswith("jellyformat_") else Path("jellyformat") / mutation.module
    )


def copy(directory: Path) -> None:
    """The packages and the program, side by side."""
    for package in (ROOT / "jellyformat", *(ROOT / "adapters").glob("jellyformat_*")):
        shutil.copytree(package, directory / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(directory, quiet=2)  # once, not in every mutant
    (directory / "program.py").write_text(START, encoding="utf-8")


def hinted(mutation: Mutation, vectors: list[Vector]) -> list[Vector]:
    """The vectors whose name or requirements have one of the hints: in their order, the rejected first."""
    found: dict[str, Vector] = {}
    for word in mutation.hints.split():
        fit = [item for item in vectors if word in item.name or word in item.requirements]
        found |= {item.name: item for item in sorted(fit, key=lambda item: "error" not in item.expect)}
    return list(found.values())


def fate(mutation: Mutation, template: Path, vectors: list[Vector], *, everything: bool) -> Fate:
    """Make a mutant, and run vectors until one fails."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        directory = Path(name).resolve() / "copy"
        shutil.copytree(template, directory, copy_function=os.link)
        path = directory / place(mutation)
        text = path.read_text(encoding="utf-8")
        if text.count(mutation.text) != 1:
            return Fate(mutation, fault=f"the text is there {text.count(mutation.text)} times")
        changed = text.replace(mutation.text, mutation.instead)
        try:
            compile(changed, mutation.module, "exec")
        except SyntaxError as error:
            return Fate(mutation, fault=f"is no Python: {error}")
        path.unlink()  # it is the template's too
        path.write_text(changed, encoding="utf-8")
        Path(importlib.util.cache_from_source(path)).unlink(missing_ok=True)
        program = Program((sys.executable, str(directory / "program.py")), TIMEOUT)
        chosen = hinted(mutation, vectors)
        chosen += [item for item in vectors if everything and item not in chosen]
        outcome = run(program, vectors, chosen, jobs=1, batch=True, fail_fast=True, single_every=0)
    if outcome.fault:
        return Fate(mutation, fault=f"does not start: {outcome.fault}")
    failed = outcome.failures()
    seconds = time.monotonic() - begin
    return Fate(mutation, f"{failed[0].vector.name}: {failed[0].message}" if failed else "", "", seconds)


def say(item: Fate, *, verbose: bool) -> None:
    """A line for a mutant that was not caught, or for any."""
    what = f"{item.mutation.module}: {item.mutation.text.strip()!r} -> {item.mutation.instead.strip()!r}"
    if item.fault:
        print(f"FAULT     {what}: {item.fault}", flush=True)
    elif not item.caught:
        print(f"SURVIVED  {what}", flush=True)
    elif verbose:
        print(f"caught    {item.seconds:5.1f} s  {what}\n          by {item.caught}", flush=True)


def main(arguments: list[str]) -> int:
    """Run all mutants; 0 where every one was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="how many run at once")
    parser.add_argument("--only", default="", help="only those whose module or text has this in it")
    parser.add_argument("--all", action="store_true", help="all vectors, not only those of the hints")
    parser.add_argument("--verbose", action="store_true", help="a line for each")
    options = parser.parse_args(arguments)
    chosen = [item for item in MUTATIONS if options.only in item.module or options.only in item.text]
    if len(set(MUTATIONS)) != len(MUTATIONS):
        print("a mutant is there twice")
        return 1
    vectors = load(ROOT / "conformance" / "vectors")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        template = Path(name)
        copy(template)
        with ThreadPoolExecutor(options.jobs) as pool:
            fates = []
            for item in pool.map(lambda it: fate(it, template, vectors, everything=options.all), chosen):
                fates.append(item)
                say(item, verbose=options.verbose)
    bad = sum(not item.caught for item in fates)
    print(f"{len(fates)} mutants, {len(fates) - bad} caught, {bad} not, in {time.monotonic() - begin:.0f} s")
    return 1 if bad or not fates else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

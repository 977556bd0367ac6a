"""Run the conformance suite against any program. Standard library only; nothing of jellyformat is imported.

python conformance/run.py -- PROGRAM ARGUMENT …        such as: -- python -m jellyformat.conformance
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance.runner import report
from conformance.runner.program import Program
from conformance.runner.suite import load, run

VECTORS = Path(__file__).resolve().parent / "vectors"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="+", help="the program under test, and its first arguments")
    parser.add_argument("--vectors", type=Path, default=VECTORS, help="where the vectors are")
    parser.add_argument("--only", default="", help="only vectors whose name, or a requirement, has this in it")
    parser.add_argument("--jobs", type=int, default=2, help="how many run at once")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one request")
    parser.add_argument("--batch", action="store_true", help="use batch mode, with single calls sampled")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    parser.add_argument("--referee", default="", help="another program (JSON array) that decodes what this one writes")
    parser.add_argument("--json", type=Path, help="write a report as JSON")
    parser.add_argument("--junit", type=Path, help="write a report as JUnit XML")
    parser.add_argument("--require", default="", help="profiles that have to conform, separated by commas")
    parser.add_argument("--quiet", action="store_true", help="only failures and profiles")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run, report; 0 where nothing failed and every profile that is required conforms."""
    options = parse(arguments)
    program = Program(tuple(options.program), options.timeout)
    referee = report.referee(options.referee, options.timeout)
    vectors = load(options.vectors)
    chosen = [
        vector
        for vector in vectors
        if options.only in vector.name or any(options.only in requirement for requirement in vector.requirements)
    ]
    outcome = run(
        program, vectors, chosen, jobs=options.jobs, batch=options.batch, fail_fast=options.fail_fast, referee=referee
    )
    print(report.text(outcome, quiet=options.quiet))
    if options.json:
        options.json.write_text(report.as_json(outcome), encoding="utf-8")
    if options.junit:
        options.junit.write_text(report.as_junit(outcome), encoding="utf-8")
    wanted = [name for name in options.require.split(",") if name]
    missing = [name for name in wanted if name not in outcome.conforming()]
    if missing:
        print("not conforming, though required: " + ", ".join(missing))
    return 1 if missing or outcome.failures() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

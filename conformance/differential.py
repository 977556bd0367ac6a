"""Ask the reference and another program about mutants of the vectors: they have to say the same.

python conformance/differential.py [--count N] [--seed S] [--keep DIR] [-- PROGRAM]     1 where they differ
python conformance/differential.py --seed S --number N --keep DIR                       one mutant again

A mutant is a container of the suite in which values were changed and all hashes and lengths mended, so that the change
is reached; some lie in a host. Compared are verdict, class of error, and all that was read. Of faults within one step
of reading (SPEC section 1.3) a reader may report any: such pairs are counted apart. The other program is the
implementation in JavaScript, with `npm ci` done in conformance/javascript, or PROGRAM, with the same roles and hosts.
Needs zstandard.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import struct
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance.differ import damage, harmless, hosts  # noqa: E402
from conformance.differ.compare import Pipe, Verdict, judge  # noqa: E402
from conformance.differ.graph import Unfit  # noqa: E402
from conformance.differ.jsontexts import Place  # noqa: E402
from conformance.differ.model import Model, parse  # noqa: E402
from conformance.runner.program import Answer, Program  # noqa: E402

VECTORS = ROOT / "conformance" / "vectors"
REFERENCE = (sys.executable, "-m", "jellyformat.conformance")
JAVASCRIPT = ("node", str(ROOT / "conformance" / "javascript" / "bin" / "jelly.js"))
UNREACHED = {
    "refused.name": "only a restorer refuses names",
    "refused.host": "only a host adapter refuses hosts",
    "refused.signed": "only who changes a manifest refuses to",
    "system.io": "no file is at fault where the system fails",
}
"""Classes of SPEC section 12 that reading does not come to, and why."""
_ALL_CLASSES_AT = 10_000
"""So many mutants have to come to every other class."""
_MOST_BYTES = 5_000
"""Larger vectors are left out: many small mutants find more than a few large ones."""
_AT_ONCE = 64
_NOT_READ = (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error, OverflowError, RecursionError)


@dataclass(frozen=True)
class Mutant:
    """What is asked about: files, the one that is named, and how they were made."""

    number: int
    files: dict[str, bytes]
    named: str
    made: str


def corpus() -> list[tuple[str, Model]]:
    """The containers of all vectors that are read, with their names."""
    found = []
    for path in sorted(VECTORS.rglob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        file = path.with_suffix(".jelly")
        if "content" in vector.get("expect", {}) and file.is_file() and file.stat().st_size <= 4 * _MOST_BYTES:
            model = parse(file.read_bytes())
            if (
                model is not None
                and len(model.build()) <= _MOST_BYTES
                and "binding" not in model.manifest["extensions"]
            ):
                found.append((vector["name"], model))
    return found


def mutant(seed: int, number: int, models: list[tuple[str, Model]]) -> Mutant:
    """The mutant of this number; the same each time."""
    random = Random(f"{seed} {number}")
    while True:
        name, model = random.choice(models)
        made = [name]
        model = model.copy()
        try:
            for _ in range(random.choice((0, 1, 1, 2, 3))):
                _change(random, model, harmless.CHANGES, made)
            if random.random() < 0.6:
                _change(random, model, damage.FAULTS, made)
            files, named = _place(random, model.build(), made)
        except (Unfit, *_NOT_READ):
            continue
        return Mutant(number, files, named, " ".join(made))


def _change(random: Random, model: Model, changes: tuple[harmless.Change, ...], made: list[str]) -> None:
    change = random.choice(changes)
    made.append(f"{change.__module__.rpartition('.')[2]}.{change.__name__}")
    change(random, model)


def _place(random: Random, data: bytes, made: list[str]) -> Place:
    if random.random() >= 0.35:
        return {"file.jelly": data}, "file.jelly"
    host = random.choice(hosts.HOSTS)
    broken = random.random() < 0.5
    made.append(f"in {host.__name__}{' with a fault' if broken else ''}")
    files, named = host(random, data, broken)
    if random.random() < 0.01:
        return files, "not-there"
    return files, named


def write(made: Mutant, directory: Path) -> Path:
    """Put the files of a mutant into a directory of their own; the path that is named."""
    place = directory / str(made.number)
    place.mkdir(parents=True, exist_ok=True)
    for name, data in made.files.items():
        (place / name).write_bytes(data)
    return place / made.named


@dataclass
class Counts:
    """What came of the mutants."""

    mutants: int = 0
    accepted: int = 0
    differences: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        """Count one."""
        self.mutants += 1
        self.accepted += verdict.accepted
        self.differences += bool(verdict.difference)
        if len(verdict.classes) == 1:
            self.classes[verdict.classes[0]] += 1
        elif verdict.classes:
            self.pairs[verdict.classes] += 1

    def unreached(self) -> list[str]:
        """The classes of SPEC section 12 that no mutant came to, and that one can come to."""
        text = (ROOT / "SPEC.md").read_text(encoding="utf-8").partition("\n## 12. Errors\n")[2].partition("\n## ")[0]
        known = re.findall(r"^\| `([a-z.]+)` \|", text, re.M)
        return [name for name in known if name not in self.classes and name not in UNREACHED]

    def text(self, seconds: float) -> str:
        """For people."""
        lines = [f"{count:7} {name}" for name, count in sorted(self.classes.items())]
        lines += [
            f"{count:7} {one} / {two}, two faults of one step" for (one, two), count in sorted(self.pairs.items())
        ]
        share = 100 * self.accepted / max(1, self.mutants)
        total = f"{self.mutants} mutants in {seconds:.0f} s, {self.accepted} ({share:.0f} %) read by both"
        total += f", {len(self.classes)} classes of error"
        return "\n".join([*lines, total, f"{self.differences} differences"])


def compare(seed: int, numbers: range, keep: Path | None, other: tuple[str, ...] = JAVASCRIPT) -> Counts:
    """Ask both about mutants, and print where they differ."""
    models, counts = corpus(), Counts()
    pipes = [Pipe(Program(command)) for command in (REFERENCE, other)]
    pools = [ThreadPoolExecutor(1) for _ in pipes]  # one each: what is asked of a program is asked in order
    with tempfile.TemporaryDirectory(prefix="differ-") as name:
        before: tuple[Path, list[Mutant], list[Future[list[Answer]]]] | None = None
        for begin in [*range(numbers.start, numbers.stop, _AT_ONCE), None]:
            now = None
            if begin is not None:  # made while the programs are at work on those before
                some = [mutant(seed, number, models) for number in range(begin, min(begin + _AT_ONCE, numbers.stop))]
                directory = Path(name) / str(begin)
                requests = [["decode", "--in", str(write(made, directory))] for made in some]
                now = (
                    directory,
                    some,
                    [pool.submit(pipe.ask, requests) for pool, pipe in zip(pools, pipes, strict=True)],
                )
            if before is not None:
                directory, some, answers = before
                for made, one, two in zip(some, *(answer.result() for answer in answers), strict=True):
                    verdict = judge(one, two)
                    counts.add(verdict)
                    if verdict.difference or (keep is not None and len(numbers) == 1):
                        _say(seed, made, verdict, keep)
                shutil.rmtree(directory)
            before = now
    for pool, pipe in zip(pools, pipes, strict=True):
        pool.shutdown()
        pipe.close()
    return counts


def _say(seed: int, made: Mutant, verdict: Verdict, keep: Path | None) -> None:
    where = "" if keep is None else f"\n  {write(made, keep / str(seed))}"
    what = verdict.difference or f"no difference: {'read' if verdict.accepted else ', '.join(verdict.classes)}"
    print(f"--seed {seed} --number {made.number}: {made.made}{where}\n  {what}", flush=True)


def main(arguments: list[str]) -> int:
    """Compare; 0 where there is no difference, a fifth was read by both, and every class was come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other mutants")
    parser.add_argument("--number", type=int, help="this mutant alone")
    parser.add_argument("--keep", type=Path, help="where the files of mutants that differ are put")
    parser.add_argument("program", nargs="*", default=JAVASCRIPT, help="the other program, and its first arguments")
    options = parser.parse_args(arguments)
    numbers = range(options.count) if options.number is None else range(options.number, options.number + 1)
    began = time.monotonic()
    counts = compare(options.seed, numbers, options.keep, tuple(options.program))
    print(counts.text(time.monotonic() - began))
    few = options.number is None and 5 * counts.accepted < counts.mutants
    if few:
        print("fewer than a fifth were read by both: such mutants find little")
    unreached = counts.unreached() if len(numbers) >= _ALL_CLASSES_AT else []
    if unreached:
        print("no mutant came to " + ", ".join(unreached))
    return 1 if counts.differences or few or unreached else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

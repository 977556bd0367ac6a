"""Fuzz the readers: ``python tests/fuzz/run.py [--target NAME …] [--seconds N] [--planted | --input FILE]``.

Each target runs in a process of its own, for its part of the seconds. It prints for each how often it was
run and what of the code that reached, and ends with 1 where one found a fault; the input that shows it is written to
``fuzz-TARGET-….bin``. With atheris the fuzzer is led by coverage, elsewhere bytes are changed at random.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parent / name) for name in ("", "adapters", "capture", "restore"))]
MEMORY_MB = 2048
ONE_SECONDS = 20
"""Seconds that one input may take: more is a fault."""
LONGEST = 1 << 16


def main() -> int:
    """Run what is asked for; the exit status."""
    names = _names()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", choices=names, help="what to fuzz; all, if not given")
    parser.add_argument("--seconds", type=int, default=120, help="for all targets together")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("--planted", action="store_true", help="plant a fault in each target, and end with 0 if found")
    parser.add_argument("--input", type=Path, help="run the target once, with the content of this file")
    parser.add_argument("--corpora", type=Path, help="where the inputs that reached more are kept and taken up again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", choices=names, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        return _child(given)
    chosen = given.target or names
    if given.input:
        import targets

        for name in chosen:
            targets.TARGETS[name](given.input.read_bytes())
        return 0
    seconds = max(1, given.seconds // len(chosen))
    if find_spec("atheris") is None:
        print("atheris is not installed: bytes are changed at random, and coverage is not measured")
    with ThreadPoolExecutor(given.jobs) as pool:
        found = list(pool.map(lambda name: _run(name, seconds, given), chosen))
    bad = [name for name, is_found in zip(chosen, found, strict=True) if is_found != given.planted]
    if bad:
        print(("not found: " if given.planted else "faults in: ") + ", ".join(bad))
    return 1 if bad else 0


def _names() -> list[str]:
    text = (HERE / "targets.py").read_text()
    hosts = re.search(r"HOSTS = \((.*?)\)", text)
    assert hosts is not None
    listed = re.findall(r'^    "(\w+)": Target\(', text, re.MULTILINE)
    return [*listed[:3], *re.findall(r'"(\w+)"', hosts[1]), *listed[3:]]


def _run(name: str, seconds: int, given: argparse.Namespace) -> bool:
    """Fuzz one target; whether it found a fault."""
    planted = given.planted
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="jelly-fuzz-", dir=shared if os.access(shared, os.W_OK) else None) as place:
        command = [sys.executable, __file__, "--child", name, "--seconds", str(seconds), "--seed", str(given.seed)]
        command += ["--place", place, *(["--planted"] if planted else [])]
        command += ["--corpora", str(given.corpora.resolve())] if given.corpora else []
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=2 * seconds + 300,  # where others keep the machine busy, it begins late
                check=False,
                env={**os.environ, "TMPDIR": place, "HOME": place, "GIT_CONFIG_NOSYSTEM": "1"},
            )
            said, code = done.stderr + done.stdout, done.returncode
        except subprocess.TimeoutExpired as error:
            said, code = f"{(error.stderr or b'').decode(errors='replace')}\n{error}", 1
        found = sorted(path for path in Path(place).iterdir() if path.name.startswith(("crash", "timeout", "oom")))
        runs = re.findall(r"(?:stat::number_of_executed_units: |Done |^runs )(\d+)", said, re.MULTILINE)
        reached = re.findall(r"cov: (\d+) ft: (\d+)", said)
        runs = runs or re.findall(r"^#(\d+)\s", said, re.MULTILINE)
        counts = f"{reached[-1][0]} edges, {reached[-1][1]} features" if reached else "coverage not measured"
        result = f"FAULT (exit status {code})" if code else "no fault"
        print(f"{name:12} {int(runs[-1]) if runs else 0:9} executions, {counts}: {result}", flush=True)
        if code and not planted:
            print(said[-4000:])
            for path in found:
                shutil.copy(path, f"fuzz-{name}-{path.name}.bin")
        elif code:
            told = re.findall(
                r"^(?: === Uncaught Python exception: ===|[\w.]*(?:[Ee]rror|Exception)\b.*)$", said, re.MULTILINE
            )
            print(f"    {next((line for line in told if '===' not in line), said.strip().splitlines()[-1])[:140]}")
    return code != 0


def _child(given: argparse.Namespace) -> int:
    try:
        import atheris
    except ImportError:
        return _at_random(given)
    include = ["jellyformat", *(path.name for path in (HERE.parents[1] / "adapters").iterdir())]
    with atheris.instrument_imports(include=include):
        import targets

        from jellyformat.hosts import registry

        registry.adapters()  # loaded here, so that they are looked into too
    target = targets.TARGETS[given.child]
    _plant(given)
    corpus = (given.corpora or given.place / "corpora") / given.child
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in (*target.seeds(), *targets.corpus(given.child)):
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)  # as the fuzzer names them
    limits = (f"-max_total_time={given.seconds}", f"-timeout={ONE_SECONDS}", f"-rss_limit_mb={MEMORY_MB}")
    what = (f"-max_len={LONGEST}", f"-seed={given.seed}", f"-artifact_prefix={given.place}/", "-print_final_stats=1")
    dictionary: tuple[str, ...] = ()
    if target.words:
        words = given.place / "words"
        words.write_text("".join('"\\x' + word.hex(" ").replace(" ", "\\x") + '"\n' for word in target.words))
        dictionary = (f"-dict={words}",)
    atheris.Setup([sys.argv[0], *limits, *what, *dictionary, str(corpus)], target)
    atheris.Fuzz()
    return 0


def _at_random(given: argparse.Namespace) -> int:
    """Where there is no atheris: seeds changed at random, without a lead."""
    import targets

    target = targets.TARGETS[given.child]
    _plant(given)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MB << 20, MEMORY_MB << 20))
    end, runs = time.monotonic() + given.seconds, 0
    for data in at_random([*target.seeds(), *targets.corpus(given.child)], given.seed):
        runs += 1
        begin = time.process_time()
        try:
            target(data)
            assert time.process_time() - begin < ONE_SECONDS, "it took too long"
        except BaseException:
            (given.place / "crash").write_bytes(data)
            traceback.print_exc()
            print(f"runs {runs}")
            return 77
        if time.monotonic() > end:
            break
    print(f"runs {runs}")
    return 0


def at_random(seeds: list[bytes], number: int) -> Iterator[bytes]:
    """The seeds, and then without end what random changes make of them, the same for the same ``number``."""
    yield from seeds
    chance = random.Random(number)
    while True:
        yield _changed(chance, seeds)


def _changed(chance: random.Random, seeds: list[bytes]) -> bytes:
    data = bytearray(chance.choice(seeds))
    for _ in range(1 << chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at : at + 1] = chance.randbytes(chance.randrange(3))
            case 2:
                del data[at : at + chance.randrange(1, 20)]
            case 3:
                other = chance.choice(seeds)
                begin = chance.randrange(len(other) + 1)
                data[at:at] = other[begin : begin + chance.randrange(64)]
            case 4:
                data[at : at + 4] = chance.choice((b"\xff" * 4, bytes(4), b"\0\0\0\x80", b"\x7f\xff\xff\xff"))
            case _:
                data[at:at] = data[at : at + chance.randrange(40)]
    return bytes(data[:LONGEST])


def _plant(given: argparse.Namespace) -> None:
    if given.planted:
        import plants

        plants.plant(given.child)


if __name__ == "__main__":
    sys.exit(main())

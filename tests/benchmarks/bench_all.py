"""Everything that is promised about speed and size, measured, in one table: docs/benchmarks.md.

python tests/benchmarks/bench_all.py [--real REPOSITORY]... [--trackers PYTHON] [--rounds N] [-o FILE]

The first REPOSITORY is the one whose captures are compared with jellyml 1.0.0, which is used where this interpreter has
it, as DVC is; PYTHON is an interpreter that has W&B and MLflow. Without a REPOSITORY one is made. Ratios are of least
times in one run, in which the tools take turns. It takes some minutes.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import importlib.util
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from inputs import dirty_clone, git, grown, many_files
from measuring import Run, Task, in_turns, least, sync

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
MEMORY = Path("/dev/shm")
"""A filesystem without a disk, where there is one."""

HOW_TO_READ = """\
Read the table so:

- A ratio of 2 is twice as long, or twice as many bytes, as the other. In brackets is the ratio of processor time.
  Other work on the machine changes that less.
- The limit is what we aim for. It is no promise. A ratio above it says that jellyformat does not get there yet.
- If only the ratio of time is above the limit, look at the one in brackets. Then most of the time went into waiting
  for the disk or for other programs.
- The last column has seconds of time, the most memory, or bytes. Where it says so, it has processor time.
- Rows that begin with `limit` are for comparison: how long parts of the work take alone.

"""
CAPTURE = """
import jellyformat.capture.capture, jellyformat.snapshots
timed(lambda: len(jellyformat.snapshot({!r}, {!r}).data))
"""
JELLYML = """
from jellyml import create_snapshot
timed(lambda: next(iter(create_snapshot(git_repo_path={!r}).values())).numel())
"""
WANDB = """
import wandb
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")
os.chdir({!r})
def call():
    with wandb.init(project="p", dir={!r}) as run:
        run.log_code(".", include_fn=lambda path: path.endswith((".py", ".md", ".yml", ".toml", ".sh")))
timed(call)
"""
MLFLOW = """
import mlflow
mlflow.set_tracking_uri("file://" + {!r})
mlflow.set_experiment("code")
def call():
    with mlflow.start_run():
        mlflow.log_artifacts({!r}, "code")
timed(call)
"""
SAVES = {
    "torch": (
        "import torch\ntensors = {'w': torch.ones(%d // 4)}",
        "torch.save(tensors, path)",
        "import jellyformat_torch\nours = lambda: jellyformat_torch.save(tensors, path, repo=repo)",
    ),
    "safetensors": (
        "import torch, safetensors.torch\ntensors = {'w': torch.ones(%d // 4)}",
        "safetensors.torch.save_file(tensors, path)",
        "import jellyformat_safetensors\nours = lambda: jellyformat_safetensors.save_file(tensors, path, repo=repo)",
    ),
    "numpy.savez": (
        "import numpy\nw = numpy.ones(%d // 4, dtype='f4')",
        "numpy.savez(path, w=w)",
        "import jellyformat_numpy\nours = lambda: jellyformat_numpy.savez(path, repo=repo, w=w)",
    ),
}
SAVE = """
import gc, warnings
path, repo = {!r}, {!r}
{}
def theirs():
    {}
    with open(path, "rb") as file:
        os.fsync(file.fileno())
{}
ours() if {!r} == "ours" else theirs()
timed({})
"""


@dataclass
class Table:
    """The rows: part, what, against what, ratio, limit, seconds or bytes of both."""

    rows: list[tuple[str, str, str, str, str, str]] = field(default_factory=list)
    bars: list[tuple[str, float, float]] = field(default_factory=list)

    def ratio(self, part: str, what: str, against: str, found: dict[str, list[Run]], limit: float | None) -> None:
        """A row of a measurement, its first task being ours and its second the other; nothing where one failed."""
        if len(found) < 2:
            return
        ours, theirs = list(found.values())[:2]
        one, two = least(ours, "wall"), least(theirs, "wall")
        cpu = least(ours, "cpu") / max(least(theirs, "cpu"), 1e-3)
        memory = max(item.memory for item in ours)
        figures = f"{one:.3f} s, {memory:.0f} MiB; {two:.3f} s"
        self.add(part, what, against, f"{one / two:.2f} (processor {cpu:.2f})", limit, figures)
        self.bars.append((f"{what}: {against}", one / two, limit or math.nan))

    def add(self, part: str, what: str, against: str, ratio: str, limit: float | None, figures: str) -> None:
        """A row."""
        self.rows.append((part, what, against, ratio, "" if limit is None else f"{limit:g}", figures))
        print(" | ".join(self.rows[-1]), flush=True)

    def text(self) -> str:
        """All rows, as Markdown."""
        head = ("", "what", "against", "ratio", "limit", "ours; theirs")
        lines = [head, ("---",) * len(head), *self.rows]
        return "".join("| " + " | ".join(row) + " |\n" for row in lines)


def installed(scratch: Path) -> dict[str, str]:
    """The package as it is installed: compiled, and in no repository; the variables that have Python find it."""
    site = scratch / "site"
    for name in ("jellyformat", *(path.name for path in (ROOT / "adapters").iterdir() if path.is_dir())):
        parent = ROOT if name == "jellyformat" else ROOT / "adapters"
        shutil.copytree(parent / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(site, quiet=2)
    # an editable installation is looked at by every capture, as its code is in no package that can be had
    about = importlib.metadata.distribution("jellyformat")
    noted = site / f"jellyformat-{about.version}.dist-info"
    noted.mkdir()
    for name in ("METADATA", "entry_points.txt"):
        (noted / name).write_text(about.read_text(name) or "")
    return {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "", "HOME": str(scratch / "home")}


def machine() -> str:
    """What this was measured on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    said = [
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    ]
    said.append(subprocess.run(["git", "--version"], check=True, capture_output=True, text=True).stdout.strip())
    for name in ("zstandard", "torch", "safetensors", "numpy", "jellyml", "dvc"):
        try:
            said.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    busy = (
        f" Others were at work on it (load {load:.1f} at the end): the times are those of a shared machine, and the "
        "ratios of processor time say more than those of time."
        if load > (os.cpu_count() or 1) + 1
        else ""
    )
    return ", ".join(said) + "." + busy


class Benchmarks:
    """All parts; each adds rows to the table."""

    def __init__(self, scratch: Path, real: Sequence[Path], trackers: str | None, rounds: int) -> None:
        self.scratch, self.trackers, self.rounds = scratch, trackers, rounds
        self.table = Table()
        (scratch / "home").mkdir()
        self.environment = installed(scratch)
        self.real = [self._clone(path) for path in real] or [grown(scratch / "grown", 600)]
        self.many = many_files(scratch / "many", 20_000)

    def _clone(self, path: Path) -> Path:
        place = self.scratch / path.resolve().name
        git(self.scratch, "clone", "-q", "--no-hardlinks", str(path.resolve()), str(place))
        return place

    def parts(self) -> Iterator[object]:
        """Each a part, most wanted first."""
        yield self.start_up
        yield self.capture_of_many
        yield self.capture_of_real
        yield self.restore
        yield self.sizes
        yield self.saves
        yield self.trackers_code
        yield self.limits
        yield self.capture_of_very_many

    def _ours(self, repository: Path, history: str) -> Task:
        return Task([PYTHON], CAPTURE.format(str(repository), history), environment=self.environment)

    def start_up(self) -> None:
        """Processor time of commands against a bare interpreter."""
        file = self.scratch / "small.jelly"
        command = [PYTHON, "-m", "jellyformat"]
        in_turns(
            {
                "": Task(
                    [*command, "snapshot", "-q", "--repo", str(self.real[0]), "-o", str(file)],
                    environment=self.environment,
                )
            },
            1,
        )
        tasks = {
            "python -c pass": Task([PYTHON, "-c", "pass"]),
            "import jellyformat": Task([PYTHON, "-c", "import jellyformat"], environment=self.environment),
            "jellyformat --help": Task([*command, "--help"], environment=self.environment),
            "jellyformat show": Task([*command, "show", str(file)], environment=self.environment),
        }
        found = in_turns(tasks, 4 * self.rounds)
        bare = found.pop("python -c pass")
        for (name, runs), limit in zip(found.items(), (4, 8, 10), strict=True):
            ratio = least(runs, "cpu") / least(bare, "cpu")
            figures = f"{least(runs, 'cpu'):.3f} s; {least(bare, 'cpu'):.3f} s of processor time"
            self.table.add("start", name, "`python -c pass`", f"{ratio:.1f}", limit, figures)

    def capture_of_many(self) -> None:
        """A large worktree, clean."""
        archive = f"git -C {self.many} archive HEAD | zstd -q -3 > {self.scratch / 'a.zst'}"
        found = in_turns({"ours": self._ours(self.many, "head"), "git": Task(archive)}, self.rounds)
        self.table.ratio("capture", "20,000 files, HEAD", "`git archive \\| zstd -3`", found, 2.2)

    def capture_of_very_many(self) -> None:
        """Whether time grows with the number of files alone."""
        large = many_files(self.scratch / "large", 100_000)
        found = in_turns({"100,000": self._ours(large, "head"), "20,000": self._ours(self.many, "head")}, 1)
        if len(found) == 2:
            one, two = (least(runs, "cpu") for runs in found.values())
            memory = max(item.memory for item in found["100,000"])
            self.table.add(
                "capture",
                "100,000 files, a file",
                "20,000 files, a file",
                f"{one / two / 5:.2f}",
                1.1,
                f"{one:.2f} s; {two:.2f} s of processor time",
            )
            self.table.add("capture", "100,000 files, memory", "", f"{memory:.0f} MiB", 300, "")

    def capture_of_real(self) -> None:
        """Dirty clones of a real repository, against jellyml."""
        name = self.real[0].name
        clones = {
            kind: dirty_clone(self.real[0], self.scratch / f"dirty_{kind}") for kind in ("head", "full", "theirs")
        }
        if importlib.util.find_spec("jellyml") is None:
            return
        theirs = Task([PYTHON], JELLYML.format(str(clones["theirs"])), environment=self.environment)
        for kind, limit in (("head", 0.3), ("full", 3)):
            found = in_turns({"ours": self._ours(clones[kind], kind), "jellyml": theirs}, self.rounds)
            self.table.ratio("capture", f"{name}, dirty, {kind}", "jellyml 1.0.0", found, limit)

    def restore(self) -> None:
        """A new repository, against git's clone of as much; in memory too, where no disk makes one of both wait."""
        for repository, history, limit in ((self.real[0], "full", 2), (self.many, "head", 2)):
            file, bundle = self.scratch / f"{repository.name}.jelly", self.scratch / f"{repository.name}.bundle"
            made = [PYTHON, "-m", "jellyformat", "snapshot", "-q", "--repo", str(repository)]
            in_turns({"": Task([*made, "--history", history, "-o", str(file)], environment=self.environment)}, 1)
            git(repository, "bundle", "create", "-q", str(bundle), "HEAD")
            for place in (self.scratch, MEMORY):
                if not os.access(place, os.W_OK):
                    continue
                with tempfile.TemporaryDirectory(prefix="jelly-bench-", dir=place) as inside:
                    clone = ["git", "clone", "-q", str(bundle)]
                    if history == "head":
                        clone = ["git", "clone", "-q", "--depth", "1", f"file://{repository}"]
                    found = self._restored(Path(inside, "new"), file, clone)
                against = "`git clone` of the bundle" if history == "full" else "`git clone --depth 1`"
                where = ", in memory" if place == MEMORY else ""
                self.table.ratio("restore", f"{repository.name}, {history}{where}", against, found, limit)

    def _restored(self, new: Path, file: Path, clone: list[str]) -> dict[str, list[Run]]:
        """Runs of a restore of a snapshot into a new directory, and of a command of git's that makes the same."""

        def gone() -> None:
            shutil.rmtree(new, ignore_errors=True)
            sync(new.parent)

        command = [PYTHON, "-m", "jellyformat", "restore", "-q", str(file), str(new)]
        ours = Task(command, before=gone, environment=self.environment)
        return in_turns({"ours": ours, "git": Task([*clone, str(new)], before=gone)}, self.rounds)

    def sizes(self) -> None:
        """Bytes, against bundles."""
        script = (
            "import jellyformat\ntimed(lambda: len(jellyformat.snapshot({!r}, {!r}, environment=False, best={}).data))"
        )
        logs: dict[str, list[float]] = {}
        for repository in self.real:
            bundle, shallow = self.scratch / "s.bundle", self.scratch / "shallow"
            git(repository, "bundle", "create", "-q", str(bundle), "HEAD")
            sizes = {"full": bundle.stat().st_size}
            git(self.scratch, "clone", "-q", "--depth", "1", f"file://{repository}", str(shallow))
            git(shallow, "bundle", "create", "-q", str(bundle), "HEAD")
            sizes["head"] = bundle.stat().st_size
            shutil.rmtree(shallow)
            for history, best in (("full", False), ("head", False), ("head", True)):
                task = Task([PYTHON], script.format(str(repository), history, best), environment=self.environment)
                for runs in in_turns({repository.name: task}, 1).values():
                    ratio = runs[0].size / sizes[history]
                    logs.setdefault(f"{history}{', --best' if best else ''}", []).append(ratio)
                    figures = f"{runs[0].size:,}; {sizes[history]:,} bytes"
                    if not best:
                        self.table.add(
                            "size", f"{repository.name}, {history}", "`git bundle`", f"{ratio:.3f}", None, figures
                        )
        limits = {"full": 0.52, "head": None, "head, --best": 0.80}
        for what, ratios in logs.items():
            mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
            self.table.add(
                "size", f"geometric mean of {len(ratios)}, {what}", "`git bundle`", f"{mean:.3f}", limits[what], ""
            )

    def saves(self) -> None:
        """Save calls that take a snapshot along, against the framework's own and an fsync."""
        size = 100 << 20
        for framework, (setup, theirs, ours) in SAVES.items():
            if importlib.util.find_spec(framework.partition(".")[0]) is None:
                continue
            path = str(self.scratch / "saved.npz")
            tasks = {
                name: Task(
                    [PYTHON, "-W", "ignore"],
                    SAVE.format(path, str(self.real[0]), setup % size, theirs, ours, name, name),
                    before=lambda: sync(self.scratch),
                    environment=self.environment,
                )
                for name in ("ours", "theirs")
            }
            found = in_turns(tasks, self.rounds)
            self.table.ratio("save", f"{framework}, 100 MiB, the second save", "its own save and fsync", found, 1.2)

    def trackers_code(self) -> None:
        """What trackers do to keep the code of a run."""
        clone = self.scratch / "dirty_tracked"
        dirty_clone(self.real[0], clone)
        ours = self._ours(clone, "head")
        place = str(self.scratch / "tracker")
        if self.trackers is not None:
            Path(place).mkdir()
            environment = {
                **self.environment,
                "PYTHONPATH": "",
                "WANDB_MODE": "offline",
                "MLFLOW_ALLOW_FILE_STORE": "true",
            }
            for name, script in (("W&B's `log_code`, offline", WANDB), ("MLflow's `log_artifacts`", MLFLOW)):
                arguments = (str(clone), place) if script is WANDB else (place, str(clone))
                other = Task([self.trackers], script.format(*arguments), environment=environment)
                found = in_turns({"ours": ours, name: other}, self.rounds)
                self.table.ratio("trackers", f"{self.real[0].name}, dirty, head", name, found, None)
        if importlib.util.find_spec("dvc") is not None:
            subprocess.run([PYTHON, "-m", "dvc", "init", "-q"], cwd=clone, check=False, capture_output=True)
            git(clone, "commit", "-q", "-m", "dvc")
            number = iter(range(1000))
            other = Task(
                f"{PYTHON} -m dvc --cd {clone} exp save -q -f -n e$$",
                before=lambda: (clone / "run.txt").write_text(str(next(number))),
            )
            found = in_turns(
                {
                    "ours": Task(
                        [
                            PYTHON,
                            "-m",
                            "jellyformat",
                            "snapshot",
                            "-q",
                            "--replace",
                            "--repo",
                            str(clone),
                            "-o",
                            place + ".jelly",
                        ],
                        environment=self.environment,
                    ),
                    "dvc": other,
                },
                self.rounds,
            )
            self.table.ratio(
                "trackers", f"{self.real[0].name}, dirty, head, whole process", "`dvc exp save`", found, None
            )

    def limits(self) -> None:
        """What the machine can do at most with the same bytes."""
        script = """
import hashlib, subprocess, zlib
names = subprocess.check_output(["git", "-C", {0!r}, "ls-files", "-z"]).split(b"\\0")[:-1]
def read():
    for name in names:
        with open(os.path.join({0!r}.encode(), name), "rb", buffering=0) as file:
            hashlib.sha1(file.read()).digest()
timed(read)
"""
        tasks = {
            "read and hash": Task([PYTHON], script.format(str(self.many))),
            "inflate": Task(f"git -C {self.many} cat-file --batch-all-objects --batch --buffer > /dev/null"),
            "archive": Task(f"git -C {self.many} archive HEAD > /dev/null"),
        }
        found = in_turns(tasks, self.rounds)
        says = {
            "read and hash": "20,000 files read and hashed by a bare loop",
            "inflate": "their objects inflated by git",
            "archive": "`git archive` of them",
        }
        for name, runs in found.items():
            self.table.add("limit", says[name], "", f"{least(runs, 'wall'):.3f} s", None, "")


def plot(table: Table, path: Path) -> bool:
    """Draw the ratios with their limits; False without matplotlib."""
    try:
        import matplotlib as library

        library.use("svg")
        library.rcParams["svg.hashsalt"] = "jellyformat"
        from matplotlib import pyplot
    except ImportError:
        return False
    bars = list(reversed(table.bars))
    figure, axes = pyplot.subplots(figsize=(9, 0.45 * len(bars) + 1))
    names = [name.replace("`", "").replace("\\", "") for name, _, _ in bars]
    axes.barh(names, [ratio for _, ratio, _ in bars], color="#4a7", height=0.6)
    for number, (_, _, limit) in enumerate(bars):
        if not math.isnan(limit):
            axes.plot([limit, limit], [number - 0.4, number + 0.4], color="#a33", linewidth=2)
    axes.set_xlabel("times as long as the other (red: the limit)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    return True


def write_page(table: Table, path: Path, left_out: Sequence[str]) -> None:
    """Write the page of the documentation, and the plot beside it.

    Args:
        table: What was measured.
        path: The page's.
        left_out: Parts that were not measured.
    """
    page = ["# Benchmarks\n\n", "How long jellyformat takes, against what people would use instead. "]
    page.append("Each ratio is of the least times of one run, in which both take turns; below 1 is faster.\n\n")
    page.append(HOW_TO_READ)
    page.append(f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}: {machine()}\n\n")
    page.append(table.text())
    if left_out:
        page.append(f"\nNot measured for want of time: {', '.join(left_out)}.\n")
    if plot(table, path.with_suffix(".svg")):
        page.append("\n![The ratios as bars, with their limits](benchmarks.svg)\n")
    page.append("\nTo measure again: `python tests/benchmarks/bench_all.py --real REPOSITORY...`\n")
    path.write_text("".join(page))


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, action="append", default=[], help="a clone of a real repository")
    parser.add_argument("--trackers", help="an interpreter that has wandb and mlflow")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=8, help="after which no further part is begun")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args()
    begun, left_out = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="jelly-bench-") as scratch:
        benchmarks = Benchmarks(Path(scratch), options.real, options.trackers, options.rounds)
        for part in benchmarks.parts():
            if time.monotonic() - begun > 60 * options.minutes:
                left_out.append(part.__name__)  # type: ignore[attr-defined]
                continue
            part()  # type: ignore[operator]
            write_page(benchmarks.table, options.output, left_out)  # what was measured stays, whatever comes
    write_page(benchmarks.table, options.output, left_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())

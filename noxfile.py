"""What can be checked, in parts that can be run alone. `nox --list` names them; CONTRIBUTING.md says which to use when.

Each session makes an environment of its own. With `--no-venv --no-install` it takes the current one, as it is: so does
`.ci/run`.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
HOSTS = ("zip", "safetensors", "hdf5", "gguf", "onnx", "trailer", "sidecar", "directory")
HATCHLING = "hatchling==1.33.0"
CLICK = "click==8.5.1"
"""What a release is built with: another version may write other bytes."""
SIMULATED = tuple(
    f"tests/test_{name}.py"
    for name in (
        "binding", "bundle", "container", "damaged_snapshots", "directories", "env_command", "exporter", "extensions",
        "labels", "names", "objects", "sidecar", "view",
    )
)  # fmt: skip
"""Tests that are run as on other systems, too."""
NOT_EVERYWHERE = "not (read_only or divided_otherwise or not_portable)"
"""What these ask of this system itself: permissions, and names that Windows has not."""
FULL = {"JELLYFORMAT_FULL": "1"}
"""All fault points, and every state over every other, where else a sample is taken."""

QUIET = {"NO_MKDOCS_2_WARNING": "1"}

nox.needs_version = ">=2024.4"
nox.options.sessions = ["lint", "core"]
nox.options.error_on_missing_interpreters = False

# pyenv has a command for each Python, but lets only those run that are chosen: choose all, the current one first
pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
if pyenv.is_dir() and "PYENV_VERSION" not in os.environ:
    others = sorted(path.name for path in pyenv.iterdir() if path.name.startswith(tuple(PYTHONS)))
    current = [name for name in others if name == platform.python_version()]
    os.environ["PYENV_VERSION"] = ":".join([*current, *(name for name in others if name not in current)])


def pytest(session: nox.Session, *arguments: str, env: dict[str, str] | None = None) -> None:
    """Run tests, as many at once as there are processors."""
    session.run("pytest", "-n", "auto", *arguments, *session.posargs, env=env or {})


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, import rules, spelling, changelog."""
    session.install(".[test-core,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("codespell")
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session(python=PYTHONS)
def core(session: nox.Session) -> None:
    """Tests that need no framework, on every Python that is here."""
    session.install(".[test-core]")
    pytest(session, "-m", "core")


@nox.session(name="min-deps", python=PYTHONS[0])
def min_deps(session: nox.Session) -> None:
    """The same with the lowest versions that pyproject.toml allows, on the lowest Python."""
    lowest = nox.project.load_toml("pyproject.toml")["project"]
    required = [*lowest["dependencies"], *lowest["optional-dependencies"]["test-core"]]
    session.install(".[test-core]", *(name.replace(">=", "==") for name in required))
    session.run("pip", "list", silent=False)
    pytest(session, "-m", "core")


@nox.session
def frameworks(session: nox.Session) -> None:
    """Tests with torch, numpy, Keras and the others, and with the stores' clients."""
    session.install(".[test,fleet]")
    pytest(session, "-m", "framework")


@nox.session
def whole(session: nox.Session) -> None:
    """All tests, those too of which each commit takes a share (tests/sample.py)."""
    session.install(".[test]")
    pytest(session, env={"JELLYFORMAT_ALL": "1"})


@nox.session
def trackers(session: nox.Session) -> None:
    """What MLflow and W&B are told. Apart: where they are installed, other frameworks tell them things, too."""
    session.install(".[test-core,mlflow,wandb]", "sqlalchemy", "alembic")
    session.run("pytest", "tests/frameworks/test_trackers.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Every fault point: each system call that writes broken off or failing, each state after a power cut."""
    session.install(".[test]")
    pytest(session, "-m", "fault", env=FULL)


@nox.session
def simulated(session: nox.Session) -> None:
    """Tests as on Windows and macOS: what these lack is taken away (tests/elsewhere.py)."""
    session.install(".[test-core]")
    for system in ("windows", "macos"):
        options = ("-p", "elsewhere", "-m", "core", "-k", NOT_EVERYWHERE, *SIMULATED)
        session.run("pytest", *options, *session.posargs, env={"JELLY_SYSTEM": system, "PYTHONPATH": "tests"})


@nox.session
def conformance(session: nox.Session) -> None:
    """The vectors are what is generated, the reference conforms, and every mutant of it is found out."""
    session.install(".[test-core]")
    session.run("python", "conformance/generate/smallest.py", "--check")
    session.run("python", "conformance/generate/compressed.py", "--check")
    session.run("python", "conformance/generate", "--check")
    session.run("python", "conformance/trace.py")
    profiles = ["read", "verify", "write", "restore", "host:flax", "embed:flax", "bind:flax"]
    profiles += [f"{role}:{host}" for host in HOSTS for role in ("host", "embed", "bind")]
    program = ("--", "python", "-m", "jellyformat.conformance")
    session.run("python", "conformance/run.py", "--batch", "--quiet", "--require", ",".join(profiles), *program)
    session.run("python", "conformance/mutants.py", "--jobs", str(os.cpu_count() or 1))


@nox.session
def javascript(session: nox.Session) -> None:
    """The implementation in JavaScript: its tests, the vectors, and the page in Chromium."""
    session.install(".")
    session.run(".ci/javascript", external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, built so that a dead link is an error."""
    session.install(".[docs]")
    session.run("mkdocs", "build", "--strict", "--site-dir", str(Path(session.create_tmp()) / "site"), env=QUIET)


@nox.session
def pictures(session: nox.Session) -> None:
    """The pictures of README and the documentation, made again; those of the page need `nox -s javascript` before."""
    session.install(".[test,docs]")
    session.run("python", "docs/pictures.py", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """How much of each room the tests run that need no framework; with `-- -m 'core or framework'`, those too."""
    session.install(".[test]")
    session.run("pytest", "-n", "auto", "--cov", "--cov-report=", *(session.posargs or ("-m", "core")))
    session.run("python", ".ci/coverage.py")


@nox.session
def release(session: nox.Session) -> None:
    """Build wheel, sdist, bill of materials and archive of vectors twice, into dist/; both times the same bytes."""
    session.install(".", HATCHLING, CLICK)
    session.run("python", ".ci/release.py", *session.posargs)


@nox.session(venv_backend="none")
def nightly(session: nox.Session) -> None:
    """All that takes longer: every Python, lowest versions, all fault points, both whole matrices, long fuzzing."""
    for name in (
        *(f"core-{version}" for version in PYTHONS),
        "min-deps",
        "whole",
        "simulated",
        "faults",
        "matrix",
        "hostile",
        "properties",
        "fuzz",
    ):
        session.notify(name)


@nox.session
def matrix(session: nox.Session) -> None:
    """Every state of a repository restored over every other."""
    session.install(".[test-core]")
    pytest(session, "tests/restore/test_matrix.py", env=FULL)


@nox.session
def hostile(session: nox.Session) -> None:
    """Every file of a repository and of our store as a link, FIFO, device …, as every user, with every command."""
    session.install(".[test-core]")
    pytest(session, "tests/trust/test_store.py", "tests/capture/test_hostile.py", env=FULL)


@nox.session
def properties(session: nox.Session) -> None:
    """Property tests with twenty seeds, and whether time grows with the size alone."""
    session.install(".[test]")
    for seed in range(20):
        pytest(session, "-m", "hypothesis", f"--hypothesis-seed={seed}")
    session.run("python", "tests/benchmarks/bench_linear.py")


@nox.session
def fuzz(session: nox.Session) -> None:
    """An hour of fuzzing, divided over the targets of `tests/fuzz`; with `-- --seconds 120`, two minutes."""
    session.install(".[fuzz]")
    jobs = ("--jobs", str(os.cpu_count() or 1))
    session.run("python", "tests/fuzz/run.py", *jobs, *(session.posargs or ("--seconds", "3600")))

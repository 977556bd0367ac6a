"""Hints: what to do now, in Python's words where Python raises them, and in a shell's on the command line."""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import itertools
import json
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import plain
import pytest
from gitrepo import git
from hypothesis import given
from hypothesis import strategies as st
from test_story import jelly

import jellyformat
from jellyformat import training
from jellyformat.cli.main import _COMMANDS
from jellyformat.errors import NoSnapshot, RefusedExists
from jellyformat.hints import _CALLS, Hint, command, option

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "jellyformat").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")])
COMMANDS = {name: importlib.import_module(f"jellyformat.cli.{name}").command for name in _COMMANDS}
FLAGS = {
    flag
    for made in COMMANDS.values()
    for parameter in made.params
    if isinstance(parameter, click.Option)
    for flag in (*parameter.opts, *parameter.secondary_opts)
}
PARAMETERS = {
    name
    for function in (getattr(jellyformat, name) for name in jellyformat.__all__)
    if inspect.isfunction(function)
    for name in inspect.signature(function).parameters
}
MAKERS: dict[str, Callable[..., Hint]] = {"Hint": Hint, "option": option, "command": command}


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def is_made(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS


def makes_hints(tree: ast.AST) -> bool:
    """Whether the names are ours in a module."""
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module in ("jellyformat.adapter", "jellyformat.hints")
        and any(name.name == "Hint" for name in node.names)
        for node in ast.walk(tree)
    )


def values(node: ast.expr, module: str) -> list[object]:
    """What an argument of a hint may be; names and numbers that are known only later stand for themselves."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "NAME" for part in node.values)]
    if isinstance(node, ast.IfExp):
        return [*values(node.body, module), *values(node.orelse, module)]
    if isinstance(node, ast.Tuple):
        return [tuple(values(item, module)[0] for item in node.elts)]
    if isinstance(node, ast.Call) and is_made(node):
        assert isinstance(node.func, ast.Name)
        make = MAKERS[node.func.id]
        given = [values(item, module) for item in node.args if not isinstance(item, ast.Starred)]
        return [make(*chosen) for chosen in itertools.product(*given)]
    if isinstance(node, ast.Name):
        known = getattr(importlib.import_module(module), node.id, None)
        return [known] if isinstance(known, Hint) else ["NAME"]
    return ["NAME"]


def module_of(file: Path) -> str:
    base = ROOT / "adapters" if ROOT / "adapters" in file.parents else ROOT
    return ".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def hints() -> Iterator[tuple[str, Hint]]:
    """Every hint that the sources make, with the place."""
    for file in SOURCES:
        tree = ast.parse(file.read_text())
        above = parents(tree)
        for node in ast.walk(tree):
            if is_made(node) and not is_made(above[node]) and makes_hints(tree):
                assert isinstance(node, ast.Call)
                for hint in values(node, module_of(file)):
                    assert isinstance(hint, Hint)
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", hint


ALL = list(hints())


def test_hints_are_found() -> None:
    assert len(ALL) > 40
    said = {hint.command_line() for _, hint in ALL}
    for words in ("--replace", "--allow-secrets", "-o OUT", "--create-repo", "jelly history", "jelly fix"):
        assert any(words in text for text in said), words


def test_every_hint_has_both_forms() -> None:
    """No flag in Python's words, and nothing of Python's in a shell's."""
    for place, hint in ALL:
        assert not re.search(r"(^|[\s`])--?[a-z]|(?<![.\w])jelly ", hint), (place, hint)
        shell = hint.command_line()
        assert not re.search(r"=(True|False)|=[\"\[]|jellyformat\.\w+\(", shell), (place, shell)
        assert not re.search(r"python -m|\bjellyformat ", shell), (place, shell)
        for flag in re.findall(r"(?<!\S)--?[a-z][a-z-]*", shell):
            assert flag in FLAGS, (place, flag)
        for name in re.findall(r"(?<![.\w])jelly (\w+)", shell):
            assert name in COMMANDS, (place, name)
        for name in re.findall(r"\bjellyformat\.(\w+)\(", hint):
            assert name in jellyformat.__all__, (place, name)
        for name in re.findall(r"\b(\w+)=", hint):
            assert name in PARAMETERS or name == "port", (place, name)  # only the command line has a port


MODULE = "python -P -m jellyformat" if sys.version_info >= (3, 11) else "jelly"
"""What we are called where we were called as a module: no package of our name in the directory is run in our place."""


def test_what_names_an_option_or_command_is_a_hint() -> None:
    """A plain text would say the same to both."""
    verbs = "|".join(COMMANDS)
    named = re.compile(rf"python -m jelly|\bjelly(format)? ({verbs})\b|`({verbs})`|(?<!\S)-o\b|(?<!\S)--[a-z-]+")
    for file in SOURCES:
        if "cli" in file.parts or file.name in ("errors.py", "hints.py"):
            continue
        tree = ast.parse(file.read_text())
        above = parents(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if isinstance(above[node], ast.Expr):  # a docstring
                continue
            for found in named.finditer(re.sub(r"`git [^`]*`", "", node.value)):
                text = found[0].strip()
                assert text.startswith("--"), (file, node.lineno, node.value)
                assert text not in FLAGS, (file, node.lineno, node.value)


@pytest.mark.slow
def test_hints_are_never_formatted() -> None:
    """In an f-string, or added to, a hint would lose the words of the command line."""
    constants = {
        target.id
        for file in SOURCES
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign) and is_made(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {"WITHOUT_IN_PLACE"} <= constants
    for file in SOURCES:
        if file.name in ("errors.py", "hints.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            parts = [node.value] if isinstance(node, ast.FormattedValue) else []
            parts += [node.left, node.right] if isinstance(node, ast.BinOp) else []
            for part in parts:
                assert not is_made(part), (file, node)
                assert not (isinstance(part, ast.Name) and part.id in constants), (file, part.lineno)
                assert not (isinstance(part, ast.Attribute) and part.attr == "hint"), (file, part.lineno)


@given(st.sampled_from(["fix", "cat", "ls", "embed"]), st.text(min_size=1))
@pytest.mark.slow
def test_any_name_can_be_named(verb: str, name: str) -> None:
    """What is said can be pasted: it is one argument, whatever is in it."""
    arguments = (name, name) if verb == "cat" else (name,)
    made = command(verb, *arguments)
    shown = "./" * name.startswith("-") + name
    assert shlex.split(made.command_line("jellyformat")) == ["jellyformat", verb, *[shown] * len(arguments)]
    calls = [node for node in ast.walk(ast.parse(made, mode="eval")) if isinstance(node, ast.Call)]
    assert [ast.literal_eval(item) for call in calls[::-1] for item in call.args] == list(arguments)
    assert verb in _CALLS or made.startswith(f"jellyformat.{verb}(")
    chosen = option("exclude", (name, "b"))
    assert shlex.split(chosen.command_line()) == ["--exclude", name, "--exclude", "b"]
    assert ast.literal_eval(chosen.removeprefix("exclude=")) == [name, "b"]


def test_options() -> None:
    for made, shell in {
        option("replace"): "--replace",
        option("in_place"): "--in-place",
        option("environment", False): "--no-environment",
        option("out", "OUT"): "-o OUT",
        option("secrets", "allow"): "--allow-secrets",
        option("max_size", 5): "--max-size 5",
    }.items():
        assert made.command_line() == shell
    assert option("max_size", 5) == "max_size=5"
    assert option("environment", False) == "environment=False"
    assert command("embed", "a b.pt", option("replace")) == 'jellyformat.embed("a b.pt", replace=True)'
    assert command("embed", "a b.pt", option("replace")).command_line() == "jelly embed 'a b.pt' --replace"


def test_hints_are_put_together() -> None:
    first = Hint("first ", command("fix"), ", then ")
    both = Hint(first, command("undo"), " or ", option("replace"))
    assert both == "first jellyformat.fix(), then jellyformat.undo() or replace=True"
    assert both.command_line() == "first jelly fix, then jelly undo or --replace"
    assert both.command_line("jellyformat") == "first jellyformat fix, then jellyformat undo or --replace"
    for twin in (pickle.loads(pickle.dumps(both)), copy.deepcopy(both)):
        assert (twin, twin.command_line()) == (both, both.command_line())
    error = pickle.loads(pickle.dumps(RefusedExists("it is there", hint=both)))
    assert str(error) == f"it is there; {both}"
    assert error.to_json()["hint"] == both.command_line()
    assert str(RefusedExists("it is there")) == "it is there"
    assert str(RefusedExists("it is there", hint="add --replace")) == "it is there; add --replace"


@pytest.mark.slow
def test_each_reader_has_its_own_words(repository: Path) -> None:
    host = repository / "model.bin"
    host.write_bytes(plain.npy(range(50)))
    snap = jellyformat.snapshot(repository)
    with pytest.raises(NoSnapshot) as absent:
        jellyformat.open(host)
    assert str(absent.value).endswith(f'put one in with: jellyformat.embed("{host}")')
    jellyformat.embed(host, snap)
    with pytest.raises(RefusedExists) as caught:
        jellyformat.embed(host, snap)
    assert str(caught.value).endswith("to put this one in its place, add replace=True")
    said = jelly(repository, "embed", "model.bin", code=4)
    assert b"to put this one in its place, add --replace\n" in said.stderr
    assert b"=True" not in said.stderr
    said = jelly(repository, "embed", "model.bin", "--json", code=4)
    assert json.loads(said.stdout)["error"]["hint"].endswith("add --replace")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["jelly", "jellyformat", "__main__.py"])
def test_the_command_is_named_as_it_was_called(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(plain.npy(range(50)))
    code = f"import sys; sys.argv[0] = '/somewhere/{name}'; from jellyformat.cli.main import main; main()"
    ours = MODULE if name == "__main__.py" else name
    for arguments, words in (("show", "model.bin"), f"put one in with: {ours} embed model.bin"), (("show",), ours):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert words in done.stderr
        assert (f"{MODULE} " in done.stderr) == (ours == MODULE)  # which "jellyformat" begins with where it is "jelly"
    for verb in ("show", "verify"):
        told = subprocess.run(
            [sys.executable, "-c", code, verb, "model.bin", "--json"], cwd=tmp_path, capture_output=True, check=False
        )
        assert f": {ours} embed model.bin" in json.loads(told.stdout)["error"]["hint"]


def test_warnings_speak_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.warns(training.SnapshotWarning, match='repo="DIR".*create_repo=True') as caught:
        assert training.take() is None
    assert "--" not in str(caught[0].message)


def test_no_option_is_named_that_the_command_does_not_have(tmp_path: Path, repository: Path) -> None:
    """undo takes a directory, and knows neither --repo nor --create-repo."""
    assert b"--repo" in jelly(tmp_path, "snapshot", code=3).stderr
    said = jelly(tmp_path, "undo", code=3).stderr
    assert b"name a directory" in said
    assert b"--repo" not in said
    git(repository, "status")
    assert f"{MODULE} history\n".encode() in jelly(repository, "undo", code=3).stderr
    assert f"{MODULE} history {repository}\n".encode() in jelly(tmp_path, "undo", str(repository), code=3).stderr

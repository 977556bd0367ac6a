"""The contract itself: a third party's adapter passes it, and it catches each that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import toy

WHOLE = "Test4WritesOverTheHost"
"""A wrong adapter of which all tests are run: it is caught by those, too, that are not named as the ones to catch."""
CONTRACTS = {name: value for name, value in vars(toy).items() if name.startswith("Test")}


class TestToy(toy.TestToy):
    """What a third party writes; see there."""


@pytest.fixture(scope="module")
def failed() -> dict[str, set[str]]:
    """The tests that fail, by class, where pytest is run as a third party runs it."""
    tests = [f"{toy.__file__}::{name}" for name in CONTRACTS]
    for at, (name, contract) in enumerate(CONTRACTS.items()):
        if contract.caught_by and name != WHOLE:
            tests[at] += f"::{contract.caught_by}"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    found: dict[str, set[str]] = {name: set() for name in CONTRACTS}
    for line in done.stdout.splitlines():
        if line.startswith("FAILED"):
            _, contract, test = line.split()[1].split("::")
            found[contract].add(test.partition("[")[0])
    assert "error" not in done.stdout.splitlines()[-1], done.stdout
    return found


@pytest.mark.parametrize("name", CONTRACTS)
def test_what_is_wrong_is_caught(name: str, failed: dict[str, set[str]]) -> None:
    expected = CONTRACTS[name].caught_by
    assert expected in failed[name] if expected else not failed[name]


def test_every_test_catches_something(failed: dict[str, set[str]]) -> None:
    """There is no test in the contract that nothing fails."""
    tests = {name for contract in CONTRACTS.values() for name in vars_of(contract) if name.startswith("test_")}
    assert tests - set().union(*failed.values()) == set()


def vars_of(contract: type) -> set[str]:
    return {name for each in contract.__mro__ for name in vars(each)}

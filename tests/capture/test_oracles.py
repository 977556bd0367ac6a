"""Our reader held against three others: git, libgit2 and dulwich are asked the same about every state.

git is right. Where a library cannot read a state, or says something else, that stands in a table here, with the reason;
where we say something else it is on purpose, or a bug.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import oracles
import pytest
from states import GIT_ENVIRONMENT, NEWER_GIT, STATES, TRAITS

pytestmark = pytest.mark.slow

MEASURED = {"own": "", "pygit2": "1.21.0", "dulwich": "1.2.21"}
"""The versions whose answers the tables have: with them, what stands there has to be seen; others may have learned."""

Table = dict[tuple[str, str], dict[str, str]]
"""States by reader, aspect and reason; ``state/path`` is a repository inside."""

CANNOT: Table = {
    ("pygit2", "open"): {
        "object ids of SHA-256 are not compiled in": "sha256 sha256_packed",
        "it does not know reftables": (
            "reftable reftable_cherry_pick_conflict reftable_detached reftable_linked_worktree reftable_many_refs "
            "reftable_rebase_conflict reftable_sha256 reftable_shallow reftable_submodule "
            "reftable_submodule/lib reftable_unborn"
        ),
    },
    ("pygit2", "index"): {
        "it does not know the extension of a sparse index": "sparse_index",
        "it does not know the extension of a split index": "split_index",
    },
    ("pygit2", "ignored"): {"it takes no names that are not UTF-8": "tracked_names untracked_names"},
    ("pygit2", "status"): {"it cannot read the index": "sparse_index split_index"},
    ("dulwich", "head"): {
        "it knows no reftables with SHA-256": "reftable_sha256",
        "it does not take a branch without commits": "reftable_unborn",
        "it reads one block of a reftable": "reftable_many_refs",
    },
    ("dulwich", "refs"): {"it knows no reftables with SHA-256": "reftable_sha256"},
    ("dulwich", "attributes"): {"it knows no reftables with SHA-256": "reftable_sha256"},
    ("dulwich", "index"): {
        "it takes extensions with names in lower case for the checksum": "sparse_index split_index",
    },
    ("dulwich", "status"): {
        "it knows no reftables with SHA-256": "reftable_sha256",
        "it cannot read the index": "sparse_index split_index",
        "it takes no names that are not UTF-8": "tracked_names",
        "it expects directories above every file of the index": "directory_to_file",
    },
}

OTHERWISE: Table = {
    ("own", "status"): {
        "on purpose: git was told not to look at a file, a snapshot has its content all the same": (
            "assume_unchanged skip_worktree"
        ),
        "on purpose: a snapshot lists what is changed inside of repositories inside": (
            "submodule_dirty submodule_unpushed submodule_nested submodule_nested/vendor/middle submodule_old_form "
            "submodule_merging nested_repository nested_unborn reftable_submodule"
        ),
        "on purpose: files in the place of a submodule are in the snapshot, git does not look at them": (
            "submodule_replaced"
        ),
        "on purpose: what cannot or must not be in a snapshot is listed as left out": (
            "unsafe_names encrypted special_files"
        ),
    },
    ("pygit2", "ignored"): {
        "a file that is taken in again by its name, in a directory that is ignored, counts as not "
        "ignored": "ignored_by_all_rules"
    },
    ("pygit2", "attributes"): {"its macro binary unsets crlf too": "eol_attributes"},
    ("pygit2", "status"): {
        "a file that differs in its line ends alone is not modified": (
            "autocrlf_input eol_attributes lone_carriage_returns text_auto"
        ),
        "a file to be added later is staged": "intent_to_add index_version_3",
        "the flag for files outside of a sparse checkout does not count": (
            "skip_worktree sparse_cone sparse_file_present sparse_patterns partial_clone_blobs_missing"
        ),
        "modes that git has not written for long are staged changes": "old_modes",
        "what is untracked or modified inside makes a submodule modified": (
            "submodule_dirty submodule_nested submodule_nested/vendor/middle submodule_old_form"
        ),
        "the directory of a submodule with a conflict is untracked": "submodule_conflict",
        "a FIFO in the place of a file is a deletion": "special_files",
        "names that may stand for .git are not shown": "unsafe_names",
        "a repository without a commit is not shown": "nested_unborn",
        "a directory with a broken repository is one entry": "nested_broken",
    },
    ("dulwich", "head"): {"a worktree has a HEAD of its own": "reftable_linked_worktree"},
    ("dulwich", "refs"): {
        "what git has beside branches and tags counts": "reftable_cherry_pick_conflict reftable_rebase_conflict",
        "it reads one block of a reftable": "reftable_many_refs",
    },
    ("dulwich", "ignored"): {"a directory whose files are ignored counts as ignored": "ignored_by_all_rules"},
    ("dulwich", "attributes"): {"macros are not resolved": "attributes_everywhere eol_attributes"},
    ("dulwich", "status"): {
        "a conflict is staged and modified": (
            "am_conflict cherry_pick_conflict cherry_pick_sequence conflict_deleted_on_disk conflict_file_directory "
            "conflict_worked_on conflicts_of_every_kind merge_conflict rebase_apply_conflict rebase_conflict "
            "revert_conflict submodule_conflict submodule_merging/lib reftable_cherry_pick_conflict "
            "reftable_rebase_conflict"
        ),
        "a submodule is modified, also where it is not": (
            "submodule_added submodule_clean submodule_deinitialised submodule_nested submodule_nested/vendor/middle "
            "submodule_not_initialised submodule_old_form"
        ),
        "files in the place of a submodule, or inside of one, are untracked": (
            "submodule_dirty submodule_replaced reftable_submodule"
        ),
        "it reads one block of a reftable": "reftable_many_refs",
        "repositories inside are not shown": ("nested_broken nested_repository nested_unborn submodule_out_of_index"),
        "a worktree inside is not one entry": "with_linked_worktrees",
        "a file that differs in its line ends alone is not modified": (
            "autocrlf_input eol_attributes lone_carriage_returns text_auto"
        ),
        "modes do not count": "every_letter mode_changed",
        "kinds of files are no kind of change": "file_to_symlink symlink_to_file",
        "modes that git has not written for long are staged changes": "old_modes",
        "a file to be added later is staged": "intent_to_add index_version_3",
        "the flag that git is not to look does not count": "assume_unchanged",
        "the flag for files outside of a sparse checkout counts also where they are there": "sparse_file_present",
        "links to directories are not shown, and followed": "directory_to_symlink untracked",
        "FIFOs and devices are untracked files, one in the place of a file is no change": "special_files device",
    },
}

as_others = os.geteuid() != 0
NAMES = sorted(name for name in STATES if not (as_others and TRAITS[name] & {"root", "unreadable"}))
if NEWER_GIT is None:  # there is nobody to ask
    NAMES = [name for name in NAMES if not name.startswith("reftable")]


def listed(table: Table, state: str) -> set[tuple[str, str, str]]:
    """What a table has of a state: the reader, the aspect, and the repository inside."""
    found = set()
    for (reader, aspect), reasons in table.items():
        for name in " ".join(reasons.values()).split():
            first, _, below = name.partition("/")
            if first == state:
                found.add((reader, aspect, below))
    return found


@pytest.fixture(autouse=True)
def same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readers in this process see what the git program does."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in GIT_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", NAMES)
def test_all_say_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "repo"
    STATES[name](path)
    cannot: dict[tuple[str, str, str], str] = {}
    otherwise: dict[tuple[str, str, str], str] = {}
    for place in (path, *oracles.inside(path)):
        for (reader, aspect), other in oracles.disagreements(place).items():
            below = "" if place == path else os.fspath(place.relative_to(path))
            (cannot if other.failed else otherwise)[reader, aspect, below] = other.what
    for found, table in ((cannot, CANNOT), (otherwise, OTHERWISE)):
        expected = listed(table, name)
        surprises = {key: what for key, what in found.items() if key not in expected}
        assert not surprises
        gone = {key for key in expected - found.keys() if MEASURED[key[0]] in ("", version(key[0]))}
        assert not gone, "the table has what is no longer so"


def test_the_tables_are_about_states() -> None:
    for table in (CANNOT, OTHERWISE):
        for reasons in table.values():
            names = " ".join(reasons.values()).split()
            assert len(names) == len(set(names))
            assert {name.partition("/")[0] for name in names} <= STATES.keys()


@pytest.mark.parametrize("aspect", oracles.ASPECTS)
def test_a_wrong_answer_is_seen(tmp_path: Path, aspect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every aspect, in a state in which it has something to say."""
    STATES["attributes_everywhere"](tmp_path / "repo")
    (tmp_path / "repo/.gitignore").write_bytes(b"*.log\n")
    monkeypatch.setattr(oracles.Own, aspect, lambda reader: None)
    assert [key for key in oracles.disagreements(tmp_path / "repo") if key[0] == "own"] == [("own", aspect)]

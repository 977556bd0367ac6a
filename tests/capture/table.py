"""The table of states for people, STATES.md: made from the states, and what the tests assert of each.

PYTHONPATH=tests/capture:tests/restore python tests/capture/table.py > tests/capture/STATES.md
"""

from __future__ import annotations

import sys

import matrix
from states import STATES, TRAITS
from test_states import OPERATIONS, ORDINARY

HEAD = """# Every state of a repository, and what becomes of it

Each is a real repository made by git in `states/`. *Captured*: `test_states.py` compares the snapshot, byte for
byte, with what git and the file system say (HEAD, index with its stages and flags, worktree tree, modes, lists of
`git status --porcelain=v2`), and the export with the files on disk; nothing below the repository changes
meanwhile. *Restored*: `../restore/test_matrix.py` restores it into a new repository, and over every other state,
undoes and redoes that; `git status`, `git diff`, `git diff --cached` and `git ls-files --stage` say what they
said, and undo gives back every byte.

This table is made by `table.py`; a test keeps it true.

| state | what it is | captured | restored |
|---|---|---|---|
"""
FOOT = """
*as far as the configuration allows*: what git says of it depends on configuration, ignore rules or attributes
outside of the snapshot (`core.autocrlf`, filters, sparse patterns, replace refs, `info/exclude`), which a restore
does not set.

Besides: repositories of another user, unreadable files, a read-only filesystem, no git program, no repository
(`--create-repo`) in `test_repository_access.py`; `--without-git` in `test_without_git.py`; further repositories
(`--with`) in `test_in_place.py`; files and indexes that change while they are read in
`test_changes_during_capture.py`; environments, caches, trackers' directories and models that git does not ignore, and
directories that are too large, in `test_left_out.py`; objects that git packs, unpacks and prunes meanwhile in
`test_living_repository.py`; git-annex, DVC, nbstripout, and filters that may conceal in `test_filters.py`; 100,000
files with an untracked directory of 50,000 in `test_many_files.py`.
Refused,
and the message says what to do: unknown extensions and forms of refs, a broken HEAD or index, names that a container
cannot hold in the index.

States with reftables are made by git from 2.45 on, where there is one (`JELLYFORMAT_NEWER_GIT` names it, `newer_git.sh`
makes one of Debian's packages); three of them by dulwich elsewhere.
"""


def row(name: str) -> str:
    """One line of the table."""
    told = (STATES[name].__doc__ or "").strip().partition("\n")[0]
    captured = "exactly" if name in ORDINARY else "exactly; what cannot be read is listed"
    if OPERATIONS.get(name) in ("rebase", "am", "bisect"):
        restored = "refused; with `--without-operation` all but the operation"
    elif "bare" in TRAITS[name]:
        restored = "HEAD and its files"
    elif name in matrix.LEFT_OUT:
        restored = "exactly, but for what was left out"
    elif name in matrix.OWN_RULES:
        restored = "as far as the configuration allows"
    else:
        restored = "exactly"
    return f"| {name.replace('_', ' ')} | {told.replace('|', chr(92) + '|')} | {captured} | {restored} |\n"


def table() -> str:
    """The whole text."""
    return HEAD + "".join(row(name) for name in STATES) + FOOT


if __name__ == "__main__":
    sys.stdout.write(table())

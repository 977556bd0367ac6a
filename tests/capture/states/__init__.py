"""Repositories in every state that git can leave them in, made with the git program.

Each builder makes a repository at a path that does not exist yet; what else it needs (origins, other worktrees) is put
beside it, under names that begin with the path's own. What a builder makes is the same on every run: authors and dates
are fixed, and no configuration of the user or the system is read.

    from states import STATES
    STATES["staged"](tmp_path / "repo")

The builders lie in one module for each kind, and are all importable from here. The order of the imports is that of the
table (STATES.md).
"""

# ruff: noqa: F403, I001
from states.build import *
from states.changes import *
from states.untracked import *
from states.moved import *
from states.indexes import *
from states.places import *
from states.operations import *
from states.nested import *
from states.stores import *
from states.conversions import *
from states.special import *
from states.reftables import *

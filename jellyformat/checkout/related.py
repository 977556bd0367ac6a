"""Whether a repository has anything to do with a snapshot: a restore would replace the work of another project."""

from __future__ import annotations

from jellyformat.checkout import refs
from jellyformat.checkout.current import Present
from jellyformat.errors import RefusedRepository
from jellyformat.format.container import Container
from jellyformat.format.objects import BLOB, COMMIT, OID_LENGTH, parse_commit
from jellyformat.git.related import has_remote_of
from jellyformat.git.repository import Repository
from jellyformat.hints import Hint, option


def check_related(present: Present, box: Container, *, made: bool) -> None:
    """Check that the outermost repository and the snapshot are of one project.

    Args:
        present: What is there.
        box: The snapshot.
        made: Whether a restore has made the repository.

    Raises:
        RefusedRepository: they have no commit in common and no remote, and there is work in the repository.
    """
    repository = present.outer.repository
    if _is_empty(present, made=made) or _is_same(repository, box):
        return
    raise RefusedRepository(
        f"the repository at {repository.name} has nothing to do with this snapshot: no commit and no remote in common",
        hint=Hint(
            "nothing was changed; restore into a new directory, or look at what would be replaced with ",
            option("anyway"), " and ", option("dry_run"), "; to restore all the same, add ", option("anyway"),
        ),
    )  # fmt: skip


def _is_empty(present: Present, *, made: bool) -> bool:
    """Whether nobody has done anything in a repository: no files, or a restore has put them there, and no commits."""
    part = present.outer
    layout = part.repository.layout
    if not made and (present.files or part.head.commit is not None):
        return False
    return refs.roots(layout.git_dir, layout.common_dir, part.repository.oid_length, 1) == set()


def _is_same(repository: Repository, box: Container) -> bool:
    """Whether a commit, or the parent of one, is in both, or a remote."""
    state = box.manifest.state
    length = OID_LENGTH[state.object_format]
    for oid, place in box.pool.places.items():
        if place.kind == COMMIT:
            known = (oid, *parse_commit(box.pool.read(oid), length).parents)
            if any(repository.size(other) is not None for other in known):
                return True
    if has_remote_of(repository, box.manifest):
        return True
    # taken before the first commit: then the files say it
    return state.head.commit is None and any(
        place.kind == BLOB and place.size and repository.size(oid) is not None for oid, place in box.pool.places.items()
    )

"""Repositories of other people (CVE-2022-24765): what is read of them, what is refused, and what is never changed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from owners import ALICE, BOB, MALLORY, Person, give, open_place
from states import GIT_ENVIRONMENT, Repo, base, git
from traces import look

import jellyformat
from jellyformat import errors, training
from jellyformat.capture import capture
from jellyformat.git import ownership
from jellyformat.git.layout import find_repository, repository_to_change
from jellyformat.training import process

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")]
CANARY = b"canary-of-somebody-else"


@pytest.fixture
def place() -> Iterator[Path]:
    with open_place() as path:
        yield path


@pytest.fixture
def spare(place: Path) -> Path:
    return base(place / "root" / "spare").path


def contents(file: Path) -> list[bytes]:
    """Everything a snapshot has."""
    with jellyformat.open(file) as box:
        box.pool.decode()
        return [repr(box.manifest).encode(), *(box.pool.read(oid) for oid in box.pool.places)]


def checkpoint(path: Path, owner: int) -> Path:
    path.write_bytes(b"\x80\x04K\x01.")
    os.chown(path, owner, owner)
    return path


# -- planted ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def planted(place: Path, spare: Path) -> Path:
    """Where Bob works, in a directory like /tmp; Mallory has put a ``.git`` there that names Alice's private files."""
    shared = place / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    (place / "alice").mkdir()
    (place / "alice" / "diary.txt").write_bytes(CANARY)
    give(place / "alice", ALICE)
    evil = Repo(place / "evil")
    evil.write("bait.py")
    evil.commit()
    evil.git("config", "core.worktree", str(place / "alice"))
    shutil.move(evil.path / ".git", shared / ".git")
    give(shared / ".git", MALLORY)
    work = shared / "work"
    work.mkdir()
    give(work, BOB)
    checkpoint(work / "model.bin", BOB)
    return work


@pytest.mark.parametrize("user", [BOB, 0])
def test_planted_above(planted: Path, place: Path, spare: Path, user: int) -> None:
    """embed put Alice's files into Bob's checkpoint, and restore moved them."""
    person = Person(user, spare)
    if user == 0:
        give(planted, 0)
    (place / "snapshots").mkdir()
    snap = place / "snapshots" / "x.jelly"
    snap.write_bytes(jellyformat.snapshot(spare).data)
    before = look(place / "alice"), look(planted.parent)
    commands: list[list[str | Path]] = [
        ["snapshot", "-o", "out.jelly"], ["embed", "model.bin"], ["restore", snap], ["undo"], ["redo"], ["history"],
        ["diff", snap, "."], ["embed", "model.bin", "--json"], ["fix"],
    ]  # fmt: skip
    *done, in_json, fixed = person.run_all(planted, commands)
    for item in done:
        assert item.code == 4, item
        assert f"/tmp/.git belongs to uid {MALLORY}" in item.stderr
        assert "nothing was changed" in item.stderr
    assert json.loads(in_json.stdout)["error"]["class"] == "refused.owner"
    assert (fixed.code, f"belongs to uid {MALLORY}" in fixed.stdout) == (1, True)
    assert (look(place / "alice"), look(planted.parent)) == before


def test_planted_where_the_user_gives_their_word(planted: Path, place: Path, spare: Path) -> None:
    give(place / "alice", BOB)
    top = os.path.realpath(planted.parent)
    refused = Person(BOB, spare).run(planted, "embed", "model.bin")
    assert "--trust-repository" in refused.stderr
    assert f"JELLYFORMAT_TRUST to {top}" in refused.stderr
    for variables in ({}, {"JELLYFORMAT_TRUST": f"/nowhere:{top}"}, {"JELLYFORMAT_TRUST": f"{os.path.dirname(top)}/*"}):
        option = [] if variables else ["--trust-repository"]
        done = Person(BOB, spare).run(planted, "embed", "model.bin", "--replace", *option, **variables)
        assert done.code == 0, done
        assert CANARY in b"".join(contents(planted / "model.bin"))
    done = Person(BOB, spare).run(planted, "undo", JELLYFORMAT_TRUST=top)
    assert done.code == 4, "to change it, git has to be asked"
    assert f"git config --global --add safe.directory {top}" in done.stderr


def test_create_repository_below_a_planted_one(planted: Path, spare: Path) -> None:
    done = Person(BOB, spare).run(planted, "embed", "model.bin", "--create-repo")
    assert done.code == 0, done
    assert (planted / ".git" / "HEAD").exists()


def test_planted_bare_repository(place: Path, spare: Path) -> None:
    """A directory that everybody can write into is a repository of its owner's, to git, if somebody puts HEAD there."""
    shared = place / "tmp"
    evil = Repo(place / "evil")
    evil.write("bait.py")
    evil.commit()
    (place / "root" / "private").mkdir()
    (place / "root" / "private" / "secret").write_bytes(CANARY)
    evil.git("config", "core.worktree", str(place / "root" / "private"))
    shutil.move(evil.path / ".git", shared)
    give(shared, MALLORY)
    os.chown(shared, 0, 0)
    shared.chmod(0o1777)
    (shared / "work").mkdir()
    for act in (jellyformat.snapshot, jellyformat.undo):
        with pytest.raises(errors.ForeignRepository, match="belongs to root"):
            act(shared / "work")


def test_planted_into_a_shared_directory(place: Path, spare: Path) -> None:
    """One of a group that may write there has put it there, and not who owns the directory."""
    shared = base(place / "shared").path
    give(shared, ALICE, 7777)
    shared.chmod(0o2775)
    person = Person(BOB, spare, groups=(7777,))
    checkpoint(place / "root" / "model.bin", BOB)
    (place / "root").chmod(0o777)
    done = person.run(place / "root", "embed", "model.bin", "--repo", shared)
    assert done.code == 0, done
    assert done.stderr.count(f"belongs to uid {ALICE}") == 1, "it is said once"
    shutil.move(shared / ".git", place / "away")
    evil = base(place / "evil")
    shutil.move(evil.path / ".git", shared / ".git")
    give(shared / ".git", MALLORY, 7777)
    done = person.run(place / "root", "embed", "model.bin", "--replace", "--repo", shared)
    assert done.code == 4
    assert f".git belongs to uid {MALLORY}, and {shared} to uid {ALICE}; you are uid {BOB}" in done.stderr


def test_world_writable_directory_of_the_owner(place: Path, spare: Path) -> None:
    """``chmod -R 777``: anybody can have put it there. What is one's own, one has made."""
    shared = base(place / "shared").path
    give(shared, ALICE)
    shared.chmod(0o777)
    assert Person(BOB, spare).run(shared, "snapshot", "-o", "x.jelly").code == 4
    assert Person(ALICE, spare).run(shared, "snapshot", "-o", "x.jelly").code == 0
    (place / "home").mkdir()
    give(place / "home", BOB)
    give(shared / ".git", BOB)
    done = Person(BOB, spare).run(place / "home", "snapshot", "-o", "x.jelly", "--repo", shared)
    assert done.code == 0, "Bob has made it"


# -- where people train ----------------------------------------------------------------------------------------------


def test_root_of_a_container_on_a_mounted_repository(place: Path, spare: Path) -> None:
    repo = base(place / "repo")
    repo.append("README.md")
    expected = jellyformat.snapshot(repo.path).id
    give(repo.path, ALICE)
    file = checkpoint(place / "model.bin", 0)
    before = look(place / "repo")
    embedded, restored = Person(0, spare).run_all(repo.path, [["embed", file], ["restore", file]])
    assert embedded.code == 0, embedded
    assert embedded.stderr.count(f"{repo.path}/.git belongs to uid {ALICE}") == 1
    with jellyformat.open(file) as box:
        assert box.snapshot_id == expected
    assert (restored.code, f"--add safe.directory {repo.path}" in restored.stderr) == (4, True)
    assert look(place / "repo") == before
    done = Person(0, spare).run(repo.path, "restore", file, SUDO_UID=str(ALICE))
    assert done.code == 0, done


def test_said_once_in_a_process(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training goes on, and a refusal is a warning."""
    repo = base(place / "repo")
    give(repo.path, ALICE)
    monkeypatch.setattr(capture, "_SAID", set())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            jellyformat.snapshot(repo.path)
    assert [(item.category, f"uid {ALICE}" in str(item.message)) for item in said] == [(errors.RepositoryWarning, True)]
    give(repo.path / ".git", MALLORY)
    monkeypatch.setattr(process._KEPT, "started", None)
    with pytest.warns(training.SnapshotWarning, match=f"belongs to uid {MALLORY}"):
        assert training.take(repo=repo.path) is None
    assert training.take(repo=repo.path, trust_repository=True) is not None


def test_in_a_user_namespace(place: Path, spare: Path) -> None:
    """As in rootless containers: the owner has no number there."""
    repo = base(place / "repo")
    expected = jellyformat.snapshot(repo.path).id
    give(repo.path, ALICE)
    script = "import sys, jellyformat; print(jellyformat.snapshot(sys.argv[1]).id)"
    run = ["unshare", "-r", sys.executable, "-c", script, str(repo.path)]
    if subprocess.run(["unshare", "-r", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system has no user namespaces")
    env = {**os.environ, **GIT_ENVIRONMENT, "GIT_CONFIG_COUNT": "1"}
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=env, cwd="/")
    assert done.stdout.strip() == expected, done.stderr
    script = "import sys, jellyformat; jellyformat.undo(sys.argv[1])"
    done = subprocess.run([*run[:4], script, str(repo.path)], capture_output=True, text=True, check=False, env=env)
    assert "ForeignRepository" in done.stderr


def test_submodule_and_linked_worktree_of_another(place: Path) -> None:
    """They point to somewhere else, which belongs to the same user."""
    repo, lib = base(place / "repo"), base(place / "lib")
    repo.git("submodule", "add", "-q", str(lib.path), "lib")
    repo.commit("with a submodule")
    repo.git("worktree", "add", "-q", place / "linked")
    whole, linked = jellyformat.snapshot(repo.path).id, jellyformat.snapshot(place / "linked").id
    for path in (repo.path, place / "linked"):
        give(path, ALICE)
    assert (jellyformat.snapshot(repo.path).id, jellyformat.snapshot(place / "linked").id) == (whole, linked)
    give(repo.path / ".git" / "worktrees" / "linked", BOB)
    with pytest.raises(errors.ForeignRepository, match=f"worktrees/linked, of uid {BOB}"):
        jellyformat.snapshot(place / "linked")
    give(repo.path / ".git" / "modules" / "lib", 0)
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.state.worktree is not None
    assert {item.path: item.reason for item in snap.manifest.state.worktree.omitted} == {b"lib": "unreadable"}


def test_nested_repositories_of_others(place: Path) -> None:
    repo = base(place / "repo")
    for name, owner in (("theirs", ALICE), ("planted", 0)):
        base(repo.path / name)
        give(repo.path / name, owner)
    give(repo.path / "planted" / ".git", MALLORY)
    (repo.path / "theirs" / ".git" / "info" / "exclude").unlink()
    (repo.path / "theirs" / ".git" / "info" / "exclude").symlink_to(place / "nothing")
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.state.worktree is not None
    left = {item.path: item.reason for item in snap.manifest.state.worktree.omitted}
    assert left == {b"planted": "unreadable", b"theirs": "unreadable"}
    (repo.path / "theirs" / ".git" / "info" / "exclude").unlink()
    assert [item.path for item in jellyformat.snapshot(repo.path).manifest.state.submodules] == [b"theirs"]
    trusted = jellyformat.snapshot(repo.path, trust_repository=True).manifest.state.submodules
    assert [item.path for item in trusted] == [b"planted", b"theirs"]
    # a restore leaves what is not one's own as it is
    (place / "x.jelly").write_bytes(jellyformat.snapshot(repo.path, exclude=["theirs", "planted"]).data)
    repo.append("README.md")
    before = look(repo.path / "theirs")
    jellyformat.restore(place / "x.jelly", repo.path)
    assert look(repo.path / "theirs") == before


# -- what a repository of another names outside ----------------------------------------------------------------------


def out_core_worktree(repo: Repo, outside: Path) -> None:
    repo.git("config", "core.worktree", str(outside))


def out_include(repo: Repo, outside: Path) -> None:
    (outside / "config").write_bytes(b'[remote "x"]\n\turl = https://example.org/%s\n' % CANARY)
    repo.git("config", "include.path", str(outside / "config"))


def out_config_link(repo: Repo, outside: Path) -> None:
    (repo.path / ".git/config").unlink()
    (outside / "config").write_bytes(b'[remote "x"]\n\turl = https://example.org/%s\n' % CANARY)
    (repo.path / ".git/config").symlink_to(outside / "config")


def out_alternates(repo: Repo, outside: Path) -> None:
    private = Repo(outside / "private")
    private.write("secret", CANARY)
    commit = private.commit()
    (repo.path / ".git/objects/info/alternates").write_text(f"{outside}/private/.git/objects\n")
    (repo.path / ".git/refs/heads/main").write_text(commit + "\n")


def out_objects_link(repo: Repo, outside: Path) -> None:
    out_alternates(repo, outside)
    shutil.rmtree(repo.path / ".git/objects")
    (repo.path / ".git/objects").symlink_to(outside / "private/.git/objects")


def out_pack_link(repo: Repo, outside: Path) -> None:
    out_alternates(repo, outside)
    git(outside / "private", "gc", "-q")
    (repo.path / ".git/objects/info/alternates").unlink()
    shutil.rmtree(repo.path / ".git/objects/pack")
    (repo.path / ".git/objects/pack").symlink_to(outside / "private/.git/objects/pack")


def out_commondir(repo: Repo, outside: Path) -> None:
    out_alternates(repo, outside)
    (repo.path / ".git/objects/info/alternates").unlink()
    (repo.path / ".git/commondir").write_text(f"{outside}/private/.git\n")


def out_git_file(repo: Repo, outside: Path) -> None:
    out_alternates(repo, outside)
    shutil.rmtree(repo.path / ".git")
    (repo.path / ".git").write_text(f"gitdir: {outside}/private/.git\n")


def out_git_link(repo: Repo, outside: Path) -> None:
    out_git_file(repo, outside)
    (repo.path / ".git").unlink()
    (repo.path / ".git").symlink_to(outside / "private/.git")


def out_message_link(repo: Repo, outside: Path) -> None:
    (outside / "message").write_bytes(CANARY)
    (repo.path / ".git/MERGE_HEAD").write_bytes(repo.git("rev-parse", "HEAD"))
    (repo.path / ".git/MERGE_MSG").symlink_to(outside / "message")


def out_index_link(repo: Repo, outside: Path) -> None:
    private = Repo(outside / "private")
    private.write(CANARY)
    private.git("add", ".")
    (repo.path / ".git/index").unlink()
    (repo.path / ".git/index").symlink_to(outside / "private/.git/index")


def out_refs_link(repo: Repo, outside: Path) -> None:
    (outside / "ref").write_bytes(CANARY)
    (repo.path / ".git/refs/heads/main").unlink()
    (repo.path / ".git/refs/heads/main").symlink_to(outside / "ref")


OUT = {name[4:]: act for name, act in list(globals().items()) if name.startswith("out_")}


@pytest.mark.parametrize("way", OUT)
def test_what_leads_outside_counts_for_nothing(place: Path, way: str) -> None:
    """Neither what is captured nor what is said has anything of it; of one's own, it is as git takes it."""
    repo = base(place / "repo")
    (place / "outside").mkdir()
    OUT[way](repo, place / "outside")
    (place / "outside" / "file.txt").write_bytes(CANARY)
    for path in (repo.path / ".git", repo.path):
        give(path, ALICE)
    before = look(place / "outside")
    said = ""
    try:
        (place / "x.jelly").write_bytes(jellyformat.snapshot(repo.path, history="full").data)
    except errors.RefusedRepository as error:
        said = f"{error.message} {error.hint}"
    else:
        said = b"".join(contents(place / "x.jelly")).decode("latin-1")
    assert CANARY.decode() not in said
    assert look(place / "outside") == before
    if way not in ("message_link", "refs_link"):
        snap = jellyformat.snapshot(repo.path, history="full", trust_repository=True)
        (place / "x.jelly").write_bytes(snap.data)
        assert CANARY in b"".join(contents(place / "x.jelly"))


@pytest.mark.parametrize("setting", ["core.excludesFile", "core.attributesFile"])
def test_rules_outside_of_a_repository_of_another(place: Path, setting: str) -> None:
    repo = base(place / "repo")
    repo.write("new.py")
    (place / "rules").write_text("*.py\n" if setting == "core.excludesFile" else "*.py filter=hide\n")
    repo.git("config", setting, str(place / "rules"))
    repo.git("config", "filter.hide.clean", "false")
    mine = jellyformat.snapshot(repo.path)
    give(repo.path, ALICE)
    assert b"new.py" not in mine.manifest.summary.untracked
    assert b"new.py" in jellyformat.snapshot(repo.path).manifest.summary.untracked
    assert jellyformat.snapshot(repo.path, trust_repository=True).id == mine.id


# -- as git ----------------------------------------------------------------------------------------------------------

WAYS = ("plain", "pointed", "bare", "inside", "link")
OWNERS = (0, ALICE, BOB)


@pytest.fixture(scope="module")
def forms() -> Iterator[dict[str, Path]]:
    """Repositories found in each way, and the directory to begin at."""
    with open_place() as place:
        repo = base(place / "repo")
        repo.git("worktree", "add", "-q", place / "linked")
        repo.git("clone", "-q", "--bare", ".", place / "bare.git")
        (place / "through").mkdir()
        (place / "through" / ".git").symlink_to(repo.path / ".git")
        yield {
            "plain": repo.path, "pointed": place / "linked", "bare": place / "bare.git",
            "inside": repo.path / "src", "link": place / "through",
        }  # fmt: skip


def git_would(start: Path, environment: dict[str, str]) -> bool:
    env = {**GIT_ENVIRONMENT, "GIT_CONFIG_COUNT": "0", "PATH": os.environ["PATH"], **environment}
    done = subprocess.run(
        ["git", "-C", start, "rev-parse", "--git-dir"], env=env, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0 or "dubious ownership" in done.stderr, done.stderr
    return done.returncode == 0


def we_would(start: Path, environment: dict[str, str]) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GIT_", "SUDO_"))]:
            patch.delenv(name)
        for name, value in {**GIT_ENVIRONMENT, "GIT_CONFIG_COUNT": "0", **environment}.items():
            patch.setenv(name, value)
        try:
            repository_to_change(start)
        except errors.ForeignRepository:
            return False
        return True


@pytest.mark.parametrize("way", WAYS)
def test_owners_as_git_takes_them(forms: dict[str, Path], way: str) -> None:
    """Of the file ``.git``, of the worktree and of the git directory; for root with and without sudo."""
    start = forms[way]
    top = start if way != "inside" else start.parent
    real = Path(os.fsdecode(git(start, "rev-parse", "--absolute-git-dir").strip()))
    parts = list(dict.fromkeys([top, top / ".git" if way != "bare" else top, real]))
    try:
        for owners in itertools.product(OWNERS, repeat=len(parts)):
            for path, owner in zip(parts, owners, strict=True):
                os.chown(path, owner, owner, follow_symlinks=False)
            for sudo in ("", "0", str(ALICE), f"{ALICE}x", "-1", str(1 << 40)):
                variables = {"SUDO_UID": sudo} if sudo else {}
                assert we_would(start, variables) == git_would(start, variables), (owners, sudo)
    finally:
        for path in parts:
            os.chown(path, 0, 0, follow_symlinks=False)


VALUES = st.sampled_from(["", "*", "{top}", "{top}/", "{home}/repo", "~/repo", "~root/x", "%(prefix)/x", "/nowhere"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    system=st.lists(VALUES, max_size=2), user=st.lists(VALUES, max_size=3), given=st.lists(VALUES, max_size=2),
    local=st.booleans(), inside=st.booleans(),
)  # fmt: skip
def test_safe_directories_as_git_takes_them(
    forms: dict[str, Path], system: list[str], user: list[str], given: list[str], local: bool, inside: bool
) -> None:
    """Of the system, the user and the environment, the last empty one taking back what was before; never its own."""
    repo = forms["plain"]
    home = repo.parent

    def meant(value: str) -> str:
        # git 2.39 compares what is written, and not what it leads to; later ones, and we, do that
        value = value.removesuffix("/") if value != "/" else value
        return value.format(top=repo, home=home)

    def text(values: list[str]) -> str:
        return "[safe]\n" + "".join(f'\tdirectory = "{meant(value)}"\n' for value in values)

    (home / "system").write_text(text(system))
    (home / "user").write_text("[include]\n\tpath = more\n")
    (home / "more").write_text(text(user))
    variables = {
        "GIT_CONFIG_SYSTEM": str(home / "system"), "GIT_CONFIG_NOSYSTEM": "0", "GIT_CONFIG_GLOBAL": str(home / "user"),
        "HOME": str(home), "GIT_CONFIG_COUNT": str(len(given)),
    }  # fmt: skip
    for number, value in enumerate(given):
        variables[f"GIT_CONFIG_KEY_{number}"], variables[f"GIT_CONFIG_VALUE_{number}"] = "safe.directory", meant(value)
    config = (repo / ".git/config").read_bytes()
    if local:
        git(repo, "config", "safe.directory", "*")
    give(repo, ALICE)
    try:
        start = repo / "src" if inside else repo
        assert we_would(start, variables) == git_would(start, variables)
    finally:
        give(repo, 0)
        (repo / ".git/config").write_bytes(config)


def test_safe_directories_of_later_gits(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefixes, links, and what `git -c` gives."""
    repo = base(place / "repo")
    give(repo.path, ALICE)
    (place / "link").symlink_to(repo.path)
    for value, safe in {
        f"{place}/*": True, f"{place}/rep*": False, "/*": True, f"{place}/link": True, f"{repo.path}/": True,
        "repo": False, "true": False, f"{place}/link/*": False,
    }.items():  # fmt: skip
        variables = {"GIT_CONFIG_PARAMETERS": f"'safe.directory'='{value}'"}
        assert we_would(repo.path, variables) is safe, value
    monkeypatch.chdir(place)
    for start, safe in ((repo.path, True), (repo.path / "src", False)):
        assert we_would(start, {"GIT_CONFIG_PARAMETERS": "'safe.directory'='.'"}) is safe


def test_explicit_bare_repositories(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base(place / "repo").git("clone", "-q", "--bare", ".", place / "bare.git")
    jellyformat.snapshot(place / "bare.git")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'safe.bareRepository'='explicit'")
    with pytest.raises(errors.RefusedRepository, match=r"safe\.bareRepository is explicit"):
        jellyformat.snapshot(place / "bare.git")
    jellyformat.snapshot(place / "repo")
    jellyformat.snapshot(place / "repo" / ".git")


def test_other_filesystems(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git looks for no repository beyond the border of a filesystem, unless it is told to."""
    repo = base(place / "repo")
    inner = repo.path / "disk"
    inner.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", inner], check=False, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount")
    try:
        (inner / "deep").mkdir()
        with pytest.raises(errors.NoRepository, match="up to the filesystem"):
            find_repository(inner / "deep")
        monkeypatch.setenv("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1")
        assert find_repository(inner / "deep").worktree == os.fsencode(repo.path)
    finally:
        subprocess.run(["umount", inner], check=True)


def test_the_lender_of_the_git_command(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git, which is run, gets no objects of a repository in which it would not act."""
    from jellyformat.exports import rungit

    repo = base(place / "repo")
    (place / "x.jelly").write_bytes(jellyformat.snapshot(repo.path).data)
    monkeypatch.chdir(repo.path)
    lent = []
    for owner in (0, ALICE):
        give(repo.path, owner)
        with rungit.temporary_repository(place / "x.jelly", borrow=True) as (made, _):
            lent.append((made / "objects/info/alternates").exists())
    assert lent == [True, False]


def test_names_of_owners() -> None:
    assert ownership._name(0) == "root (uid 0)"
    assert ownership._name(ALICE) == f"uid {ALICE}"


def test_no_warning_of_ones_own(place: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jellyformat.snapshot(base(place / "repo").path)

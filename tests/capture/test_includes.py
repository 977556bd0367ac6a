"""Conditional includes of git's configuration: every form, against the git program."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from states import Repo, base, git

import jellyformat
from jellyformat.git.layout import find_repository
from jellyformat.git.repository import Repository

URL = "https://github.com/My-Org/project.git"


def same(place: Path, monkeypatch: pytest.MonkeyPatch, extra: dict[str, str]) -> bool:
    """Whether the marker is set where git says so; where it is."""
    environment = {"HOME": os.environ.get("HOME", ""), "PWD": str(place), **extra}
    listed = git(place, "config", "--includes", "--get-all", "marker.hit", fails=True, extra=environment)
    with monkeypatch.context() as patch:
        for name in ("GIT_CONFIG_COUNT", "GIT_CONFIG_SYSTEM"):
            patch.delenv(name, raising=False)
        for name, value in {"GIT_CONFIG_NOSYSTEM": "1", **environment}.items():
            patch.setenv(name, value)
        patch.chdir(place)
        found = Repository(find_repository(".")).settings.values.get("marker.hit", [])
    assert [value.encode() for value in found] == listed.split()
    return bool(found)


def made(tmp_path: Path, name: str = "repo") -> Repo:
    """A repository below a home directory, which is reached by a link too."""
    home = tmp_path / "real home"
    repo = base(home / "work" / name)
    repo.git("remote", "add", "origin", URL)
    repo.git("remote", "add", "up", "git@example.org:team/x.git")
    (tmp_path / "home").symlink_to("real home")
    (tmp_path / "link").symlink_to(f"real home/work/{name}")
    (home / "hit").write_text("[marker]\n\thit = yes\n")
    return repo


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


CONDITIONS = {
    # condition: whether it holds in ~/work/repo on the branch team/main
    "gitdir:~/work/": True,
    "gitdir:~/work": False,
    "gitdir:~/work/repo/.git": True,
    "gitdir:~/WORK/": False,
    "gitdir/i:~/WORK/": True,
    "gitdir/i:~/WORK/REPO/.GIT": True,
    "gitdir:work/": True,
    "gitdir:work/**": True,
    "gitdir:repo/.git": True,
    "gitdir:epo/.git": False,
    "gitdir:**/work/*/.git": True,
    "gitdir:*": True,
    "gitdir:": True,
    "gitdir:./": True,
    "gitdir:./work/": True,
    "gitdir/i:./WORK/": True,
    "gitdir:./elsewhere/": False,
    "gitdir:~nobody-of-this-name/": False,
    "gitdir:/": True,
    "gitdir:{tmp}/home/work/": None,
    "gitdir:{tmp}/link/": None,
    "gitdir:{tmp}/real home/work/": True,
    "gitdir:{tmp}/real [home]/work/": False,
    "onbranch:team/main": True,
    "onbranch:team/": True,
    "onbranch:team/*": True,
    "onbranch:*": False,
    "onbranch:**": True,
    "onbranch:main": False,
    "onbranch:": False,
    "hasconfig:remote.*.url:https://github.com/My-Org/**": True,
    "hasconfig:remote.*.url:https://github.com/My-Org/*": True,
    "hasconfig:remote.*.url:https://github.com/": False,
    "hasconfig:remote.*.url:https://github.com/my-org/**": False,
    "hasconfig:remote.*.url:**/My-Org/**": True,
    "hasconfig:remote.*.url:My-Org/**": False,
    "hasconfig:remote.*.url:git@example.org:team/**": True,
    "hasconfig:remote.*.url:*": False,
    "hasconfig:remote.*.url:**": True,
    "hasconfig:remote.*.url:": False,
    "hasconfig:remote.origin.url:**": False,
    "hasconfig:user.name:**": False,
    "unknown:x": False,
    "GITDIR:~/work/": False,
}


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["user", "repository", "worktree", "environment"])
def test_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    repo = made(tmp_path)
    repo.git("checkout", "-q", "-b", "team/main")
    home = tmp_path / "home"
    local = (repo.path / ".git/config").read_text()
    for condition, holds in CONDITIONS.items():
        text = condition.replace("{tmp}", str(tmp_path))
        section = f'[includeIf "{escaped(text)}"]\n\tpath = {home}/hit\n'
        extra = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "GIT_CONFIG_COUNT": "0"}
        (home / "gitconfig").write_text(section if scope == "user" else "")
        (repo.path / ".git/config").write_text(local + (section if scope == "repository" else ""))
        if scope == "worktree":
            (repo.path / ".git/config").write_text(
                local.replace("repositoryformatversion = 0", "repositoryformatversion = 1")
                + "[extensions]\n\tworktreeConfig = true\n"
            )
            (repo.path / ".git/config.worktree").write_text(section)
        elif scope == "environment":
            extra |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"includeIf.{text}.path"}
            extra["GIT_CONFIG_VALUE_0"] = f"{home}/hit"
        if condition.startswith("gitdir") and ":./" in condition and scope != "user":
            holds = None  # relative to another file, or to none
        for place in (repo.path, repo.path / "src", tmp_path / "home/work/repo", tmp_path / "link"):
            found = same(place, monkeypatch, extra)
            assert holds is None or found == holds, (condition, place)


PIECES = (
    "**",
    "*",
    "/",
    "work",
    "repo",
    ".git",
    "[a-z]",
    "?",
    "~/",
    "./",
    "home",
    "WORK",
    "\\",
    "**/",
    "/**",
    "x",
    "team",
)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    kind=st.sampled_from(["gitdir:", "gitdir/i:", "onbranch:", "hasconfig:remote.*.url:"]),
    pattern=st.lists(st.sampled_from((*PIECES, "https:", "//github.com", "My-Org", "main")), max_size=5).map("".join),
)
def test_patterns(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, kind: str, pattern: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "patterns"
    if not root.exists():
        made(root).git("checkout", "-q", "-b", "team/main")
    home = root / "home"
    (home / "gitconfig").write_text(f'[includeIf "{escaped(kind + pattern)}"]\n\tpath = hit\n')
    extra = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "GIT_CONFIG_COUNT": "0"}
    same(home / "work/repo", monkeypatch, extra)


@pytest.mark.parametrize("head", ["detached", "unborn", "symbolic", "remote"])
def test_branches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str) -> None:
    repo = made(tmp_path)
    if head == "detached":
        repo.git("checkout", "-q", "--detach")
    elif head == "unborn":
        repo.git("checkout", "-q", "--orphan", "later")
    elif head == "symbolic":
        repo.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
        repo.git("symbolic-ref", "HEAD", "refs/heads/alias")
    else:
        repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
        repo.git("symbolic-ref", "HEAD", "refs/remotes/origin/main")
    home = tmp_path / "home"
    extra = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / "gitconfig"), "GIT_CONFIG_COUNT": "0"}
    held = set()
    for branch in ("main", "alias", "later", "**", "refs/remotes/origin/main", "origin/main"):
        (home / "gitconfig").write_text(f'[includeIf "onbranch:{branch}"]\n\tpath = hit\n')
        if same(repo.path, monkeypatch, extra):
            held.add(branch)
    assert held == {"detached": set(), "unborn": {"later", "**"}, "symbolic": {"main", "**"}, "remote": set()}[head]


def test_urls_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that the user's own file, the environment or a file behind the condition gives counts too."""
    repo = Repo(tmp_path / "repo")
    (tmp_path / "hit").write_text("[marker]\n\thit = yes\n")
    (tmp_path / "urls").write_text('[remote "deep"]\n\turl = https://deep.org/x\n')
    condition = '[includeIf "hasconfig:remote.*.url:https://{}.org/**"]\n\tpath = hit\n'
    user = tmp_path / "gitconfig"
    extra = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": str(user), "GIT_CONFIG_COUNT": "0"}
    for name, text in {
        "mine": '[remote "mine"]\n\turl = https://mine.org/x\n' + condition.format("mine"),
        "behind": condition.format("mine") + '[remote "mine"]\n\turl = https://mine.org/x\n',
        "deep": "[include]\n\tpath = urls\n" + condition.format("deep"),
        "not": condition.format("mine"),
    }.items():
        user.write_text(text)
        assert same(repo.path, monkeypatch, extra) == (name != "not"), name
    extra |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "remote.mine.url", "GIT_CONFIG_VALUE_0": "https://mine.org/"}
    assert same(repo.path, monkeypatch, extra)


def test_what_is_ignored_by_such_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that git ignores were captured."""
    repo = made(tmp_path)
    home = tmp_path / "home"
    (home / "rules").write_text("*.secret\n")
    (home / "org").write_text("[core]\n\texcludesFile = ~/rules\n")
    (home / "gitconfig").write_text('[includeIf "hasconfig:remote.*.url:https://github.com/My-Org/**"]\n\tpath = org\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    repo.write("a.secret")
    repo.write("b.txt")
    snap = jellyformat.snapshot(repo.path)
    assert snap.manifest.ignored == (b"a.secret",)
    assert snap.manifest.summary.untracked == (b"b.txt",)

"""An unattended apply asks git, and where git can't answer it is no yes. Real repositories, and programs called git."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconciler.cli import git as asking
from reconciler.cli.standing import standing_of
from reconciler.model.plan import Revision
from reconciler.store.history import Commits
from tests.conftest import Ran, reconciler

MANIFEST = """\
version: 1
tenant: acme
limits:
  month: {{target: tenant, per: month, requests: {0}}}
"""
APPLY = ("apply", ".", "--auto-approve")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


class Repository:
    """A project in git, beside a database that stays where it is."""

    def __init__(self, top: Path) -> None:
        self.folder = top / "origin"
        self.folder.mkdir()
        (self.folder / "reconciler.yaml").write_text("version: 1\nproject: shop\n")
        self.write(0)
        self.url = f"sqlite:///{top}/state.db"

    def write(self, number: int) -> None:
        (self.folder / "acme.yaml").write_text(MANIFEST.format(number))

    def commit(self, number: int) -> str:
        self.write(number)
        if not (self.folder / ".git").exists():
            git(self.folder, "init")
        git(self.folder, "add", ".")
        git(self.folder, "commit", "-m", str(number))
        return git(self.folder, "rev-parse", "HEAD")

    def run(self, *arguments: str, at: Path | None = None, **env: str) -> Ran:
        return reconciler(*arguments, "--database", self.url, cwd=at or self.folder, env=env)

    def clone(self, *arguments: str) -> Path:
        target = self.folder.parent / f"clone-{len(os.listdir(self.folder.parent))}"
        git(self.folder.parent, "clone", *arguments, f"file://{self.folder}", str(target))
        return target


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def program(folder: Path, text: str) -> dict[str, str]:
    """An environment in which `git` is this program, or none at all."""
    folder.mkdir()
    if text:
        (folder / "git").write_text(f"#!{shutil.which('sh')}\n{text}\n")
        (folder / "git").chmod(0o755)
    return {"PATH": str(folder)}


def refused(ran: Ran, code: str, *words: str) -> None:
    assert ran.ok(6).err.count(f"[{code}]") == 1, ran.err
    assert "--allow-diverged" in ran.err
    for word in words:
        assert word in ran.err, ran.err


def cannot_be_asked(tmp_path: Path) -> Iterator[tuple[str, dict[str, str], str]]:
    yield "no program", program(tmp_path / "none", ""), "there is no program `git`"
    yield "it fails", program(tmp_path / "fails", "echo 'fatal: out of order' >&2; exit 128"), "out of order"
    yield "owner", {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, "safe.directory"
    yield "crash", program(tmp_path / "crash", "kill -9 $$"), "exit -9"


def test_a_repository_that_cannot_be_asked_about_refuses(repository: Repository, tmp_path: Path) -> None:
    repository.commit(1)
    for name, env, words in cannot_be_asked(tmp_path):
        repository.run("validate", **env).ok()
        refused(repository.run(*APPLY, **env), "git-unavailable", words)
        assert "acme/limit/month" not in repository.run("list").text, name
    repository.run(*APPLY, "--allow-diverged", **program(tmp_path / "again", "")).ok()


def test_a_saved_plan_is_asked_about_as_well(repository: Repository, tmp_path: Path) -> None:
    repository.commit(1)
    repository.run(*APPLY).ok()
    repository.commit(2)
    repository.run("plan", "--out", "two.plan").ok()
    none = program(tmp_path / "none", "")
    refused(repository.run("apply", "two.plan", "--auto-approve", **none), "git-unavailable", "no program")
    repository.run("apply", "two.plan", "--auto-approve").ok()


def test_outside_of_git_nothing_is_asked(repository: Repository, tmp_path: Path) -> None:
    repository.run(*APPLY, **program(tmp_path / "none", "")).ok()


def test_a_repository_of_another_owner_refuses(repository: Repository) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    repository.commit(1)
    for path in (repository.folder, repository.folder / ".git"):
        os.chown(path, 12345, 12345)
    refused(repository.run(*APPLY), "git-unavailable", "dubious ownership", "safe.directory")
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    repository.run(*APPLY, **trusted).ok()


def test_a_git_folder_that_is_none_refuses(repository: Repository) -> None:
    (repository.folder / ".git").mkdir()
    refused(repository.run(*APPLY), "git-unavailable", "not a git repository")


def test_a_git_that_sleeps_is_not_waited_for(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(1)
    monkeypatch.setattr(asking, "TIMEOUT", 0.2)
    for name, value in program(tmp_path / "sleeps", "while :; do :; done").items():
        monkeypatch.setenv(name, value)
    plan = SimpleNamespace(revision=None)
    found = standing_of(plan, repository.folder, Commits(), print).against("")  # type: ignore[arg-type]
    assert found is not None
    assert (found.code, "did not answer within 0.2 s" in found.message) == ("git-unavailable", True)


def test_a_repository_without_a_commit_is_not_clean(repository: Repository) -> None:
    git(repository.folder, "init")
    refused(repository.run(*APPLY), "diverged", "no commit")
    repository.commit(1)
    repository.run(*APPLY).ok()


def hide(folder: Path, how: str) -> None:
    """Change acme.yaml so that git's index doesn't show it."""
    file = folder / "acme.yaml"
    if how in {"skipped", "assumed"}:
        git(folder, "update-index", {"skipped": "--skip-worktree", "assumed": "--assume-unchanged"}[how], file.name)
    elif how == "filtered":
        (folder / ".gitattributes").write_text("acme.yaml filter=same\n")
        git(folder, "add", ".")
        git(folder, "commit", "-m", "with a filter")
        git(folder, "config", "filter.same.clean", "git show HEAD:acme.yaml")
    elif how == "of-the-same-time":
        git(folder, "config", "core.checkStat", "minimal")
        git(folder, "config", "core.trustctime", "false")
        os.utime(file, (1e9, 1e9))
        git(folder, "update-index", "--refresh")
    elif how == "linked-anew":
        file.unlink()
        file.symlink_to("other.txt")
        (folder / "other.txt").write_text(MANIFEST.format(2))
        git(folder, "add", "other.txt")
        git(folder, "commit", "-m", "another file")
        return
    elif how == "linked":
        (folder / "other.txt").write_text(MANIFEST.format(1))
        file.unlink()
        file.symlink_to("other.txt")
        git(folder, "add", ".")
        git(folder, "commit", "-m", "a link")
    file.write_text(MANIFEST.format(2))
    os.utime(file, (1e9, 1e9))


HIDDEN = ("skipped", "assumed", "filtered", "of-the-same-time", "linked", "linked-anew")
"""Changes that `git status` reports none of, and links."""


@pytest.mark.parametrize("how", ["changed", "untracked", "ignored", "nested", "deleted", *HIDDEN])
def test_what_is_loaded_and_not_committed_is_dirty(repository: Repository, how: str) -> None:
    more = repository.folder / "more"
    more.mkdir()
    (more / "globex.yaml").write_text(MANIFEST.format(1).replace("acme", "globex"))
    if how in {"ignored", "nested", "untracked"}:
        (repository.folder / ".gitignore").write_text("more/\n")
    repository.commit(1)
    if how == "changed":
        repository.write(2)
    elif how == "untracked":
        (repository.folder / ".gitignore").unlink()
        git(repository.folder, "commit", "-am", "ignores nothing")
    elif how == "nested":
        git(more, "init")
        git(more, "add", ".")
        git(more, "commit", "-m", "its own")
    elif how == "deleted":
        (more / "globex.yaml").unlink()
    elif how in HIDDEN:
        hide(repository.folder, how)
    refused(repository.run(*APPLY), "diverged", "dirty")


@pytest.mark.parametrize("hash_", ["sha1", "sha256"])
@pytest.mark.parametrize("how", ["as it is", "with CRLF", "by a link"])
def test_what_is_as_committed_is_clean(repository: Repository, how: str, hash_: str) -> None:
    git(repository.folder, "init", f"--object-format={hash_}")
    repository.commit(1)
    file = repository.folder / "acme.yaml"
    if how == "with CRLF":
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    elif how == "by a link":
        file.rename(repository.folder / "other.txt")
        file.symlink_to("other.txt")
        git(repository.folder, "add", ".")
        git(repository.folder, "commit", "-m", "a link")
    (repository.folder / "notes.txt").write_text("not loaded")
    found = asking.revision_of(repository.folder, [str(file), str(repository.folder / "reconciler.yaml")])
    assert found is not None
    assert not found.dirty


@pytest.mark.parametrize("how", ["replaced", "grafted"])
def test_a_repository_does_not_make_up_parents(repository: Repository, how: str) -> None:
    """Commits without a common history, between which local settings claim one."""
    old = repository.commit(1)
    repository.run(*APPLY).ok()
    git(repository.folder, "checkout", "--orphan", "other")
    new = repository.commit(2)
    if how == "replaced":
        git(repository.folder, "replace", "--graft", new, old)
    else:
        (repository.folder / ".git" / "info").mkdir(exist_ok=True)
        (repository.folder / ".git" / "info" / "grafts").write_text(f"{new} {old}\n")
    refused(repository.run(*APPLY), "diverged", "not an ancestor")


def test_a_shallow_clone_warns_and_an_older_commit_is_known_by_history(repository: Repository) -> None:
    first = repository.commit(1)
    repository.run(*APPLY).ok()
    repository.commit(2)
    repository.run(*APPLY).ok()
    repository.commit(3)
    newest = repository.clone("--depth", "1")
    assert "Warning: this clone is shallow" in repository.run(*APPLY, at=newest).ok().err
    git(repository.folder, "branch", "old", first)
    older = repository.clone("--depth", "1", "--branch", "old")
    assert git(older, "rev-parse", "HEAD") == first
    refused(repository.run(*APPLY, at=older), "diverged", "generation 1")
    repository.run(*APPLY, "--allow-diverged", at=older).ok()


def test_a_saved_plan_of_an_older_commit_is_known_by_history_outside_of_git(repository: Repository) -> None:
    repository.commit(1)
    repository.run(*APPLY).ok()
    (repository.folder / "acme.yaml").write_text(
        MANIFEST.format(1) + "  day: {target: tenant, per: day, requests: 5}\n"
    )
    git(repository.folder, "stash")
    repository.run("plan", "--out", "one.plan", "--detailed-exitcode").ok()
    elsewhere = repository.folder.parent / "elsewhere"
    repository.commit(2)
    repository.run(*APPLY).ok()
    git(repository.folder, "checkout", "HEAD~1")
    repository.run("plan", "--out", str(elsewhere.with_suffix(".plan"))).ok()
    elsewhere.mkdir()
    shutil.copy(repository.folder / "reconciler.yaml", elsewhere)
    ran = repository.run("apply", str(elsewhere.with_suffix(".plan")), "--auto-approve", at=elsewhere)
    refused(ran, "diverged", "generation 1")


def test_a_partial_clone_is_not_completed_over_the_network(repository: Repository) -> None:
    git_config = ("config", "uploadpack.allowFilter", "true")
    repository.commit(1)
    git(repository.folder, *git_config)
    repository.run(*APPLY).ok()
    repository.commit(2)
    partial = repository.clone("--filter=tree:0", "--no-checkout")
    git(partial, "checkout", "main")
    shutil.move(repository.folder, repository.folder.with_name("away"))
    repository.run(*APPLY, at=partial).ok()
    shutil.move(repository.folder.with_name("away"), repository.folder)
    unknown = "0" * 39 + "1"
    helper = partial / ".git" / "upload-pack"
    helper.write_text(f'#!/bin/sh\necho asked >> {partial}/asked\nexec git-upload-pack "$@"\n')
    helper.chmod(0o755)
    git(partial, "config", "remote.origin.uploadpack", str(helper))
    assert asking.is_ancestor(partial, unknown, "HEAD") is False
    assert not (partial / "asked").exists()


def test_whatever_git_has_started_ends_with_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(1)
    monkeypatch.setattr(asking, "TIMEOUT", 0.5)
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    for name, value in program(tmp_path / "helpers", f"/bin/sleep 60 >{fifo} & wait").items():
        monkeypatch.setenv(name, value)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        began = time.monotonic()
        with pytest.raises(asking.Unavailable, match=r"within 0\.5 s"):
            asking.is_ancestor(repository.folder, "a" * 40, "b" * 40)
        assert time.monotonic() - began < 15
        assert select.select([reader], [], [], 5)[0], "what it started lives on"
        assert os.read(reader, 1) == b""  # the end: nobody holds the other side open
    finally:
        os.close(reader)


def test_one_bound_for_all_questions(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit(1)
    monkeypatch.setattr(asking, "TIMEOUT", 1.0)
    for name, value in program(tmp_path / "slow", "/bin/sleep 0.7; echo ok").items():
        monkeypatch.setenv(name, value)
    began = time.monotonic()
    with pytest.raises(asking.Unavailable, match="did not answer within 1 s"):
        asking.revision_of(repository.folder, ())
    assert time.monotonic() - began < 2.5


def test_programs_that_a_repository_names_are_not_started(repository: Repository) -> None:
    """Settings of a repository, and of one inside of it, name programs for the questions that are asked here."""
    repository.commit(1)
    inner = repository.folder / "inner"
    inner.mkdir()
    (inner / "a.txt").write_text("a")
    git(inner, "init")
    git(inner, "add", ".")
    git(inner, "commit", "-m", "its own")
    (repository.folder / ".gitattributes").write_text("*.yaml filter=own\n")
    git(repository.folder, "-c", "advice.addEmbeddedRepo=false", "add", ".")
    git(repository.folder, "commit", "-m", "with one inside")
    marker, hook = repository.folder.parent / "ran", repository.folder.parent / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    hooks = repository.folder.parent / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        shutil.copy(hook, hooks / name)
    for top in (repository.folder, inner):
        for setting, value in {
            **{
                name: str(hook)
                for name in ("core.fsmonitor", "core.pager", "pager.status", "core.sshCommand", "diff.external")
            },
            "core.hooksPath": str(hooks),
            "filter.own.clean": f"{hook}; cat",
            "filter.own.process": str(hook),
        }.items():
            git(top, "config", setting, value)
    (inner / "a.txt").write_text("changed")
    os.utime(repository.folder / "acme.yaml", (1e9, 1e9))
    marker.unlink(missing_ok=True)
    repository.run(*APPLY).ok()
    assert not marker.exists()


OTHER = """\
{real} "$@"
code=$?
case "$*" in *merge-base*) [ -e {again} ] || {{ touch {again}; {other}; }} ;; esac
exit $code
"""


def _coming_between(repository: Repository, tmp_path: Path, commits: int) -> dict[str, str]:
    """A git during whose answer another commit is applied, the first ``commits`` times."""
    database = f"{tmp_path}/state.db"
    sql = "UPDATE projects SET git_commit = (SELECT value FROM json_each(?) LIMIT 1 OFFSET ?)"
    script = tmp_path / "other.py"
    past = git(repository.folder, "rev-list", "HEAD~1").split()[:-1]
    script.write_text(
        f"import json, pathlib, sqlite3\nn = pathlib.Path({str(tmp_path / 'count')!r})\n"
        f"k = int(n.read_text()) if n.exists() else 0\nn.write_text(str(k + 1))\n"
        f"c = sqlite3.connect({database!r})\n"
        f"if k < {commits}: c.execute({sql!r}, (json.dumps({past!r}), k)); c.commit()\n"
    )
    text = OTHER.format(real=shutil.which("git"), again=tmp_path / "never", other=f"{sys.executable} {script}")
    text = text.replace(f"touch {tmp_path / 'never'}; ", "")
    return program(tmp_path / "between", text)


@pytest.mark.parametrize("commits", [0, 1, 2, 3])
def test_another_commit_in_between_is_asked_about_again_in_bounds(
    repository: Repository, tmp_path: Path, commits: int
) -> None:
    """Not under the lock: the transaction is rolled back first. What keeps changing is refused."""
    repository.commit(1)
    repository.run(*APPLY).ok()
    for number in range(2, 8):
        repository.commit(number)
    env = _coming_between(repository, tmp_path, commits)
    ran = repository.run(*APPLY, **env)
    if commits < 3:
        ran.ok()
    else:
        refused(ran, "diverged", "was applied meanwhile")
    assert int((tmp_path / "count").read_text()) == min(commits + 1, 3)


def test_the_commit_that_is_last_is_judged_under_the_lock() -> None:
    plan = SimpleNamespace(revision=None)
    standing = standing_of(plan, Path("/"), Commits("a" * 40), print)  # type: ignore[arg-type]
    found = standing.against("b" * 40)
    assert standing.against("a" * 40) is None
    assert found is not None
    assert found.code == "diverged"


def test_random_histories_are_judged_as_their_graph_says(repository: Repository) -> None:
    """Every pair of commits of a branched history: with the whole history the judgement is git's own."""
    commits = [repository.commit(1)]
    git(repository.folder, "checkout", "-b", "side")
    commits.append(repository.commit(2))
    git(repository.folder, "checkout", "main")
    commits.append(repository.commit(3))
    git(repository.folder, "merge", "-s", "ours", "side", "-m", "both")
    commits.append(git(repository.folder, "rev-parse", "HEAD"))
    ancestors = {commit: {*git(repository.folder, "rev-list", commit).split()} for commit in commits}
    for last in commits:
        for current in commits:
            plan = SimpleNamespace(revision=Revision(current))
            known = Commits(last, commits.index(current) + 1)
            found = standing_of(plan, repository.folder, known, print).against(last)  # type: ignore[arg-type]
            assert (found is None) == (last in ancestors[current])

"""A key file lies where no commit takes it: outside of git's work trees, or ignored there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.signing import require_outside_of_git
from tests.secrets.support import VALUE, Kept, clear


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    """A process asks git once for each file; these tests are many processes in one."""
    require_outside_of_git.cache_clear()
    yield
    require_outside_of_git.cache_clear()


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=tester", "-c", "user.email=tester@localhost")
    subprocess.run(["git", "-C", str(folder), *own, *arguments], check=True, capture_output=True)


@pytest.fixture
def tree(here: Kept) -> Path:
    """The folder of the key file is a work tree."""
    git(here.key_file.parent, "init", "-q")
    return here.key_file.parent


USES = [("set", "acme/openai"), ("list",), ("keys", "add"), ("keys", "list"), ("reencrypt",)]


@pytest.mark.parametrize("use", USES, ids=" ".join)
def test_in_a_work_tree_it_is_refused(here: Kept, tree: Path, use: tuple[str, ...]) -> None:
    refused = clear(here(*use, stdin=VALUE), 6, "key-in-git").err
    assert f"the key file {here.key_file} lies in the git work tree {tree}, which does not ignore it" in refused
    assert f"next: move it out of {tree}, or name it in .gitignore; if it was committed, rotate the key" in refused


def test_plan_and_apply_refuse_it_too(here: Kept, tree: Path) -> None:
    (here.folder / "acme.yaml").write_text(
        "version: 1\ntenant: acme\nintegrations:\n  openai: {provider: openai, credential: encrypted://openai}\n"
    )
    for use in (("plan",), ("apply", "--auto-approve"), ("drift",)):
        clear(here.command(*use), 6, "key-in-git")


def test_ignored_it_is_taken_unless_git_has_it_all_the_same(here: Kept, tree: Path) -> None:
    (tree / ".gitignore").write_text("keys.json\n")
    here("set", "acme/openai", stdin=VALUE).ok()
    git(tree, "add", "--force", "keys.json")
    require_outside_of_git.cache_clear()
    clear(here("list"), 6, "key-in-git")


def test_a_link_is_judged_by_what_it_leads_to(here: Kept, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "keys.json"
    outside.symlink_to(here.key_file)
    clear(here("list", RECONCILER_KEY_FILE=str(outside)), 6, "key-in-git")
    outside.unlink()
    here.key_file.rename(outside)
    here.key_file.symlink_to(outside)
    require_outside_of_git.cache_clear()
    here("set", "acme/openai", stdin=VALUE).ok()


def test_none_is_made_there(here: Kept, tree: Path) -> None:
    clear(here("keys", "create", "--out", str(tree / "new.json")), 6, "key-in-git")
    assert not (tree / "new.json").exists()


def test_the_repository_of_a_hook_is_another_one(here: Kept, tree: Path, tmp_path: Path) -> None:
    """A hook of git's names its repository to whatever it starts."""
    (tree / ".gitignore").write_text("keys.json\n")
    here("set", "acme/openai", stdin=VALUE, GIT_DIR=str(tmp_path / "elsewhere" / ".git")).ok()


def test_where_git_can_t_be_asked_it_is_refused(here: Kept, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = clear(here("list", PATH=str(tree)), 6, "key-in-git").err
    assert "is not known: there is no program `git`" in refused

"""How a plan's commit stands to those that were applied before: what an unattended apply is refused for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reconciler.apply.terms import ANYWAY, Standing
from reconciler.cli import git
from reconciler.model.plan import Blocker, Plan
from reconciler.store.history import Commits

Tell = Callable[[str], None]


def standing_of(plan: Plan, folder: Path, commits: Commits, warn: Tell) -> Standing:
    """Ask git, before any transaction; ``warn`` takes what git can't know and is no reason to refuse."""
    try:
        return Standing(commits.last, _divergence(plan, folder, commits, warn))
    except git.Unavailable as error:
        message = f"this is a git repository, and it can't be told which commit would be applied: {error.reason}"
        return Standing(commits.last, Blocker("git-unavailable", message, f"{error.hint}; {ANYWAY}"))


def _divergence(plan: Plan, folder: Path, commits: Commits, warn: Tell) -> Blocker | None:
    current = plan.revision
    if current is None:
        return _without_commit(folder)
    if current.dirty:
        return _unclean("the configuration differs from its commit: the working tree is dirty")
    if not commits.last or commits.last == current.commit:
        return None
    inside = git.repository_above(folder) is not None
    follows = git.is_ancestor(folder, commits.last, current.commit) if inside else None
    if follows:
        return None
    if follows is None and commits.generation is not None:
        message = (
            f"the commit {current.commit[:12]} was applied as generation {commits.generation}, and "
            f"{commits.last[:12]} was applied after it"
        )
        return Blocker("diverged", message, f"bring the branch up to date; {ANYWAY}")
    if follows is None:
        if inside:
            warn(
                f"Warning: this clone is shallow, so git can't tell whether {current.commit[:12]} comes after the commit "
                f"that was applied last, {commits.last[:12]}. Fetch the whole history (`git fetch --unshallow`)."
            )
        return None
    return Blocker(
        "diverged",
        f"the commit that was applied last, {commits.last[:12]}, is not an ancestor of {current.commit[:12]}",
        f"bring the branch up to date; {ANYWAY}",
    )


def _without_commit(folder: Path) -> Blocker | None:
    """Outside of git there is none; inside, a plan without one is not clean."""
    try:
        found = git.revision_of(folder, ())
    except git.NoCommit:
        return _unclean("the configuration has no commit: this repository is without one")
    return _unclean("the configuration has no commit: the plan names none") if found is not None else None


def _unclean(message: str) -> Blocker:
    return Blocker("diverged", message, f"commit the configuration; {ANYWAY}")

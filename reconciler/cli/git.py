"""What git says of the configuration: its commit, whether it is dirty, whether it follows what was applied last."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from reconciler.model.plan import Revision

TIMEOUT = 20


def _git(folder: Path, *arguments: str) -> tuple[int, str]:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    return done.returncode, done.stdout


def _environment() -> dict[str, str]:
    """What git needs; nothing else, since variables of a pipeline hold credentials."""
    own = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR") if name in os.environ}
    own |= {name: value for name, value in os.environ.items() if name.startswith("GIT_") and name not in _NOT_GITS}
    return {**own, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


_NOT_GITS = ("GIT_TOKEN", "GIT_PASSWORD", "GIT_ASKPASS", "GIT_CONFIG_PARAMETERS")


def revision(folder: Path, files: Iterable[str]) -> Revision | None:
    """The commit of the folder, dirty where a file that was loaded is not as committed; None outside git."""
    code, commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if code != 0:
        return None
    code, status = _git(folder, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    top = Path(_git(folder, "rev-parse", "--show-toplevel")[1].strip() or folder)
    loaded = {Path(name).resolve() for name in files} if status else set()
    dirty = any(
        (top / entry[3:]).resolve() in loaded or (entry[:2].strip() == "D" and entry.endswith((".yaml", ".yml")))
        for entry in status.split("\0")
        if code == 0 and len(entry) > 3
    )
    return Revision(commit.strip(), dirty)


def divergence(folder: Path, current: Revision | None, last: str) -> str:
    """Why an unattended apply should not go on: an empty text if nothing speaks against it."""
    if current is None:
        return ""
    if current.dirty:
        return "the configuration differs from its commit: the working tree is dirty"
    if not last or last == current.commit:
        return ""
    code, _ = _git(folder, "merge-base", "--is-ancestor", last, current.commit)
    if code == 0 or is_shallow(folder):
        return ""
    return f"the commit that was applied last, {last[:12]}, is not an ancestor of {current.commit[:12]}"


def is_shallow(folder: Path) -> bool:
    return _git(folder, "rev-parse", "--is-shallow-repository")[1].strip() == "true"

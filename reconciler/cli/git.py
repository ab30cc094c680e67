"""What git says of a configuration: its commit, whether it is dirty, whether it follows what was applied last."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reconciler.model.plan import Revision

TIMEOUT = 20.0
"""Seconds that git may take for one answer."""


class Unavailable(Exception):
    """A repository is above the folder and git can't be asked about it: ``reason``, and what to do about that."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class NoCommit(Exception):
    """The repository has no commit yet."""


class _Answer(NamedTuple):
    code: int
    out: str
    error: str


def repository_above(folder: Path) -> Path | None:
    """The nearest folder with a ``.git``, from this one upwards; None outside of git."""
    if "GIT_DIR" in os.environ:
        return folder
    start = folder.resolve()
    return next((one for one in (start, *start.parents) if os.path.lexists(one / ".git")), None)


def revision(folder: Path, files: Iterable[str]) -> Revision | None:
    """The commit of the folder; None outside git, before the first commit, and where git can't be asked."""
    try:
        return revision_of(folder, files)
    except (Unavailable, NoCommit):
        return None


def revision_of(folder: Path, files: Iterable[str]) -> Revision | None:
    """The commit of the folder, dirty where a file that was loaded is not as committed; None outside git.

    Raises Unavailable, NoCommit.
    """
    if repository_above(folder) is None:
        return None
    commit = _asked(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if commit is None:
        raise NoCommit
    status = _all("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".", folder=folder)
    listed = _all("ls-files", "-z", "--full-name", "--", ".", folder=folder)
    top = Path(_all("rev-parse", "--show-toplevel", folder=folder).strip())
    loaded = {Path(name).resolve() for name in files if name}
    entries = [entry for entry in status.split("\0") if len(entry) > 3]
    dirty = (
        any((top / entry[3:]).resolve() in loaded for entry in entries)
        or any(entry[:2].strip() == "D" and entry.endswith((".yaml", ".yml")) for entry in entries)
        # ignored files, and those of a repository inside of this one, are in no status
        or not loaded <= {(top / name).resolve() for name in listed.split("\0")}
    )
    return Revision(commit.strip(), dirty)


def follows(folder: Path, current: Revision | None, old: str) -> bool:
    """Whether a clean commit is known to come after another one; never raises."""
    if current is None or current.dirty or not old or old == current.commit:
        return False
    try:
        return is_ancestor(folder, old, current.commit) is True
    except Unavailable:
        return False


def is_ancestor(folder: Path, old: str, new: str) -> bool | None:
    """Whether ``new`` comes after ``old``; None where a shallow clone can't tell. Nothing is fetched.

    Raises Unavailable.
    """
    shallow = _all("rev-parse", "--is-shallow-repository", folder=folder).strip() == "true"
    if _run(folder, "merge-base", "--is-ancestor", old, new).code == 0:
        return True
    return None if shallow else False


def _all(*arguments: str, folder: Path) -> str:
    """The answer to a question that git always has one to."""
    return _asked(folder, *arguments, no=()) or ""


def _asked(folder: Path, *arguments: str, no: tuple[int, ...] = (1,)) -> str | None:
    """git's answer; None where it exits with one of ``no``. Raises Unavailable."""
    code, out, error = _run(folder, *arguments)
    if code == 0:
        return out
    if code in no:
        return None
    lines = [line.removeprefix("fatal:").strip() for line in error.splitlines() if line.strip()]
    reason = lines[0][:300] if lines else f"exit {code}"
    if "dubious ownership" in error:
        hint = f"say `git config --global --add safe.directory {repository_above(folder)}`, if its files may be trusted"
    else:
        hint = f"see what `git -C {folder} status` says"
    raise Unavailable(f"git says: {reason}", hint)


def _run(folder: Path, *arguments: str) -> _Answer:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments],  # noqa: S607
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=TIMEOUT,
            check=False,
            env=_environment(),
        )
    except FileNotFoundError:
        raise Unavailable("there is no program `git`", "install git here") from None
    except subprocess.TimeoutExpired:
        hint = f"see why `git -C {folder} status` takes so long"
        raise Unavailable(f"git did not answer within {TIMEOUT:g} s", hint) from None
    except OSError as error:
        raise Unavailable(f"git can't be started: {error.strerror}", "see `git --version`") from None
    return _Answer(done.returncode, done.stdout, done.stderr)


def _environment() -> dict[str, str]:
    """What git needs; nothing else, since variables of a pipeline hold credentials. No question goes over a network."""
    own = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR") if name in os.environ}
    own |= {name: value for name, value in os.environ.items() if name.startswith("GIT_") and name not in _NOT_GITS}
    # a partial clone fetches what it lacks; git before 2.45 knows only the second way to forbid that
    offline = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0"}
    return {**own, **offline, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


_NOT_GITS = ("GIT_TOKEN", "GIT_PASSWORD", "GIT_ASKPASS", "GIT_CONFIG_PARAMETERS")

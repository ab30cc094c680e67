"""What git says of a configuration: its commit, whether it is dirty, whether it follows what was applied last."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconciler.cli.committed_files import committed_files
from reconciler.model.plan import Revision

TIMEOUT = 20.0
"""Seconds that git may take for all that one function here asks it."""


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
    """Return the nearest folder with a ``.git``, from this one upwards; None outside of git."""
    if "GIT_DIR" in os.environ:
        return folder
    start = folder.resolve()
    return next((one for one in (start, *start.parents) if os.path.lexists(one / ".git")), None)


def revision(folder: Path, files: Iterable[str]) -> Revision | None:
    """Return the commit of the folder; None outside git, before the first commit, and where git can't be asked."""
    try:
        return revision_of(folder, files)
    except (Unavailable, NoCommit):
        return None


def revision_of(folder: Path, files: Iterable[str]) -> Revision | None:
    """Return the commit of the folder, dirty where a loaded file is not as committed; None outside git.

    The bytes of files are compared with the commit itself. `git status` would believe the index, which can be made to
    skip files, and would start the filters that the repository names. Raises Unavailable, NoCommit.
    """
    if repository_above(folder) is None:
        return None
    git = _Git.of(folder)
    commit = git.answer("rev-parse", "--verify", "--quiet", "HEAD", no=(1,))
    if commit is None:
        raise NoCommit
    top = Path(git.all("rev-parse", "--show-toplevel").removesuffix("\n"))
    committed = committed_files(top, git.all("ls-tree", "-r", "-z", "--full-name", commit.strip(), "--", "."))
    dirty = not all(committed.has(Path(name)) for name in files if name) or committed.lacks_manifest()
    return Revision(commit.strip(), dirty)


def ignored_below(folder: Path) -> frozenset[str]:
    """Return the real paths below a folder that git ignores, folders as one; nothing outside git. Raises Unavailable."""
    if repository_above(folder) is None:
        return frozenset()
    listed = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    # a repository may name a program that watches its files
    names = _Git.of(folder).all("-c", "core.fsmonitor=false", *listed).split("\0")
    return frozenset(os.path.realpath(folder / name) for name in names if name)


def work_tree_of(file: Path) -> Path | None:
    """Return the work tree that the file lies in without being ignored by git there; None for any other. Raises Unavailable."""
    file = file.resolve()
    top = next((one for one in file.parents if os.path.lexists(one / ".git")), None)
    if top is None:
        return None
    # a hook's GIT_DIR is of another repository; a repository may name a program that watches its files
    own = (f"--git-dir={top / '.git'}", f"--work-tree={top}", "-c", "core.fsmonitor=false")
    ignored = _Git.of(top).answer(*own, "check-ignore", "--", str(file), no=(1,)) is not None
    return None if ignored else top


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
    git = _Git.of(folder)
    shallow = git.all("rev-parse", "--is-shallow-repository").strip() == "true"
    if git.run("merge-base", "--is-ancestor", old, new).code == 0:
        return True
    return None if shallow else False


def append_note(folder: Path, ref: str, text: str) -> None:
    """Append a line to the note of the current commit. Raises Unavailable."""
    own = ("-c", "user.name=reconciler", "-c", "user.email=reconciler@localhost")
    _Git.of(folder).all(*own, "notes", f"--ref={ref}", "append", "-m", text, "HEAD")


class _Git(NamedTuple):
    """git in a folder, until a moment of time.monotonic()."""

    folder: Path
    until: float

    @classmethod
    def of(cls, folder: Path) -> _Git:
        return cls(folder, time.monotonic() + TIMEOUT)

    def all(self, *arguments: str) -> str:
        """Return the answer to a question that git always has one to. Raises Unavailable."""
        return self.answer(*arguments) or ""

    def answer(self, *arguments: str, no: tuple[int, ...] = ()) -> str | None:
        """Return git's answer; None where it exits with one of ``no``. Raises Unavailable."""
        code, out, error = self.run(*arguments)
        if code == 0:
            return out
        if code in no:
            return None
        lines = [line.removeprefix("fatal:").strip() for line in error.splitlines() if line.strip()]
        reason = lines[0][:300] if lines else f"exit {code}"
        if "dubious ownership" in error:
            top = repository_above(self.folder)
            hint = f"say `git config --global --add safe.directory {top}`, if its files may be trusted"
        else:
            hint = f"see what `git -C {self.folder} status` says"
        raise Unavailable(f"git says: {reason}", hint)

    def run(self, *arguments: str) -> _Answer:
        """Run it to its end, or end it with whatever it has started. Raises Unavailable."""
        try:
            with subprocess.Popen(  # noqa: S603
                ["git", *_OWN_SETTINGS, "-C", str(self.folder), *arguments],  # noqa: S607
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="surrogateescape",
                env=_environment(),
                process_group=0,
            ) as process:
                try:
                    out, error = process.communicate(timeout=max(0.0, self.until - time.monotonic()))
                except BaseException:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    raise
        except FileNotFoundError:
            raise Unavailable("there is no program `git`", "install git here") from None
        except subprocess.TimeoutExpired:
            hint = f"see why `git -C {self.folder} status` takes so long"
            raise Unavailable(f"git did not answer within {TIMEOUT:g} s", hint) from None
        except OSError as failure:
            raise Unavailable(f"git can't be started: {failure.strerror}", "see `git --version`") from None
        return _Answer(process.returncode, out, error)


def _environment() -> dict[str, str]:
    """Return what git needs; nothing else, since variables of a pipeline hold credentials. No question goes over a network."""
    own = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR") if name in os.environ}
    own |= {name: value for name, value in os.environ.items() if name.startswith("GIT_") and name not in _NOT_GITS}
    # a repository may name other parents for its commits
    genuine = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull}
    # a partial clone fetches what it lacks; git before 2.45 knows only the second way to forbid that
    offline = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0"}
    return {**own, **genuine, **offline, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


_NOT_GITS = ("GIT_TOKEN", "GIT_PASSWORD", "GIT_ASKPASS", "GIT_CONFIG_PARAMETERS")
_OWN_SETTINGS = (
    "--no-pager",
    *("-c", "safe.bareRepository=explicit"),
)

"""The tree of errors: what went wrong, turned into a stable code, a message and an exit code.

ReconcilerError               1   any other failure
├── ConfigurationInvalid      3   carries every Problem of every file
├── PlanStale                 4   the database moved since the plan was made
├── LockTimeout               5   another apply held the project's lock for too long
├── Refused                   6   a guard, a protection, ownership, the wrong environment, no approval
├── CredentialUnresolved      7   a reference does not resolve
├── IntegrityFailed           8   a corrupted or tampered plan, chain or secret
│   └── LockEdited            8   a lock that is not as it was pinned, with every Problem of every file
├── OutcomeUnknown            9   COMMIT was sent, its reply never came, and looking it up failed
└── UsageError               64   wrong usage of the command line
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, TypeAlias

from msgspec import Struct, field

from reconciler.codes import Code, RuleName

Path: TypeAlias = tuple[str | int, ...]
"""A place inside a body: keys and list positions, e.g. ``("auth", "token")`` or ``("models", 0)``."""


class Place(Struct, frozen=True):
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is not None and self.column is not None:
            return f"{self.file}:{self.line}:{self.column}"
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class Problem(Struct, frozen=True):
    """One thing that is wrong, where it is, what was expected, and what to do next.

    ``path`` is the place inside the resource's body; the loader turns it into a ``place``. ``excerpt`` is the
    source line with every value masked that may hold a secret; ``caret`` and ``width`` are the place and the length
    of the mark below it, in the excerpt's own columns (from 0).
    """

    code: Code | RuleName
    message: str
    address: str | None = None
    path: Path = ()
    place: Place | None = None
    expected: str | None = None
    hint: str | None = None
    excerpt: str | None = None
    caret: int = 0
    width: int = 1
    related: tuple[tuple[str, Place], ...] = ()
    on_key: bool = False


class ReconcilerError(Exception):
    """Base of every error that a user may see; carries the problems, all of them at once."""

    exit_code = 1
    code: ClassVar[Code] = "failed"
    warnings: tuple[Problem, ...] = ()
    """What else was found, and would not have failed by itself."""

    def __init__(self, *problems: Problem | str, code: Code | None = None, hint: str | None = None) -> None:
        """Strings become problems with this class's code (or ``code``) and ``hint``."""
        self.problems: tuple[Problem, ...] = tuple(
            p if isinstance(p, Problem) else Problem(code or self.code, p, hint=hint) for p in problems
        )
        super().__init__("; ".join(p.message for p in self.problems))


class ConfigurationInvalid(ReconcilerError):
    """``files`` are the names of all files that were read, good ones too.

    ``unsure`` concern all environments, and count where they hold in each (with: is it an error).
    """

    exit_code = 3
    code: ClassVar[Code] = "configuration-invalid"
    files: tuple[str, ...] = ()
    unsure: tuple[tuple[Problem, bool], ...] = ()


class PlanStale(ReconcilerError):
    """The plan no longer fits: live state, the files or the format have changed since."""

    exit_code = 4
    code: ClassVar[Code] = "plan-stale"


class LockTimeout(ReconcilerError):
    """Another apply held the lock for too long."""

    exit_code = 5
    code: ClassVar[Code] = "lock-timeout"


class Refused(ReconcilerError):
    """A rule forbids what was asked for; nothing was changed."""

    exit_code = 6
    code: ClassVar[Code] = "refused"


class CredentialUnresolved(ReconcilerError):
    """A reference to a secret could not be resolved."""

    exit_code = 7
    code: ClassVar[Code] = "credential-unresolved"


class IntegrityFailed(ReconcilerError):
    """Data is not what this tool wrote: it was changed or damaged."""

    exit_code = 8
    code: ClassVar[Code] = "integrity-failed"


class LockEdited(IntegrityFailed, ConfigurationInvalid):
    """The configuration is invalid, and a pinned definition in it is not the one that was pinned."""

    code: ClassVar[Code] = "lock-edited"


class OutcomeUnknown(ReconcilerError):
    """The connection was lost at the commit: whether it counts is not known."""

    exit_code = 9
    code: ClassVar[Code] = "outcome-unknown"


class UsageError(ReconcilerError):
    """The command line is wrong."""

    exit_code = 64
    code: ClassVar[Code] = "wrong-usage"


class Problems(Struct):
    """Collects problems, so that all of them are reported in one run."""

    found: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        self.found.append(problem)

    def raise_if_any(self, files: Iterable[str] = ()) -> None:
        """Raise ConfigurationInvalid (LockEdited) with everything found, in the order of files and lines."""
        if self.found:
            edited = any(problem.code == LockEdited.code for problem in self.found)
            error = (LockEdited if edited else ConfigurationInvalid)(*in_order(self.found))
            error.files = tuple(files)
            raise error


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each once, by file and line."""
    return sorted(set(problems), key=_order)


def _order(problem: Problem) -> tuple[str, int, int, str, str]:
    place = problem.place or Place("")
    return (place.file, place.line or 0, place.column or 0, problem.code, problem.message)

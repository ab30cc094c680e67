"""What a scheme is: a function from a reference to what a store says, made with what it needs of the outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import uniform
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from reconciler.errors import CredentialUnresolved, ReconcilerError
from reconciler.model.address import Address
from reconciler.model.secret_ref import SecretRef
from reconciler.parallel import within
from reconciler.secrets.secret import Secret


class Fetched(NamedTuple):
    """A secret as a store gave it; ``version`` is the store's own, where it has one.

    ``seconds`` bounds how long it may be kept in memory: a lease's time, or None where the store sets none.
    ``expires_at`` is when the value ends, where anybody knows.
    ``another_for`` is a live resource that means another secret by this reference: it is looked at, and used for nothing.
    """

    secret: Secret
    version: str | None = None
    seconds: float | None = None
    expires_at: datetime | None = None
    another_for: Address | None = None


Fetch: TypeAlias = Callable[[str, SecretRef], Fetched]
"""Tenant and reference to what the store says. Raises CredentialUnresolved, IntegrityFailed."""
Opened: TypeAlias = Callable[[str, SecretRef], Fetched]
"""Tenant and reference to a secret of the database or one part of it, opened and logged."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that a scheme may use of the world around it."""

    environ: Mapping[str, str]
    timeout: float = 10.0
    sealed: Opened | None = field(default=None, repr=False)
    accessed: Callable[[str, SecretRef], None] | None = field(default=None, repr=False)
    """Counts an access to a store that is not the database, before the store is asked."""


class Scheme(Protocol):
    """A module of secrets/schemes."""

    def connect(self, outside: Outside) -> Fetch:
        """Read the scheme's settings; reach no store yet. Raises CredentialUnresolved where settings are missing."""


class Unreachable(CredentialUnresolved):
    """A store, not a secret, is the trouble: others of the same store will fare no better."""

    code = "secret-store-unreachable"


class Retry(Exception):
    """Raised by one try: worth another one; ``error`` if there is no time for it."""

    def __init__(self, error: ReconcilerError) -> None:
        self.error = error


TRIES = 3
PAUSE = 0.4
"""Seconds before the second try, at most; twice as many before the third."""
SLACK = 5.0
"""Seconds that work may take beyond its timeout before it is given up: a client that doesn't keep its own promise."""
T = TypeVar("T")


def retried(attempt: Callable[[float], T], seconds: float) -> T:
    """``attempt`` is given the seconds that are left; at most three tries, all of them within ``seconds``."""
    deadline = time.monotonic() + seconds
    for number in range(1, TRIES + 1):
        try:
            return attempt(max(0.1, deadline - time.monotonic()))
        except Retry as retry:
            wait = uniform(0.5, 1.0) * PAUSE * number  # noqa: S311 - jitter
            if number == TRIES or time.monotonic() + wait >= deadline:
                raise retry.error from None
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def bounded(work: Callable[[], T], timeout: float, what: str) -> T:
    """Do ``work`` in a thread of its own, and wait for it no longer than the bound.

    Whatever it raises, no text of its own gets out. Raises Unreachable, and each ReconcilerError of ``work``.
    """

    def ask() -> tuple[T] | ReconcilerError:
        try:
            return (work(),)
        except ReconcilerError as error:
            return error
        except Exception as error:  # a client's defect: its text may hold anything, so only its name is told
            return Unreachable(f"{what} does not resolve: {type(error).__name__}")

    answer = within(timeout + SLACK, ask)
    if answer is None:
        raise Unreachable(f"{what} does not resolve: no answer within {timeout:g} s")
    if isinstance(answer, ReconcilerError):
        raise answer
    return answer[0]

"""What a scheme is: a function from a reference to what a store says, made with what it needs of the outside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import uniform
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from reconciler.errors import CredentialUnresolved, ReconcilerError
from reconciler.model.secret_ref import SecretRef
from reconciler.secrets.secret import Secret


class Fetched(NamedTuple):
    """A secret as a store gave it; ``version`` is the store's own, where it has one.

    ``seconds`` bounds how long it may be kept in memory: a lease's time, or None where the store sets none.
    """

    secret: Secret
    version: str | None = None
    seconds: float | None = None


Fetch: TypeAlias = Callable[[str, SecretRef], Fetched]
"""Tenant and reference to what the store says. Raises CredentialUnresolved, IntegrityFailed."""
Opened: TypeAlias = Callable[[str, str], Fetched]
"""Tenant and name to a secret of the database, opened and logged."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All that a scheme may use of the world around it."""

    environ: Mapping[str, str]
    timeout: float = 10.0
    sealed: Opened | None = field(default=None, repr=False)


class Scheme(Protocol):
    """A module of secrets/schemes."""

    def connect(self, outside: Outside) -> Fetch:
        """Reads its settings, and reaches nobody yet. Raises CredentialUnresolved where settings are missing."""


class Unreachable(CredentialUnresolved):
    """A store, not a secret, is the trouble: others of the same store will fare no better."""

    code = "secret-store-unreachable"


class Retry(Exception):
    """Raised by one try: worth another one; ``error`` if there is no time for it."""

    def __init__(self, error: ReconcilerError) -> None:
        self.error = error


TRIES = 3
T = TypeVar("T")


def retried(attempt: Callable[[float], T], seconds: float) -> T:
    """``attempt`` is given the seconds that are left; at most three tries, all of them within ``seconds``."""
    deadline = time.monotonic() + seconds
    for number in range(1, TRIES + 1):
        try:
            return attempt(max(0.1, deadline - time.monotonic()))
        except Retry as retry:
            wait = uniform(0.5, 1.0) * 0.2 * 2**number  # noqa: S311 - jitter
            if number == TRIES or time.monotonic() + wait >= deadline:
                raise retry.error from None
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")

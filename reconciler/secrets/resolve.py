"""Secret references turned into secrets, at the last moment before they are used, within a tenant's policy."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from reconciler.errors import CredentialUnresolved, ReconcilerError
from reconciler.model.secret_ref import SecretRef
from reconciler.parallel import in_parallel
from reconciler.secrets.fetch import Fetch, Fetched, Outside, Unreachable, bounded
from reconciler.secrets.policy import OPERATORS, OWN_PREFIXES, Policy, hint_for, refusal
from reconciler.secrets.scrub import quieten
from reconciler.secrets.secret import Secret

CACHE_SECONDS = 60.0


class Wanted(NamedTuple):
    """A reference, and for whom."""

    tenant: str
    reference: SecretRef


def require_permitted(policy: Policy, wanted: Wanted) -> None:
    """Raise CredentialUnresolved for what the project forbids, or the operator of this server does not permit."""
    reason = refusal(policy, wanted.tenant, wanted.reference)
    if reason is not None:
        raise CredentialUnresolved(
            f"{wanted.reference} is not for {wanted.tenant}: {reason}",
            code="reference-forbidden",
            hint=hint_for(wanted.reference),
        )
    scheme, name = wanted.reference
    if scheme != "env" or policy.permitted is None or policy.permitted.has(wanted.tenant, name):
        return
    raise CredentialUnresolved(
        f"{wanted.reference} does not resolve: this server permits the variable {name} not to {wanted.tenant}",
        hint=f"write `permits: {{env: [{name}]}}` into the server's settings (serve.yaml, --config)",
    )


class Resolver:
    """Resolves references; keeps what it got in memory, for as long as the store says and a minute at most."""

    def __init__(
        self,
        policy: Policy,
        outside: Outside,
        cache_seconds: float = CACHE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        quieten()
        self._policy = policy
        self._outside = outside
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._fetches: dict[str, Fetch] = {}
        self._kept: dict[Wanted, tuple[float, Fetched]] = {}

    def resolve(self, tenant: str, text: str) -> Secret:
        """Resolve a reference that was checked when it was read. Raises CredentialUnresolved, IntegrityFailed."""
        return self.fetched(Wanted(tenant, SecretRef.parse(text))).secret

    def fetched(self, wanted: Wanted) -> Fetched:
        """Return the same, with the store's version."""
        require_permitted(self._policy, wanted)
        with self._lock:
            until, kept = self._kept.get(wanted, (0.0, None))
        if kept is not None and self._clock() < until:
            return kept
        self.forget(wanted)
        if self._outside.accessed is not None and wanted.reference.scheme in OWN_PREFIXES:
            self._outside.accessed(*wanted)
        what = str(wanted.reference)
        found = bounded(lambda: self._fetch(wanted.reference.scheme)(*wanted), self._outside.timeout, what)
        seconds = self._cache_seconds if found.seconds is None else min(found.seconds, self._cache_seconds)
        with self._lock:
            self._kept[wanted] = (self._clock() + seconds, found)
        return found

    def forget(self, wanted: Wanted) -> None:
        """Forget a value that was refused where it was used, so that the next one is fetched anew."""
        with self._lock:
            self._kept.pop(wanted, None)

    def fetched_all(self, wanted: Iterable[Wanted]) -> dict[Wanted, Fetched | ReconcilerError]:
        """Each reference's secret, or why there is none; in parallel, and never longer than the timeouts say.

        Where a store can't be reached, its other references are not waited for.
        """
        down: dict[str, ReconcilerError] = {}

        def work(one: Wanted) -> Fetched | ReconcilerError:
            if one.reference.scheme in down:
                return _as_before(one.reference, down[one.reference.scheme])
            try:
                return self.fetched(one)
            except Unreachable as error:
                down[one.reference.scheme] = error
                return error
            except ReconcilerError as error:
                return error

        return in_parallel(wanted, work)

    def _fetch(self, scheme: str) -> Fetch:
        with self._lock:
            if scheme not in self._fetches:
                self._fetches[scheme] = _connected(scheme, self._outside)
            return self._fetches[scheme]


def _connected(scheme: str, outside: Outside) -> Fetch:
    module: Any = import_module(f"reconciler.secrets.schemes.{scheme.replace('-', '_')}")
    fetch: Fetch = module.connect(outside)
    return fetch


def _as_before(reference: SecretRef, error: ReconcilerError) -> ReconcilerError:
    return Unreachable(f"{reference} was not tried: {error}")


def of_environment(text: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """Return what the operator's own settings refer to, as in ``notifications``: no tenant, no store.

    Raises CredentialUnresolved.
    """
    quieten()
    reference = SecretRef.parse(text)
    if reference.scheme not in OPERATORS:
        raise CredentialUnresolved(f"{reference.scheme}:// can't be resolved here", hint="use env://")
    return _connected(reference.scheme, Outside(environ))("", reference).secret

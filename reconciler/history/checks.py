"""The checks of `db verify`: each reads one moment of the database, and all of them are made whatever the others find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import groupby
from operator import attrgetter

from msgspec import Struct

from reconciler.errors import ReconcilerError
from reconciler.history.judge import judge
from reconciler.history.managed import replayed
from reconciler.history.verify import Checkpoint, TrailFinding, counted
from reconciler.model.body import digest
from reconciler.model.history import PastChange
from reconciler.store import verifying
from reconciler.store.connect import reading
from reconciler.store.known import known_in
from reconciler.store.repairs import differences
from reconciler.store.schema import REVISIONS
from reconciler.store.seals import seals_of
from reconciler.store.tampered import tampered_in
from reconciler.store.url import Database
from reconciler.store.verifying import Connection

MOST_KEPT = 100
"""Findings of one check that are kept; the others are counted."""


class Skipped(Exception):
    """Raised by a check that can't be made; its text says why."""


class Check(Struct, frozen=True):
    """What one check found. ``state`` is ok, failed or skipped; ``found`` counts all findings, ``findings`` are the first."""

    name: str
    state: str
    summary: str
    findings: tuple[str, ...] = ()
    found: int = 0


class Finder:
    """Collects the findings of one check."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.found = 0

    def add(self, finding: str) -> None:
        self.found += 1
        if self.found <= MOST_KEPT:
            self.kept.append(finding)


Work = Callable[[Finder], str]
"""Makes one check; returns what was looked at, in words. Raises Skipped."""


def run(name: str, work: Work) -> Check:
    """Make one check; an error of the database is a finding of its own."""
    finder = Finder()
    try:
        summary = work(finder)
    except Skipped as reason:
        return Check(name, "skipped", str(reason))
    except ReconcilerError as error:
        for problem in error.problems:
            finder.add(problem.message)
        summary = "could not be read to the end"
    return Check(name, "failed" if finder.found else "ok", summary, (*finder.kept,), finder.found)


def checks(
    database: Database, keys: Mapping[str, bytes], checkpoint: Checkpoint | None, expects_key: bool | None = None
) -> Iterator[Check]:
    """Yield every check of the control database, one after the other; ``expects_key`` as for ``verify``."""

    def on(work: Callable[[Connection, Finder], str]) -> Work:
        def opened(finder: Finder) -> str:
            with reading(database) as connection:
                return work(verifying.streaming(connection), finder)

        return opened

    yield run("schema", on(_schema))
    yield run("audit", on(partial(_audit, lambda connection: judge(connection, keys, checkpoint, expects_key))))
    yield run("applied", on(_applied))
    yield run("history", on(_history))
    yield run("seals", on(partial(_seals, keys)))


def _schema(connection: Connection, finder: Finder) -> str:
    for one in differences(connection, REVISIONS[-1]):
        finder.add(f"{one.sentence()}; {one.next_step()}")
    return f"tables, indexes, triggers and functions are those of revision {REVISIONS[-1]}"


def _audit(judged: Callable[[Connection], TrailFinding], connection: Connection, finder: Finder) -> str:
    found = judged(connection)
    if found.entry is not None:
        finder.add(f"the trail does not hold from entry {found.entry} on: {found.reason}")
    unkeyed = f"{found.unkeyed} of them without a key" if found.entries != 1 else f"{found.unkeyed} without a key"
    return f"{counted(found.entries)}, {unkeyed}"


def _applied(connection: Connection, finder: Finder) -> str:
    """Live rows against what was applied: by meaning, as plan, drift and `serve` judge it."""
    owned = 0
    for known in known_in(connection):
        if known.project is None or not known.uid:
            continue
        owned += 1
        if not known.settled:
            finder.add(f"{known.address} is not what {known.project} applied; see `reconciler drift`")
    for address in verifying.lost_claims(connection):
        finder.add(f"{address} was applied and is not live; see `reconciler drift`")
    return f"{owned} resources are as they were applied"


def _history(connection: Connection, finder: Finder) -> str:
    """Return what each project's changes lead to against what it applied last, and each generation against the audit trail."""
    count = 0
    for project, generation, kept, newest in verifying.numbers(connection):
        count += kept
        if not generation == kept == newest:
            finder.add(f"{project} is at generation {generation}, and history has {kept} up to {newest}")
        seen = set()
        for tenant, changes in groupby(verifying.past_of(connection, project), attrgetter("address.tenant")):
            seen.add(tenant)
            _replay(connection, project, tenant, changes, finder)
        for tenant in verifying.tenants_of(connection, project):
            if tenant not in seen:
                _replay(connection, project, tenant, (), finder)
    for tampered in tampered_in(connection):
        finder.add(
            f"generation {tampered.generation} of {tampered.project} is not what the audit trail says was applied"
        )
    return f"{count} generations replayed give what was applied"


def _replay(connection: Connection, project: str, tenant: str, changes: Iterable[PastChange], finder: Finder) -> None:
    state = replayed(changes, _digest_after)
    lives = {uid for uid, _ in state.values()}
    for claim in verifying.claims_of(connection, project, tenant):
        last = state.pop(claim.address, None)
        if not claim.whole:
            finder.add(f"{claim.address}: the record of what {project} applied does not have its own digest")
        if last is None and claim.uid in lives:
            continue  # somebody renamed it, and the project took it over under its new name
        if last is None:
            finder.add(f"{claim.address}: {project} owns it, and its history does not")
        elif last != (claim.uid, claim.digest):
            finder.add(f"{claim.address}: the history of {project} leads to another body or life than was applied")
    for address, (uid, _) in state.items():
        if not verifying.was_taken_over(connection, project, address, uid):
            finder.add(f"{address}: the history of {project} leads to it, and it was not applied")


def _digest_after(change: PastChange) -> str:
    with suppress(TypeError):
        return digest(change.after or {})
    return ""


def _seals(keys: Mapping[str, bytes], connection: Connection, finder: Finder) -> str:
    if not keys:
        raise Skipped("no key is configured")
    count = 0
    for project, *_ in verifying.numbers(connection):
        seals = seals_of(connection, project)
        if seals is None:
            continue
        for record, mac in verifying.sealed_records(connection, project):
            count += 1
            if not seals.fit(record, mac):
                key = (mac or "").partition(":")[0]
                why = "has no seal" if not key else f"does not fit its seal, of key {key}"
                finder.add(f"{record.tenant}/{record.kind}/{record.name}: the record of what was applied {why}")
    if not count:
        raise Skipped("nothing was applied with a key yet")
    return f"{count} records of what was applied fit their seals"

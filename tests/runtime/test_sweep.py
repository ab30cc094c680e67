"""The sweep: one of several servers checks, what it writes is fenced, and a holder that dies is followed by another."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path

import pytest

from reconciler.access.resource import Resource
from reconciler.access.snapshot import Snapshot, snapshot_of
from reconciler.model.health import FAILING, HEALTHY, Check
from reconciler.model.notification import HEALTH, Destination
from reconciler.runtime.health import Sweep
from reconciler.runtime.ledger.health_rows import failing_of, health_of
from reconciler.runtime.ledger.leases import LeaseLost
from reconciler.runtime.ledger.use_counts import Counts, add
from reconciler.store.url import Database, parse_database
from reconciler.store.watch import look
from tests.conftest import Db
from tests.runtime.ledger.support import store_of, with_ledger
from tests.runtime.worlds import WORLD, apply

HOOK = (Destination("hook", "webhook", "http://127.0.0.1:1/", None, frozenset({HEALTH})),)
LATER = "UPDATE health SET checked = checked - 61"
AWAY, WELL = Check(FAILING, None, "it can't be reached"), Check(HEALTHY, 5, "it answers")


class Checks:
    """What checks find, in turn; the last one again and again."""

    def __init__(self, *found: Check | None) -> None:
        self._found, self.asked = [*found], list[str]()

    async def __call__(self, tenant: str, resource: Resource) -> Check | None:
        self.asked.append(f"{tenant}/{resource.name}")
        return self._found.pop(0) if len(self._found) > 1 else self._found[0]


async def _nothing(*_: object) -> None:
    return None


@pytest.fixture
def store(db: Db) -> Database:
    with_ledger(db, _nothing)
    return store_of(db)


@pytest.fixture
def snapshot(folder: Path, tmp_path: Path) -> Snapshot:
    control = Db(f"sqlite:///{tmp_path}/control.db")
    apply(control, folder, WORLD)
    return snapshot_of(look(parse_database(control.url, Path("/"))).known)


def uid_of(snapshot: Snapshot, name: str) -> str:
    return snapshot.tenant("acme").resources[name].uid


def use(store: Database, snapshot: Snapshot) -> None:
    add(store, {("acme", uid_of(snapshot, "connector/warehouse")): Counts(1, 0)})


def test_only_what_was_used_or_is_not_well_is_checked(db: Db, store: Database, snapshot: Snapshot) -> None:
    async def work() -> None:
        checks = Checks(WELL, AWAY)
        sweep = Sweep(store, "one", checks, HOOK)
        assert await sweep.once(snapshot) == 0
        use(store, snapshot)
        assert await sweep.once(snapshot) == 1
        assert await sweep.once(snapshot) == 0  # it was checked within this minute
        db.sql(LATER)
        assert await sweep.once(snapshot) == 1
        db.sql("UPDATE uses SET at = at - 3601")
        db.sql(LATER)
        assert await sweep.once(snapshot) == 1  # not used for an hour, and not well
        assert checks.asked == ["acme/connector/warehouse"] * 3

    asyncio.run(work())


def test_a_state_turns_at_the_third_failure_with_one_event(db: Db, store: Database, snapshot: Snapshot) -> None:
    async def work() -> None:
        sweep = Sweep(store, "one", Checks(WELL, AWAY, AWAY, AWAY, AWAY, WELL), HOOK)
        use(store, snapshot)
        states, events, failing = [], [], []
        for _ in range(6):
            assert await sweep.once(snapshot) == 1
            failing.append(("acme", uid_of(snapshot, "connector/warehouse")) in failing_of(store))
            states += [one.state for one in health_of(store).values()]
            events += db.sql("SELECT count(*) FROM outbox")[0]
            db.sql(LATER)
        assert states == [HEALTHY, HEALTHY, HEALTHY, FAILING, FAILING, HEALTHY]
        assert events == [0, 0, 0, 1, 1, 2]
        assert failing == [False, False, False, True, True, False]

    asyncio.run(work())


def test_of_two_servers_one_sweeps(store: Database, snapshot: Snapshot) -> None:
    async def work() -> None:
        use(store, snapshot)
        checks = Checks(WELL)
        found = await asyncio.gather(*(Sweep(store, name, checks, HOOK).once(snapshot) for name in ("one", "two")))
        assert sorted(found, key=str) == [1, None]
        assert len(checks.asked) == 1

    asyncio.run(work())


def test_a_holder_that_was_stopped_writes_nothing_afterwards(db: Db, store: Database, snapshot: Snapshot) -> None:
    """It is stopped inside of its checks for longer than its lease: another takes over, and no change is lost or doubled."""

    async def work() -> None:
        use(store, snapshot)
        ready, goes_on = asyncio.Event(), asyncio.Event()

        async def slow(_tenant: str, _resource: Resource) -> Check | None:
            ready.set()
            await goes_on.wait()
            return AWAY

        first = asyncio.create_task(Sweep(store, "one", slow, HOOK).once(snapshot))
        await ready.wait()
        other = Sweep(store, "two", Checks(AWAY), HOOK)
        assert await other.once(snapshot) is None
        db.sql("UPDATE leases SET ends = ends - 31")
        for _ in range(3):
            assert await other.once(snapshot) == 1
            db.sql(LATER)
        before = health_of(store), db.sql("SELECT id, event FROM outbox")
        goes_on.set()
        with pytest.raises(LeaseLost):
            await first
        assert (health_of(store), db.sql("SELECT id, event FROM outbox")) == before
        assert len(before[1]) == 1

    asyncio.run(work())


def test_a_late_holder_has_a_new_number(db: Db, store: Database, snapshot: Snapshot) -> None:
    async def work() -> None:
        sweep = Sweep(store, "one", Checks(WELL), HOOK)
        await sweep.once(snapshot)
        await sweep.once(snapshot)
        assert db.sql("SELECT number FROM leases") == [(1,)]
        db.sql("UPDATE leases SET ends = ends - 31")
        await sweep.once(snapshot)
        assert db.sql("SELECT number FROM leases") == [(2,)]

    asyncio.run(work())


def test_what_is_suspended_is_left_alone(store: Database, snapshot: Snapshot) -> None:
    use(store, snapshot)
    known = [one._replace(suspended=True) for tenant in snapshot.tenants.values() for one in tenant.resources.values()]
    assert asyncio.run(Sweep(store, "one", Checks(WELL), HOOK).once(snapshot_of(known))) == 0


@pytest.mark.parametrize(
    ("health", "after", "checked"), [("off", 1_000_000, 0), (5, 299, 0), (5, 301, 1), (None, 61, 1)]
)
def test_health_says_how_often(
    db: Db, folder: Path, tmp_path: Path, store: Database, health: object, after: int, checked: int
) -> None:
    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"]["health"] = health
    control = Db(f"sqlite:///{tmp_path}/control.db")
    apply(control, folder, document)
    snapshot = snapshot_of(look(parse_database(control.url, Path("/"))).known)
    use(store, snapshot)
    sweep = Sweep(store, "one", Checks(WELL), HOOK)

    async def work() -> None:
        assert await sweep.once(snapshot) == (0 if health == "off" else 1)
        db.sql(f"UPDATE health SET checked = checked - {after}")
        assert await sweep.once(snapshot) == checked

    asyncio.run(work())

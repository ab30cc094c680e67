"""A world that was applied, and a mediator over it whose connectors do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reconciler.access.judge import Caller
from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Connection, Permits, Surroundings
from reconciler.runtime.ledger.ledger import Ledger
from reconciler.runtime.mediator import Mediator
from reconciler.runtime.metrics import Metrics
from reconciler.runtime.parts import backend_of
from reconciler.runtime.pools import Pools
from reconciler.runtime.source import Source
from reconciler.store.url import parse_database
from reconciler.store.watch import Watch
from tests.conftest import Db
from tests.store.support import cli_on

BOT = Caller("acme", "bot")
WORLD: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "connectors": {"warehouse": {"type": "sql", "dialect": "sqlite", "database": "x.db", "read_only": False}},
    "datasources": {"sales": {"type": "database", "connector": "warehouse", "classification": "internal"}},
    "templates": {
        "top": {
            "type": "sql",
            "datasource": "sales",
            "sql": "SELECT name FROM customers WHERE region = :region",
            "parameters": {"region": {"type": "string", "max_length": 20}},
        },
        "add": {"type": "sql", "datasource": "sales", "sql": "DELETE FROM customers", "read_only": False},
    },
    "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
    "policies": {
        "read": {
            "effect": "allow",
            "subjects": {"roles": ["analyst"]},
            "actions": "any",
            "targets": {"names": ["template/*"]},
        }
    },
    "planes": {"desk": {"datasources": ["sales"], "actions": {"query": "template/top"}}},
}


@dataclass
class Outside:
    """What connectors are asked; ``does`` is what they do with it."""

    seen: list[Call] = field(default_factory=list)
    does: Callable[[Call], Any] = lambda call: Answer([{"name": "Ann"}], 1, 14)

    async def run(self, call: Call) -> Answer:
        self.seen.append(call)
        found = self.does(call)
        answer: Answer = await found if asyncio.iscoroutine(found) else found
        return answer

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def open(self, tenant: str, connector: Resource, around: Surroundings) -> Connection:
        return self


@dataclass
class World:
    db: Db
    folder: Path
    outside: Outside
    source: Source
    ledger: Ledger
    mediator: Mediator
    metrics: Metrics
    pools: Pools

    def command(self, *arguments: str) -> None:
        cli_on(self.db.url, self.folder)(*arguments).ok()

    @property
    def store(self) -> Db:
        return Db(f"sqlite:///{self.folder}/runtime.db")

    async def evidence(self) -> list[dict[str, Any]]:
        from reconciler.runtime.ledger.reading import evidence

        await asyncio.sleep(0.05)
        return await asyncio.to_thread(evidence, parse_database(self.store.url, Path("/")), ("acme",), 100)

    async def look(self) -> None:
        """What the source does four times a second, now."""
        await self.source._look()

    async def until(self, true: Callable[[], bool], seconds: float = 2.0) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)


def apply(db: Db, folder: Path, world: dict[str, Any]) -> None:
    (folder / "acme.yaml").write_text(yaml.safe_dump(world))
    cli_on(db.url, folder)("apply", "--auto-approve", "--allow-deletes", "9").ok()


async def nobody(_tenant: str, _reference: str) -> str:
    raise AssertionError("no credential is needed here")


@asynccontextmanager
async def world(db: Db, folder: Path, document: dict[str, Any] | None = None) -> AsyncIterator[World]:
    await asyncio.to_thread(apply, db, folder, document or WORLD)
    outside = Outside()
    ledger = Ledger(backend_of(parse_database(f"sqlite:///{folder}/runtime.db", Path("/"))), 1e9)
    pools = Pools({"sql": outside.open}, Surroundings(nobody, nobody, Permits()), ledger.open.__contains__)
    source = Source(Watch(parse_database(db.url, Path("/"))))
    await source.start()
    metrics = Metrics()
    mediator = Mediator(source, ledger, pools, b"k" * 32, metrics)
    source.changed = mediator.cancel_frozen
    await ledger.values_key()
    ledger.start()
    try:
        yield World(db, folder, outside, source, ledger, mediator, metrics, pools)
    finally:
        await source.close()
        await ledger.close()
        await pools.close()


def in_world(db: Db, folder: Path, work: Callable[[World], Any], document: dict[str, Any] | None = None) -> None:
    async def main() -> None:
        async with world(db, folder, document) as made:
            await work(made)

    asyncio.run(main())


def outcomes(found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Of each, the oldest first: what was decided, and what came of it or why."""
    return [(one["decision"], one.get("outcome") or one["reason"]) for one in reversed(found)]

"""The runtime's own outbox: each event reaches each of its destinations, at least once, and one id is sent once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reconciler.model.notification import HEALTH, INCIDENT, Destination, RuntimeEvent
from reconciler.notify.slack import slack
from reconciler.runtime.ledger.letters import claim, enqueue
from reconciler.runtime.ledger.writing import writing_store
from reconciler.runtime.outbox import Outbox
from reconciler.store.outbox import Letter
from reconciler.store.url import Database, parse_database
from tests.conftest import Db
from tests.runtime.ledger.support import store_of, with_ledger
from tests.runtime.servers import served

SECRET = "x" * 32
EVENT = RuntimeEvent(
    "e-1", HEALTH, "2026-11-30T12:00:00Z", "acme", "connector/warehouse is failing", {"state": "failing"}
)


class Receiver(BaseHTTPRequestHandler):
    status = 204
    seen: list[tuple[str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        type(self).seen.append((self.headers["webhook-id"], json.loads(body)["type"]))
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@contextmanager
def receiving() -> Iterator[tuple[str, type[Receiver]]]:
    handler = type("Own", (Receiver,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", handler
    finally:
        server.shutdown()
        server.server_close()


def store_at(db: Db) -> Database:
    """A store of this revision, made as a server makes it."""
    with_ledger(db, _nothing)
    return store_of(db)


async def _nothing(*_: object) -> None:
    return None


def hook(url: str, *events: str) -> Destination:
    return Destination("hook", "webhook", url, "env://HOOK_SECRET", frozenset(events or {HEALTH}))


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)


def test_one_id_is_sent_once_also_after_its_delivery(db: Db) -> None:
    with receiving() as (url, receiver):
        outbox = Outbox(store_at(db), (hook(url),))

        async def work() -> None:
            await asyncio.gather(outbox.emit(EVENT), outbox.emit(EVENT))
            assert await outbox.deliver() == []
            await outbox.emit(EVENT)
            db.sql("UPDATE outbox SET due = 0")
            assert await outbox.deliver() == []

        asyncio.run(work())
        assert receiver.seen == [("e-1", "reconciler.health")]


def test_what_was_not_taken_is_sent_again_later(db: Db) -> None:
    store = store_at(db)
    with receiving() as (url, receiver):
        outbox = Outbox(store, (hook(url),))
        receiver.status = 500

        async def work() -> None:
            await outbox.emit(EVENT)
            assert await outbox.deliver() == ["hook: it answered 500"]
            assert await outbox.deliver() == []  # it waits for two seconds
            receiver.status = 204
            db.sql("UPDATE outbox SET due = 0")
            assert await outbox.deliver() == []

        asyncio.run(work())
        assert len(receiver.seen) == 2
        assert db.sql("SELECT attempts FROM outbox WHERE delivered IS NOT NULL") == [(2,)]


def test_a_sender_that_died_gives_way(db: Db) -> None:
    """Between the claim and the delivery: nobody else sends it for a minute, and then somebody does."""
    store = store_at(db)
    with receiving() as (url, receiver):
        outbox = Outbox(store, (hook(url),))
        asyncio.run(outbox.emit(EVENT))
        assert claim(store, outbox.destinations[0]) is not None
        assert asyncio.run(outbox.deliver()) == []
        assert receiver.seen == []
        db.sql("UPDATE outbox SET due = due - 61")
        assert asyncio.run(outbox.deliver()) == []
        assert len(receiver.seen) == 1


def test_only_those_who_subscribed_are_told(db: Db) -> None:
    outbox = Outbox(store_at(db), (hook("http://127.0.0.1:1/", INCIDENT),))
    asyncio.run(outbox.emit(EVENT))
    assert db.sql("SELECT * FROM outbox") == []


def test_an_event_is_as_durable_as_what_it_tells_of(db: Db) -> None:
    store, destinations = store_at(db), (hook("http://127.0.0.1:1/"),)

    def undone() -> None:
        with writing_store(store) as connection:
            enqueue(connection, destinations, EVENT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert db.sql("SELECT * FROM outbox") == []


def test_slack_is_told_one_sentence() -> None:
    message = slack(Letter("e-1", "ops", json.dumps(EVENT.document())), None, 0)
    assert json.loads(message.body) == {"text": ":stethoscope: *acme*: connector/warehouse is failing"}


def test_a_server_sends_what_its_store_holds(db: Db, folder: Path) -> None:
    with receiving() as (url, receiver):
        told = {"ops": {"type": "webhook", "url": "env://HOOK_URL", "secret": "env://HOOK_SECRET"}}
        env = {"HOOK_SECRET": SECRET, "HOOK_URL": url}
        with served(folder, db, env=env, notifications=told) as server:
            store = parse_database(f"sqlite:///{folder}/runtime.db", Path("/"))
            asyncio.run(Outbox(store, (Destination("ops", "webhook", url, None, frozenset({HEALTH})),)).emit(EVENT))
            server.until(lambda: len(receiver.seen) == 1, 10)

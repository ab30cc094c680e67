"""The outbox under several senders, slow servers and hostile text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from reconciler.model.address import Address
from reconciler.model.notification import Destination, event
from reconciler.notify import send as sending
from reconciler.notify.deliver import deliver
from reconciler.notify.slack import slack
from reconciler.notify.webhook import webhook
from reconciler.secrets.secret import Secret
from reconciler.store.outbox import Letter, claim, enqueue_alone
from tests.conftest import Db
from tests.notify.receiver import Receiver, receiving
from tests.store.support import database_of, set_up

DATA = {"project": "shop", "environment": None, "generation": 1, "clean": 3}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def destination(receiver: Receiver, name: str = "one") -> Destination:
    return Destination(name, "webhook", f"{receiver.url}/{name}", "env://HOOK", frozenset())


@pytest.fixture
def ready(db: Db, monkeypatch: pytest.MonkeyPatch) -> Db:
    monkeypatch.setenv("HOOK", "x" * 40)
    set_up(db)
    db.sql("INSERT INTO projects (name, lineage) VALUES ('shop', 'l')")
    return db


def test_several_senders_share_the_work(ready: Db, receiver: Receiver) -> None:
    database, one = database_of(ready), destination(receiver)
    for number in range(24):
        enqueue_alone(database, "shop", ["one"], event("heartbeat", str(number), DATA, ()))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: deliver(database, "shop", [one], pytest.fail), range(4)))
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert (len(ids), len(set(ids))) == (24, 24)
    assert ready.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_a_sender_that_died_is_replaced_after_a_minute(ready: Db, receiver: Receiver) -> None:
    """The id and the bytes are the same: the receiver can tell that it was told before."""
    database, one = database_of(ready), destination(receiver)
    enqueue_alone(database, "shop", ["one"], event("heartbeat", "now", DATA, ()))
    first = claim(database, "shop", "one")
    assert first is not None
    deliver(database, "shop", [one], pytest.fail)
    assert receiver.requests == [], "somebody is about to send it"
    ready.sql("UPDATE outbox SET claimed_until = '2020-01-01T00:00:00Z'")
    deliver(database, "shop", [one], pytest.fail)
    ((_, headers, body),) = receiver.requests
    assert (headers["webhook-id"], body.decode()) == (first.id, first.event)


def test_one_that_is_down_does_not_hold_up_another(ready: Db, receiver: Receiver) -> None:
    database, up = database_of(ready), destination(receiver, "up")
    down = Destination("down", "webhook", "http://127.0.0.1:1/", "env://HOOK", frozenset())
    for _ in range(3):
        enqueue_alone(database, "shop", ["down", "up"], event("heartbeat", "now", DATA, ()))
    warnings: list[str] = []
    deliver(database, "shop", [down, up], warnings.append)
    assert len(receiver.bodies("/up")) == 3
    assert len(warnings) == 1, "after one failure the rest of that destination waits"
    assert ready.sql("SELECT destination, attempts, last_error FROM outbox ORDER BY seq") == [
        ("down", 1, "it could not be reached (ConnectError)"),
        ("down", 0, None),
        ("down", 0, None),
    ]


def test_an_answer_that_never_ends(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends a header now and then keeps every read within its time: only a total deadline helps."""
    monkeypatch.setenv("HOOK", "x" * 40)
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 1.0)
    receiver.delay = 6
    before = time.monotonic()
    assert sending.send(destination(receiver), Letter("i", "one", "{}")) == "no answer within 1 s"
    assert time.monotonic() - before < 4


def test_the_specification_s_own_library_signs_the_same() -> None:
    key, letter = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Letter("msg_1", "one", '{"é": 2432232314}')
    message = webhook(letter, Secret(key), 1614265330)
    signed = Webhook(key).sign("msg_1", datetime.fromtimestamp(1614265330, UTC), letter.event)
    assert message.headers["webhook-signature"] == signed


def test_hostile_text_is_no_mention_no_link_and_no_second_line() -> None:
    hostile = "<!channel> <https://evil.example|click> @here *x*\n• delete everything \u202e &amp;"
    data = {
        **DATA,
        "operation": "apply",
        "actor": hostile,
        "git_commit": "<!here>",
        "summary": {"add": 1, "change": 0, "destroy": 0},
        "resources": [],
        "left_out": 0,
    }
    letter = Letter("i", "one", json.dumps({"type": "reconciler.apply", "data": data}))
    text = json.loads(slack(letter, None, 0).body)["text"]
    assert "<" not in text
    assert "@here" not in text
    assert "\u202e" not in text
    assert len(text.splitlines()) == 1


def test_a_large_apply_fits_into_a_message() -> None:
    items = [(Address("acme", "connector", "c" * 60 + str(n)), {"action": "create", "fields": []}) for n in range(5000)]
    made = event(
        "apply",
        "now",
        {
            **DATA,
            "operation": "apply",
            "actor": "a",
            "git_commit": None,
            "summary": {"add": 5000, "change": 0, "destroy": 0},
        },
        items,
    )
    assert len(made["data"]["resources"]) == 100
    text = json.loads(slack(Letter("i", "one", json.dumps(made)), None, 0).body)["text"]
    assert text.endswith("… and 4980 more.")
    assert len(text) < 4000

"""Messages through the outbox: accepted once, delivered at least once, escaped for their channel, dead after a day."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from reconciler.model.status import Freeze, Status
from reconciler.runtime.call import Failed, Permits
from reconciler.runtime.ledger import deliveries
from reconciler.runtime.messages import sealed_under
from reconciler.secrets.envelope import FileKey
from reconciler.secrets.ring import Ring
from tests.conftest import Db
from tests.runtime.ledger.support import store_of
from tests.runtime.posting import SECRETS, World
from tests.runtime.slack import TOKEN, receiving, slack_at, webhook_at


def test_a_call_is_accepted_and_then_delivered(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        ((accepted),) = world.calls({"id": 1, "what": "<!channel> & *bold* <https://evil.example|here>"})
        assert accepted.keys() == {"status", "id"}
        assert accepted["status"] == "accepted"
        assert (slack.sent, world.rows()) == ([], [("waiting", 0)])
        assert world.deliver() == []
        (sent,) = slack.sent
        assert sent.path == "/api/chat.postMessage"
        assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
        assert sent.json["text"] == "New order 1: &lt;!channel&gt; &amp; *bold* &lt;https://evil.example|here&gt;"
        off = {"mrkdwn": False, "parse": "none", "link_names": False, "unfurl_links": False, "unfurl_media": False}
        assert {**sent.json, **off} == sent.json
        assert (sent.json["channel"], sent.json["metadata"]["event_payload"]) == ("#sales", {"id": accepted["id"]})
        assert world.rows() == [("sent", 1)]
        assert db.sql("SELECT * FROM messages") == [], "the text is removed when it is delivered"
        assert world.deliver(1e4) == []
        assert len(slack.sent) == 1


def test_the_same_key_is_one_message_for_a_day(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack), dedupe="{id}")
        first, other, again = world.calls({"id": 1}, {"id": 2}, {"id": 1, "what": "other things"})
        assert again == {"status": "duplicate", "id": first["id"]}
        assert other["status"] == "accepted"
        assert world.deliver() == []
        assert world.calls({"id": 1}) == [{"status": "duplicate", "id": first["id"]}], "also after its delivery"
        assert len(slack.sent) == 2
        world.deliver(86_401)
        (later,) = world.calls({"id": 1})
        assert later["status"] == "accepted"


def test_two_at_a_time_are_one(db: Db) -> None:
    """Calls of many servers with one key: one is accepted, and all are told its id."""
    with receiving() as slack:
        world = World(db, slack_at(slack), dedupe="{id}")

        async def main() -> list[Any]:
            return await asyncio.gather(*(world.call(id=7) for _ in range(12)))

        answers = [one.content for one in asyncio.run(main())]
        assert sorted(one["status"] for one in answers) == ["accepted", *["duplicate"] * 11]
        assert len({one["id"] for one in answers}) == 1
        assert len(world.rows()) == 1


def test_what_fails_waits_and_is_sent_again_under_one_id(db: Db) -> None:
    with receiving() as slack:
        world = World(db, webhook_at(slack))
        (accepted,) = world.calls({"id": 1})
        slack.answers = [(500, {}, {}), (429, {}, {"Retry-After": "50"})]
        assert world.deliver() == ["acme/connector/alerts: it answers 500"]
        assert world.deliver() == [], "it waits for two seconds"
        assert world.deliver(3) == ["acme/connector/alerts: it answers that there are too many requests (429)"]
        assert world.deliver() == []
        assert world.deliver(40) == [], "so long it is left alone"
        assert world.deliver(11) == []
        assert [one.headers["webhook-id"] for one in slack.sent] == [accepted["id"]] * 3
        assert len({one.body for one in slack.sent}) == 1
        assert world.rows() == [("sent", 3)]


@pytest.mark.parametrize(
    ("answer", "reason", "state"),
    [
        ({"ok": False, "error": "channel_not_found"}, "it refuses the message: channel_not_found", "dead"),
        ({"ok": False, "error": "is_archived"}, "it refuses the message: is_archived", "dead"),
        ({"ok": False, "error": f"x {TOKEN}"}, "it refuses the message: an error that is not known here", "dead"),
        ({"ok": False, "error": {"a": 1}}, "it refuses the message: an error that is not known here", "dead"),
        ({"ok": False, "error": "ratelimited"}, "it answers that there are too many requests", "waiting"),
        ({"ok": False, "error": "internal_error"}, "it answers internal_error", "waiting"),
        ({"ok": False, "error": "token_revoked"}, "it refuses the credential (token_revoked)", "waiting"),
        ([TOKEN], "it refuses the message: an error that is not known here", "dead"),
    ],
)  # fmt: skip
def test_what_slack_says(db: Db, answer: Any, reason: str, state: str) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        slack.answers = [(200, answer, {"Retry-After": "30"})] * 2
        (told,) = world.deliver()
        assert told.removeprefix("acme/connector/alerts: ").removeprefix("a message is dead: ") == reason
        assert world.rows("state, last_error") == [(state, reason)]


def test_a_refused_credential_is_had_anew_once(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        slack.answers = [(200, {"ok": False, "error": "token_expired"}, {})]
        assert world.deliver() == []
        assert len(slack.sent) == 2


def test_a_message_is_dead_after_a_day_and_may_be_sent_anew(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack), dedupe="{id}")
        (first,) = world.calls({"id": 1})
        slack.answers = [(503, {}, {})] * 2
        world.deliver(86_000)
        assert world.rows() == [("waiting", 1)]
        assert world.deliver(401) == ["acme/connector/alerts: a message is dead: it answers 503"]
        (found,) = deliveries.backlogs_of(store_of(db)).values()
        assert (found.waiting, found.dead, found.last_error) == (0, 1, "it answers 503")
        assert db.sql("SELECT * FROM messages") == []
        (again,) = world.calls({"id": 1})
        assert (again["status"], again["id"] == first["id"]) == ("accepted", False), "nobody got the first one"
        assert world.deliver() == []
        db.sql("UPDATE deliveries SET ended = ended - 604801 WHERE state = 'dead'")
        deliveries.drop_old(store_of(db))
        assert deliveries.backlogs_of(store_of(db)) == {}


def test_a_message_that_nobody_got_may_be_sent_anew(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack), dedupe="{id}")
        (first,) = world.calls({"id": 1})
        slack.answers = [(200, {"ok": False, "error": "channel_not_found"}, {})]
        assert "dead" in world.deliver()[0]
        (again,) = world.calls({"id": 1})
        assert (again["status"], again["id"] == first["id"]) == ("accepted", False)


def test_each_address_gets_it_once(db: Db) -> None:
    """The second channel fails: only that one is tried again."""
    with receiving() as slack:
        world = World(db, slack_at(slack), to=["ops", "sales-alerts"])
        world.calls({"id": 1})
        slack.answers = [(200, {"ok": True}, {}), (500, {}, {})]
        assert world.deliver() == ["acme/connector/alerts: it answers 500"]
        assert world.deliver(3) == []
        assert [one.json["channel"] for one in slack.sent] == ["#ops", "C0123456789", "C0123456789", "#sales"]
        assert len({one.json["metadata"]["event_payload"]["id"] for one in slack.sent}) == 1


def test_a_server_that_died_gives_way(db: Db) -> None:
    """Between the claim and the delivery: nobody else sends it meanwhile, and then somebody does."""
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        held = deliveries.claim(store_of(db), "acme", "alerts")
        assert held is not None
        assert world.deliver() == []
        assert slack.sent == []
        assert world.deliver(deliveries.CLAIM_SECONDS + 1) == []
        assert len(slack.sent) == 1
        # the former holder comes back, and writes nothing
        assert deliveries.settle(store_of(db), held, deliveries.Ending((), "too late", again=False)) is True
        assert world.rows() == [("sent", 2)]


@pytest.mark.parametrize(("delay", "state"), [(0.3, "sent"), (9.0, "waiting")])
def test_a_server_that_stops_ends_what_it_began_or_lets_go_of_it(db: Db, delay: float, state: str) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        slack.delay = delay

        async def main() -> None:
            task = asyncio.create_task(world.deliverer.once())
            while not slack.sent:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert world.rows("state") == [(state,)]
        slack.delay = 0.0
        assert world.deliver(3) == []
        assert len(slack.sent) == (1 if state == "sent" else 2)


def test_a_channel_that_hangs_is_not_waited_for(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack, timeout_seconds=1))
        world.calls({"id": 1})
        slack.delay = 9.0
        assert world.deliver() == ["acme/connector/alerts: it took too long"]
        slack.delay = 0.0
        assert world.deliver(3) == []


def test_an_answer_is_read_up_to_a_bound(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        slack.answers = [(200, {"ok": True, "x": "y" * 5_000_000}, {})]
        assert world.deliver() == ["acme/connector/alerts: its answer can't be read"]


def test_two_servers_send_each_message_once(db: Db) -> None:
    with receiving() as slack:
        world, other = World(db, slack_at(slack)), World(db, slack_at(slack))
        slack.delay = 0.01
        world.calls(*({"id": number} for number in range(30)))

        async def main() -> None:
            await asyncio.gather(world.deliverer.once(), other.deliverer.once())

        asyncio.run(main())
        assert sorted(one.json["text"] for one in slack.sent) == sorted(f"New order {n}: things" for n in range(30))
        assert {state for state, _ in world.rows()} == {"sent"}


def test_a_digest_is_one_message_at_the_end_of_its_window(db: Db) -> None:
    with receiving() as slack:
        world = World(db, webhook_at(slack), digest_minutes=10, subject="Order {id}", dedupe="{id}")
        found = world.calls(*({"id": number} for number in (1, 2, 1, 3)))
        assert [one["status"] for one in found] == ["accepted", "accepted", "duplicate", "accepted"]
        assert world.deliver() == []
        assert world.deliver(599) == []
        assert slack.sent == []
        assert world.deliver(2) == []
        ((sent),) = slack.sent
        data = sent.json["data"]
        assert (data["messages"], data["id"], data["subject"]) == (3, found[0]["id"], "3 messages: Order 1")
        assert data["text"] == (
            "3 messages\n\nOrder 1\nNew order 1: things\n\nOrder 2\nNew order 2: things\n\nOrder 3\nNew order 3: things"
        )
        world.calls({"id": 4})
        assert len(world.rows()) == 2, "the next one opens a new window"


def test_a_digest_is_bounded(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack), digest_minutes=1)
        world.calls(*({"id": number, "what": "x" * 3000} for number in range(5)))
        db.sql("UPDATE deliveries SET messages = messages + 1000")
        assert world.deliver(61) == []
        (text,) = slack.texts
        assert text.startswith("1005 messages\n\nNew order 0: xxx")
        assert text.endswith("\n\n… and 1003 more.")
        assert len(text) <= 8000


def test_first_messages_at_the_same_time_open_one_window(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack), digest_minutes=1)

        async def main() -> None:
            await asyncio.gather(*(world.call(id=number) for number in range(8)))

        asyncio.run(main())
        assert world.rows("messages") == [(8,)]
        assert db.sql("SELECT count(*) FROM messages") == [(8,)]


def test_the_signature_is_one_that_its_library_verifies(db: Db) -> None:
    with receiving() as hook:
        headers = {"X-Team": "sales", "Authorization": "env://SLACK_TOKEN", "Webhook-Id": {"plain": "forged"}}
        world = World(db, webhook_at(hook, signing_secret="env://SIGNS", headers=headers), subject="Order {id}")
        (accepted,) = world.calls({"id": 1, "what": 'quo"te\n</script>'})
        assert world.deliver() == []
        (sent,) = hook.sent
        own = {name.lower(): value for name, value in sent.headers.items()}
        verified = Webhook(SECRETS["env://SIGNS"]).verify(sent.body.decode(), own)
        assert verified == {
            "type": "message",
            "data": {
                "id": accepted["id"],
                "template": "notify",
                "to": ["sales-alerts"],
                "subject": "Order 1",
                "text": 'New order 1: quo"te\n</script>',
                "messages": 1,
            },
        }
        assert (own["x-team"], own["authorization"], own["webhook-id"]) == ("sales", TOKEN, accepted["id"])


def test_an_incoming_webhook_s_url_is_a_secret(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as slack:
        monkeypatch.setitem(SECRETS, "env://HOOK", f"{slack.url}/services/T0/B0/secret")
        raw = slack_at(slack, webhook_url="env://HOOK", recipients={"sales-alerts": []})
        world = World(db, {name: value for name, value in raw.items() if name not in {"token", "base_url"}})
        world.calls({"id": 1, "what": "<@U1>"})
        assert world.deliver() == []
        (sent,) = slack.sent
        assert (sent.path, sent.json["text"]) == ("/services/T0/B0/secret", "New order 1: &lt;@U1&gt;")
        assert "channel" not in sent.json
        slack.answers = [(404, {}, {})]
        world.calls({"id": 2})
        assert world.deliver() == ["acme/connector/alerts: a message is dead: it answers 404"]
        monkeypatch.setitem(SECRETS, "env://HOOK", "file:///etc/passwd")
        world.calls({"id": 3})
        assert world.deliver() == ["acme/connector/alerts: its URL is none of HTTP"]


def test_no_redirect_is_followed(db: Db) -> None:
    with receiving() as hook:
        world = World(db, webhook_at(hook))
        world.calls({"id": 1})
        hook.answers = [(307, {}, {"Location": f"{hook.url}/elsewhere"})]
        assert world.deliver() == ["acme/connector/alerts: a message is dead: it answers 307"]
        assert [one.path for one in hook.sent] == ["/hook"]


def test_an_address_that_may_not_be_reached_is_not(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.permits = Permits()
        world.calls({"id": 1})
        assert world.deliver() == ["acme/connector/alerts: that address may not be reached: it is not public"]
        assert slack.sent == []
        assert world.rows("state") == [("waiting",)]


@pytest.mark.parametrize("target", ["platform", "tenant/acme", "acme/connector/alerts", "acme/template/notify"])
def test_what_is_frozen_sends_nothing(db: Db, target: str) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        world.status = Status(freezes=(Freeze("f", target, "why", "2026-11-30T12:00:00Z", "ops"),))
        (told,) = world.deliver()
        assert "frozen" in told
        assert slack.sent == []
        world.status = Status()
        assert world.deliver(3) == []
        assert len(slack.sent) == 1


def test_a_server_that_does_not_know_what_is_in_force_delivers_nothing(db: Db) -> None:
    """It is that server's own trouble: it costs the message no attempt, and no wait once it is over."""
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        world.is_stale = True
        assert world.deliver() == ["what is in force is not known"] == world.deliver()
        assert (slack.sent, world.rows()) == ([], [("waiting", 0)])
        world.is_stale = False
        assert world.deliver() == []
        assert len(slack.sent) == 1


def test_a_connector_that_was_renamed_still_gets_it(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        world.name = "notices"
        assert world.deliver() == []
        assert len(slack.sent) == 1


def test_a_defect_keeps_up_nothing_for_ever(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("reconciler.runtime.delivering.send", broken)
        assert world.deliver() == ["acme/connector/alerts: it failed here"]
        assert world.deliver(86_401) == ["acme/connector/alerts: a message is dead: it failed here"]


def test_a_connector_of_another_life_gets_nothing(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        world.calls({"id": 1})
        db.sql("UPDATE deliveries SET uid = 'u-before'")
        assert world.deliver() == ["acme/connector/alerts: its connector is gone"]
        assert slack.sent == []


def test_texts_are_sealed_where_there_is_a_key(db: Db) -> None:
    key = FileKey("k1", b"s" * 32)
    ring = Ring(key, lambda _id: key)
    with receiving() as slack:
        world = World(db, slack_at(slack), ring)
        world.calls({"id": 1, "what": "a canary"})
        ((body,),) = db.sql("SELECT body FROM messages")
        assert b"canary" not in bytes(body)
        assert len(sealed_under(store_of(db), "k1")) == 1
        assert sealed_under(store_of(db), "k2") == []
        without = World(db, slack_at(slack))
        assert without.deliver() == ["acme/connector/alerts: the message is sealed, and no key is configured here"]
        assert world.deliver(3) == []
        assert slack.texts == ["New order 1: a canary"]


def test_no_key_of_duplicates_is_kept_as_it_is(db: Db) -> None:
    with receiving() as slack:
        World(db, slack_at(slack), dedupe="{what}").calls({"id": 1, "what": "ann@example.com"})
        assert "ann@example.com" not in json.dumps(db.sql("SELECT tenant, template, key, message FROM message_keys"))


def test_there_is_a_bound_on_what_waits(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "MOST_WAITING", 2)
    with receiving() as slack:
        world = World(db, slack_at(slack), dedupe="{id}")
        world.calls({"id": 1}, {"id": 2})
        with pytest.raises(Failed, match="too many messages wait") as caught:
            world.calls({"id": 3})
        assert (caught.value.code, caught.value.outcome) == ("overloaded", "blocked")
        assert world.deliver() == []
        assert world.calls({"id": 3})[0]["status"] == "accepted", "what was refused was not kept as a duplicate"


def test_a_store_that_is_away_keeps_nothing(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        db.sql("UPDATE runtime_schema SET version = '8'")
        with pytest.raises(Failed) as caught:
            world.calls({"id": 1})
        assert (caught.value.code, caught.value.outcome) == ("unavailable", "blocked")


@pytest.mark.parametrize("value", ["a\x00b", "a\x1b[31m", "a\u2028b", "a\x85b"])
def test_control_characters_are_no_text(db: Db, value: str) -> None:
    world = World(
        db,
        {"type": "notification", "provider": "webhook", "url": "https://x.example", "recipients": {"sales-alerts": []}},
    )
    (unfit,) = world.unfit(id=1, what=value)
    assert unfit.parameter == "what"


def test_a_text_is_bounded_before_anything_is_kept(db: Db) -> None:
    with receiving() as slack:
        world = World(db, slack_at(slack))
        (unfit,) = world.unfit(id=1, what="x" * 9000)
        assert unfit == ("arguments", "expected values with which the text has at most 8,000 characters")
        assert world.unfit(id=1, what="x" * 7000) == ()

"""People and programs are told of what was applied and of drift: by the command line, a real server, both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.conftest import BASE, Db, Run, new_postgres_database, reconciler
from tests.notify.receiver import Receiver, receiving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwCANARY11"
PROJECT = """
version: 1
project: shop
notifications:
  channel: {{type: slack, url: "env://SLACK_URL", events: [apply, drift, heartbeat]}}
  siem: {{type: webhook, url: "{url}/siem", secret: "env://HOOK_SECRET"}}
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def told(run: Run, base: Path, folder: Path, receiver: Receiver) -> Run:
    (folder / "reconciler.yaml").write_text(PROJECT.format(url=receiver.url))
    env = {"SLACK_URL": f"{receiver.url}/canary-slack-path", "HOOK_SECRET": SECRET}

    def call(*arguments: str, **more: str) -> object:
        return run(*arguments, env={**env, **more})

    return call


def test_an_apply_is_told_and_signed(told: Run, receiver: Receiver, base: Path, db: Db) -> None:
    done = told("apply", "--auto-approve").ok()
    assert "Warning" not in done.text
    (text,) = [json.loads(body)["text"] for body in receiver.bodies("/canary-slack-path")]
    assert text.splitlines()[0] == (
        ":white_check_mark: *shop*: apply, generation 1: 3 added, 0 changed, 0 destroyed, by tester."
    )
    assert "• create acme/connector/warehouse" in text
    ((_, headers, body),) = [one for one in receiver.requests if one[0] == "/siem"]
    event = Webhook(SECRET).verify(body, headers)
    assert (event["type"], event["data"]["summary"]) == (
        "reconciler.apply",
        {"add": 3, "change": 0, "destroy": 0},
    )
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"tester", b"nobody"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 40).verify(body, headers)
    assert db.sql("SELECT count(*) FROM outbox") == [(0,)]

    base.write_text(BASE.replace("cost_usd: 100", "cost_usd: 7310427"))
    told("apply", "--auto-approve").ok()
    event = json.loads(receiver.bodies("/siem")[1])
    assert event["data"]["resources"] == [
        {"address": "acme/limit/month", "action": "update", "fields": ["cost_usd"]},
    ]
    assert not any(b"7310427" in body for _, _, body in receiver.requests), "values stay in the database"
    told("apply", "--auto-approve").ok()  # changes nothing, and is not told
    assert len(receiver.requests) == 4


def test_drift_and_heartbeats(told: Run, receiver: Receiver, db: Db) -> None:
    told("apply", "--auto-approve").ok()
    receiver.requests.clear()
    told("drift").ok(0)
    assert receiver.requests == [], "without --notify nothing is told"
    told("drift", "--notify").ok(0)
    assert receiver.bodies("/siem") == [], "heartbeats are for those who asked for them"
    (beat,) = receiver.bodies("/canary-slack-path")
    assert "no drift, 3 resources are as generation 1 applied them" in json.loads(beat)["text"]
    db.set_field("acme/limit/month", "on_exceed", "warn")
    told("drift", "--notify").ok(2)
    told("drift", "--notify").ok(2)
    one, two = (json.loads(body) for body in receiver.bodies("/siem"))
    assert one["type"] == "reconciler.drift"
    assert one["data"]["counts"] == {"created": 0, "changed": 1, "deleted": 0}
    assert one["data"]["resources"][0]["fields"] == ["on_exceed"]
    assert one["data"]["fingerprint"] == two["data"]["fingerprint"]
    text = json.loads(receiver.bodies("/canary-slack-path")[1])["text"]
    assert "changed outside since generation 1: 1 changed." in text
    assert "• changed acme/limit/month: on_exceed by " in text


def test_a_server_that_is_down_or_unwilling_costs_nothing(told: Run, receiver: Receiver, base: Path, db: Db) -> None:
    receiver.status = 503
    done = told("apply", "--auto-approve").ok()
    assert "Apply complete!" in done.out
    assert "the notification 'siem' was not delivered: it answered 503. It is kept" in done.err
    assert db.sql("SELECT count(*) FROM outbox") == [(2,)]
    receiver.status, receiver.location = 302, f"{receiver.url}/elsewhere"
    told("drift", "--notify").ok(0)
    assert receiver.bodies("/elsewhere") == [], "a redirect is not followed"
    gone = told("drift", "--notify", SLACK_URL="http://127.0.0.1:1/canary-slack-path").ok(0)
    assert "it could not be reached (ConnectError)" in gone.err
    unset = told("drift", "--notify", SLACK_URL="", HOOK_SECRET="short").ok(0)
    assert "the environment has no variable SLACK_URL" in unset.err
    assert "the signing secret is not usable" in unset.err

    receiver.status, receiver.location = 204, ""
    receiver.requests.clear()
    told("drift", "--notify").ok(0)
    assert db.sql("SELECT count(*) FROM outbox") == [(0,)]
    first = [json.loads(body)["text"] for body in receiver.bodies("/canary-slack-path")]
    assert len(first) == 5, "what waited is told, the oldest first"
    assert "apply, generation 1" in first[0]
    for ran in (done, gone, unset):
        assert "canary" not in ran.text.lower()


def test_what_can_not_be_delivered_for_a_week_is_given_up(told: Run, receiver: Receiver, db: Db) -> None:
    receiver.status = 500
    told("apply", "--auto-approve").ok()
    assert "canary" not in str(db.sql("SELECT * FROM outbox")).lower()
    db.sql("UPDATE outbox SET created_at = '2020-01-01T00:00:00Z' WHERE destination = 'siem'")
    assert "1 notification(s) to 'siem' were given up" in told("drift", "--notify").ok(0).err
    assert {d for (d,) in db.sql("SELECT destination FROM outbox")} == {"channel"}


def test_killed_after_the_commit_it_is_told_by_the_next(told: Run, receiver: Receiver, db: Db) -> None:
    told("apply", "--auto-approve", RECONCILER_FAILPOINT="after_commit:kill").ok(-9)
    assert receiver.requests == []
    told("apply", "--auto-approve").ok()
    assert len(receiver.bodies("/siem")) == 1
    assert db.sql("SELECT count(*) FROM outbox") == [(0,)]


def test_an_apply_that_fails_tells_nothing(told: Run, receiver: Receiver) -> None:
    told("apply", "--auto-approve", RECONCILER_FAILPOINT="before_commit:raise").ok(1)
    told("apply", "--auto-approve", RECONCILER_FAILPOINT="before_commit:kill").ok(-9)
    assert receiver.requests == []


def test_nobody_to_tell(run: Run, base: Path) -> None:
    run("apply", "--auto-approve", ".").ok()
    assert "has nobody to tell" in run("drift", "--notify").ok(64).err


def test_a_role_that_may_only_read(postgres_server: str, base: Path, folder: Path, receiver: Receiver) -> None:
    """Drift is told in the exit code all the same; a heartbeat that can't be sent is a failure."""
    db = Db(new_postgres_database(postgres_server))
    (folder / "reconciler.yaml").write_text(PROJECT.format(url=receiver.url))
    env = {"SLACK_URL": f"{receiver.url}/s", "HOOK_SECRET": SECRET, "RECONCILER_DATABASE_URL": db.url}
    reconciler("apply", "--auto-approve", cwd=folder, env=env).ok()
    env["PGOPTIONS"] = "-c default_transaction_read_only=on"
    assert "the notification was not queued" in reconciler("drift", "--notify", cwd=folder, env=env).ok(1).err
    db.set_field("acme/limit/month", "on_exceed", "warn")
    reconciler("drift", "--notify", cwd=folder, env=env).ok(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{type: slack, url: 'https://hooks.slack.com/services/T/B/canary'}", "expected a reference to a secret"),
        ("{type: slack, url: 'vault://kv/ops/slack#url'}", "without a secret store"),
        ("{type: webhook, url: 'https://user:canary@example.com/x', secret: 'env://S'}", "must not carry a user"),
        ("{type: webhook, url: 'https://example.com/x', secret: canary}", "expected a reference to a secret"),
        ("{type: webhook, url: 'https://example.com/x'}", "`secret`"),
        ("{type: pager, url: 'env://X'}", "pager"),
        ("{type: slack, url: 'env://X', events: [applied]}", "apply"),
        ("{type: slack, url: 'env://X', secret: 'env://Y'}", "secret"),
    ],
)
def test_what_is_wrong_with_a_destination(folder: Path, base: Path, text: str, message: str) -> None:
    (folder / "reconciler.yaml").write_text(f"version: 1\nnotifications:\n  one: {text}\n")
    ran = reconciler("validate", cwd=folder).ok(3)
    assert message in ran.err
    assert "reconciler.yaml:3:" in ran.err
    assert "canary" not in ran.text

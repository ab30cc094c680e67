"""Mail through the outbox to a real server: what it says in bytes, what replies mean, TLS and passwords."""

from __future__ import annotations

import asyncio
import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.model.health import Check
from reconciler.runtime.checks import check_of
from reconciler.runtime.connectors.message import Outgoing
from reconciler.runtime.connectors.message_smtp import mail
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.pools import Pools
from tests.conftest import Db
from tests.runtime.connectors.mailing import Mails, certified, mailing, smtp_at
from tests.runtime.posting import SECRETS, World

SUBJECT = {"subject": "Order {id}: {what}"}


def parsed(data: Any) -> EmailMessage:
    return cast(EmailMessage, email.message_from_bytes(bytes(data), policy=email.policy.default))


def test_a_mail_is_plain_text_to_one_address(db: Db) -> None:
    with mailing() as mails:
        world = World(db, smtp_at(mails), to=["ops"], **SUBJECT)
        (accepted,) = world.calls({"id": 1, "what": "zwölf <b>Äpfel</b>"})
        assert world.deliver() == []
        first, second = mails.came
        assert (first.mail_from, first.rcpt_tos, second.rcpt_tos) == (
            "bot@shop.example",
            ["a@ops.example"],
            ["b@ops.example"],
        )
        message = parsed(first.content)
        assert (message["From"], message["To"], message["Cc"]) == ("bot@shop.example", "a@ops.example", None)
        assert message["Subject"] == "Order 1: zwölf <b>Äpfel</b>"
        assert message.get_content_type() == "text/plain"
        assert message.get_content() == "New order 1: zwölf <b>Äpfel</b>"
        assert message["Message-ID"].startswith(f"<{accepted['id']}.")
        assert message["Message-ID"] != parsed(second.content)["Message-ID"]
        assert b"b@ops.example" not in bytes(first.content or b""), "nobody sees who else got it"
        assert {*mails.hello} == {"shop.example"}


@pytest.mark.parametrize(
    ("replies", "state", "told"),
    [
        ({"rcpt": ["450 busy"]}, "waiting", "it answers 450"),
        ({"rcpt": ["550 no such user"]}, "dead", "a message is dead: it answers 550"),
        ({"data": ["451 try later"]}, "waiting", "it answers 451"),
        ({"data": ["554 spam"]}, "dead", "a message is dead: it answers 554"),
    ],
)
def test_a_reply_of_4xx_is_passing_and_one_of_5xx_final(db: Db, replies: dict[str, Any], state: str, told: str) -> None:
    with mailing() as mails:
        world = World(db, smtp_at(mails), **SUBJECT)
        (accepted,) = world.calls({"id": 1})
        for name, answers in replies.items():
            getattr(mails, name).extend(answers)
        assert world.deliver() == [f"acme/connector/alerts: {told}"]
        assert world.rows("state") == [(state,)]
        if state == "waiting":
            assert world.deliver(3) == []
            assert parsed(mails.came[0].content)["Message-ID"].startswith(f"<{accepted['id']}.")


def test_nobody_listens(db: Db) -> None:
    with mailing() as mails:
        raw = smtp_at(mails)
    world = World(db, raw, **SUBJECT)
    world.calls({"id": 1})
    assert world.deliver() == ["acme/connector/alerts: it can't be reached"]


HOSTILE = [
    "a\r\nBcc: victim@example.com",
    "a\nBcc: victim@example.com",
    "a\rBcc: victim@example.com",
    "a\x00b",
    "a\u2028Bcc: victim@example.com",
    "a\x85Bcc: victim@example.com",
    "a\x0bBcc: x",
    "a\x1cBcc: x",
    "\n.\r\nMAIL FROM:<x@y>",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_subject_is_one_line(db: Db, value: str) -> None:
    with mailing() as mails:
        assert [one.parameter for one in World(db, smtp_at(mails), **SUBJECT).unfit(id=1, what=value)] == ["what"]


ODD = [
    "=?utf-8?q?a=0D=0ABcc:_victim@example.com?=",
    "=?utf-8?b?DQpCY2M6IHhAeS56?=",
    "a, b@example.com, <c@example.com>",
    ".\n..\nFrom x\n.\nQUIT",
    "ü" * 150,
    "x" * 150,
    "😀 " * 40,
    "Content-Type: text/html\n\n<script>alert(1)</script>",
]


@pytest.mark.parametrize("value", ODD)
def test_whatever_is_in_a_value_is_text(db: Db, value: str) -> None:
    """It stands in the subject and in the text as it was given; there is no other header, and no other recipient."""
    with mailing() as mails:
        in_line = " ".join(value.split())
        world = World(db, smtp_at(mails), subject="{line}", text="{id} {what}", parameters={
            "id": {"type": "integer"}, "line": {"type": "string"}, "what": {"type": "string"}})  # fmt: skip
        world.calls({"id": 1, "line": in_line, "what": value})
        assert world.deliver() == []
        (came,) = mails.came
        message = parsed(came.content)
        assert came.rcpt_tos == ["sales@shop.example"]
        assert {*message.keys()} == {
            "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
            "Content-Transfer-Encoding", *({"X-Peer"} & {*message.keys()}),
        }  # fmt: skip
        assert message["Subject"] == in_line
        assert message.get_payload(decode=True) == f"1 {value}".replace("\n", "\r\n").encode()
        assert max(len(line) for line in bytes(came.content or b"").split(b"\r\n")) <= 998
        assert message.defects == []


def test_a_mail_is_the_same_at_each_attempt() -> None:
    one = Outgoing("0660000000000" + "a" * 19, "acme", "notify", ("ops",), "Grüße", "Text")
    assert mail(one, "a@x.example", "b@y.example") == mail(one, "a@x.example", "b@y.example")
    assert mail(one, "a@x.example", "b@y.example").isascii()


@pytest.mark.parametrize("mode", ["starttls", "tls"])
def test_mail_goes_over_tls_to_a_server_that_is_trusted(
    db: Db, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certified(tmp_path)
    with mailing(context, from_the_first=mode == "tls") as mails:
        world = World(db, smtp_at(mails, tls=mode), **SUBJECT)
        world.calls({"id": 1})
        (told,) = world.deliver()
        assert "can't be trusted" in told or "can't be reached" in told
        assert mails.came == []
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert world.deliver(3) == []
        assert mails.was_encrypted == [mode == "starttls"]  # aiosmtpd sees no TLS that began before it did


def test_a_server_without_starttls_gets_no_mail(db: Db) -> None:
    with mailing() as mails:
        world = World(db, smtp_at(mails, tls="starttls"), **SUBJECT)
        world.calls({"id": 1})
        assert len(world.deliver()) == 1
        assert mails.came == []
        raw = smtp_at(mails)
        del raw["tls"]
        assert len(World(db, raw, **SUBJECT).deliver(3)) == 1
        assert mails.came == [], "that is the default"


def check(world: World) -> Check | None:
    async def main() -> Check | None:
        pools = Pools(CONNECTORS, world.around(), lambda _id: False)
        return await check_of("acme", world.target.connector, pools)

    return asyncio.run(main())


def test_a_password_is_sent_over_tls_and_health_knows_a_refused_one(
    db: Db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with mailing(context, auth=True) as mails:
        own = smtp_at(mails, tls="starttls", username="bot", password="env://PASSWORD")
        world = World(db, own, **SUBJECT)
        world.calls({"id": 1})
        assert world.deliver() == []
        assert len(mails.came) == 1
        found = check(world)
        assert found is not None
        assert found.state == "healthy", found
        monkeypatch.setitem(SECRETS, "env://PASSWORD", "another")
        found = check(world)
        assert found is not None
        assert (found.state, found.reason) == ("failing", "it refuses the credential")
        world.calls({"id": 2})
        assert world.deliver() == ["acme/connector/alerts: it refuses the credential (535)"]
        assert world.rows("state")[-1] == ("waiting",)


def test_a_check_sends_no_mail(db: Db) -> None:
    with mailing() as mails:
        found = check(World(db, smtp_at(mails), **SUBJECT))
        assert found is not None
        assert found.state == "healthy", found
        assert (len(mails.hello), mails.came) == (1, [])
    found = check(World(db, smtp_at(Mails(mails.port)), **SUBJECT))
    assert found is not None
    assert (found.state, found.reason) == ("failing", "it can't be reached")

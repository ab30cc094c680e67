"""Hostile values of messages: whatever they are, a channel carries them as text, or they are refused."""

from __future__ import annotations

import email
import email.policy
import html
import json
from random import Random
from typing import Any

from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.kinds.template.message_text import unfit, written
from reconciler.model.body import Body
from reconciler.model.target import Bound, Identity
from reconciler.runtime.connectors.message import Outgoing
from reconciler.runtime.connectors.message_slack import escaped
from reconciler.runtime.connectors.message_smtp import mail
from reconciler.runtime.connectors.message_webhook import body_of
from tests.runtime.calls import resource
from tests.runtime.connectors.mailing import Mails, smtp_at
from tests.runtime.slack import Receiver, slack_at, webhook_at

PIECES = (
    "<!channel>", "<!here|x>", "<@U0123456>", "<#C0123456|x>", "<https://evil.example|bank>", "&lt;!channel&gt;", "&amp;lt;",
    "*bold*", "_i_", "~s~", "`code`", "```", ">", "@channel", "@here", "https://evil.example", "mailto:a@b", "{id}", "{what}",
    "{{", "}}", "%s", "${id}", "{0}", "\r\nBcc: v@example.com", "\nBcc: v@example.com", "\rTo: x", "\r\n\r\n", "\n.\n",
    "\r\n.\r\nMAIL FROM:<a@b>", "=?utf-8?q?a=0ABcc:_x?=", "=?utf-8?b?DQpCY2M6IHhAeS56?=", "=?us-ascii?q?=0D=0A?=", ", b@example.com",
    "<c@example.com>", "\x00", "\x1b[2J", "\x07", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\u202e", "\u200b", "\ufeff",
    "ü", "漢字", "😀", "e\u0301", "\ud7ff", "\ue000", "\U0010ffff", " ", "\t", "a", "Content-Type: text/html", "<script>", "'", '"', "\\",
    "\\n", "--", "From x", "x" * 90, "ü" * 70,
)  # fmt: skip
PARAMETERS = {"id": {"type": "string"}, "what": {"type": "string"}, "line": {"type": "string"}}
NOBODY = Identity("bot", {})


def value(random: Random) -> str:
    return "".join(random.choice(PIECES) for _ in range(random.randint(1, 6)))


def template(**more: Any) -> Body:
    raw = {
        "type": "message",
        "connector": "it",
        "to": ["sales-alerts"],
        "text": "New {id}:\n{what} ({line})",
        "parameters": PARAMETERS,
    }
    return resource("template", {**raw, **more}).body


def carried(count: int, seed: int) -> tuple[int, int]:
    """Judge so many calls by each channel; return how many were carried, and how many refused. Raises AssertionError."""
    random, hook = Random(seed), Receiver(1)
    connectors = {
        "slack": (template(), resource("connector", slack_at(hook)).body),
        "smtp": (template(subject="Order {line}"), resource("connector", smtp_at(Mails(1))).body),
        "webhook": (template(subject="Order {line}"), resource("connector", webhook_at(hook)).body),
    }
    taken = refused = 0
    for number in range(count):
        values = {name: value(random) for name in PARAMETERS}
        for provider, (body, connector) in connectors.items():
            bound = ParameterInputs(body, connector, unfit).bind(values, NOBODY)
            if not isinstance(bound, Bound):
                refused += 1
                continue
            taken += 1
            made = written(body, bound.values)
            outgoing = Outgoing(f"{number:032x}", "acme", "notify", ("sales-alerts",), made.subject, made.text)
            plain = {name: one.replace("\r\n", "\n").replace("\r", "\n") for name, one in values.items()}
            text = f"New {plain['id']}:\n{plain['what']} ({plain['line']})"
            _CHECKS[provider](outgoing, text, " ".join(f"Order {plain['line']}".split()))
    return taken, refused


def _slack(outgoing: Outgoing, text: str, _subject: str) -> None:
    sent = escaped(outgoing.text)
    assert "<" not in sent
    assert ">" not in sent
    assert html.unescape(sent) == html.unescape(text.replace("&", "&amp;")), (sent, text)


def _smtp(outgoing: Outgoing, text: str, subject: str) -> None:
    data = mail(outgoing, "bot@shop.example", "sales@shop.example")
    assert data.isascii()
    head, _, rest = data.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    assert names == [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"]  # fmt: skip
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert b"." not in rest
    message: Any = email.message_from_bytes(data, policy=email.policy.default)
    assert message["Subject"] == subject
    assert message.get_payload(decode=True).decode() == text.replace("\n", "\r\n")


def _webhook(outgoing: Outgoing, text: str, subject: str) -> None:
    data = json.loads(body_of(outgoing))["data"]
    assert data["text"] == text
    assert " ".join(data["subject"].split()) == subject
    assert data["to"] == ["sales-alerts"]


_CHECKS = {"slack": _slack, "smtp": _smtp, "webhook": _webhook}

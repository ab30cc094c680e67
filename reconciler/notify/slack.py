"""Messages for Slack's incoming webhooks, and for what understands them (Mattermost, Rocket.Chat, Discord's /slack)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from reconciler.notify.message import Message
from reconciler.secrets.secret import Secret
from reconciler.store.outbox import Letter

LINES = 20
_HEADS = {
    "reconciler.apply": ":white_check_mark:",
    "reconciler.drift": ":warning:",
    "reconciler.heartbeat": ":green_heart:",
    "reconciler.audit-head": ":link:",
    "reconciler.health": ":stethoscope:",
    "reconciler.approval": ":raised_hand:",
    "reconciler.incident": ":rotating_light:",
}


def slack(letter: Letter, secret: Secret | None, now: int) -> Message:
    """Make the request that posts an event to a Slack webhook."""
    event = orjson.loads(letter.event)
    text = "\n".join(_lines(event["type"], event["data"]))
    return Message({"content-type": "application/json"}, orjson.dumps({"text": text}))


def _lines(type_: str, data: dict[str, Any]) -> Iterator[str]:
    if "summary" in data and "project" not in data:  # of a runtime
        yield f"{_HEADS[type_]} *{_plain(data['tenant'])}*: {_plain(data['summary'])}"
        return
    where = _plain(data["project"]) + (f" ({_plain(data['environment'])})" if data["environment"] else "")
    head = f"{_HEADS[type_]} *{where}*"
    if type_ == "reconciler.heartbeat":
        yield f"{head}: no drift, {data['clean']} resources are as generation {data['generation']} applied them."
        return
    if type_ == "reconciler.audit-head":
        found = data["head"]
        yield f"{head}: entry {found['seq']} of the audit trail has the hash {_plain(found['hash'])}, at {_plain(found['at'])}."
        if "ed25519" in found:
            yield f"Ed25519: {_plain(found['ed25519'])}"
        return
    if type_ == "reconciler.drift":
        counts = ", ".join(f"{count} {_plain(op)}" for op, count in data["counts"].items() if count)
        yield f"{head}: changed outside since generation {data['generation']}: {counts}."
    else:
        s = data["summary"]
        commit = f", commit {_plain(data['git_commit'])[:12]}" if data["git_commit"] else ""
        yield (
            f"{head}: {_plain(data['operation'])}, generation {data['generation']}: {s['add']} added, {s['change']} changed, "
            f"{s['destroy']} destroyed, by {_plain(data['actor'])}{commit}."
        )
    resources = data["resources"]
    for item in resources[:LINES]:
        fields = ", ".join(_plain(f) for f in item["fields"][:5]) + (", ..." if len(item["fields"]) > 5 else "")
        who = f" by {_plain(item['by'])} at {_plain(item['at'])}" if "by" in item else ""
        yield f"• {_plain(item['action'])} {_plain(item['address'])}{': ' + fields if fields else ''}{who}"
    if (rest := max(0, len(resources) - LINES) + data["left_out"]) > 0:
        yield f"… and {rest} more."


def _plain(text: object) -> str:
    """Text that can't become a mention, a link or a second line: Slack's three signs escaped, control characters out."""
    shown = "".join(c for c in str(text) if c.isprintable())[:200]
    return (
        shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u2060").replace("*", "∗")
    )

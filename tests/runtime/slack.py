"""A server in the shape of Slack's web API and of webhooks, on loopback: it keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.serving import serving_in_thread

TOKEN = "xoxb-test-token-0123456789"


@dataclass
class Sent:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    json: Any


@dataclass
class Receiver:
    """``answers`` to messages are taken one by one: a status with JSON, and headers; when they are used up, everything is taken."""

    port: int = 0
    sent: list[Sent] = field(default_factory=list)
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    delay: float = 0.0
    is_closing: bool = False
    """Nobody waits for an answer any more, however long the delay."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def texts(self) -> list[str]:
        return [one.json.get("text") or one.json["data"]["text"] for one in self.sent if "auth.test" not in one.path]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.sent.append(Sent(request.path, dict(request.headers), body, json.loads(body)))
        ends = time.monotonic() + self.delay
        while not self.is_closing and (left := ends - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.05))
        if self.answers and not request.path.endswith("auth.test"):  # a server may check at any moment
            status, content, headers = self.answers.pop(0)
            return web.json_response(content, status=status, headers=headers)
        if request.path.startswith("/api/") and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        return web.json_response({"ok": True})


@contextmanager
def receiving() -> Iterator[Receiver]:
    found, app = Receiver(), web.Application()
    app.router.add_route("*", "/{path:.*}", found._answer)
    with serving_in_thread(app) as port:
        found.port = port
        try:
            yield found
        finally:
            found.is_closing = True


def near(port: int) -> dict[str, Any]:
    """What a connector says to reach a port of this machine."""
    return {"network_exceptions": [{"cidr": "127.0.0.0/8", "port": port}]}


def slack_at(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {
        "type": "notification",
        "provider": "slack",
        "token": "env://SLACK_TOKEN",
        "base_url": f"{receiver.url}/api",
        "recipients": {"sales-alerts": ["#sales"], "ops": ["#ops", "C0123456789"]},
        **near(receiver.port),
        **more,
    }


def webhook_at(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {
        "type": "notification",
        "provider": "webhook",
        "url": f"{receiver.url}/hook",
        "recipients": {"sales-alerts": [], "ops": []},
        **near(receiver.port),
        **more,
    }

"""Nothing of a channel's makes a connection to an address that nobody permits, however it is spelled."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.runtime.call import Failed, Permits
from reconciler.runtime.connectors.message import Outgoing, Undelivered, Way, send
from reconciler.runtime.connectors.message_slack import ping as ping_slack
from reconciler.runtime.connectors.message_smtp import ping as ping_smtp
from tests.runtime.test_addresses import PRIVATE

OUTGOING = Outgoing("0" * 32, "acme", "notify", ("a",), "Subject", "text")


@pytest.fixture
def victim() -> Iterator[socket.socket]:
    """A listener that nobody may reach, on both families where there are two."""
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM) if socket.has_dualstack_ipv6() else socket.socket()
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind(("::" if listener.family == socket.AF_INET6 else "0.0.0.0", 0))
    except OSError:
        listener.close()
        listener = socket.socket()
        listener.bind(("0.0.0.0", 0))
    listener.listen(100)
    listener.setblocking(False)
    yield listener
    listener.close()


def ways(host: str, port: int) -> dict[str, tuple[dict[str, Any], str]]:
    """Bodies as somebody may have written them into the database, and the URL behind a reference."""
    shown = f"[{host.strip('[]')}]" if ":" in host else host
    url = f"http://{shown}:{port}/hook"
    common: dict[str, Any] = {"network_exceptions": [], "timeout_seconds": 5, "headers": {}}
    return {
        "slack": ({**common, "provider": "slack", "token": "env://X", "base_url": url}, url),
        "incoming webhook": ({**common, "provider": "slack", "webhook_url": "env://X"}, url),
        "smtp": ({**common, "provider": "smtp", "host": host, "port": port, "tls": "none", "from": "a@b.example"}, ""),
        "webhook": ({**common, "provider": "webhook", "url": url}, url),
        "secret webhook": ({**common, "provider": "webhook", "webhook_url": "env://X"}, url),
    }


def test_sixty_spellings_reach_nobody(victim: socket.socket) -> None:
    port = victim.getsockname()[1]
    codes = set()

    async def main() -> None:
        for host in PRIVATE:
            for body, url in ways(host, port).values():
                way = Way(body, lambda _reference, url=url: _told(url), Permits())  # type: ignore[misc]
                for attempt in (send(OUTGOING, "#a", way), *_pings(way)):
                    with pytest.raises((Failed, Undelivered)) as caught:
                        await asyncio.wait_for(attempt, 5)
                    codes.add(caught.value.code)

    asyncio.run(main())
    assert len(PRIVATE) >= 60
    assert "address-refused" in codes
    assert codes <= {"address-refused", "unreachable"}
    with pytest.raises(BlockingIOError):
        victim.accept()


def _pings(way: Way) -> list[Any]:
    pings = {"slack": ping_slack, "smtp": ping_smtp}
    provider = way.body["provider"]
    return [pings[provider](way)] if provider in pings and "webhook_url" not in way.body else []


async def _told(url: str) -> str:
    return url


def test_the_listener_would_have_been_reached(victim: socket.socket) -> None:
    """The same bodies, with both permits: each of them comes through."""
    from ipaddress import ip_network

    port = victim.getsockname()[1]

    async def main() -> None:
        for body, url in ways("127.0.0.1", port).values():
            body["network_exceptions"] = [{"cidr": "127.0.0.0/8", "port": port}]
            way = Way(body, lambda _reference, url=url: _told(url), Permits((ip_network("127.0.0.0/8"),)))  # type: ignore[misc]
            with pytest.raises((Failed, Undelivered, TimeoutError)):
                await asyncio.wait_for(send(OUTGOING, "#a", way), 0.3)
            victim.accept()[0].close()

    asyncio.run(main())

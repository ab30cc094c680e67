"""The open connections of one listener: deadlines, and room for new ones."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from reconciler.codes import Code
from reconciler.load.serve_file import DoorSettings

SWEEP_SECONDS = 1.0
ROOM_SECONDS = 0.02
"""Bytes of a request may lie in the kernel when its connection is accepted: they are read before anybody makes room."""
BURST = 512
"""Connections above the cap until room is made; more are closed at once."""


class Connection(Protocol):
    """``deadline`` and ``waiting_since`` are in monotonic time; ``deadline`` is infinite while the server works."""

    address: str
    deadline: float
    waiting_since: float

    @property
    def is_waiting(self) -> bool:
        """Whether no request of it has arrived whole, and none is being answered."""

    def expire(self) -> None:
        """End a connection whose deadline has passed."""

    def make_room(self) -> None:
        """End a waiting connection, since others need its place."""

    def abort(self) -> None:
        """Close without an answer."""


class Connections:
    """Counts connections by address; of too many, those that have waited longest make room for new ones."""

    def __init__(self, settings: DoorSettings, refused: Callable[[Code], None]) -> None:
        self.settings, self.refused = settings, refused
        self._all: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def opened(self, one: Connection) -> None:
        self._all.add(one)
        self._by_address[one.address] += 1
        if len(self._all) > self.settings.connections + BURST:
            self.refused("overloaded")
            one.abort()
        elif self._is_crowded(one.address) and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ROOM_SECONDS, self._make_room)

    def closed(self, one: Connection) -> None:
        if one not in self._all:
            return
        self._all.remove(one)
        self._by_address[one.address] -= 1
        if not self._by_address[one.address]:
            del self._by_address[one.address]

    async def sweeping(self) -> None:
        """End what has passed its deadline, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = time.monotonic()
            for one in [one for one in self._all if one.deadline < now]:
                one.expire()

    def _is_crowded(self, address: str) -> bool:
        return (
            len(self._all) > self.settings.connections
            or self._by_address[address] > self.settings.connections_per_address
        )

    def _make_room(self) -> None:
        self._timer = None
        waiting = [one for one in self._all if one.is_waiting]
        for one in sorted(waiting, key=lambda one: one.waiting_since):
            if self._is_crowded(one.address):
                self.closed(one)
                one.make_room()


def place_of(host: str) -> str:
    """Return what an address is counted as: itself, or for IPv6 its network of 64 bits, which one machine has to itself."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))

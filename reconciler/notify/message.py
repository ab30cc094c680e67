"""What a format of notifications makes of an event: the request to send."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from reconciler.secrets.secret import Secret
from reconciler.store.outbox import Letter


class Message(Struct, frozen=True):
    """Headers and body of a POST."""

    headers: Mapping[str, str]
    body: bytes


Format = Callable[[Letter, Secret | None, int], Message]
"""From a letter, the destination's signing secret if it has one, and Unix seconds."""

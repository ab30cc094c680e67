"""A way to one MCP server: requests out, results back; what both transports have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from reconciler.runtime.mcp.messages import Server

TELL_SECONDS = 5.0


class Channel(Protocol):
    """One way to one server. Each request ends by its own deadline, in the event loop's time, and with it nothing else."""

    reached: str
    """What a lock says was reached: a URL, or a program with its arguments."""
    changed: bool
    """Whether the server has said since it was asked last that its list of tools is another one."""

    @property
    def has_ended(self) -> bool:
        """Whether the server answers nobody any more, and has to be started anew."""
        ...

    async def ask(
        self,
        method: str,
        params: Mapping[str, Any],
        server: Server | None,
        deadline: float,
        most: int,
        headers: Mapping[str, str],
    ) -> tuple[dict[str, Any], str]:
        """Return the result, and the id of the session that the server began with it ("" without one).

        ``server`` is None until it has said what it is. ``most`` bounds the bytes of the answer. Raises RpcError, Failed
        (whose outcome is for who knows what was asked), SessionLost.
        """
        ...

    async def tell(self, method: str, server: Server) -> None:
        """Send a notification, for which a server gets ``TELL_SECONDS``. Raises Failed."""
        ...

    async def close(self) -> None: ...


class SessionLost(Exception):
    """A server knows nothing of the session that it began: the request had no effect."""


class NotSpoken(Exception):
    """The server does not know a request of the modern era: it may be of the older one."""

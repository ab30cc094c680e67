"""The headers of a model call that pass, by lists of what may: towards the provider, and back to the agent.

Neither the agent's key nor cookies, organizations or the SDK's own telemetry go out; of an answer nothing comes back that says
whose account was used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.kinds.provider.wire import Format

SENT: Mapping[Format, frozenset[str]] = {
    "openai": frozenset(),
    "anthropic": frozenset({"anthropic-version", "anthropic-beta"}),
}
RETURNED = frozenset({"content-type", "retry-after", "retry-after-ms", "x-should-retry"})
MOST = 1024
"""Characters of one value."""


def sent(format_: Format, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the agent's headers that may go out. Of several of a name all count, as one list."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in SENT[format_] and value.isascii() and value.isprintable() and len(value) <= MOST:
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def betas(headers: Mapping[str, str]) -> list[str]:
    """Return the values of `anthropic-beta`."""
    return [one.strip() for one in headers.get("anthropic-beta", "").split(",") if one.strip()]


def returned(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the headers of an answer that the agent may see."""
    return {
        name.lower(): value
        for name, value in headers
        if name.lower() in RETURNED and value.isascii() and value.isprintable() and len(value) <= MOST
    }

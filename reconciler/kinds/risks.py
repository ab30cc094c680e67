"""Judges of single values: two of them in, the names of risks out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from reconciler.model.risk import ABSENT, Judge, RiskRule

RAISED, LOWERED = ("limit-raised",), ("limit-lowered",)


def named(risk: str) -> Judge:
    """Any difference."""
    return lambda before, after: (risk,) if before != after else ()


def host(before: Any, after: Any) -> Iterable[str]:
    """Another host, port or scheme in a URL; another path on the same host is no risk."""
    if before is ABSENT and after is ABSENT:
        return ()
    one, other = (urlsplit(str(value or "")) for value in (before, after))
    return ("endpoint-host-changed",) if (one.scheme, one.netloc) != (other.scheme, other.netloc) else ()


def grown(empty_is_all: bool) -> Judge:
    """A list, or a map by its keys, of what is allowed; empty allows everything, or nothing."""

    def judge(before: Any, after: Any) -> Iterable[str]:
        old, new = ({*map(str, value or ())} for value in (before, after))
        if empty_is_all and (not old or not new):
            return ("access-widened",) if old and not new else ()
        return ("access-widened",) if new - old else ()

    return judge


def switched(to: bool, risk: str) -> Judge:
    """A boolean that was the other one and becomes ``to``."""
    return lambda before, after: (risk,) if after is to and before is (not to) else ()


def capped(before: Any, after: Any) -> Iterable[str]:
    """A number that bounds something; without it there is no bound of its own."""
    if before == after:
        return ()
    if after is ABSENT or (before is not ABSENT and Decimal(str(after)) > Decimal(str(before))):
        return RAISED
    return LOWERED


def lowered(order: Sequence[str], risk: str) -> Judge:
    """A word of an ordered scale, weakest first, that moves down; absent is below all."""

    def rank(value: Any) -> int:
        return order.index(value) if value in order else -1

    return lambda before, after: (risk,) if rank(after) < rank(before) else ()


CONNECTION = (
    RiskRule(("base_url",), host),
    RiskRule(("url",), host),
    RiskRule(("endpoint_url",), host),
    RiskRule(("host",), named("endpoint-host-changed")),
    RiskRule(("brokers",), named("endpoint-host-changed")),
    RiskRule(("auth", "token_url"), host),
    RiskRule(("auth", "type"), named("credential-changed")),
    RiskRule(("auth", "scopes"), grown(empty_is_all=True)),
    RiskRule(("username",), named("credential-changed")),
    RiskRule(("role_arn",), named("credential-changed")),
    RiskRule(("ssl",), lowered(("disable", "prefer", "require", "verify-ca", "verify-full"), "encryption-weakened")),
    RiskRule(("security",), lowered(("plaintext", "tls"), "encryption-weakened")),
    RiskRule(("network_exceptions",), grown(empty_is_all=False)),
)
READ_ONLY = RiskRule(("read_only",), switched(False, "read-only-removed"))
CAPS = tuple(
    RiskRule((field,), capped)
    for field in ("rate_limit", "max_rows", "max_result_bytes", "max_response_bytes", "max_bytes", "max_messages", "max_results")
)  # fmt: skip

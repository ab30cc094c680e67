"""What calls of models used, as rows that are only ever added: one a call of ours, and one a call that a caller reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

METERED_HERE, REPORTED = "metered", "reported"
"""Sources: a call through this server, and one that a caller made by itself and tells of. The latter counts towards no limit."""


class UsageRow(NamedTuple):
    """What one call used. ``id`` is the evidence of a call, or what its caller reports it by: it is counted once.

    ``tokens_in`` has those read from a cache and ``written`` to one, ``tokens_out`` those of ``reasoning``. ``cost`` is in
    pico-dollars, None where it is not known. ``kept_tokens`` and ``kept_cost`` were charged for tries whose use is not known, ``above_tokens``
    and ``above_cost`` is what was used beyond what `reserve: expected` had reserved. ``result`` is allowed, warned or blocked.
    """

    tenant: str
    source: str
    caller: str
    id: str
    route: str
    integration: str
    provider: str
    model: str
    tokens_in: int = 0
    cached: int = 0
    written: int = 0
    tokens_out: int = 0
    reasoning: int = 0
    cost: int | None = None
    kept_tokens: int = 0
    kept_cost: int = 0
    above_tokens: int = 0
    above_cost: int = 0
    latency_ms: int = 0
    first_ms: int | None = None
    tries: int = 1
    result: str = "allowed"
    error: str = ""


COLUMNS = ", ".join(UsageRow._fields)
_TEXTS = {"tenant", "source", "caller", "id", "route", "integration", "provider", "model", "result", "error"}
TYPES = ", ".join(
    f"{name} {'text' if name in _TEXTS else 'int' if name == 'tries' else 'bigint'}" for name in UsageRow._fields
)
"""PostgreSQL's types of the columns."""


def swept(rows: Iterable[Any]) -> list[UsageRow]:
    """Return the usage of calls whose server is gone: what they held is what they count as. ``rows`` are ``Reserved``."""
    found: dict[str, UsageRow] = {}
    for row in rows:
        one = found.get(row.call) or UsageRow(
            row.tenant,
            METERED_HERE,
            row.caller,
            row.call,
            row.route,
            row.integration,
            "",
            row.model,
            tries=0,
            error="no-outcome",
        )
        found[row.call] = one._replace(
            kept_tokens=one.kept_tokens + (row.tokens or 0),
            kept_cost=one.kept_cost + (row.cost or 0),
            tries=one.tries + 1,
        )
    return [*found.values()]

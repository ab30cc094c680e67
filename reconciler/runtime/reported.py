"""Usage that callers ask for and report: of calls through this server, and of those that they made by themselves."""

from __future__ import annotations

import time
from typing import Annotated

from msgspec import Meta, Struct

from reconciler.access.judge import Caller
from reconciler.runtime.ledger.ledger import Ledger, Unavailable
from reconciler.runtime.ledger.usage_rows import REPORTED, UsageRow
from reconciler.runtime.ledger.usage_sums import DEFAULT_DAYS, Asked, By, UsageSum, usage_sums
from reconciler.runtime.results import Refusal
from reconciler.runtime.threads import in_thread
from reconciler.store.url import Database

MOST_REPORTS = 100
_Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[ -~]*$")]
_Count = Annotated[int, Meta(ge=0, le=2**40)]
_Pico = Annotated[float, Meta(ge=0, le=1_000_000)]


class Report(Struct, frozen=True, forbid_unknown_fields=True):
    """One call that a caller made by itself. ``id`` is its own: the same one is counted once."""

    id: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[!-~]*$")]
    provider: _Name
    model: _Name
    tokens_in: _Count = 0
    cached: Annotated[_Count, Meta(description="Of `tokens_in`: read from a cache.")] = 0
    written: Annotated[_Count, Meta(description="Of `tokens_in`: written to a cache.")] = 0
    tokens_out: _Count = 0
    reasoning: Annotated[_Count, Meta(description="Of `tokens_out`.")] = 0
    cost_usd: _Pico | None = None
    latency_ms: _Count = 0
    first_ms: Annotated[_Count, Meta(description="To the first output.")] | None = None
    error: Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9_.-]*$", description="A class of errors.")] = ""


class Usages:
    """``store`` is read with a role that may read usage."""

    def __init__(self, ledger: Ledger, store: Database) -> None:
        self._ledger, self._store = ledger, store

    async def report(self, caller: Caller, reports: list[Report]) -> None:
        """Add what a caller did by itself, durably. It counts towards no limit. Raises Refusal."""
        try:
            await self._ledger.write_usage([_row(caller, one) for one in reports])
        except Unavailable:
            raise Refusal("unavailable", retry_after=1) from None

    async def own(self, caller: Caller, by: By, since: float | None, until: float | None) -> list[UsageSum]:
        """Return what a caller used, by default within the last days."""
        begins = time.time() - DEFAULT_DAYS * 86400 if since is None else since
        return await in_thread(usage_sums, self._store, Asked(by, (caller.tenant,), begins, until, caller.name))


def _row(caller: Caller, one: Report) -> UsageRow:
    cost = None if one.cost_usd is None else round(one.cost_usd * 10**12)
    return UsageRow(
        *(caller.tenant, REPORTED, caller.name, one.id, "", "", one.provider, one.model),
        *(one.tokens_in, one.cached, one.written, one.tokens_out, one.reasoning, cost),
        latency_ms=one.latency_ms,
        first_ms=one.first_ms,
        error=one.error,
    )

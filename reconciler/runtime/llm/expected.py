"""What calls of a route have used lately for each byte of text: what a limit with `reserve: expected` reserves for the next one."""

from __future__ import annotations

from math import ceil

from msgspec import Struct

from reconciler.model.price import ModelFacts
from reconciler.runtime.llm.money import Bound, most_cost, service_of
from reconciler.runtime.llm.request import ModelRequest

MARGIN = 1.25
LEAST = 0.25
"""Tokens a byte: English has about as many."""
FIRST = 1.0
"""Before anything was seen of a route: the bound itself."""
MEMORY_BYTES = 4 * 2**20
"""After so many bytes of text what was seen before counts half."""
MOST_ROUTES = 10_000


class _Seen(Struct):
    size: int = 0
    tokens: int = 0


class Expected:
    """What one server has seen. A restart forgets it: calls reserve their bounds until one has ended."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def note(self, tenant: str, route: str, size: int, tokens: int) -> None:
        """Note the input tokens that a provider counted for so many bytes of text."""
        if size <= 0:
            return
        if len(self._seen) >= MOST_ROUTES and (tenant, route) not in self._seen:
            self._seen.pop(next(iter(self._seen)))
        seen = self._seen.setdefault((tenant, route), _Seen())
        seen.size, seen.tokens = seen.size + size, seen.tokens + tokens
        if seen.size > MEMORY_BYTES:
            seen.size, seen.tokens = seen.size // 2, seen.tokens // 2

    def per_byte(self, tenant: str, route: str) -> float:
        """Return the tokens that are reserved for each byte of text."""
        seen = self._seen.get((tenant, route))
        if seen is None or not seen.size:
            return FIRST
        return min(FIRST, max(LEAST, MARGIN * seen.tokens / seen.size))

    def of(self, tenant: str, route: str, bound: Bound, request: ModelRequest, facts: ModelFacts) -> Bound:
        """Return what a try is expected to use at most: less input than its bound, and the same output."""
        text = ceil(bound.size * self.per_byte(tenant, route))
        tokens = bound.input - bound.size + text
        cost = None if facts.price is None else most_cost(facts.price, tokens, bound.output, service_of(request))
        return bound._replace(input=tokens, cost=cost)

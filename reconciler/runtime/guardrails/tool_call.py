"""The guardrails about one call of a template or a tool: the values that an agent gives, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.access.snapshot import Tenant
from reconciler.access.target import Target
from reconciler.runtime.guardrails.guard import Guard, Hits, guards_of
from reconciler.runtime.guardrails.walk import Place, Walk

_DATA = Place(is_data=True)
MOST_COUNTED = 20
"""Of finds in evidence: more are shown as `20+`, so that aggregates by code stay few."""


class CallInspection:
    """Searches every text, key and number, by the same detectors as calls of models."""

    def __init__(self, before: tuple[Guard, ...], after: tuple[Guard, ...]) -> None:
        self._before, self._after = before, after
        self._hits = Hits()

    def arguments(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of a call as they may go on; they are strict JSON. Raises Blocked."""
        made: Mapping[str, Any] = self._passed(self._before, given)
        return made

    def content(self, content: Any) -> Any:
        """Return a result as the agent may have it. Raises Blocked, NotStrict."""
        return self._passed(self._after, content)

    @property
    def found(self) -> str:
        """What was found, for evidence: names of guardrails with counts, e.g. `no-cards=2`."""
        counts = sorted(self._hits.counts.items())
        return ",".join(f"{name}={count if count < MOST_COUNTED else f'{MOST_COUNTED}+'}" for name, count in counts)

    def _passed(self, guards: tuple[Guard, ...], value: Any) -> Any:
        for guard in guards:
            self._hits.require_whole(guard)
            if guard.most_bytes is not None and strict_json.size_of(value) > guard.most_bytes:
                self._hits.note(guard)
        return Walk(guards, self._hits, fixes_tools=False).value(value, _DATA)


def inspection_of_call(tenant: Tenant, target: Target) -> CallInspection | None:
    """Return the inspection of a call; None where no guardrail is about it."""
    before, after = guards_of(tenant, target, "input"), guards_of(tenant, target, "output")
    return CallInspection(before, after) if before or after else None

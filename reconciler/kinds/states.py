"""States of integrations, connectors, MCP servers and datasources, derived from spec, status, health and use.

Each state has one rule, and the first one that holds decides. docs/status.md lists the rules from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from reconciler.kinds.connector.mcp_target import is_pinned
from reconciler.model.body import Body
from reconciler.model.health import DEGRADED, FAILING, HEALTHY, REFUSED, Standing

CONNECTED_SECONDS = 3600.0


class Facts(NamedTuple):
    """What a state is derived from.

    ``behind`` is the state of a datasource's connector, ``served`` whether the runtime can use this type, ``error`` what a test
    of the credential said.
    """

    body: Body
    suspended: bool = False
    served: bool = True
    error: str | None = None
    health: Standing | None = None
    last_used: float | None = None
    behind: str = ""
    now: float = 0.0

    def is_health(self, state: str) -> bool:
        return self.health is not None and self.health.state == state

    @property
    def is_checked(self) -> bool:
        return self.is_health(HEALTHY) or self.is_health(DEGRADED)

    @property
    def is_in_error(self) -> bool:
        """Whether the other side is there and refuses."""
        refused = self.health is not None and self.health.state == FAILING and self.health.reason.startswith(REFUSED)
        return self.error is not None or refused

    @property
    def is_in_use(self) -> bool:
        return self.last_used is not None and self.now - self.last_used < CONNECTED_SECONDS

    @property
    def has_tools(self) -> bool:
        """Whether there is something to call: of an MCP server, a tool that is pinned."""
        return self.body.get("type") != "mcp" or any(map(is_pinned, self.body["tools"].values()))


class StateRule(NamedTuple):
    """``words`` say in docs when the state holds."""

    state: str
    words: str
    holds: Callable[[Facts], bool]


_SUSPENDED = StateRule("suspended", "an operator suspended it", lambda one: one.suspended)
_BAD_CONNECTORS = frozenset({"error", "disconnected", "offline"})
_EARLY_CONNECTORS = frozenset({"registered", "configuring", "pending"})


def _always(_facts: Facts) -> bool:
    return True


RULES: Mapping[str, Sequence[StateRule]] = {
    "integration": (
        _SUSPENDED,
        StateRule("disabled", "`enabled: false`", lambda one: one.body.get("enabled") is False),
        StateRule("error", "its credential is refused, or its health is failing", lambda one: one.is_in_error or one.is_health(FAILING)),
        StateRule("degraded", "its health is degraded", lambda one: one.is_health(DEGRADED)),
        StateRule("enabled", "its health is healthy, or it was used", lambda one: one.is_health(HEALTHY) or one.last_used is not None),
        StateRule("created", "anything else: nobody has used or checked it", _always),
    ),
    "connector": (
        _SUSPENDED,
        StateRule("registered", "the runtime can't use its type, or `runtime: false`", lambda one: not one.served),
        StateRule("error", "its credential is refused", lambda one: one.is_in_error),
        StateRule("disconnected", "its health is failing for another reason", lambda one: one.is_health(FAILING)),
        StateRule("connected", "it was used within the last hour", lambda one: one.is_in_use),
        StateRule("ready", "its health is healthy or degraded, or it was used before", lambda one: one.is_checked or one.last_used is not None),
        StateRule("configuring", "anything else: nobody has used or checked it", _always),
    ),
    "mcp": (
        _SUSPENDED,
        StateRule("pending", "none of its tools is pinned, or the runtime can't use it", lambda one: not one.has_tools or not one.served),
        StateRule("error", "its credential is refused", lambda one: one.is_in_error),
        StateRule("offline", "its health is failing for another reason", lambda one: one.is_health(FAILING)),
        StateRule("degraded", "its health is degraded", lambda one: one.is_health(DEGRADED)),
        StateRule("active", "its health is healthy, or it was used", lambda one: one.is_health(HEALTHY) or one.last_used is not None),
        StateRule("pending", "anything else: nobody has used or checked it", _always),
    ),
    "datasource": (
        _SUSPENDED,
        StateRule("inactive", "`lifecycle: inactive`", lambda one: one.body.get("lifecycle") == "inactive"),
        StateRule("error", "its connector is in error, disconnected or offline", lambda one: one.behind in _BAD_CONNECTORS),
        StateRule("deprecated", "`lifecycle: deprecated`", lambda one: one.body.get("lifecycle") == "deprecated"),
        StateRule("active", "it was used, or its connector is ready, connected, active or degraded", lambda one: one.last_used is not None or one.behind in {"ready", "connected", "active", "degraded"}),
        StateRule("configuring", "its connector is registered, configuring or pending", lambda one: one.behind in _EARLY_CONNECTORS),
        StateRule("pending", "anything else: its connector is suspended, or not there", _always),
    ),
}  # fmt: skip
"""By the kind; connectors of the type `mcp` have their own."""


def rules_of(kind: str, body: Body) -> Sequence[StateRule] | None:
    """Return the rules of a resource; None for a kind without states."""
    return RULES.get("mcp" if kind == "connector" and body.get("type") == "mcp" else kind)


def state_of(kind: str, facts: Facts) -> StateRule | None:
    """Return the first rule that holds; None for a kind without states."""
    rules = rules_of(kind, facts.body)
    return None if rules is None else next(rule for rule in rules if rule.holds(facts))

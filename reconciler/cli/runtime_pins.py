"""``mcp pin --from-runtime``: what a running server saw, in place of asking the MCP servers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.cli.pinning import Answer
from reconciler.errors import Problem, ReconcilerError, UsageError
from reconciler.kinds.connector.mcp_definition import Definition, Malformed, checked
from reconciler.kinds.connector.mcp_lock import reached
from reconciler.load.pinnable import Pinnable
from reconciler.probe.operators import servers_of

OPERATOR_VARIABLE = "RECONCILER_OPERATOR_TOKEN"


def seen_by_runtime(url: str, asked: Sequence[Pinnable]) -> list[Answer | Problem]:
    """Return what the server at ``url`` saw of each connector's server. Raises UsageError without a token."""
    token = os.environ.get(OPERATOR_VARIABLE)
    if not token:
        raise UsageError(
            f"--from-runtime needs a token of an operator in {OPERATOR_VARIABLE}",
            hint="see `operators.tokens` of serve.yaml; it needs the scope `operate`",
        )
    tenants: dict[str, Mapping[str, Any] | ReconcilerError] = {}
    for tenant in dict.fromkeys(one.address.tenant for one in asked):
        try:
            found = servers_of(url, token, tenant)
            tenants[tenant] = {one["connector"]: one for one in found if isinstance(one, dict) and "connector" in one}
        except ReconcilerError as error:
            tenants[tenant] = error
    return [_answer(one, tenants[one.address.tenant]) for one in asked]


def _answer(one: Pinnable, tenant: Mapping[str, Any] | ReconcilerError) -> Answer | Problem:
    if isinstance(tenant, ReconcilerError):
        first = tenant.problems[0]
        return _problem(one, first.message, first.hint)
    found = tenant.get(one.address.name)
    if found is None:
        return _problem(
            one, "the server has no such connector in use", "apply it first; and resume it, if it is suspended"
        )
    if found.get("reached") != reached(one.body):
        return _problem(one, "the server reaches something else by it", "apply the manifests first")
    if "problem" in found:
        return _problem(one, str(found.get("message")), None)
    return _read(found)


def _problem(one: Pinnable, message: str, hint: str | None) -> Problem:
    message = f"{one.address} can't be pinned: {message}"
    return Problem("not-pinned", message, str(one.address), place=one.place, hint=hint)


def _read(found: Mapping[str, Any]) -> Answer:
    """Return what a server saw; its digests are worked out anew."""
    tools: dict[str, Definition] = {}
    malformed = {str(name): str(why) for name, why in found.get("malformed", {}).items()}
    for one in found.get("tools", ()):
        name = str(one.get("name"))
        try:
            tools[name] = checked(name, one["members"])
        except (Malformed, KeyError, TypeError, AttributeError) as error:
            malformed[name] = str(error)
    server = {key: str(found.get("server", {}).get(key, "")) for key in ("name", "version")}
    return Answer(str(found.get("protocol", "")), server, tools, malformed)

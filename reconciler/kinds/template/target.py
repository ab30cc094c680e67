"""A template as a target: it runs by itself, on its datasource and that one's connector, or on a connector alone."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.template.action import action_of, reads_only
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.body import Body
from reconciler.model.target import UNKNOWN, UNUSABLE, Calls, Look, Operation

WORD = "template"


def resolve(name: str, _action: str | None, look: Look) -> Operation | str:
    target = f"{WORD}/{name}"
    body = look(target)
    if body is None:
        return UNKNOWN
    chain, reaches = [target], body
    if datasource := body.get("datasource"):
        chain.append(f"datasource/{datasource}")
        found = look(chain[-1])
        if found is None:
            return UNUSABLE
        reaches = found
    connector = f"connector/{reaches['connector']}"
    if look(connector) is None:
        return UNUSABLE
    return Operation((*chain, connector), target, action_of(body), not reads_only(body), ParameterInputs(body))


def tool_name(name: str, body: Body) -> str:
    """Return the name of the tool that agents see."""
    own: str | None = body.get("tool_name")
    return own or name


def _tools(name: str, body: Body) -> Iterator[tuple[str, str]]:
    yield tool_name(name, body), f"{WORD}/{name}"


CALLS = Calls(WORD, resolve, _tools)

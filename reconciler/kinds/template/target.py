"""A template as a target: it runs by itself, on its datasource and that one's connector, or on a connector alone."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.template.action import action_of, reads_only
from reconciler.kinds.template.declared import unfit_declared
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.kinds.template.types import TYPES
from reconciler.model.body import Body
from reconciler.model.target import UNKNOWN, UNUSABLE, Calls, Look, Operation

WORD = "template"


def resolve(name: str, _action: str | None, look: Look) -> Operation | str:
    """Return the operation that a call of the template runs; else why there is none."""
    target = f"{WORD}/{name}"
    body = look(target)
    if body is None:
        return UNKNOWN
    chain, datasource = [target], None
    if named := body.get("datasource"):
        chain.append(f"datasource/{named}")
        datasource = look(chain[-1])
        if datasource is None:
            return UNUSABLE
    kind = TYPES[body["type"]]
    asks = kind.asks(body, look)
    if asks is None:
        return UNUSABLE
    chain += asks
    chain.append(f"connector/{(datasource or body)['connector']}")
    connector = look(chain[-1])
    if connector is None or not kind.fits(body, datasource, connector):
        return UNUSABLE
    if any(unfit_declared(body, connector, kind.unfit)):
        return UNUSABLE
    inputs = ParameterInputs(body, connector, kind.unfit)
    return Operation(tuple(chain), target, action_of(body), not reads_only(body), inputs, asks=asks)


def tool_name(name: str, body: Body) -> str:
    """Return the name of the tool that agents see."""
    own: str | None = body.get("tool_name")
    return own or name


def _tools(name: str, body: Body) -> Iterator[tuple[str, str]]:
    yield tool_name(name, body), f"{WORD}/{name}"


CALLS = Calls(WORD, resolve, _tools)

"""``convert --check``: examples played through what was converted, and what would be sent or started for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.convert.conversion import Converted
from reconciler.convert.examples import made_up
from reconciler.kinds.template import http_values
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.resource import resource_of
from reconciler.model.target import Bound, Identity, NoClaim, Unfit


class Play(NamedTuple):
    """One example: what would be sent, or why it is refused; ``is_own`` if it is the input's."""

    address: Address
    sent: str
    is_refused: bool = False
    is_own: bool = False


def plays(converted: Converted) -> Iterator[Play]:
    """Play the input's own examples, and a made-up one through each template that has none."""
    for address, spec in converted.specs.items():
        body = resource_of(address, spec).body
        if address.kind == "template":
            given = [one.values for one in converted.examples if one.address == address]
            for values in given or [{}]:
                yield _template(converted, address, body, values, is_own=bool(given))
        elif address.kind == "connector" and body["type"] == "mcp":
            yield Play(address, _server(body))
        elif address.kind == "integration":
            where = body.get("base_url") or f"the address of {body['provider']}"
            yield Play(address, f"asks {where} with {body.get('credential') or 'no credential'}")


def _server(body: Body) -> str:
    if body["transport"] != "stdio":
        return f"asks {body['url']}"
    given = [f"{name}={_plain(value)}" for name, value in body["env"].items()]
    return " ".join(["starts", *given, body["command"], *body["args"]])


def _plain(value: Any) -> str:
    return str(value["plain"]) if isinstance(value, dict) else f"<{value}>"


def _template(converted: Converted, address: Address, body: Body, values: dict[str, Any], is_own: bool) -> Play:
    connector = _connector(converted, address, body)
    inputs = ParameterInputs(body, connector, http_values.unfit if body["type"] == "http" else _all_fit)
    claims = {name: f"<{name}>" for name in inputs.claims}
    try:
        bound = inputs.bind({**made_up(inputs.schema), **values}, Identity("agent", claims))
    except NoClaim as error:
        return Play(address, str(error), is_refused=True, is_own=is_own)
    if not isinstance(bound, Bound):
        reasons = "; ".join(f"{one.parameter}: {one.message}" for one in bound[:3])
        return Play(address, f"no call with these values: {reasons}", is_refused=True, is_own=is_own)
    if body["type"] == "sql":
        given = ", ".join(f"{name}={value!r}" for name, value in bound.values.items())
        return Play(
            address, f"runs {' '.join(body['sql'].split())}" + (f" with {given}" if given else ""), is_own=is_own
        )
    return _request(address, connector, body, bound, is_own)


def _all_fit(_template: Body, _connector: Body, _values: Any) -> Iterator[Unfit]:
    return iter(())


def _connector(converted: Converted, address: Address, body: Body) -> Body:
    name = body.get("connector")
    if name is None:
        datasource = Address(address.tenant, "datasource", body["datasource"])
        name = resource_of(datasource, converted.specs[datasource]).body["connector"]
    found = Address(address.tenant, "connector", name)
    return resource_of(found, converted.specs[found]).body


def _request(address: Address, connector: Body, body: Body, bound: Bound, is_own: bool) -> Play:
    from reconciler.runtime.call import Failed  # the runtime is loaded for this alone
    from reconciler.runtime.connectors.http_request import request_from

    async def secret(reference: str) -> str:
        return f"<{reference}>"

    async def token() -> str:
        return "<token>"

    try:
        request = asyncio.run(request_from(connector, body, bound, secret, token))
    except Failed as error:
        return Play(address, str(error), is_refused=True, is_own=is_own)
    ours = {"Accept", "Accept-Encoding"}
    headers = "".join(f" {name}: {value};" for name, value in request.headers.items() if name not in ours)
    sent = f" {request.body.decode()}" if request.body is not None else ""
    return Play(address, f"{request.method} {request.url}{headers}{sent}", is_own=is_own)

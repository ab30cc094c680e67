"""A converted template played: the request that the runtime would send for some values, with references in place of secrets."""

from __future__ import annotations

import asyncio
from typing import Any

from reconciler.convert.conversion import Converted
from reconciler.kinds.template import http_values
from reconciler.kinds.template.inputs import ParameterInputs
from reconciler.model.address import Address
from reconciler.model.body import Body
from reconciler.model.resource import resource_of
from reconciler.model.target import Bound, Identity
from reconciler.runtime.connectors.http_request import Request, request_from


class Refused(Exception):
    """The template takes no such values."""


def body_of(converted: Converted, kind: str, name: str) -> Body:
    address = Address("acme", kind, name)
    return resource_of(address, converted.specs[address]).body


def played(converted: Converted, name: str, **values: Any) -> Request:
    """Return the request of a call. Raises Refused."""
    template = body_of(converted, "template", name)
    connector = body_of(converted, "connector", template["connector"])
    bound = ParameterInputs(template, connector, http_values.unfit).bind(values, Identity("agent"))
    if not isinstance(bound, Bound):
        raise Refused(", ".join(f"{one.parameter}: {one.message}" for one in bound))

    async def secret(reference: str) -> str:
        return f"<{reference}>"

    async def token() -> str:
        return "<token>"

    return asyncio.run(request_from(connector, template, bound, secret, token))

"""One cheap request to an API, as `probe/` makes it for each provider, sent through the guard of addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from reconciler.access.resource import Resource
from reconciler.model.health import FAILING, Check
from reconciler.probe.ask import judge
from reconciler.probe.calls import Call, call_of
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.connectors.guarded import as_it_is, guarded_session, refusal_behind


async def check_http(tenant: str, resource: Resource, around: Surroundings) -> Check | None:
    """Return the result of one request; None where there is nothing to ask, or a token would have to be fetched first.

    Raises Failed; the caller bounds the time.
    """
    address, references = resource.known.address, list[str]()

    def noted(reference: str) -> str:
        references.append(reference)
        return ""

    if call_of(address, resource.body, noted) is None:
        return None
    try:
        secrets = {one: await around.resolve(tenant, one) for one in references}
        call = call_of(address, resource.body, secrets.__getitem__)
        assert call is not None
        return await _asked(call, _exceptions(call, resource, around.permits), around.permits)
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if (refused := refusal_behind(error)) is not None:
            raise refused from None
        return Check(FAILING, None, f"it can't be reached ({type(error).__name__})")


async def _asked(call: Call, exceptions: list[Mapping[str, Any]], permits: Permits) -> Check:
    started = time.monotonic()
    async with (
        guarded_session(exceptions, permits) as session,
        session.request(call.method, as_it_is(call.url), headers=call.headers, allow_redirects=False) as response,
    ):
        return judge(response.status, round((time.monotonic() - started) * 1000), call.any_answer)


def _exceptions(call: Call, resource: Resource, permits: Permits) -> list[Mapping[str, Any]]:
    """Return the network exceptions of a connector; an integration may reach whatever the server's operator permits."""
    own = resource.body.get("network_exceptions")
    if own is not None:
        return [*own]
    port = as_it_is(call.url).port
    return [{"cidr": str(network), "port": port} for network in permits.networks]

"""One cheap request to an API, as `probe/` makes it for each provider, sent through the guard of addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from reconciler.access.resource import Resource
from reconciler.model.health import FAILING, REFUSED, Check
from reconciler.probe.ask import judge
from reconciler.probe.calls import Call, call_of
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.connectors.guarded import as_it_is, guarded_session, refusal_behind
from reconciler.runtime.connectors.oauth import Wanted

_NO_AUTH: Mapping[str, str] = {"type": "none"}


async def check_http(tenant: str, resource: Resource, around: Surroundings) -> Check | None:
    """Return the result of one request, with an access token fetched for it where the connector has OAuth; None for nothing to ask.

    Raises Failed; the caller bounds the time.
    """
    address, references = resource.known.address, list[str]()
    fetches = resource.known.address.kind == "connector" and resource.body["auth"]["type"] == "oauth2"
    body = {**resource.body, "auth": _NO_AUTH} if fetches else resource.body

    def noted(reference: str) -> str:
        references.append(reference)
        return ""

    if call_of(address, body, noted) is None:
        return None
    try:
        secrets = {one: await around.resolve(tenant, one) for one in references}
        call = call_of(address, body, secrets.__getitem__)
        assert call is not None
        exceptions = _exceptions(call, resource, around.permits)
        if not fetches:
            return await _asked(call, exceptions, around.permits)
        found = await _asked(await _authorized(call, tenant, resource, around, False), exceptions, around.permits)
        if not found.reason.startswith(REFUSED):
            return found
        # the token that was kept may have been revoked
        return await _asked(await _authorized(call, tenant, resource, around, True), exceptions, around.permits)
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if (refused := refusal_behind(error)) is not None:
            raise refused from None
        return Check(FAILING, None, f"it can't be reached ({type(error).__name__})")


async def _authorized(call: Call, tenant: str, resource: Resource, around: Surroundings, anew: bool) -> Call:
    """Return the call with an access token that calls of the connector use as well. Raises Failed."""
    token = await around.tokens.token(Wanted(tenant, resource.known.uid, resource.body), around, anew)
    return call._replace(headers={**call.headers, "Authorization": f"Bearer {token}"})


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

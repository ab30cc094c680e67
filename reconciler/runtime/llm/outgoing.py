"""A model request turned into the one request that a deployment gets: its body changed as little as its bounds ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.kinds.provider.wire import Key, Wire
from reconciler.model.body import Body
from reconciler.runtime.llm.headers import betas
from reconciler.runtime.llm.reading import OUTPUT_BOUNDS
from reconciler.runtime.llm.request import ModelRequest

JSON = "application/json"


class Outgoing(NamedTuple):
    """A request without its credential, which joins it at the last moment: ``key`` says where, ``reference`` which."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    key: Key
    reference: str | None


def outgoing_of(
    request: ModelRequest, integration: Body, wire: Wire, model: str, limit_to: int | None
) -> Outgoing | None:
    """Return the request for a deployment; None where it does not serve the endpoint.

    ``limit_to`` is the bound on output tokens that has to stand in it, None where the agent's own may stay.
    """
    url = wire.places(integration).get(request.endpoint.name)
    if url is None:
        return None
    changed = _changes(request, integration, wire, wire.model(integration, model), limit_to)
    body = request.raw if changed is None else strict_json.write(changed)
    headers = {"content-type": JSON, "accept": "text/event-stream" if request.is_stream else JSON}
    headers |= _with_betas(request.headers, wire.headers(integration))
    return Outgoing(url, headers, body, wire.key(integration), integration.get("credential"))


def _with_betas(agent: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of both. A version that the agent names wins; beta features add up."""
    both = {**own, **agent}
    found = [*dict.fromkeys([*betas(own), *betas(agent)])]
    return {**both, "anthropic-beta": ",".join(found)} if found else both


def _changes(
    request: ModelRequest, integration: Body, wire: Wire, model: str, limit_to: int | None
) -> dict[str, Any] | None:
    """Return the body with all that has to be different in it; None where nothing has."""
    name, body = request.endpoint.name, request.body
    wanted: dict[str, Any] = {"model": model, **wire.adds(integration, name)}
    removed: set[str] = set()
    if name in OUTPUT_BOUNDS:
        bound = wire.output_bound(integration, name)
        most = limit_to if limit_to is not None else request.most_output
        removed = {one for one in OUTPUT_BOUNDS[name] if one in body and one != bound}
        if most is not None:
            wanted[bound] = most
    if name == "responses":
        wanted["store"] = False  # nothing is kept at the provider, by which a later call could be continued
    if name == "chat" and request.is_stream:
        if wire.include_usage(integration):
            options = body.get("stream_options")
            wanted["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        elif "stream_options" in body:
            removed.add("stream_options")  # some providers refuse it
    if not removed and all(name in body and body[name] == value for name, value in wanted.items()):
        return None
    return {**{key: value for key, value in body.items() if key not in removed}, **wanted}

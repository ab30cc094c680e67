"""The bytes that an agent sent, read once into a model request; what no provider could take is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler import strict_json
from reconciler.runtime.llm.fields import Wrong, stateful, tools_in
from reconciler.runtime.llm.media import media_in
from reconciler.runtime.llm.request import Endpoint, EndpointName, ModelRequest
from reconciler.strict_json import NotStrict

OUTPUT_BOUNDS: Mapping[EndpointName, tuple[str, ...]] = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
    "messages": ("max_tokens",),
}
"""The names under which an agent bounds the output of one answer."""
STREAMS = frozenset({"chat", "responses", "messages"})
MOST_CHOICES = 128
MOST_BOUND = 2**40


class Refused(Exception):
    """A request that can't go to any deployment."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.message)
        self.wrong = wrong


def request_of(endpoint: Endpoint, raw: bytes, headers: Mapping[str, str], run: str = "") -> ModelRequest:
    """Return the request. ``headers`` are those that may go out, ``run`` is the agent's run. Raises Refused."""
    body = _object(raw)
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _unfit("model", "name a model: GET /v1/models lists those that may be used")
    if (wrong := stateful(endpoint.name, body)) is not None:
        raise Refused(wrong)
    is_stream = body.get("stream")
    if is_stream is not None and not isinstance(is_stream, bool):
        raise _unfit("stream", "expected true or false")
    bounds = [
        _count(body, name, 0, MOST_BOUND) for name in OUTPUT_BOUNDS.get(endpoint.name, ()) if body.get(name) is not None
    ]
    choices = _count(body, "n", 1, MOST_CHOICES) if endpoint.name == "chat" and body.get("n") is not None else 1
    return ModelRequest(
        endpoint=endpoint,
        raw=raw,
        body=body,
        model=model,
        is_stream=bool(is_stream) and endpoint.name in STREAMS,
        media=media_in(body),
        has_tools=any(True for _ in tools_in(body)) or bool(body.get("functions")),
        most_output=min(bounds, default=None),
        choices=choices,
        affinity=_affinity(body, run),
        headers=headers,
    )


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = strict_json.read(raw)
    except NotStrict as error:
        raise Refused(Wrong("invalid-json", "", f"send strict JSON: {error}")) from None
    if not isinstance(body, dict):
        raise Refused(Wrong("invalid-json", "", "send a JSON object"))
    return body


def _count(body: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = body[name]
    if type(value) is not int or not least <= value <= most:
        raise _unfit(name, f"expected a whole number of {least} to {most}")
    return value


def _affinity(body: Mapping[str, Any], run: str) -> str:
    """Return what the session of a request is known by: its cache key, the run, or the user of its metadata."""
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    return next((one for one in (body.get("prompt_cache_key"), run, user) if isinstance(one, str) and one), "")


def _unfit(name: str, message: str) -> Refused:
    return Refused(Wrong("invalid-values", name, f"`{name}`: {message}"))

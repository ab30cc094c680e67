"""A provider of models, in a thread of the test's process: it answers in both formats, as its models' names say."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.serving import serving_in_thread

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
WORDS = ("Hello", " wide", " world")


@dataclass
class Upstream:
    """``seen`` are the requests, oldest first. A model's name is a script: `fail-503`, `slow`, `cut`, `overloaded`, else it answers."""

    port: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)
    closed: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    """By model: how many requests more are answered with 503."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def models(self) -> list[str]:
        return [one["body"]["model"] for one in self.seen]


def _sse(*events: tuple[str, Any]) -> list[bytes]:
    found = []
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data)
        found.append((f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode())
    return found


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> tuple[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "", {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def chat_stream(body: dict[str, Any]) -> list[bytes]:
    events = [chunk({"role": "assistant", "content": ""})]
    if body.get("tools"):
        call = {
            "index": 0,
            "id": "t1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
        }
        events += [chunk({"tool_calls": [call]}), chunk({}, "tool_calls")]
    else:
        events += [chunk({"content": word}) for word in WORDS] + [chunk({}, "stop")]
    if (body.get("stream_options") or {}).get("include_usage"):
        usage = chunk({})[1] | {"choices": [], "usage": USAGE}
        events.append(("", usage))
    return _sse(*events, ("", "[DONE]"))


def chat_whole(body: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(WORDS)}
    if body.get("response_format", {}).get("type") == "json_schema":
        message["content"] = '{"city": "Rome"}'
    if body.get("tools"):
        call = {"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": USAGE,
    }


def response_whole(body: dict[str, Any]) -> dict[str, Any]:
    content = [{"type": "output_text", "text": "".join(WORDS), "annotations": []}]
    item = {"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1,
        "model": body["model"],
        "status": "completed",
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {**usage, **details},
    }


def response_stream(body: dict[str, Any]) -> list[bytes]:
    whole = response_whole(body)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    events: list[tuple[str, Any]] = [
        ("response.created", {"type": "response.created", "response": begun, "sequence_number": 0})
    ]
    events += [
        (
            "response.output_text.delta",
            {"type": "response.output_text.delta", "delta": word, **place, "sequence_number": n},
        )
        for n, word in enumerate(WORDS, 1)
    ]
    return _sse(
        *events, ("response.completed", {"type": "response.completed", "response": whole, "sequence_number": 9})
    )


ANTHROPIC_USAGE = {
    "input_tokens": 9,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 0,
    "output_tokens": 3,
}


def message_whole(body: dict[str, Any]) -> dict[str, Any]:
    content: list[Any] = [{"type": "text", "text": "".join(WORDS)}]
    if body.get("tools"):
        content = [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}}]
    reason = "tool_use" if body.get("tools") else "end_turn"
    head = {"id": "m1", "type": "message", "role": "assistant", "model": body["model"], "stop_sequence": None}
    return {**head, "content": content, "stop_reason": reason, "usage": ANTHROPIC_USAGE}


def message_stream(body: dict[str, Any]) -> list[bytes]:
    start = {
        **message_whole(body),
        "content": [],
        "stop_reason": None,
        "usage": {**ANTHROPIC_USAGE, "output_tokens": 1},
    }
    events: list[tuple[str, Any]] = [
        ("message_start", {"type": "message_start", "message": start}),
        (
            "content_block_start",
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        ),
        ("ping", {"type": "ping"}),
    ]
    for word in WORDS:
        delta = {"type": "text_delta", "text": word}
        events.append(("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}))
    events += [
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        (
            "message_delta",
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
        ),
        ("message_stop", {"type": "message_stop"}),
    ]
    return _sse(*events)


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    return {"object": "list", "model": body["model"], "data": data, "usage": {"prompt_tokens": 9, "total_tokens": 9}}


ERRORS: dict[str, Any] = {
    "openai": {"error": {"message": "busy", "type": "server_error", "param": None, "code": None}},
    "anthropic": {"type": "error", "error": {"type": "api_error", "message": "busy"}},
}


class _Handlers:
    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        up, model = self.upstream, str(body["model"])
        up.seen.append({"path": request.path, "headers": dict(request.headers), "body": body})
        is_anthropic = request.path.startswith("/v1/messages")
        error = ERRORS["anthropic" if is_anthropic else "openai"]
        if up.failing[model] > 0:
            up.failing[model] -= 1
            return web.json_response(error, status=503)
        if model.startswith("fail-"):
            return web.json_response(
                error, status=int(model.split("-")[1]), headers={"Set-Cookie": "a=b", "x-secret": "s"}
            )
        if model == "echo":
            return web.json_response({**chat_whole(body), "echo": request.headers.get("Authorization", "")})
        if model == "slow-start":
            await self._until_left(request, model)
        if body.get("stream"):
            streams = {
                "/v1/chat/completions": chat_stream,
                "/v1/responses": response_stream,
                "/v1/messages": message_stream,
            }
            return await self._stream(request, model, streams[request.path](body), error)
        whole = {
            "/v1/chat/completions": chat_whole,
            "/v1/responses": response_whole,
            "/v1/messages": message_whole,
            "/v1/embeddings": embeddings,
            "/v1/messages/count_tokens": lambda _body: {"input_tokens": 9},
        }
        if model == "hang":
            await self._until_left(request, model)
        return web.json_response(whole[request.path](body))

    async def _stream(self, request: web.Request, model: str, events: list[bytes], error: Any) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if model == "overloaded":
            name = "event: error\n" if request.path == "/v1/messages" else ""
            await response.write(f"{name}data: {json.dumps(error)}\n\n".encode())
            return response
        if model == "cut":
            events = events[:-3]
        if model == "broken":
            events = [*events[:3], *_sse(("error", error) if request.path == "/v1/messages" else ("", error))]
        for number, event in enumerate(events):
            if model == "split":
                for at in range(len(event)):
                    await response.write(event[at : at + 1])
                continue
            await response.write(event)
            if model in {"cut", "broken"}:
                await asyncio.sleep(0.02)  # what arrives together is judged together
            if model == "slow" and number >= 3:
                await self._until_left(request, model)
        return response

    async def _until_left(self, request: web.Request, model: str) -> None:
        try:
            while request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.02)
        finally:
            self.upstream.closed[model] += 1


@contextmanager
def upstream() -> Iterator[Upstream]:
    made, app = Upstream(), web.Application(client_max_size=64 * 2**20)
    app.router.add_post("/{path:.*}", _Handlers(made).handle)
    with serving_in_thread(app, handler_cancellation=True) as made.port:
        yield made


def world(up: Upstream, **more: Any) -> dict[str, Any]:
    """A project whose bot may use a route and two integrations, all of which lead to the upstream."""
    one = {
        "provider": "custom",
        "base_url": f"{up.url}/v1",
        "credential": "env://MODEL_KEY",
        "formats": ["openai", "anthropic"],
        "include_usage": True,
    }
    document: dict[str, Any] = {
        "version": 1,
        "tenant": "acme",
        "integrations": {"main": one, "spare": {**one}},
        "routes": {
            "fast": {
                "models": ["fast"],
                "deployments": [{"integration": "main", "model": "m"}, {"integration": "spare", "model": "m2"}],
                "first_byte_seconds": 5,
            }
        },
        "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {"max_age_days": 30}}}},
        "policies": {
            "models": {
                "effect": "allow",
                "subjects": {"roles": ["analyst"]},
                "actions": ["invoke"],
                "targets": {"names": ["route/*", "integration/*"]},
            }
        },
    }
    for kind, resources in more.items():
        document[kind] = {**document.get(kind, {}), **resources}
    return document

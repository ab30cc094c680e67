"""Events of streams with what guardrails let pass: each format's deltas, and where the text that they make up ends.

Sources: OpenAI's API reference, streaming of chat completions and of responses; Anthropic's, streaming of messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import orjson

from reconciler.runtime.guardrails.guard import Guard, Hits
from reconciler.runtime.guardrails.pipeline import Arguments, Held, Pipeline
from reconciler.runtime.guardrails.walk import Walk
from reconciler.runtime.llm.sse import Event, event_of

Sort: TypeAlias = Literal["text", "fixed", "tool"]
Key: TypeAlias = tuple[Any, ...]


class Streams:
    """The texts of one stream of events, by what tells them apart."""

    def __init__(self, guards: Sequence[Guard], hits: Hits) -> None:
        self._guards, self._hits = [one for one in guards if one.detectors], hits
        self._walk = Walk(guards, hits, fixes_tools=True)
        self._held: dict[Key, Held] = {}

    def event(self, event: Event, body: Mapping[str, Any]) -> bytes:
        """Return the bytes that may leave for an event. Raises Blocked."""
        copy = orjson.loads(event.data or b"{}")
        before = [*self._handle(copy)]
        if not before and copy == body:
            return event.raw
        return b"".join(event_of(event.name, orjson.dumps(one)) for one in (*before, copy))

    def _handle(self, body: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Change an event to what may leave of it; yield the events that leave before it."""
        raise NotImplementedError

    def _feed(self, key: Key, sort: Sort, piece: str) -> str:
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = self._new(sort)
        return held.feed(piece)

    def _new(self, sort: Sort) -> Held:
        if sort == "tool":
            return Arguments(self._walk, self._guards[0])
        return Pipeline(self._guards, self._hits, sort == "fixed")

    def _finish(self, key: Key) -> str:
        held = self._held.pop(key, None)
        return held.finish() if held is not None else ""

    def _inspect(self, body: dict[str, Any], without: Sequence[str] = ()) -> None:
        """Search all texts of a map but some, and put what may leave in their place."""
        rest = {key: value for key, value in body.items() if key not in without}
        made = self._walk.value(rest)
        if made is not rest:
            body.update(made)


_CHAT_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


class ChatEvents(Streams):
    """Chunks of chat completions: a choice's texts end with its `finish_reason`."""

    def _handle(self, body: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        self._inspect(body, ("choices",))
        for choice in body.get("choices") or ():
            number, delta = choice.get("index", 0), choice.get("delta")
            delta = delta if isinstance(delta, dict) else {}
            self._inspect(choice, ("delta",))
            self._inspect(delta, (*_CHAT_TEXTS, "tool_calls", "function_call", "audio"))
            for name in _CHAT_TEXTS:
                if isinstance(delta.get(name), str):
                    delta[name] = self._feed((number, name), "text", delta[name])
            self._tools(number, delta)
            self._audio(number, delta)
            if choice.get("finish_reason") is not None:
                self._end(number, delta)
                choice["delta"] = delta
        return iter(())

    def _tools(self, number: int, delta: dict[str, Any]) -> None:
        calls = [one for one in delta.get("tool_calls") or () if isinstance(one, dict)]
        places = [
            (("tool", one.get("index", 0), name), one.get(name)) for one in calls for name in ("function", "custom")
        ]
        for key, place in (*places, (("function_call",), delta.get("function_call"))):
            if not isinstance(place, dict):
                continue
            field = "input" if key[-1] == "custom" else "arguments"
            self._inspect(place, (field,))
            if isinstance(place.get(field), str):
                place[field] = self._feed((number, *key), "tool", place[field])

    def _audio(self, number: int, delta: dict[str, Any]) -> None:
        audio = delta.get("audio")
        if isinstance(audio, dict) and isinstance(audio.get("transcript"), str):
            audio["transcript"] = self._feed((number, "audio"), "text", audio["transcript"])

    def _end(self, number: int, delta: dict[str, Any]) -> None:
        """Put what was held of a choice into its last chunk."""
        for key in [one for one in self._held if one[0] == number]:
            rest = self._finish(key)
            if not rest:
                continue
            if key[1] == "tool":
                self._end_tool(delta, key[2], key[3], rest)
            elif key[1] == "function_call":
                call = delta.setdefault("function_call", {})
                call["arguments"] = (call.get("arguments") or "") + rest
            elif key[1] == "audio":
                audio = delta.setdefault("audio", {})
                audio["transcript"] = (audio.get("transcript") or "") + rest
            else:
                delta[key[1]] = (delta.get(key[1]) or "") + rest

    def _end_tool(self, delta: dict[str, Any], index: int, name: str, rest: str) -> None:
        field = "input" if name == "custom" else "arguments"
        calls = delta.setdefault("tool_calls", [])
        own = next((one for one in calls if one.get("index") == index and isinstance(one.get(name), dict)), None)
        if own is None:
            calls.append({"index": index, name: {field: rest}})
        else:
            own[name][field] = (own[name].get(field) or "") + rest


_TOOL_DELTAS = frozenset(
    [
        "response.function_call_arguments",
        "response.custom_tool_call_input",
        "response.mcp_call_arguments",
        "response.code_interpreter_call_code",
    ]
)
_PLACES = ("item_id", "output_index", "content_index", "summary_index")
_NOT_TEXT = frozenset({"response.audio"})


class ResponseEvents(Streams):
    """Events of responses: a text ends with its `.done`, which repeats it, as later events do."""

    def __init__(self, guards: Sequence[Guard], hits: Hits) -> None:
        super().__init__(guards, hits)
        self._last: dict[Key, dict[str, Any]] = {}
        self._added = 0

    def _handle(self, body: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        kind = str(body.get("type"))
        key = (kind.rpartition(".")[0], *(body.get(name) for name in _PLACES))
        if kind.endswith(".delta") and isinstance(body.get("delta"), str) and key[0] not in _NOT_TEXT:
            self._inspect(body, ("delta",))
            self._last[key] = {**body, "logprobs": []} if "logprobs" in body else {**body}
            body["delta"] = self._feed(key, "tool" if key[0] in _TOOL_DELTAS else "text", body["delta"])
        else:
            if kind.endswith(".done") or kind in {"response.completed", "response.incomplete"}:
                ended = [key] if key in self._held else [] if kind.endswith(".done") else [*self._held]
                for one in ended:
                    last, rest = self._last.pop(one), self._finish(one)
                    if rest:
                        yield self._numbered({**last, "delta": rest, "sequence_number": body.get("sequence_number")})
                        self._added += 1
            if key[0] in _TOOL_DELTAS:
                for name in ("arguments", "input", "code"):
                    if isinstance(body.get(name), str):
                        self._walk.value({"type": "function_call", "arguments": body[name]})
            self._inspect(body)
        self._numbered(body)

    def _numbered(self, body: dict[str, Any]) -> dict[str, Any]:
        """Count the events that were added before this one."""
        number = body.get("sequence_number")
        if isinstance(number, int):
            body["sequence_number"] = number + self._added
        return body


_DELTAS: Mapping[str, tuple[str, Sort]] = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "fixed"),
    "input_json_delta": ("partial_json", "tool"),
}
"""By the type of a delta: the field with its text. What a model thinks is signed, so that nothing may be put in its place."""


class MessageEvents(Streams):
    """Events of messages: a block's text ends with `content_block_stop`."""

    def _handle(self, body: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
        index, delta = body.get("index"), body.get("delta")
        if body.get("type") == "content_block_delta" and isinstance(delta, dict) and delta.get("type") in _DELTAS:
            field, sort = _DELTAS[delta["type"]]
            if isinstance(delta.get(field), str):
                delta[field] = self._feed((index, delta["type"]), sort, delta[field])
            return
        is_signed = isinstance(delta, dict) and delta.get("type") == "signature_delta"
        if body.get("type") == "content_block_stop" or is_signed:
            for key in [one for one in self._held if one[0] == index]:
                field = _DELTAS[key[1]][0]
                if rest := self._finish(key):
                    yield {"type": "content_block_delta", "index": index, "delta": {"type": key[1], field: rest}}
        self._inspect(body)

"""Guardrails about calls of models: every detector over every endpoint, streaming and not, wherever a text is cut."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from reconciler.runtime.guardrails.guard import BUILTIN, Blocked, Guard
from reconciler.runtime.guardrails.model_call import ModelInspection
from reconciler.runtime.guardrails.pipeline import MOST_ARGUMENTS
from reconciler.runtime.llm.request import ENDPOINTS, EndpointName, ModelRequest
from reconciler.runtime.llm.sse import Event, Events, event_of

from .samples import FOUND, KEY

PHASES = frozenset({"input", "output"})
SAMPLES = {name: texts[0] for name, texts in FOUND.items()}
Body = dict[str, Any]
CARD = SAMPLES["credit_card"]


def guard(name: str = "credit_card", action: Any = "redact", **more: Any) -> Guard:
    return Guard(f"no-{name}", PHASES, action, detectors=(BUILTIN[name],))._replace(**more)


def inspection(endpoint: EndpointName, *guards: Guard) -> ModelInspection:
    return ModelInspection(guards, guards, endpoint)


# streams, as the formats have them


def chat_text(pieces: Sequence[str], field: str = "content") -> Iterator[Body]:
    yield {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    for piece in pieces:
        yield {"id": "c", "choices": [{"index": 0, "delta": {field: piece}, "finish_reason": None}]}
    yield {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def chat_tool(pieces: Sequence[str]) -> Iterator[Body]:
    call = {"index": 0, "id": "t", "type": "function", "function": {"name": "pay", "arguments": ""}}
    yield {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    for piece in pieces:
        yield {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def responses_text(pieces: Sequence[str], kind: str = "response.output_text", field: str = "text") -> Iterator[Body]:
    at = {"item_id": "i", "output_index": 0, "content_index": 0}
    number = 0
    for number, piece in enumerate(pieces):
        yield {"type": f"{kind}.delta", **at, "delta": piece, "sequence_number": number}
    whole = "".join(pieces)
    yield {"type": f"{kind}.done", **at, field: whole, "sequence_number": number + 1}
    output = [{"type": "message", "content": [{"type": "output_text", "text": whole}]}]
    yield {"type": "response.completed", "response": {"output": output}, "sequence_number": number + 2}


def responses_tool(pieces: Sequence[str]) -> Iterator[Body]:
    yield from [*responses_text(pieces, "response.function_call_arguments", "arguments")][:-1]


def messages(pieces: Sequence[str], kind: str = "text_delta", field: str = "text") -> Iterator[Body]:
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for piece in pieces:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: piece}}
    if kind == "thinking_delta":
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}
    yield {"type": "content_block_stop", "index": 0}


Make = Callable[[Sequence[str]], Iterator[Body]]
TEXTS: Mapping[str, tuple[EndpointName, Make]] = {
    "chat": ("chat", chat_text),
    "chat refusal": ("chat", lambda pieces: chat_text(pieces, "refusal")),
    "chat reasoning": ("chat", lambda pieces: chat_text(pieces, "reasoning_content")),
    "responses": ("responses", responses_text),
    "responses reasoning": ("responses", lambda pieces: responses_text(pieces, "response.reasoning_text")),
    "responses refusal": ("responses", lambda pieces: responses_text(pieces, "response.refusal", "refusal")),
    "messages": ("messages", messages),
}
TOOLS: Mapping[str, tuple[EndpointName, Make]] = {
    "chat": ("chat", chat_tool),
    "responses": ("responses", responses_tool),
    "messages": ("messages", lambda pieces: messages(pieces, "input_json_delta", "partial_json")),
}


def run(inspected: ModelInspection, bodies: Iterator[Body]) -> list[Body]:
    """The bodies of the events that leave; those of bytes, as they would arrive."""
    out = b"".join(
        inspected.event(Event(event_of("", json.dumps(body).encode()), "", json.dumps(body).encode()), body)
        for body in bodies
    )
    reader = Events()
    return [json.loads(one.data) for one in reader.feed(out + inspected.finish()) if one.data]


def joined(bodies: Sequence[Body]) -> str:
    """All deltas of a stream, as a client adds them up."""
    found = []
    for body in bodies:
        deltas = [choice["delta"] for choice in body.get("choices", ())] + [body.get("delta")]
        for delta in deltas:
            found += _texts(delta)
    return "".join(found)


def _texts(delta: Any) -> Iterator[str]:
    if isinstance(delta, str):
        yield delta
    elif isinstance(delta, dict):
        for name, value in delta.items():
            if name in {"content", "refusal", "reasoning_content", "text", "thinking", "partial_json", "arguments"}:
                yield value or ""
            elif name in {"tool_calls", "function"}:
                for inner in value if isinstance(value, list) else [value]:
                    yield from _texts(inner)


def cuts(text: str) -> Iterator[list[str]]:
    step = max(1, len(text) // 60)
    yield from ([text[:at], text[at:]] for at in range(0, len(text) + 1, step))
    yield [*text] if len(text) < 200 else [text[at : at + 7] for at in range(0, len(text), 7)]


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("form", TEXTS)
def test_no_stream_lets_it_out(form: str, name: str) -> None:
    endpoint, make = TEXTS[form]
    text = f"It is {SAMPLES[name]}, I think."
    for pieces in cuts(text):
        inspected = inspection(endpoint, guard(name))
        bodies = run(inspected, make(pieces))
        assert joined(bodies) == f"It is [{name}], I think."
        assert SAMPLES[name] not in json.dumps(bodies)
        assert {*inspected.hits} == {f"no-{name}"}
        with pytest.raises(Blocked):
            run(inspection(endpoint, guard(name, "block")), make(pieces))
        warned = inspection(endpoint, guard(name, "warn"))
        assert joined(run(warned, make(pieces))) == text
        assert warned.hits[f"no-{name}"] >= 1


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("form", TOOLS)
def test_what_a_tool_is_called_with_is_refused_whole(form: str, name: str) -> None:
    endpoint, make = TOOLS[form]
    escaped = "".join(f"\\u{ord(one):04x}" for one in SAMPLES[name])
    for text in (json.dumps({"a": [SAMPLES[name]]}), f'{{"a": "{escaped}"}}', json.dumps({SAMPLES[name]: 1})):
        for action in ("redact", "block"):
            with pytest.raises(Blocked):
                run(inspection(endpoint, guard(name, action)), make([text[:9], text[9:]]))
        assert joined(run(inspection(endpoint, guard(name, "warn")), make([text[:9], text[9:]]))) == text


@pytest.mark.parametrize("form", TOOLS)
def test_a_number_in_what_a_tool_is_called_with_is_seen(form: str) -> None:
    endpoint, make = TOOLS[form]
    with pytest.raises(Blocked):
        run(inspection(endpoint, guard()), make(['{"n": 4111111111', "111111}"]))


@pytest.mark.parametrize("form", TOOLS)
def test_harmless_arguments_leave_whole_and_large_ones_never(form: str) -> None:
    endpoint, make = TOOLS[form]
    text = json.dumps({"a": ["b", 1], "c": "d" * 100})
    assert joined(run(inspection(endpoint, guard()), make([*text]))) == text
    with pytest.raises(Blocked):
        run(inspection(endpoint, guard()), make(['{"a": "', "x" * MOST_ARGUMENTS, '"}']))


def test_thinking_is_signed_and_never_changed() -> None:
    thinking = lambda pieces: messages(pieces, "thinking_delta", "thinking")  # noqa: E731
    with pytest.raises(Blocked):
        run(inspection("messages", guard()), thinking([f"{CARD} ", "it is"]))
    bodies = run(inspection("messages", guard()), thinking(["It is 4", "2"]))
    assert joined(bodies) == "It is 42"
    kinds = [body["delta"]["type"] for body in bodies if "delta" in body]
    assert kinds[-1] == "signature_delta", "all of what was thought stands before its signature"
    block = {"content": [{"type": "thinking", "thinking": CARD, "signature": "c2ln"}]}
    with pytest.raises(Blocked):
        inspection("messages", guard()).answer(block)


def test_events_without_a_find_leave_as_they_came() -> None:
    for endpoint, make in TEXTS.values():
        for body in make(["Hello, ", "world"]):
            raw = event_of("", json.dumps(body).encode())
            assert inspection(endpoint, guard()).event(Event(raw, "", json.dumps(body).encode()), body) in {raw}


def test_numbers_of_events_stay_in_order() -> None:
    bodies = run(inspection("responses", guard()), responses_text(["It is 4111", " 1111"]))
    numbers = [body["sequence_number"] for body in bodies]
    assert numbers == [*range(len(bodies))]
    assert len(bodies) == 5, "what was held leaves as a delta of its own, before the text is done"


# whole answers and requests


ANSWERS: Mapping[str, tuple[EndpointName, Callable[[str], Body]]] = {
    "chat": ("chat", lambda text: {"choices": [{"message": {"role": "assistant", "content": text}}]}),
    "chat parts": ("chat", lambda text: {"choices": [{"message": {"content": [{"type": "text", "text": text}]}}]}),
    "chat refusal": ("chat", lambda text: {"choices": [{"message": {"content": None, "refusal": text}}]}),
    "responses": ("responses", lambda text: {"output": [{"type": "message", "content": [{"text": text}]}]}),
    "responses summary": ("responses", lambda text: {"output": [{"type": "reasoning", "summary": [{"text": text}]}]}),
    "messages": ("messages", lambda text: {"type": "message", "content": [{"type": "text", "text": text}]}),
}
ANSWERED_TOOLS: Mapping[str, tuple[EndpointName, Callable[[str], Body]]] = {
    "chat": (
        "chat",
        lambda text: {
            "choices": [
                {"message": {"tool_calls": [{"function": {"name": "f", "arguments": json.dumps({"a": text})}}]}}
            ]
        },
    ),
    "responses": (
        "responses",
        lambda text: {"output": [{"type": "function_call", "name": "f", "arguments": json.dumps({"a": text})}]},
    ),
    "messages": ("messages", lambda text: {"content": [{"type": "tool_use", "name": "f", "input": {"a": [text]}}]}),
}


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("form", ANSWERS)
def test_no_answer_lets_it_out(form: str, name: str) -> None:
    endpoint, make = ANSWERS[form]
    body = make(f"It is {SAMPLES[name]}.")
    assert inspection(endpoint, guard(name)).answer(body) == make(f"It is [{name}].")
    with pytest.raises(Blocked):
        inspection(endpoint, guard(name, "block")).answer(body)
    assert inspection(endpoint, guard(name, "warn")).answer(body) is body
    harmless = make("It is nothing.")
    assert inspection(endpoint, guard(name)).answer(harmless) is harmless


@pytest.mark.parametrize("form", ANSWERED_TOOLS)
def test_a_tool_in_an_answer_is_refused(form: str) -> None:
    endpoint, make = ANSWERED_TOOLS[form]
    with pytest.raises(Blocked):
        inspection(endpoint, guard()).answer(make(CARD))
    assert inspection(endpoint, guard()).answer(make("nothing")) == make("nothing")


def test_probabilities_of_tokens_repeat_no_text() -> None:
    body = {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"token": "4111"}]}}]}
    assert inspection("chat", guard()).answer(body)["choices"][0]["logprobs"] is None


def asked(endpoint: EndpointName, body: Body) -> ModelRequest:
    return ModelRequest(ENDPOINTS[endpoint], json.dumps(body).encode(), body, "m")


REQUESTS: Mapping[str, tuple[EndpointName, Callable[[str], Body]]] = {
    "chat": ("chat", lambda text: {"messages": [{"role": "user", "content": text}]}),
    "chat parts": ("chat", lambda text: {"messages": [{"content": [{"type": "text", "text": text}]}]}),
    "chat tools": ("chat", lambda text: {"tools": [{"function": {"name": "f", "description": text}}]}),
    "responses": ("responses", lambda text: {"input": text}),
    "responses instructions": ("responses", lambda text: {"input": "a", "instructions": text}),
    "embeddings": ("embeddings", lambda text: {"input": ["a", text]}),
    "messages": ("messages", lambda text: {"system": text, "messages": []}),
    "messages document": (
        "messages",
        lambda text: {"messages": [{"content": [{"type": "document", "source": {"type": "text", "data": text}}]}]},
    ),
    "count_tokens": ("count_tokens", lambda text: {"messages": [{"content": text}]}),
}


@pytest.mark.parametrize("name", BUILTIN)
@pytest.mark.parametrize("form", REQUESTS)
def test_no_request_lets_it_in(form: str, name: str) -> None:
    endpoint, make = REQUESTS[form]
    request = asked(endpoint, make(f"It is {SAMPLES[name]}."))
    made = inspection(endpoint, guard(name)).request(request)
    assert made.body == make(f"It is [{name}].") == json.loads(made.raw)
    with pytest.raises(Blocked):
        inspection(endpoint, guard(name, "block")).request(request)
    assert inspection(endpoint, guard(name, "warn")).request(request) is request


def test_media_are_not_searched() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{CARD}"}}
    data = {"type": "base64", "media_type": "image/png", "data": CARD}
    request = asked("chat", {"messages": [{"content": [image, {"type": "image", "source": data}]}]})
    assert inspection("chat", guard("credit_card", "block")).request(request) is request


def test_sizes_costs_and_models_are_bounded() -> None:
    size = Guard("small", PHASES, "block", most_bytes=40)
    with pytest.raises(Blocked):
        inspection("chat", size).request(asked("chat", {"messages": [{"content": "x" * 40}]}))
    with pytest.raises(Blocked):
        inspection("chat", size).answer({"choices": [{"message": {"content": "x" * 40}}]})
    with pytest.raises(Blocked):
        run(inspection("chat", size), chat_text(["x" * 40]))
    cost = inspection("chat", Guard("cheap", PHASES, "block", most_cost=100))
    cost.attempt("m", 100)
    for more in (101, None):
        with pytest.raises(Blocked):
            cost.attempt("m", more)
    models = inspection("chat", Guard("known", PHASES, "block", models=("gpt-*",)))
    models.attempt("gpt-5", None)
    with pytest.raises(Blocked):
        models.attempt("claude", None)


def test_a_broken_guardrail_refuses_everything() -> None:
    broken = guard(is_broken=True)
    with pytest.raises(Blocked):
        inspection("chat", broken).request(asked("chat", {"messages": []}))
    with pytest.raises(Blocked):
        run(inspection("chat", broken), chat_text(["a"]))


def test_guardrails_are_applied_one_after_the_other() -> None:
    chain = (guard("email", "warn"), guard("private_key"), guard())
    inspected = inspection("chat", *chain)
    text = f"a@b.io {KEY} {CARD}"
    assert joined(run(inspected, chat_text([text[at : at + 3] for at in range(0, len(text), 3)]))) == (
        "a@b.io [private_key] [credit_card]"
    )
    assert inspected.hits == {"no-email": 1, "no-private_key": 1, "no-credit_card": 1}

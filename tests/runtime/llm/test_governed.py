"""What governs calls of models over a real server: limits of tokens and cost, guardrails, routes, and what is written down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import Db
from tests.runtime.llm.test_sdks import ASK, KEY, PERMITS, Running
from tests.runtime.llm.upstream import upstream, world
from tests.runtime.servers import served

FACTS = {"context_window": 100_000, "max_output_tokens": 1000}
PRICES = {
    "models": {
        "custom/m": {"input": 1, "output": 10, **FACTS},
        "custom/m2": {"input": 1, "output": 10, **FACTS},
        "custom/cut": {"input": 1, "output": 10, **FACTS},
    }
}


def route(name: str, *models: str, **more: Any) -> dict[str, Any]:
    deployments = [{"integration": one, "model": model} for one, model in zip(("main", "spare"), models, strict=False)]
    return {"models": [name], "deployments": deployments, **more}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("governed")
    db = Db(f"sqlite:///{folder}/state.db")
    with upstream() as up:
        document = world(
            up,
            integrations={"costly": {"provider": "custom", "base_url": f"{up.url}/v1"}},
            routes={
                "budget": route("budget", "m"),
                "cutting": route("cutting", "cut", retry={"attempts": 1}),
                "small": route("small", "m"),
                "words": route("words", "m"),
                "cool": route("cool", "fail-500", "m2", cooldown={"failures": 1, "seconds": 60}),
                "strict": route("strict", "m", "m2", retry={"attempts": 2, "statuses": [503]}),
                "quick": route("quick", "slow-start", "m2", first_byte_seconds=1),
                "denied": route("denied", "m", "m2"),
            },
            limits={
                "tokens": {"target": "route/budget", "per": "day", "tokens": 5000},
                "cut": {"target": "route/cutting", "per": "day", "tokens": 3000},
                "tiny": {"target": "route/small", "per": "day", "tokens": 20},
                "cost": {"target": "integration/costly", "per": "day", "cost_usd": 1000},
            },
            guardrails={
                "no-cards": {
                    "targets": {"names": ["route/words"]},
                    "phases": ["input"],
                    "check": {"type": "pattern", "builtin": ["credit_card"]},
                    "action": "block",
                },
                "no-worlds": {
                    "targets": {"names": ["route/words"]},
                    "phases": ["output"],
                    "check": {"type": "pattern", "patterns": {"world": "wide world"}},
                    "action": "redact",
                },
            },
        )
        with served(folder, db, document, {"MODEL_KEY": KEY}, permits=PERMITS, prices=PRICES) as server:
            yield Running(server, up)


def chat(running: Running, model: str, **more: Any) -> Any:
    return running.openai.with_options(max_retries=0).chat.completions.create(model=model, messages=ASK, **more)


def limits(running: Running) -> dict[str, Any]:
    with running.server.client() as client:
        return {one["target"]: one for one in client.get("/v1/limits").json()["limits"]}


def test_a_budget_of_tokens_holds_and_the_output_is_bounded_for_it(running: Running) -> None:
    chat(running, "budget")
    assert running.up.seen[-1]["body"]["max_tokens"] == 1000  # the model's most, under the name that the provider reads
    chat(running, "budget", max_tokens=50, stream=True).close()
    assert running.server.operator("/v1/tenants/acme/limits").status_code == 200


def test_what_a_cut_stream_held_is_used(running: Running) -> None:
    for _ in range(4):
        with contextlib.suppress(openai.APIError, httpx.RemoteProtocolError):  # cut, and at last refused
            _ = [*chat(running, "cutting", max_tokens=900, stream=True)]
    with pytest.raises(openai.RateLimitError) as caught:
        chat(running, "cutting", max_tokens=900)
    assert caught.value.code == "limit_exceeded"
    assert running.last()["reason"] == "limit-exceeded"
    assert running.up.models().count("cut") == 3


def test_a_call_that_can_never_fit_says_so(running: Running) -> None:
    before = len(running.up.seen)
    with pytest.raises(openai.RateLimitError) as caught:
        chat(running, "small", max_tokens=50)
    assert caught.value.code == "limit_unreachable"
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(running.up.seen) == before


def test_a_model_without_a_price_is_refused_under_a_limit_of_cost(running: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(running, "costly/unheard-of", max_tokens=5)
    assert caught.value.code in {"price_unknown", "bound_unknown"}


def test_an_unknown_field_is_refused_under_a_limit(running: Running) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        chat(running, "budget", extra_body={"fallbacks": ["dear"]})
    assert (caught.value.code, caught.value.param) == ("field_not_supported", "fallbacks")


def test_a_guardrail_blocks_what_is_sent(running: Running) -> None:
    before = len(running.up.seen)
    card: Any = [{"role": "user", "content": "pay with 4111 1111 1111 1111"}]
    with pytest.raises(openai.BadRequestError) as caught:
        running.openai.chat.completions.create(model="words", messages=card)
    assert caught.value.code == "content_blocked"
    assert len(running.up.seen) == before
    assert "4111 1111" not in str(running.server.evidence())


@pytest.mark.parametrize("stream", [False, True])
def test_a_guardrail_redacts_what_comes_back(running: Running, stream: bool) -> None:
    done = chat(running, "words", stream=stream)
    text = "".join(one.choices[0].delta.content or "" for one in done) if stream else done.choices[0].message.content
    assert text == "Hello [world]"
    other = running.anthropic
    if stream:
        with other.messages.stream(model="words", max_tokens=10, messages=ASK) as found:
            assert found.get_final_text() == "Hello [world]"
    else:
        message = other.messages.create(model="words", max_tokens=10, messages=ASK)
        assert message.content[0].text == "Hello [world]"  # type: ignore[union-attr]
    assert "no-worlds=1" in str(running.last())


def test_a_deployment_that_fails_is_left_out(running: Running) -> None:
    chat(running, "cool")
    assert running.up.models()[-2:] == ["fail-500", "m2"]
    chat(running, "cool")
    assert running.up.models()[-1] == "m2"
    assert running.up.models()[-2] == "m2"


def test_what_is_not_to_be_retried_is_not(running: Running) -> None:
    running.up.failing["m"] = 0
    document_error = running.up.seen.copy()
    done = chat(running, "strict")
    assert done.choices[0].message.content == "Hello wide world"
    assert len(running.up.seen) == len(document_error) + 1


def test_a_stream_that_does_not_begin_goes_elsewhere(running: Running) -> None:
    chunks = [*chat(running, "quick", stream=True)]
    assert running.up.models()[-2:] == ["slow-start", "m2"]
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == "Hello wide world"


def test_usage_is_written_down_and_the_caller_can_read_it(running: Running) -> None:
    chat(running, "main/m", max_tokens=5)
    running.anthropic.messages.create(model="main/m", max_tokens=5, messages=ASK)

    def shown() -> Any:
        with running.server.client() as client:
            return client.get("/v1/usage", params={"by": "model"})

    running.server.until(lambda: "m" in shown().text)
    assert shown().status_code == 200


def test_a_request_that_is_too_large_is_refused_in_its_format(running: Running) -> None:
    with running.server.client() as client:
        answer = client.post("/v1/messages", content=b"x" * (32 * 2**20 + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "request_too_large"

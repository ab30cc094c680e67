"""Both official SDKs against `serve`, pointed there by their base URL and changed in nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import anthropic
import httpx
import httpx2
import openai
import pytest
from pydantic import BaseModel

from tests.conftest import Db
from tests.runtime.llm.upstream import Upstream, upstream, world
from tests.runtime.servers import Served, served

KEY = "sk-provider-0123456789abcdef"
ASK: Any = [{"role": "user", "content": "Hi"}]


class Running(NamedTuple):
    server: Served
    up: Upstream

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.server.agents}/v1", api_key=self.server.key, timeout=20)

    @property
    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.server.agents, api_key=self.server.key, timeout=20)

    def last(self) -> dict[str, Any]:
        return self.server.evidence()[0]


PERMITS = {"networks": ["127.0.0.0/8"], "env": ["MODEL_KEY"]}


def document(up: Upstream) -> dict[str, Any]:
    """The world, whose spare integration has a list of models."""
    found = world(up)
    found["integrations"]["spare"]["models"] = ["m0", "m1", "m2"]
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    db = Db(f"sqlite:///{folder}/state.db")
    with upstream() as up, served(folder, db, document(up), {"MODEL_KEY": KEY}, permits=PERMITS) as server:
        yield Running(server, up)


def test_chat(running: Running) -> None:
    done = running.openai.chat.completions.create(model="fast", messages=ASK)
    assert done.choices[0].message.content == "Hello wide world"
    assert done.usage is not None
    assert done.usage.total_tokens == 12
    sent = running.up.seen[-1]
    assert sent["body"]["model"] == "m"
    assert sent["headers"]["Authorization"] == f"Bearer {KEY}"
    assert running.server.key not in str(sent)
    assert not {name for name in map(str.lower, sent["headers"]) if name.startswith("x-stainless")}
    assert done._request_id == running.last()["id"]
    assert running.last()["target"] == "route/fast"
    assert running.last()["outcome"] == "success"


def test_a_chat_streams(running: Running) -> None:
    with running.openai.chat.completions.create(model="fast", messages=ASK, stream=True) as stream:
        chunks = [*stream]
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "Hello wide world"
    assert running.up.seen[-1]["body"]["stream_options"] == {"include_usage": True}
    asked = running.openai.chat.completions.create(
        model="fast", messages=ASK, stream=True, stream_options={"include_usage": True}
    )
    assert [*asked][-1].usage is not None


def test_tools_structured_output_and_images(running: Running) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    done = running.openai.chat.completions.create(model="fast", messages=ASK, tools=[tool])
    assert done.choices[0].message.tool_calls is not None
    stream = running.openai.chat.completions.create(model="fast", messages=ASK, tools=[tool], stream=True)
    assert any(one.choices[0].delta.tool_calls for one in stream)

    class City(BaseModel):
        city: str

    parsed = running.openai.chat.completions.parse(model="fast", messages=ASK, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Rome")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000}}
    running.openai.chat.completions.create(model="fast", messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item,misc]
    assert running.up.seen[-1]["body"]["messages"][0]["content"][0] == image


def test_responses_and_embeddings(running: Running) -> None:
    done = running.openai.responses.create(model="fast", input="Hi")
    assert done.output_text == "Hello wide world"
    assert running.up.seen[-1]["body"]["store"] is False
    events = [*running.openai.responses.create(model="fast", input="Hi", stream=True)]
    assert events[-1].type == "response.completed"
    vector = running.openai.embeddings.create(model="main/embed", input="Hi", encoding_format="float")
    assert vector.data[0].embedding == [0.5, 0.25]


def test_messages(running: Running) -> None:
    done = running.anthropic.messages.create(model="fast", max_tokens=10, messages=ASK)
    assert done.content[0].text == "Hello wide world"  # type: ignore[union-attr]
    assert running.up.seen[-1]["headers"]["anthropic-version"] == running.anthropic.default_headers["anthropic-version"]
    with running.anthropic.messages.stream(model="fast", max_tokens=10, messages=ASK) as stream:
        assert stream.get_final_text() == "Hello wide world"
    tool: Any = {"name": "weather", "input_schema": {"type": "object"}}
    used = running.anthropic.messages.create(model="fast", max_tokens=10, messages=ASK, tools=[tool])
    assert used.stop_reason == "tool_use"
    assert running.anthropic.messages.count_tokens(model="fast", messages=ASK).input_tokens == 9


def test_async_clients(running: Running) -> None:
    async def main() -> None:
        one = openai.AsyncOpenAI(base_url=f"{running.server.agents}/v1", api_key=running.server.key)
        done, stream = await asyncio.gather(
            one.chat.completions.create(model="fast", messages=ASK),
            one.chat.completions.create(model="fast", messages=ASK, stream=True),
        )
        assert done.choices[0].message.content == "Hello wide world"
        assert len([chunk async for chunk in stream]) == 5
        other = anthropic.AsyncAnthropic(base_url=running.server.agents, api_key=running.server.key)
        message = await other.messages.create(model="fast", max_tokens=10, messages=ASK)
        assert message.stop_reason == "end_turn"

    asyncio.run(main())


def test_lists_of_models(running: Running) -> None:
    names = ["fast", *(f"spare/m{number}" for number in range(3))]
    client = running.anthropic
    assert [one.id for one in running.openai.models.list()] == names
    for limit in (1, 2, 3, 4, 1000):
        assert [one.id for one in client.models.list(limit=limit)] == names
        assert [one.id for one in client.models.list(limit=limit, after_id="fast")] == names[1:]
        pages = [*client.models.list(limit=limit, before_id="spare/m2").iter_pages()]
        assert [one.id for page in reversed(pages) for one in page.data] == names[:3]
    page = client.models.list(limit=2)
    assert (page.has_more, page.first_id, page.last_id) == (True, "fast", "spare/m0")
    last = client.models.list(after_id=names[-1])
    assert (last.data, last.has_more, last.first_id, last.last_id) == ([], False, None, None)
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "a", "before_id": "b"}):
        with pytest.raises(anthropic.BadRequestError) as refused:
            client.models.list(**wrong)  # type: ignore[arg-type]
        assert refused.value.type == "invalid_request_error"
    assert client.models.retrieve("spare/m1").id == "spare/m1"
    assert running.openai.models.retrieve("fast").owned_by == "route/fast"
    assert running.anthropic.models.retrieve("fast").type == "model"
    with pytest.raises(openai.NotFoundError):
        running.openai.models.retrieve("other/model")


def test_a_stream_split_at_every_byte(running: Running) -> None:
    chunks = [*running.openai.chat.completions.create(model="main/split", messages=ASK, stream=True)]
    assert "".join(one.choices[0].delta.content or "" for one in chunks) == "Hello wide world"
    with running.anthropic.messages.stream(model="main/split", max_tokens=10, messages=ASK) as stream:
        assert stream.get_final_text() == "Hello wide world"


@pytest.mark.parametrize("model", ["nothing", "foreign/m", "main/", "?"])
def test_what_may_not_be_used_is_not_found(running: Running, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        running.openai.chat.completions.create(model=model, messages=ASK)
    assert caught.value.code == "model_not_found"
    with pytest.raises(anthropic.NotFoundError):
        running.anthropic.messages.create(model=model, max_tokens=1, messages=ASK)


def test_without_a_key(running: Running) -> None:
    before = len(running.up.seen)
    with pytest.raises(openai.AuthenticationError) as caught:
        running.openai.with_options(api_key="rk_x_y").chat.completions.create(model="fast", messages=ASK)
    assert caught.value.code == "unauthenticated"
    with pytest.raises(anthropic.AuthenticationError):
        running.anthropic.with_options(api_key="rk_x_y").messages.create(model="fast", max_tokens=1, messages=ASK)
    assert len(running.up.seen) == before


def test_state_and_server_side_tools_are_refused_before_anything_is_sent(running: Running) -> None:
    before, client = len(running.up.seen), running.openai
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="fast", input="Hi", previous_response_id="resp_1")
    assert (caught.value.code, caught.value.param) == ("state_not_supported", "previous_response_id")
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="fast", input="Hi", tools=[{"type": "web_search"}])
    assert caught.value.code == "tool_not_supported"
    with pytest.raises(anthropic.BadRequestError):
        running.anthropic.beta.messages.create(
            model="fast", max_tokens=1, messages=ASK, mcp_servers=[{"type": "url", "url": "https://x", "name": "x"}]
        )
    assert len(running.up.seen) == before
    assert running.last()["reason"] == "field-not-supported"
    with pytest.raises(openai.NotFoundError) as missing:
        client.files.list()
    assert missing.value.code == "endpoint_not_supported"
    assert "/v1/chat/completions" in missing.value.message
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_1")


def test_errors_of_a_provider_come_as_it_says_them(running: Running) -> None:
    client = running.openai.with_options(max_retries=0)
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="main/fail-422", messages=ASK)
    assert caught.value.body == {"message": "busy", "type": "server_error", "param": None, "code": None}
    assert "set-cookie" not in caught.value.response.headers
    assert "x-secret" not in caught.value.response.headers
    with pytest.raises(openai.APIStatusError) as refused:
        client.chat.completions.create(model="main/fail-401", messages=ASK)
    assert (refused.value.status_code, refused.value.code) == (502, "credential_refused")
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_a_call_falls_over_and_a_stream_that_opens_with_an_error_does_too(running: Running) -> None:
    running.up.failing["m"] = 1
    done = running.openai.with_options(max_retries=0).chat.completions.create(model="fast", messages=ASK)
    assert done.choices[0].message.content == "Hello wide world"
    assert running.up.models()[-2:] == ["m", "m2"]
    with pytest.raises(openai.APIStatusError):
        running.openai.with_options(max_retries=0).chat.completions.create(
            model="main/overloaded", messages=ASK, stream=True
        )


@pytest.mark.parametrize("model", ["main/cut", "main/broken"])
def test_a_stream_that_breaks_off_is_no_answer(running: Running, model: str) -> None:
    with pytest.raises((openai.APIError, httpx.RemoteProtocolError)):
        _ = [*running.openai.chat.completions.create(model=model, messages=ASK, stream=True)]
    assert running.last()["outcome"] == "failure"
    with (
        pytest.raises((anthropic.APIError, httpx2.RemoteProtocolError)),
        running.anthropic.messages.stream(model=model, max_tokens=10, messages=ASK) as stream,
    ):
        stream.get_final_text()
    with running.server.client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.post("/v1/chat/completions", json={"model": model, "messages": ASK, "stream": True})


def test_an_agent_that_goes_away_closes_the_provider(running: Running) -> None:
    stream = running.openai.chat.completions.create(model="main/slow", messages=ASK, stream=True)
    next(iter(stream))
    stream.close()
    running.server.until(lambda: running.up.closed["slow"] == 1, 2.0)
    running.server.until(lambda: running.last().get("code") == "cancelled", 2.0)
    with pytest.raises(openai.APITimeoutError):
        running.openai.with_options(timeout=0.5, max_retries=0).chat.completions.create(model="main/hang", messages=ASK)
    running.server.until(lambda: running.up.closed["hang"] == 1, 2.0)


def test_a_freeze_ends_a_stream(running: Running) -> None:
    stream = iter(running.openai.chat.completions.create(model="main/slow", messages=ASK, stream=True))
    next(stream)
    running.server.command("freeze", "acme/integration/main", "--reason", "test")
    try:
        with pytest.raises(openai.APIError) as caught:
            _ = [*stream]
        assert caught.value.code == "frozen"
        time.sleep(1)
        with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError)):
            running.openai.chat.completions.create(model="main/m", messages=ASK)
    finally:
        running.server.command("unfreeze", "acme/integration/main", "--reason", "test")
    time.sleep(1)


def test_no_credential_comes_back_and_nothing_said_is_kept(running: Running) -> None:
    words = "canary-of-a-prompt-57316"
    ask: Any = [{"role": "user", "content": words}]
    done = running.openai.chat.completions.create(model="main/echo", messages=ask)
    assert KEY not in done.model_dump_json()
    found = str(running.server.evidence()) + running.server.log.read_text() + running.server.operator("/metrics").text
    store = b"".join(path.read_bytes() for path in running.server.folder.glob("runtime.db*"))
    for canary in (words, "Hello wide world", KEY):
        assert canary not in found
        assert canary.encode() not in store

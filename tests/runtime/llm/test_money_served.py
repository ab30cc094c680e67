"""Budgets through `serve`: what is reserved, used, refused and written down, for every endpoint, streaming or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Db
from tests.runtime.llm.upstream import Upstream, upstream, world
from tests.runtime.servers import Served, served

PERMITS = {"networks": ["127.0.0.0/8"], "env": ["MODEL_KEY"]}
PRICE = {"input": 2, "output": 8, "context_window": 4000, "max_output_tokens": 100}
PRICES = {"models": {f"custom/{name}": PRICE for name in ("m", "m2", "embed", "cut", "fail-500", "fail-404")}}
ASK: Any = [{"role": "user", "content": "Hi"}]
CALLS: dict[str, tuple[str, dict[str, Any], int]] = {
    "chat": ("/v1/chat/completions", {"model": "main/m", "messages": ASK, "max_completion_tokens": 20}, 12),
    "chat streamed": (
        "/v1/chat/completions",
        {"model": "main/m", "messages": ASK, "max_completion_tokens": 20, "stream": True},
        12,
    ),
    "responses": ("/v1/responses", {"model": "main/m", "input": "Hi", "max_output_tokens": 20}, 12),
    "responses streamed": (
        "/v1/responses",
        {"model": "main/m", "input": "Hi", "max_output_tokens": 20, "stream": True},
        12,
    ),
    "messages": ("/v1/messages", {"model": "main/m", "messages": ASK, "max_tokens": 20}, 16),
    "messages streamed": ("/v1/messages", {"model": "main/m", "messages": ASK, "max_tokens": 20, "stream": True}, 16),
    "embeddings": ("/v1/embeddings", {"model": "main/embed", "input": "Hi there"}, 9),
}


@contextmanager
def serving(db: Db, folder: Path, **limits: dict[str, Any]) -> Iterator[tuple[Served, Upstream]]:
    more = {"permits": PERMITS, "prices": PRICES}
    with upstream() as up, served(folder, db, world(up, limits=limits), {"MODEL_KEY": "k" * 20}, **more) as server:
        yield server, up


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def limits(server: Served) -> dict[str, tuple[float, float]]:
    with server.client() as client:
        found = client.get("/v1/limits").json()["limits"]
    return {one["unit"]: (one["used"], one["held"]) for one in found if "held" in one}


def usage(server: Served, by: str = "route") -> dict[str, Any]:
    found = server.operator(f"/v1/tenants/acme/usage?by={by}").json()["usage"]
    return {one["key"]: one for one in found}


def test_every_endpoint_is_counted_as_it_was_billed(db: Db, folder: Path) -> None:
    budget = {"target": "tenant", "per": "month", "tokens": 100_000, "cost_usd": 5}
    with serving(db, folder, budget=budget) as (server, _), server.client() as client:
        tokens = cost = 0.0
        for name, (path, body, billed) in CALLS.items():
            answer = client.post(path, json=body)
            assert answer.status_code == 200, (name, answer.text)
            tokens += billed
            out = 0 if name == "embeddings" else 3
            cost += ((billed - out) * 2 + out * 8) / 1e6
            until(lambda wanted=tokens: limits(server)["tokens"] == (wanted, 0))  # type: ignore[misc]
            assert limits(server)["cost_usd"] == (pytest.approx(cost), 0), name
        one = usage(server)["integration/main"]
        assert (one["calls"], one["failed"], one["tokens_in"] + one["tokens_out"]) == (len(CALLS), 0, tokens)
        assert one["cost_usd"] == pytest.approx(cost)
        assert one["kept_tokens"] == 0


def test_a_cut_stream_keeps_what_it_held_and_a_refused_try_nothing(db: Db, folder: Path) -> None:
    budget = {"target": "caller/bot", "per": "month", "tokens": 100_000}
    with serving(db, folder, budget=budget) as (server, _), server.client() as client:
        body = {"model": "main/fail-404", "messages": ASK, "max_completion_tokens": 20}
        assert client.post("/v1/chat/completions", json=body).status_code == 404
        until(lambda: limits(server)["tokens"] == (0, 0))
        with pytest.raises(httpx.HTTPError):
            client.post("/v1/chat/completions", json={**body, "model": "main/cut", "stream": True})
        until(lambda: limits(server)["tokens"][0] > 0 and limits(server)["tokens"][1] == 0)
        used = limits(server)["tokens"][0]
        assert used > 20 + len("Hi")
        until(lambda: usage(server)["integration/main"]["calls"] == 2)
        assert usage(server)["integration/main"]["kept_tokens"] == used


def test_a_cut_stream_may_be_settled_by_what_was_received(db: Db, folder: Path) -> None:
    budget = {"target": "caller/bot", "per": "month", "tokens": 100_000}
    with upstream() as up:
        document = world(up, limits={"budget": budget})
        document["integrations"]["main"]["settle_cut"] = "received"
        with served(folder, db, document, {"MODEL_KEY": "k" * 20}, permits=PERMITS, prices=PRICES) as server:
            for path, most in (("/v1/chat/completions", "max_completion_tokens"), ("/v1/messages", "max_tokens")):
                before, text = limits(server)["tokens"][0], "x" * 200
                body = {"model": "main/cut", "messages": [{"role": "user", "content": text}], most: 90, "stream": True}
                with server.client() as client, pytest.raises(httpx.HTTPError):
                    client.post(path, json=body)
                until(lambda n=before: limits(server)["tokens"][0] > n and limits(server)["tokens"][1] == 0)  # type: ignore[misc]
                used = limits(server)["tokens"][0] - before
                if path == "/v1/messages":  # it reported its input when it began
                    assert 13 < used < 13 + 40
                else:
                    assert 200 < used < 360


def test_counting_tokens_is_free(db: Db, folder: Path) -> None:
    with serving(db, folder, budget={"target": "tenant", "per": "day", "tokens": 1, "cost_usd": "0.000001"}) as (
        server,
        _,
    ):
        with server.client() as client:
            answer = client.post("/v1/messages/count_tokens", json={"model": "main/m", "messages": ASK})
        assert (answer.status_code, answer.json()) == (200, {"input_tokens": 9})
        until(lambda: bool(usage(server)))
        assert limits(server) == {"tokens": (0, 0), "cost_usd": (0, 0)}
        assert (usage(server)["integration/main"]["cost_usd"], usage(server)["integration/main"]["unpriced"]) == (
            0.0,
            0,
        )


@pytest.mark.parametrize(
    ("limit", "body", "code", "says"),
    [
        ({"tokens": 150}, {"max_completion_tokens": 3000}, "limit_unreachable", "lower the bound on output tokens"),
        ({"tokens": 150}, {"messages": [{"role": "user", "content": "x" * 900}], "max_completion_tokens": 9}, "limit_unreachable", "lower the input"),
        ({"cost_usd": "0.000001"}, {"max_completion_tokens": 9}, "limit_unreachable", "cost"),
    ],
)  # fmt: skip
def test_what_can_never_fit_is_told_so(db: Db, folder: Path, limit: Any, body: Any, code: str, says: str) -> None:
    with (
        serving(db, folder, budget={"target": "tenant", "per": "day", **limit}) as (server, up),
        server.client() as client,
    ):
        answer = client.post("/v1/chat/completions", json={"model": "fast", "messages": ASK, **body})
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == code
        assert says in answer.json()["error"]["message"]
        assert answer.headers["x-should-retry"] == "false"
        assert up.seen == []


def test_a_limit_that_is_used_up_says_when_to_come_again(db: Db, folder: Path) -> None:
    with (
        serving(db, folder, budget={"target": "tenant", "per": "day", "tokens": 160}) as (server, up),
        server.client() as client,
    ):
        body = {"model": "fast", "messages": ASK, "max_completion_tokens": 20}
        answers = [client.post("/v1/chat/completions", json=body) for _ in range(12)]
        codes = [one.status_code for one in answers]
        assert codes[0] == 200
        assert codes[-1] == 429
        assert codes == sorted(codes)
        last = answers[-1]
        assert last.json()["error"]["code"] in {"limit_exceeded"}
        assert 2 < int(last.headers["retry-after"]) <= 86_401
        assert last.headers["x-should-retry"] == "false"
        assert len(up.seen) == codes.count(200)
        assert limits(server)["tokens"][0] == 12 * codes.count(200)


def test_a_price_that_nobody_knows_is_refused_under_a_limit_of_cost(db: Db, folder: Path) -> None:
    with (
        serving(db, folder, budget={"target": "tenant", "per": "day", "cost_usd": 1}) as (server, up),
        server.client() as client,
    ):
        body = {"model": "main/unknown", "messages": ASK, "max_completion_tokens": 20}
        answer = client.post("/v1/chat/completions", json=body)
        assert (answer.status_code, up.seen) == (400, [])
        assert answer.json()["error"]["code"] in {"price_unknown", "bound_unknown"}


def test_a_provider_that_bills_too_much_waits_and_its_route_goes_on(db: Db, folder: Path) -> None:
    """It billed 12 tokens for a call that had reserved fewer: prices say that its window is smaller than it is."""
    small = {**PRICE, "context_window": 5, "max_output_tokens": 1}
    prices = {"models": {**PRICES["models"], "custom/m": small}}
    budget = {"target": "tenant", "per": "day", "tokens": 10_000}
    with upstream() as up:
        more = {"permits": PERMITS, "prices": prices}
        document = world(up, limits={"budget": budget})
        with served(folder, db, document, {"MODEL_KEY": "k" * 20}, **more) as server, server.client() as client:
            body = {"model": "fast", "messages": ASK, "max_completion_tokens": 5}
            assert client.post("/v1/chat/completions", json=body).status_code == 200
            until(lambda: limits(server)["tokens"] == (12, 0))
            answers = [client.post("/v1/chat/completions", json=body) for _ in range(2)]
            assert [one.status_code for one in answers] == [200, 200]
            assert up.models() == ["m", "m2", "m2"]
            refused = client.post("/v1/chat/completions", json={**body, "model": "main/m"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "limit_blocked")
            (one,) = server.operator("/v1/tenants/acme/overshoots").json()["overshoots"]
            assert (one["integration"], one["tokens"], one["tokens_reserved"]) == ("integration/main", 12, 10)
            store = f"sqlite:///{folder}/runtime.db"
            server.command("usage", "--store", store, "--acknowledge", "acme/integration/main")
            assert client.post("/v1/chat/completions", json={**body, "model": "main/m"}).status_code == 200

"""Usage over HTTP and by the command: what callers report, once; what they and operators are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Db
from tests.runtime.servers import OPERATOR, served, world_with_data

CALL = {"id": "r-1", "provider": "openai", "model": "gpt-5-mini", "tokens_in": 90, "cached": 40, "tokens_out": 12}
CANARY = "CANARY-prompt"
BAD = {
    "an unknown field": {**CALL, "prompt": CANARY},
    "no id": {key: value for key, value in CALL.items() if key != "id"},
    "below zero": {**CALL, "tokens_in": -1},
    "a long id": {**CALL, "id": "x" * 129},
    "an error with words": {**CALL, "error": f"it said {CANARY}"},
    "a cost beyond reason": {**CALL, "cost_usd": 1e300},
}


def test_reports_are_counted_once_and_towards_no_limit(db: Db, folder: Path) -> None:
    document = world_with_data(folder)
    document["limits"] = {"month": {"target": "tenant", "per": "month", "tokens": 10, "cost_usd": 1, "requests": 50}}
    with served(folder, db, document) as server, server.client() as client:
        for _ in range(2):
            answer = client.post("/v1/telemetry/llm-usage", json={**CALL, "cost_usd": 0.25, "latency_ms": 800})
            assert (answer.status_code, answer.json()) == (200, {"received": 1})
        batch = [{**CALL, "id": f"b-{n}", "error": "timeout" if n else ""} for n in range(2)]
        assert client.post("/v1/telemetry/llm-usage/batch", json={"usage": batch}).json() == {"received": 2}
        for name, body in BAD.items():
            answer = client.post("/v1/telemetry/llm-usage", json=body)
            assert answer.status_code == 422, name
            assert CANARY not in answer.text
        many = [{**CALL, "id": f"m-{n}"} for n in range(101)]
        assert client.post("/v1/telemetry/llm-usage/batch", json={"usage": many}).status_code == 422
        own = client.get("/v1/usage", params={"by": "model"}).json()["usage"]
        (one,) = own
        assert (one["key"], one["source"], one["calls"], one["failed"]) == ("openai/gpt-5-mini", "reported", 3, 1)
        assert (one["tokens_in"], one["cached"], one["tokens_out"], one["cost_usd"], one["unpriced"]) == (
            270,
            120,
            36,
            0.25,
            2,
        )
        assert one["latency_ms"] == {"p50": 0, "p95": 800, "p99": 800}
        assert client.get("/v1/usage", params={"to": "2020-01-01"}).json() == {"usage": []}
        assert client.get("/v1/usage", params={"by": "colour"}).status_code == 400
        assert client.get("/v1/usage", params={"from": "yesterday"}).status_code == 400
        assert server.operator("/v1/tenants/acme/usage?by=model").json()["usage"] == own
        assert server.operator("/v1/tenants/acme/usage?caller=nobody").json()["usage"] == []
        assert server.operator("/v1/tenants/globex/usage").json()["usage"] == []
        limits = {one["unit"]: one["used"] for one in client.get("/v1/limits").json()["limits"]}
        assert limits == {"tokens": 0, "cost_usd": 0.0, "requests": 0}
        table = server.command("usage", "--store", f"sqlite:///{folder}/runtime.db", "--by", "model").out
        assert "openai/gpt-5-mini" in table
        assert "$0.250000 + 2 unknown" in table
        shown = json.loads(
            server.command(
                "usage", "--store", f"sqlite:///{folder}/runtime.db", "--by", "model", "--format", "json"
            ).out
        )
        assert (shown["usage"], shown["overshoots"]) == (own, [])


def test_what_was_billed_too_much_is_shown_and_acknowledged(db: Db, folder: Path) -> None:
    with served(folder, db, world_with_data(folder)) as server, server.client() as client:
        client.get("/v1/limits")
        store = Db(f"sqlite:///{folder}/runtime.db")
        columns = (
            "call, number, tenant, uid, integration, model, at, tokens, tokens_held, cost, cost_held, acknowledged_by"
        )
        for number in (1, 2):
            store.sql(
                f"INSERT INTO overshoots ({columns}) VALUES ('c{number}', 1, 'acme', 'u', 'integration/openai', 'm', 1, 50, 40, 0, 0, '')"
            )
        table = server.command("usage", "--store", f"sqlite:///{folder}/runtime.db").out
        assert "acme/integration/openai (m) was billed 50 tokens" in table
        (first, second) = server.operator("/v1/tenants/acme/overshoots").json()["overshoots"]
        assert (first["tokens"], second["tokens_reserved"]) == (50, 40)
        post = {"headers": {"Authorization": f"Bearer {OPERATOR}"}, "timeout": 20}
        path = f"{server.operators}/v1/tenants/acme/overshoots/acknowledge"
        import httpx

        wrong = httpx.post(path, json={"integration": "openai", "reason": "seen"}, **post)  # type: ignore[arg-type]
        assert wrong.status_code == 422
        answers = [
            httpx.post(path, json={"integration": "integration/openai", "reason": "seen"}, **post) for _ in range(2)
        ]  # type: ignore[arg-type]
        assert [answer.status_code for answer in answers] == [200, 404]
        assert answers[0].json() == {"integration": "integration/openai", "acknowledged": 2}
        assert store.sql("SELECT DISTINCT acknowledged_by FROM overshoots") == [("operator:ops: seen",)]


@pytest.mark.parametrize("address", ["acme", "acme/connector/x", "integration/openai"])
def test_the_command_says_what_it_acknowledges(db: Db, folder: Path, address: str) -> None:
    from tests.store.support import cli_on

    run = cli_on(db.url, folder)
    assert "TENANT/integration/NAME" in run("usage", "--acknowledge", address).ok(64).err

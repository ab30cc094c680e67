"""Mistakes of callers are found before anything is recorded or charged, and whatever a connector does, a call is settled."""

from __future__ import annotations

import asyncio
import copy
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.target import Unfit
from reconciler.runtime import gate
from reconciler.runtime.call import Answer, Call, Failed
from reconciler.runtime.connectors.sql_common import refuse
from reconciler.runtime.connectors.table import JUDGES
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.surfaces.problem import of_refusal
from reconciler.runtime.surfaces.tools import refusal_of
from tests.conftest import Db
from tests.runtime.connectors.support import postgresql_place
from tests.runtime.servers import Served, served
from tests.runtime.test_strict_values import upstream, with_api
from tests.runtime.worlds import BOT, WORLD, World, in_world, outcomes

TOP, ADD = Ask("template/top"), Ask("template/add")
ITEM = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}, "required": ["price"]}
ORDER = {
    "type": "object",
    "properties": {"lines": {"type": "array", "items": ITEM, "maxItems": 3}},
    "required": ["lines"],
    "additionalProperties": False,
}


def with_templates(folder: Path, port: int) -> dict[str, Any]:
    document = with_api(folder, port)
    document["templates"] |= {
        "order": {"type": "http", "connector": "api", "method": "POST", "path": "/orders", "body": ORDER},
        "lines": {
            "type": "http",
            "connector": "api",
            "method": "POST",
            "path": "/orders/{id}/lines",
            "headers": {"X-Trace": "{trace}"},
            "parameters": {"id": {"type": "string"}, "trace": {"type": "string", "nullable": True}},
        },
        "numbered": {
            "type": "sql",
            "datasource": "sales",
            "sql": "SELECT name FROM customers WHERE rowid = :n",
            "parameters": {"n": {"type": "number"}},
        },
        "listed": {
            "type": "sql",
            "datasource": "sales",
            "sql": "SELECT name FROM customers WHERE rowid IN (SELECT value FROM json_each(:ids))",
            "parameters": {"ids": {"type": "array", "items": "integer"}},
        },
    }
    document["limits"] = {"day": {"target": "caller/bot", "per": "day", "requests": 1000}}
    return document


MISTAKES: list[tuple[str, dict[str, Any], str, str]] = [
    ("order", {}, "body", "expected object"),
    ("order", {"body": {"lines": 1}}, "body/lines", "expected array"),
    ("order", {"body": {"lines": [{"price": -1}]}}, "body/lines/0/price", "at least 0"),
    ("order", {"body": {"lines": [{}]}}, "body/lines/0", "`price` is missing"),
    ("order", {"body": {"lines": [], "CANARY": 1}}, "body", "not declared"),
    ("order", {"body": {"lines": [{"price": 10**4000, "CANARY": "CANARY"}, {"price": "CANARY"}]}}, "body", ""),
    ("lines", {"id": ".."}, "id", "part of the path"),
    ("lines", {"id": ""}, "id", "part of the path"),
    ("lines", {"id": "1", "trace": "a\r\nX-Evil: 1"}, "trace", "header"),
    ("numbered", {"n": 2**63}, "n", "2^63"),
    ("numbered", {"n": -(2**63) - 1}, "n", "2^63"),
    ("listed", {"ids": [1, 2**70]}, "ids", "2^63"),
    ("listed", {"ids": [*range(300_000)]}, "arguments", "bytes"),
]


def used(server: Served) -> int:
    with server.client() as client:
        return int(client.get("/v1/limits").json()["limits"][0]["used"])


def test_own_mistakes_cost_nothing(db: Db, folder: Path) -> None:
    with upstream() as (api, port), served(folder, db, with_templates(folder, port)) as server:
        for tool, arguments, parameter, message in MISTAKES:
            answer = server.call(tool, **arguments)
            assert answer.status_code in {413, 422}, answer.text
            if answer.status_code == 413:
                continue
            told = answer.json()
            assert told["evidence_id"]
            assert (told["code"], told.get("outcome")) == ("invalid-values", None)
            assert told["errors"][0]["parameter"].startswith(parameter)
            assert message in told["errors"][0]["message"]
            assert "CANARY" not in answer.text
        assert used(server) == 0
        assert api.bodies == []
        assert {one["decision"] for one in server.evidence()} == {"deny"}
        assert server.call("order", body={"lines": [{"price": 1}]}).status_code == 200
        assert server.call("numbered", n=1.5).status_code == 200
        assert used(server) == 2


def test_a_statement_that_may_not_run_costs_nothing(db: Db, folder: Path) -> None:
    """Somebody changed the datasource by hand: the statement reads what it does not list any more."""

    async def work(world: World) -> None:
        world.mediator._judges = JUDGES
        listed = "'[\"others\"]'"
        sqlite = f"json_set(spec, '$.tables', json({listed}))"
        spec = sqlite if db.is_sqlite else f"jsonb_set(spec, '{{tables}}', {listed}::jsonb)"
        db.sql(f"UPDATE resources SET spec = {spec} WHERE kind = 'datasource'")
        await world.look()
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BOT, TOP, {"region": "eu"})
        assert (caught.value.code, caught.value.outcome) == ("statement-refused", "blocked")
        assert caught.value.evidence_id
        assert world.outside.seen == []
        reason = "the statement uses tables that `tables` of its datasource does not list: customers"
        assert caught.value.detail == reason
        found = await world.evidence()
        assert outcomes(found) == [("deny", "statement-refused")]
        assert found[0]["detail"] == reason
        shown = json.loads(of_refusal(caught.value).body)
        assert shown["detail"] == refusal_of(caught.value)["detail"]
        assert shown["detail"].startswith(f"{reason}. Other values don't help: ")

    in_world(db, folder, work)


def test_the_database_s_word_on_a_statement_reaches_the_agent(db: Db, folder: Path) -> None:
    """A function is known to the database alone, after the intent: the agent is told which one, and the outcome is `blocked`."""

    def refuses(_call: Call) -> Answer:
        refuse(functions=["public.similarity(text, text)"])
        raise AssertionError

    async def work(world: World) -> None:
        world.outside.does = refuses
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BOT, TOP, {"region": "eu"})
        assert "public.similarity(text, text)" in json.loads(of_refusal(caught.value).body)["detail"]
        world.outside.does = lambda call: fails(Failed("query-failed", "of the other side"))
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BOT, TOP, {"region": "eu"})
        assert "detail" not in json.loads(of_refusal(caught.value).body)

    in_world(db, folder, work)


def test_run_and_key_and_name_pass_the_gate(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        for more in ({"run": "a\0b"}, {"run": "x" * 129}, {"key": "\ud800"}, {"key": "k" * 256}):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, ADD, {}, **more)
            assert caught.value.code == "invalid-values"
        for target in ("template/\0", "template/\ud800", "x" * 10_000):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, Ask(target), {})
            assert caught.value.code == "not-found"
        assert world.outside.seen == []
        found = await world.evidence()  # none of it has stopped the store
        assert {one["target"] for one in found} == {"template/add", "?"}

    in_world(db, folder, work)


@pytest.mark.parametrize("claim", [math.nan, "\ud800", "a\0b" * 10, {"a": 1}, [math.inf]])
def test_a_claim_passes_the_gate(db: Db, folder: Path, claim: Any) -> None:
    """Libraries of tokens read more than strict JSON."""

    async def work(world: World) -> None:
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(Caller("acme", "bot", claims={"org": claim}), TOP, {})
        assert caught.value.code == "not-found"
        assert world.outside.seen == []
        async with asyncio.timeout(20):
            while not (found := await world.evidence()):
                pass
        assert [one["reason"] for one in found] == ["claim-missing"]

    document = copy.deepcopy(WORLD)
    document["templates"]["top"]["parameters"]["region"]["from"] = "claims.org"
    in_world(db, folder, work, document)


def cancels() -> Answer:
    raise asyncio.CancelledError


def fails(error: BaseException) -> Answer:
    raise error


BROKEN: Mapping[str, Any] = {
    "cancels itself": cancels,
    "defect": lambda: fails(ZeroDivisionError()),
    "too deep": lambda: fails(RecursionError()),
    "unknown outcome": lambda: fails(Failed("query-failed", "x", "anything")),
    "no answer": lambda: None,
    "text of its own": lambda: Answer(msgspec.Raw(b'{"a":NaN}'), 1, 1),
    "keys that are one": lambda: Answer({1: 1, "1": 2}, 1, 1),
    "other types": lambda: Answer([{1, 2}], 1, 1),
    "bytes": lambda: Answer(b"x", 1, 1),
    "a signalling NaN": lambda: Answer(Decimal("sNaN"), 1, 1),
    "a number for no reader": lambda: Answer(Decimal("1e999999"), 1, 1),
    "an integer for no reader": lambda: Answer(10**5000, 1, 1),
    "a count for no store": lambda: Answer([], 2**80, 1),
}


@pytest.mark.parametrize("how", BROKEN)
def test_whatever_a_connector_does_is_settled(db: Db, folder: Path, how: str) -> None:
    def breaks(call: Call) -> Any:
        call.effect = True
        return BROKEN[how]()

    async def work(world: World) -> None:
        world.outside.does = breaks
        codes = []
        for key in ("k", "k", ""):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(BOT, ADD, {}, key=key)
            codes.append(caught.value.code)
            assert caught.value.evidence_id
            await asyncio.sleep(0.05)
        assert codes[1] == "outcome-unknown"
        assert codes[0] == codes[2] != "limit-exceeded"  # the slot is free
        assert ("allow", "unknown") in outcomes(await world.evidence())
        world.outside.does = lambda call: Answer([], 0, 2)
        await world.mediator.access(BOT, TOP, {"region": "eu"})

    document = copy.deepcopy(WORLD)
    document["limits"] = {"once": {"target": "template/add", "concurrent": 1}}
    in_world(db, folder, work, document)


def test_who_goes_away_leaves_the_truth(db: Db, folder: Path) -> None:
    """The outcome is written once the connector has ended: it may have had its effect while it was told to stop."""

    async def work(world: World) -> None:
        async def late(call: Call) -> Answer:
            try:
                await asyncio.sleep(30)
            finally:
                await asyncio.sleep(0.05)
                call.effect = True
            raise AssertionError

        world.outside.does = late
        asked = asyncio.create_task(world.mediator.access(BOT, ADD, {}))
        await world.until(lambda: bool(world.outside.seen))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert outcomes(await world.evidence()) == [("allow", "unknown")]

    in_world(db, folder, work)


def test_an_upstream_that_fails_is_asked_again(db: Db, folder: Path) -> None:
    with (
        upstream() as (api, port),
        served(folder, db, with_templates(folder, port)) as server,
        server.client() as client,
    ):
        key = {"Idempotency-Key": "k"}
        order = {"arguments": {"body": {"lines": []}}}
        for api.status in (503, 429, 401, 200, 200):
            answer = client.post("/v1/tools/order/call", json=order, headers=key)
            assert answer.status_code == (200 if api.status == 200 else 502), answer.text
            if api.status != 200:
                assert (answer.json()["outcome"], answer.json()["upstream_status"]) == ("failure", api.status)
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert len(api.bodies) == 4  # what failed was no answer to keep
        api.status = 404
        assert server.call("order", body={"lines": []}).json()["result"]["status"] == 404
        found = [one["outcome"] for one in reversed(server.evidence()) if one["decision"] == "allow"]
        assert found == ["failure", "failure", "failure", "success", "success"]
        metrics = server.metrics()
        for status in (200, 401, 404, 429, 503):
            assert metrics["reconciler_upstream_responses_total", str(status)] == 1


def test_the_status_goes_into_the_outcome(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        settled, settle = [], world.ledger.settle
        world.ledger.settle = lambda outcome: (settled.append(outcome), settle(outcome))[1]  # type: ignore[method-assign]
        world.outside.does = lambda call: Answer([], 0, 2, status=404)
        await world.mediator.access(BOT, TOP, {"region": "eu"})
        world.outside.does = lambda call: fails(Failed("upstream-failed", "x", "failure", 503, 9))
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BOT, TOP, {"region": "eu"})
        assert (caught.value.upstream_status, caught.value.retry_after) == (503, 9)
        assert [(one.outcome, one.status) for one in settled] == [("success", 404), ("failure", 503)]

    in_world(db, folder, work)


def test_values_that_a_database_refuses_are_the_callers_mistake(db: Db, folder: Path) -> None:
    document = with_templates(folder, 1)
    place = postgresql_place(db.url) if not db.is_sqlite else None
    write = {"type": "sql", "datasource": "sales", "read_only": False, "parameters": {"n": {"type": "string"}}}
    if place is not None:
        document["connectors"]["warehouse"] = {**place.raw, "read_only": False}
        document["templates"]["write"] = {**write, "sql": "DELETE FROM customers WHERE id = :n"}
    else:
        document["templates"]["write"] = {**write, "sql": "INSERT INTO customers (rowid) VALUES (:n)"}
    with served(folder, db, document) as server:
        answer = server.call("write", n="CANARY")
        assert (answer.status_code, answer.json()["code"], answer.json()["outcome"]) == (
            422,
            "invalid-values",
            "failure",
        )
        assert "refuses these values" in answer.json()["errors"][0]["message"]
        assert "CANARY" not in answer.text
        (found,) = [one for one in server.evidence() if one["decision"] == "allow"]
        assert (found["outcome"], found["code"]) == ("failure", "query-failed")


def test_what_the_gate_bounds() -> None:
    big = {"a": "x" * (gate.MOST_IN + 1)}
    assert [*gate.unfit(big, "", "")] == [Unfit("arguments", f"expected at most {gate.MOST_IN} bytes")]
    assert [*gate.unfit({}, "", "")] == []
    assert gate.name("template/a") == "template/a"

"""Planes for agents: what is listed is what can be called."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.model.access import ACTIONS
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data
from tests.runtime.worlds import BOT, WORLD, World, in_world


def with_planes(document: dict[str, Any]) -> dict[str, Any]:
    """Three planes: two that the bot may use, one of them in part, and one that it may not."""
    document = copy.deepcopy(document)
    both = {"query": "template/top", "write": "template/add"}
    document["planes"] = {
        "desk": {"datasources": ["sales"], "actions": both, "description": "For the desk."},
        "hall": {"datasources": ["sales"], "actions": both},
        "vault": {"datasources": ["sales"], "actions": both},
    }
    document["policies"]["read"]["targets"] = {"names": ["plane/desk", "plane/hall"]}
    document["policies"]["hall"] = {
        "effect": "deny",
        "subjects": "any",
        "actions": ["write"],
        "targets": {"names": ["plane/hall"]},
    }
    return document


def test_planes_are_listed_as_they_can_be_called(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        found = world.mediator.planes(BOT)
        assert {name: [*actions] for name, actions in found.items()} == {"desk": ["query", "write"], "hall": ["query"]}
        for plane in ("desk", "hall", "vault"):
            for action in ACTIONS:
                arguments = {"region": "eu"} if action == "query" else {}
                call = world.mediator.access(BOT, Ask(f"plane/{plane}", action), arguments)
                if action in found.get(plane, {}):
                    await call
                else:
                    with pytest.raises(Refusal, match="not-found"):
                        await call
        assert world.mediator.planes(Caller("globex", "bot")) == {}
        assert world.mediator.planes(Caller("acme", "nobody")) == {}

    in_world(db, folder, work, with_planes(WORLD))


def test_planes_over_http(db: Db, folder: Path) -> None:
    with served(folder, db, with_planes(world_with_data(folder))) as server, server.client() as client:
        planes = client.get("/v1/planes").json()["planes"]
        assert [(plane["name"], plane["description"], [*plane["actions"]]) for plane in planes] == [
            ("desk", "For the desk.", ["query", "write"]),
            ("hall", "", ["query"]),
        ]
        query = planes[0]["actions"]["query"]
        assert (query["read_only"], query["input_schema"]["required"]) == (True, ["region"])
        assert client.get("/v1/planes/hall").json() == planes[1]
        assert client.get("/v1/planes", params={"limit": 1}).json()["next_cursor"]
        missing, denied = (client.get(f"/v1/planes/{name}") for name in ("none", "vault"))
        assert (missing.status_code, missing.json()) == (denied.status_code, denied.json())
        assert missing.json()["code"] == "not-found"
        done = client.post("/v1/planes/hall/query", json={"arguments": {"region": "eu"}})
        assert done.json()["result"] == [{"name": "Ann"}]
        assert "x-cut" not in done.headers


@pytest.mark.parametrize("rows", [1, 2])
def test_a_header_says_that_rows_were_cut(db: Db, folder: Path, rows: int) -> None:
    document = world_with_data(folder)
    document["templates"]["top"] |= {"sql": "SELECT name FROM customers WHERE :region = 'eu'", "max_rows": rows}
    with served(folder, db, document) as server:
        done = server.call("top", region="eu")
        assert (done.json()["rows"], done.json()["cut"], done.headers.get("x-cut")) == (
            rows,
            rows == 1,
            "true" if rows == 1 else None,
        )

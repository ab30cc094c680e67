"""What holds in the copy of the program that has toy types of templates and connectors, a toy scheme and a toy command."""

from __future__ import annotations

import asyncio
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry

from reconciler.access.decide import Ask
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.pools import Pools
from reconciler.runtime.results import Refusal
from reconciler.secrets.fetch import Outside
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import Resolver
from tests.conftest import Db, reconciler
from tests.runtime.calls import resource
from tests.runtime.worlds import BOT, WORLD, World, in_world

MANIFEST: dict[str, Any] = {
    **copy.deepcopy(WORLD),
    "connectors": {**WORLD["connectors"], "desk": {"type": "note", "signature": "toy://yours"}},
    "templates": {
        **WORLD["templates"],
        "greet": {
            "type": "note",
            "connector": "desk",
            "text": "hello",
            "parameters": {"name": {"type": "string", "max_length": 20}},
        },
    },
}


def test_validate_schema_and_documentation(folder: Path) -> None:
    (folder / "acme.yaml").write_text(yaml.safe_dump(MANIFEST))
    reconciler("validate", cwd=folder).ok()
    schema = reconciler("schema", "manifest", cwd=folder).ok().json
    assert Draft202012Validator(schema, registry=Registry()).is_valid(MANIFEST)
    wrong = copy.deepcopy(MANIFEST)
    wrong["templates"]["greet"]["connector"] = "warehouse"
    (folder / "acme.yaml").write_text(yaml.safe_dump(wrong))
    assert "[connector-mismatch]" in reconciler("validate", cwd=folder).ok(3).err
    assert "What is told." in reconciler("explain", "template.note.text", cwd=folder).ok().out
    assert "hello" in reconciler("hello", cwd=folder).ok().out
    assert "hello" in reconciler("--help", cwd=folder).ok().out


def test_it_is_called_and_recorded(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        resolver = Resolver(Policy(), Outside({}))

        async def resolve(tenant: str, reference: str) -> str:
            return resolver.resolve(tenant, reference).reveal()

        around = Surroundings(resolve, resolve, Permits())
        world.mediator.pools = Pools(CONNECTORS, around, world.ledger.open.__contains__)
        assert "greet" in world.mediator.tools(BOT)
        done = await world.mediator.access(BOT, Ask(world.mediator.target_of(BOT, "greet")), {"name": "Ann"})
        assert done.answer.content == "hello Ann, sruoy"
        (told,) = await world.evidence()
        assert (told["target"], told["connector"], told["action"]) == ("template/greet", "connector/desk", "retrieve")
        await asyncio.to_thread(world.command, "freeze", "acme/connector/desk", "--reason", "x")
        await world.look()
        assert "greet" not in world.mediator.tools(BOT)

    in_world(db, folder, work, MANIFEST)


def test_a_database_with_a_gateway_is_served(db: Db, folder: Path) -> None:
    """Validate, lists and calls go by its one entry: without it, the same manifest is refused (tests/access/test_meant.py)."""

    async def nobody(_tenant: str, _reference: str) -> str:
        raise AssertionError

    async def work(world: World) -> None:
        around = Surroundings(nobody, nobody, Permits())
        world.mediator.pools = Pools(CONNECTORS, around, world.ledger.open.__contains__)
        assert [*world.mediator.tools(BOT)] == ["add", "top"]
        assert (await world.mediator.access(BOT, Ask("template/top"), {"region": "eu"})).answer.content == [
            {"name": "Ann"}
        ]

    document = copy.deepcopy(WORLD)
    document["connectors"]["warehouse"]["dialect"] = "bigquery"
    in_world(db, folder, work, document)


def test_a_provider_of_messages_is_served(db: Db) -> None:
    """Validated, called, kept, delivered and checked like every other one."""
    from reconciler.runtime.checks import check_of
    from tests.runtime.posting import World as Posting

    raw = {
        "type": "notification",
        "provider": "teams",
        "webhook_url": "env://PASSWORD",
        "recipients": {"sales-alerts": []},
    }
    posting = Posting(db, raw)
    assert posting.target.unserved is None
    ((accepted),) = posting.calls({"id": 1})
    assert accepted["status"] == "accepted"
    assert posting.deliver() == []
    from reconciler.runtime.connectors.message_teams import SENT

    assert SENT == [("mail-password-1", "New order 1: things")]

    async def main() -> str:
        pools = Pools(CONNECTORS, posting.around(), lambda _id: False)
        check = await check_of("acme", posting.target.connector, pools)
        return check.state if check is not None else ""

    assert asyncio.run(main()) == "healthy"


def test_a_store_of_files_is_served(db: Db, folder: Path) -> None:
    """Validated, planned, allowed, called, recorded and checked like every other one; a path outside of the datasource is refused."""
    from reconciler.runtime.checks import check_of

    async def nobody(_tenant: str, _reference: str) -> str:
        raise AssertionError

    async def work(world: World) -> None:
        pools = Pools(CONNECTORS, Surroundings(nobody, nobody, Permits()), world.ledger.open.__contains__)
        world.mediator.pools = pools

        async def call(template: str, **values: Any) -> Any:
            return (await world.mediator.access(BOT, Ask(f"template/{template}"), values)).answer

        assert {"keep", "show", "all"} <= {*world.mediator.tools(BOT)}
        assert (await call("keep", name="a", text="hello")).content["size"] == 5
        assert (await call("show", name="a")).content["text"] == "hello"
        assert [one["name"] for one in (await call("all")).content] == ["a.txt"]
        for template, values in (("show", {"name": "../a"}), ("show", {"name": "a/b"}), ("show", {"name": "long"})):
            with pytest.raises(Refusal):
                await call(template, **values)
        actions = {(one["target"], one["action"]) for one in await world.evidence()}
        assert actions == {("template/keep", "write"), ("template/show", "retrieve"), ("template/all", "list")}
        connector = resource("connector", document["connectors"]["store"])
        check = await check_of("acme", connector, pools)
        assert check is not None
        assert check.state == "healthy"

    document = copy.deepcopy(WORLD)
    document["connectors"]["store"] = {"type": "file", "provider": "gcs", "bucket": "b", "read_only": False}
    document["datasources"]["notes"] = {"type": "file", "connector": "store", "prefix": "in", "paths": ["?.txt"]}
    document["datasources"]["notes"]["classification"] = "internal"
    name = {"type": "string", "max_length": 10}
    document["templates"] |= {
        "keep": {
            "type": "file",
            "datasource": "notes",
            "operation": "write",
            "path": "{name}.txt",
            "content": "{text}",
            "parameters": {"name": name, "text": name},
        },
        "show": {
            "type": "file",
            "datasource": "notes",
            "operation": "read",
            "path": "{name}.txt",
            "parameters": {"name": name},
        },
        "all": {"type": "file", "datasource": "notes", "operation": "list"},
    }
    in_world(db, folder, work, document)

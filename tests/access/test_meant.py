"""Listed equals callable: what the runtime can't do is an error where agents are meant to call it, never listed, and explained."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import yaml

from reconciler.access.decide import Ask
from reconciler.kinds.connector import TYPES
from reconciler.kinds.connector.common import Auth
from reconciler.kinds.connector.served import SERVED, UNSERVED_TYPES
from reconciler.kinds.connector.sql import Dialect
from reconciler.kinds.table import KINDS
from reconciler.kinds.template.types import TYPES as TEMPLATES
from reconciler.runtime.call import Failed
from reconciler.runtime.connectors.http_request import request_of
from reconciler.runtime.connectors.sql import open_sql
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db, Run, reconciler
from tests.kinds import full
from tests.runtime.calls import around, call, resource
from tests.runtime.servers import OPERATOR, served
from tests.runtime.worlds import BOT, World, in_world
from tests.store.support import cli_on

MANIFEST: dict[str, Any] = {
    "version": 1,
    "tenant": "acme",
    "connectors": {
        "db": {"type": "sql", "dialect": "sqlite", "database": "x.db"},
        "api": {"type": "http", "base_url": "https://api.example.com"},
    },
    "datasources": {"sales": {"type": "database", "connector": "db", "classification": "internal"}},
    "templates": {
        "top": {"type": "sql", "datasource": "sales", "sql": "SELECT 1 AS one", "labels": {"team": "sales"}},
        "order": {"type": "http", "connector": "api", "method": "GET", "path": "/orders"},
    },
    "callers": {"bot": {"roles": ["analyst"], "auth": {"api_key": {}}}},
    "policies": {
        "read": {"effect": "allow", "subjects": "any", "actions": "any", "targets": {"names": ["template/*"]}},
    },
    "planes": {"desk": {"datasources": ["sales"], "actions": {"query": "template/top"}}},
}
UNSERVED: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    **{
        dialect: {"connectors": {"db": {"dialect": dialect, "database": None, "dsn": "vault://kv/acme/db#dsn"}}}
        for dialect in get_args(Dialect)
        if dialect not in SERVED["sql"].by
    },
}


def world(*changes: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    document = copy.deepcopy(MANIFEST)
    for change in changes:
        for plural, named in change.items():
            for name, fields in named.items():
                body = document.setdefault(plural, {}).setdefault(name, {})
                body |= fields
                document[plural][name] = {key: value for key, value in body.items() if value is not None}
    return document


def write(folder: Path, document: Mapping[str, Any]) -> None:
    (folder / "acme.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize("what", UNSERVED)
def test_what_an_allow_reaches_has_to_be_callable(folder: Path, what: str) -> None:
    write(folder, world(UNSERVED[what]))
    for command in (["validate"], ["plan"]):
        assert "[not-supported]" in reconciler(*command, cwd=folder).ok(3).err
    (error,) = reconciler("validate", "--format", "json", cwd=folder).ok(3).json["errors"]
    template, field = "top", "datasource"
    assert (error["address"], error["path"]) == (f"acme/template/{template}", [field])
    assert what in error["message"]
    assert "policy/read allows it" in error["message"]
    assert "`runtime: false`" in error["hint"]
    assert (error["file"], error["excerpt"].split(":")[0].strip()) == ("acme.yaml", field)
    explained = (
        reconciler("access", "explain", f"template/{template}", "--caller", "bot", "--offline", cwd=folder).ok().out
    )
    assert "bot is denied" in explained
    assert what in explained


KEPT_OFF: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    "template": {"templates": {"top": {"runtime": False}}},
    "datasource": {"datasources": {"sales": {"runtime": False}}},
    "connector": {"connectors": {"db": {"runtime": False}}},
}


@pytest.mark.parametrize("kind", KEPT_OFF)
@pytest.mark.parametrize("dialect", ["mssql", "sqlite"])
def test_whoever_says_that_agents_are_not_meant_is_believed(folder: Path, kind: str, dialect: str) -> None:
    document = world(UNSERVED.get(dialect, {}), KEPT_OFF[kind])
    document["access_tests"] = {"bot-tools": {"caller": "bot", "tools": ["order"]}}
    write(folder, document)
    reconciler("validate", cwd=folder).ok()
    reconciler("access", "test", "acme.yaml", cwd=folder).ok()
    for target, more in (("template/top", []), ("plane/desk", ["--action", "query"])):
        asked = ("access", "explain", target, "--caller", "bot", "--offline", "--format", "json", *more)
        found = reconciler(*asked, cwd=folder).ok().json
        assert (found["decision"], found["reason"]) == ("deny", "not-for-agents")
        assert kind in found["message"]


NOT_MEANT: dict[str, dict[str, Any]] = {
    "no policy": {"policies": None},
    "no policy and no caller": {"policies": None, "callers": None},
    "a deny only": {"policies": {"read": {**MANIFEST["policies"]["read"], "effect": "deny"}}},
    "another name": {"policies": {"read": {**MANIFEST["policies"]["read"], "targets": {"names": ["template/order"]}}}},
    "another action": {"policies": {"read": {**MANIFEST["policies"]["read"], "actions": ["retrieve"]}}},
}
MEANT: dict[str, dict[str, Any]] = {
    "any": {"policies": {"read": {**MANIFEST["policies"]["read"], "targets": "any"}}},
    "a label": {"policies": {"read": {**MANIFEST["policies"]["read"], "targets": {"labels": {"team": "sales"}}}}},
    "a class": {"policies": {"read": {**MANIFEST["policies"]["read"], "targets": {"classification": ["internal"]}}}},
    "a plane": {"policies": {"read": {**MANIFEST["policies"]["read"], "targets": {"names": ["plane/desk"]}}}},
    "no caller": {"callers": None},
}


def changed(change: Mapping[str, Any]) -> dict[str, Any]:
    document = {**world(UNSERVED["mssql"]), **change}
    return {key: value for key, value in document.items() if value is not None}


@pytest.mark.parametrize("what", NOT_MEANT)
def test_what_no_allow_reaches_is_nobody_s_tool(folder: Path, what: str) -> None:
    """Projects that only plan and apply, and those with a template that nobody may call, stay as they were."""
    write(folder, changed(NOT_MEANT[what]))
    assert "warning" not in reconciler("validate", cwd=folder).ok().text.lower()


@pytest.mark.parametrize("what", MEANT)
def test_every_way_of_an_allow_counts(folder: Path, what: str) -> None:
    write(folder, changed(MEANT[what]))
    (error,) = reconciler("validate", "--format", "json", cwd=folder).ok(3).json["errors"]
    assert (error["code"], error["address"]) == ("not-supported", "acme/template/top")


def test_what_is_shared_is_meant_by_others(folder: Path) -> None:
    document = changed({"policies": None})
    document["templates"]["top"]["shared_with"] = ["reports"]
    (folder / "reconciler.yaml").write_text(
        'version: 1\nexternal: [{address: "*/caller/guest", project: reports, optional: true}]\n'
    )
    write(folder, document)
    assert "it is shared with reports" in reconciler("validate", cwd=folder).ok(3).err


def test_many_tenants_have_one_problem(folder: Path) -> None:
    document = world(UNSERVED["mssql"])
    document["connectors"]["db"]["dsn"] = "vault://kv/${tenant}/db#dsn"
    del document["tenant"]
    write(folder, {**document, "tenants": [f"t{number}" for number in range(40)]})
    assert len(reconciler("validate", "--format", "json", cwd=folder).ok(3).json["errors"]) == 1


def test_what_became_live_is_never_listed(db: Db, folder: Path) -> None:
    """By an older program, another project's apply, or by hand."""

    async def work(found: World) -> None:
        assert [*found.mediator.tools(BOT)] == ["order", "top"]
        await asyncio.to_thread(found.db.set_field, "acme/connector/db", "dialect", "bigquery")
        await found.until(lambda: [*found.mediator.tools(BOT)] == ["order"])
        with pytest.raises(Refusal, match="not-found"):
            await found.mediator.access(BOT, Ask("template/top"), {})
        assert {one["reason"] for one in await found.evidence()} == {"not-supported"}
        assert not found.outside.seen
        explained = (
            cli_on(found.db.url, found.folder)("access", "explain", "acme/template/top", "--caller", "bot").ok().out
        )
        assert "databases of the dialect bigquery (connector/db)" in explained

    in_world(db, folder, work, world())


@pytest.mark.parametrize("db", ["sqlite"], indirect=True)
def test_no_surface_lists_it(db: Db, folder: Path) -> None:
    """Over HTTP, MCP and the operators' API, in a real server."""
    (folder / "data").mkdir()
    with served(folder, db, world({"templates": {"order": {"runtime": False}}})) as server:
        with server.client() as client:
            assert [one["name"] for one in client.get("/v1/tools").json()["tools"]] == ["top"]
            assert client.get("/v1/tools/order").status_code == 404
            asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
            headers = {"Accept": "application/json, text/event-stream"}
            listed = client.post("/mcp", json=asked, headers=headers).text
            assert '"top"' in listed
            assert '"order"' not in listed
        assert server.call("order").status_code == 404
        found = httpx.post(
            f"{server.operators}/v1/tenants/acme/access/explain",
            json={"caller": "bot", "target": "template/order"},
            headers={"Authorization": f"Bearer {OPERATOR}"},
            timeout=20,
        ).json()
        assert (found["decision"], found["reason"]) == ("deny", "not-for-agents")


def test_a_plan_says_who_loses_a_tool(run: Run, folder: Path, db: Db) -> None:
    write(folder, world())
    run("apply", "--auto-approve").ok()
    write(folder, world({"connectors": {"db": {"runtime": False}}}))
    document = json.loads(run("plan", "--format", "json").ok().out)
    (change,) = document["resource_changes"]
    assert change["risks"] == ["access-narrowed"]
    assert "may no longer: query template/top" in run("plan").ok().out
    run("apply", "--auto-approve").ok()
    write(folder, world())
    (change,) = json.loads(run("plan", "--format", "json").ok().out)["resource_changes"]
    assert change["risks"] == ["access-widened"]


RUNS_ON = {"message": "notification", "function": "serverless"}
"""By the type of a template: its connector's type, where that is another word."""


def test_the_table_is_what_the_runtime_does() -> None:
    """Each dialect, each way to authenticate and each type is served if and only if the table says so."""
    assert {*TYPES} - {*CONNECTORS} == UNSERVED_TYPES
    unserved = KINDS["connector"].unserved
    for dialect in get_args(Dialect):
        connector = resource("connector", {"type": "sql", "dialect": dialect, "dsn": "env://NONE"})
        assert (unserved(connector.body) is None) == _opens(connector), dialect
    assert len({one["type"] for one in full.AUTHS}) == len(get_args(get_args(Auth)[0]))
    for auth in full.AUTHS:
        connector = resource("connector", {"type": "http", "base_url": "https://x.example", "auth": auth})
        assert unserved(connector.body) is None
        assert _authenticates(connector), auth
    for transport in ("streamable_http", "stdio", "sse"):
        where = {"command": "x"} if transport == "stdio" else {"url": "https://x.example"}
        connector = resource("connector", {"type": "mcp", "transport": transport, **where})
        assert (unserved(connector.body) is None) == (transport != "sse")
    for kind in TYPES:  # what a template may run on at all is served, or its connector's table says why not
        assert all(RUNS_ON.get(template, template) in CONNECTORS for template in TEMPLATES), kind


def _opens(connector: Any) -> bool:
    try:
        asyncio.run(open_sql("acme", connector, around()))
    except Failed as error:
        return error.code != "not-supported"
    return True


def _authenticates(connector: Any) -> bool:
    async def told(_tenant: str, _reference: str) -> str:
        return "secret"

    async def token() -> str:
        return "token"

    async def main() -> None:
        template = resource("template", {"type": "http", "connector": "it", "method": "GET", "path": "/x"})
        await request_of(call(connector, template, {}), told, token)

    try:
        asyncio.run(main())
    except Failed as error:
        return error.code != "not-supported"
    return True

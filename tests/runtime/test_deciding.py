"""Who may approve a call, and how: rules of deciders, the operators' API, the command line, the audit trail, and events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from reconciler.access.judge import Caller
from reconciler.errors import ReconcilerError
from reconciler.load.serve_file import OperatorIssuer, Operators, OperatorToken
from reconciler.model.notification import APPROVAL, Destination
from reconciler.runtime.approvals import Approvals
from reconciler.runtime.ledger import approvals
from reconciler.runtime.ledger.decisions import Decider, Verdict, file_decisions, settle_request
from reconciler.runtime.mcp.servers import Servers
from reconciler.runtime.setup import Databases
from reconciler.runtime.surfaces import agents, operators
from reconciler.runtime.surfaces.operator import Operator, OperatorEntrance, OperatorsApi
from reconciler.secrets.keys import add_key, create_keys, promote_key, read_keys
from reconciler.secrets.ring import ring_of
from tests.conftest import Db
from tests.runtime.test_approvals import LEAD, RING, asked, run, under
from tests.runtime.test_serve import Issuer
from tests.runtime.worlds import BOT, World
from tests.store.support import cli_on, database_of

YES = Verdict(True, "fine")
TOP = "/v1/tenants/acme/approvals"
DIGEST = "0" * 64
EVE = Caller("acme", "bot", claims={"iss": "https://corp", "sub": "eve"}, issuer="corp")


def verdict_of(made: World, identity: str, decider: Decider, tenants: tuple[str, ...] = ()) -> str:
    """The state that a decision leaves behind, or the code of its refusal."""
    try:
        return settle_request(database_of(made.store), identity, tenants, decider, YES).state
    except ReconcilerError as error:
        return error.problems[0].code


@pytest.mark.parametrize(
    ("decider", "terms", "result"),
    [
        (Decider("ann", frozenset({"lead"})), LEAD, "approved"),
        (Decider("ann", frozenset({"owner"})), LEAD, "not-a-decider"),
        (Decider("ann"), LEAD, "not-a-decider"),
        (Decider("ann", frozenset({"lead"})), LEAD | {"four_eyes": True}, "not-a-decider"),
        (Decider("ann", frozenset({"lead"}), "https://corp", "ann"), LEAD | {"four_eyes": True}, "approved"),
        (Decider("eve", frozenset({"lead"}), "https://corp", "eve"), LEAD, "not-a-decider"),
        (Decider("eve", frozenset({"lead"}), "https://other", "eve"), LEAD, "approved"),
    ],
    ids=["role", "other-role", "no-role", "four-eyes-token", "four-eyes-person", "requester", "namesake"],
)
def test_who_may_decide(db: Db, folder: Path, decider: Decider, terms: Any, result: str) -> None:
    async def work(made: World) -> None:
        identity = (await asked(made, caller=EVE)).waiting.id
        assert verdict_of(made, identity, decider) == result
        again = "approval-decided" if result == "approved" else "not-a-decider"
        assert verdict_of(made, identity, decider) == again
        assert verdict_of(made, identity, decider, ("globex",)) == "unknown-approval"

    run(db, folder, work, under(terms))


@asynccontextmanager
async def operators_client(made: World, who: Operator) -> AsyncIterator[httpx.AsyncClient]:
    databases = Databases(database_of(made.db), *[database_of(made.store)] * 2)
    app: ASGIApp = Starlette(
        routes=operators.routes(
            OperatorsApi(made.source, made.mediator, databases, None, lambda: "", Servers(made.source, made.pools))
        ),
        exception_handlers=agents.HANDLERS,
    )

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "who": who}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(call), base_url="http://operators") as client:
        yield client


def operator(**more: Any) -> Operator:
    token = OperatorToken(sha256=DIGEST, scopes=more.pop("scopes", ("approve",)), **more)
    return Operator("ann", token, frozenset(token.roles))


def audit_entries(db: Db) -> list[dict[str, Any]]:
    found = [json.loads(body) for (body,) in db.sql("SELECT body FROM audit ORDER BY seq")]
    return [one for one in found if one["event"] == "approval"]


def test_over_the_api(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        async with operators_client(made, operator(roles=("lead",))) as client:
            listed = (await client.get(TOP, params={"state": "pending"})).json()["approvals"]
            assert [(one["id"], one["caller"], one["target"]) for one in listed] == [(identity, "bot", "template/top")]
            assert "arguments" not in listed[0]
            assert (await client.get(f"{TOP}/{identity}")).json()["arguments"] == {"region": "eu"}
            done = await client.post(f"{TOP}/{identity}/approve", json={"reason": "fine"})
            assert (done.status_code, done.json()["state"], done.json()["decided_by"]) == (
                200,
                "approved",
                "operator:ann",
            )
            again = await client.post(f"{TOP}/{identity}/deny", json={"reason": "no"})
            assert (again.status_code, again.json()["code"]) == (409, "approval-decided")
            assert (await client.get(f"/v1/tenants/globex/approvals/{identity}")).status_code == 404
        async with operators_client(made, operator(scopes=("operate",), roles=("lead",))) as client:
            assert (await client.get(TOP)).status_code == 403
        async with operators_client(made, operator(roles=("owner",))) as client:
            other = (await asked(made, {"region": "us"})).waiting.id
            refused = await client.post(f"{TOP}/{other}/approve", json={"reason": "fine"})
            assert (refused.status_code, refused.json()["code"]) == (403, "not-a-decider")
        await made.mediator.redeem(BOT, identity)
        assert [(one["approval"], one["decision"], one["actor"]) for one in audit_entries(made.db)] == [
            (identity, "approved", "operator:ann")
        ]

    run(db, folder, work)


def test_by_the_command_line(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        ids = [(await asked(made, {"region": one})).waiting.id for one in ("eu", "us")]

        def commands() -> None:
            command = cli_on(db.url, folder)

            def approvals_(*arguments: str, code: int = 0) -> str:
                return command("approvals", *arguments, "--store", made.store.url).ok(code).out

            listed = json.loads(approvals_("list", "--format", "json"))["approvals"]
            assert [one["id"] for one in listed] == ids[::-1]
            assert "write template" not in approvals_("list")
            approvals_("approve", ids[0], "--reason", "fine", code=6)
            assert "Approved: bot to query template/top" in approvals_(
                "approve", ids[0], "--reason", "fine", "--role", "lead"
            )
            assert "Denied: bot" in approvals_("deny", ids[1], "--reason", "no", "--role", "lead")
            assert '"state": "approved"' in approvals_("show", ids[0], "--format", "json")
            approvals_("show", "ff" * 16, code=1)

        await asyncio.to_thread(commands)
        await made.mediator.redeem(BOT, ids[0])
        assert [one["decision"] for one in audit_entries(made.db)] == ["approved", "denied"]

    run(db, folder, work)


def test_a_decision_by_command_is_an_event_too(db: Db, folder: Path) -> None:
    """Of the destinations that serve.yaml names, or another file; `serve` delivers it."""
    hook = {"type": "webhook", "url": "https://hooks.example.com/", "secret": "env://HOOK", "events": ["approval"]}

    async def work(made: World) -> None:
        ids = [(await asked(made, {"region": region})).waiting.id for region in ("eu", "us", "uk")]
        settings = yaml.safe_dump({"version": 1, "notifications": {"hook": hook}})

        def commands() -> None:
            command, store = cli_on(db.url, folder), ("--store", made.store.url, "--role", "lead", "--reason", "fine")
            (folder / "other.yaml").write_text(settings)
            command("approvals", "approve", ids[0], *store).ok()
            assert made.store.sql("SELECT count(*) FROM outbox") == [(0,)]
            command("approvals", "approve", ids[1], "--config", "other.yaml", *store).ok()
            (folder / "serve.yaml").write_text(settings)
            command("approvals", "deny", ids[2], *store).ok()

        await asyncio.to_thread(commands)
        bodies = [json.loads(body) for (body,) in made.store.sql("SELECT event FROM outbox")]
        assert {(one["data"]["approval"], one["data"]["state"]) for one in bodies} == {
            (ids[1], "approved"),
            (ids[2], "denied"),
        }
        assert "eu" not in {str(value) for one in bodies for value in one["data"].values()}

    run(db, folder, work)


def test_a_key_that_seals_values_of_waiting_calls_is_not_retired(db: Db, folder: Path, tmp_path: Path) -> None:
    """It would make an approved call fail; once the call is denied, or has expired, the key may go."""

    async def work(made: World) -> None:
        def commands(identity: str, old: str) -> None:
            command = cli_on(db.url, folder)
            environment = {"RECONCILER_KEY_FILE": str(file)}
            retire = ("secrets", "keys", "retire", old)
            refused = command(*retire, "--store", made.store.url, **environment).ok(6)
            assert f"the values of 1 calls that wait for an approval: {identity}" in refused.err
            assert read_keys(file).state(old) == "decrypt-only"
            command("approvals", "deny", identity, "--store", made.store.url, "--role", "lead", "--reason", "no").ok()
            assert "and no call that waits" in command(*retire, "--store", made.store.url, **environment).ok().out

        file = tmp_path / "keys.json"
        create_keys(file)
        old = read_keys(file).primary
        made.mediator.approvals = Approvals(database_of(made.store), ring_of(read_keys(file), None))
        identity = (await asked(made)).waiting.id
        promote_key(file, add_key(file))
        await asyncio.to_thread(commands, identity, old)

    run(db, folder, work)


def test_each_decision_is_one_entry(db: Db, folder: Path) -> None:
    """A crash may come between the entry and its mark."""

    async def work(made: World) -> None:
        identity = (await asked(made)).waiting.id
        store, control = database_of(made.store), database_of(made.db)
        assert await asyncio.to_thread(file_decisions, store, control, None) == 0
        settle_request(store, identity, (), Decider("ann", frozenset({"lead"})), YES)
        assert await asyncio.to_thread(file_decisions, store, control, None) == 1
        made.store.sql("UPDATE approvals SET filed = 0")
        await asyncio.to_thread(file_decisions, store, control, None)
        assert [one["reason"] for one in audit_entries(made.db)] == ["fine"]

    run(db, folder, work)


def test_destinations_hear_of_it(db: Db, folder: Path) -> None:
    hook = (Destination("leads", "webhook", "https://hooks.example.com/x", None, frozenset({APPROVAL})),)

    async def work(made: World) -> None:
        store = database_of(made.store)
        made.mediator.approvals = Approvals(store, RING, hook)
        identity = (await asked(made)).waiting.id
        await asked(made)
        settle_request(store, identity, (), Decider("ann", frozenset({"lead"})), YES, hook)
        events = [json.loads(event)["data"] for (event,) in made.store.sql("SELECT event FROM outbox ORDER BY at")]
        assert [one["state"] for one in events] == ["pending", "approved"]
        assert events[0]["summary"] == "bot asks to query template/top, after approval by lead"
        assert "eu" not in json.dumps(events).replace(identity, "")

    run(db, folder, work)


def test_an_operator_proved_by_an_issuer() -> None:
    issuer = Issuer()
    try:
        settings = Operators(
            tokens={"x": OperatorToken(sha256=DIGEST, scopes=("metrics",))},
            issuers={
                "corp": OperatorIssuer.model_validate(
                    {
                        "jwks_url": issuer.url,
                        "issuer": "https://corp",
                        "audience": "operators",
                        "claims": {"groups": "ops"},
                        "scopes": ["approve"],
                        "tenants": ["acme"],
                        "roles_from": {"claim": "groups", "map": {"leads": "lead"}},
                    }
                )
            },
        )
        entrance = OperatorEntrance(settings)

        async def main() -> None:
            proved = await entrance.prove(f"Bearer {issuer.token(sub='ann', aud='operators', groups=['ops', 'leads'])}")
            assert proved is not None
            assert (proved.name, proved.roles, proved.subject) == ("corp:ann", {"lead"}, "ann")
            assert proved.may("approve", "acme")
            assert not proved.may("approve", "globex")
            for claims in ({"groups": ["ops"]}, {"sub": "ann", "groups": ["leads"]}, {"sub": "ann", "aud": "agents"}):
                assert await entrance.prove(f"Bearer {issuer.token(**{'aud': 'operators', **claims})}") is None

        asyncio.run(main())
    finally:
        issuer.server.shutdown()


def test_a_page_of_them(db: Db, folder: Path) -> None:
    async def work(made: World) -> None:
        ids = [(await asked(made, {"region": str(n)})).waiting.id for n in range(3)]
        store = database_of(made.store)
        assert [one.id for one in approvals.listed(store, ("acme",), 2)] == [ids[2], ids[1]]
        assert [one.id for one in approvals.listed(store, ("acme",), 2, ids[1])] == [ids[0]]
        assert approvals.listed(store, ("globex",), 2) == []

    run(db, folder, work)


def test_an_explanation_says_that_there_is_no_key(db: Db, folder: Path) -> None:
    """Explain and the mediator give one answer."""
    question = {"caller": "bot", "target": "template/top"}

    async def work(made: World) -> None:
        async with operators_client(made, operator(scopes=("operate",))) as client:
            for store, reason in ((made.mediator.approvals, "allowed"), (None, "no-key")):
                made.mediator.approvals = store
                answer = (await client.post("/v1/tenants/acme/access/explain", json=question)).json()
                assert answer["reason"] == reason

    run(db, folder, work)

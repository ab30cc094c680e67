"""What evidence holds of a call through the mediator: enough to judge it again under other policies."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller
from reconciler.runtime.identity import by_claims
from reconciler.runtime.mediator import Refusal
from tests.conftest import Db
from tests.runtime.worlds import WORLD, World, in_world

TOP = Ask("template/top")
KEYED = Caller("acme", "bot", key="k9")
BY_TOKEN = Caller("acme", "bot", roles=frozenset({"crm", "analyst"}), issuer="corp")


def test_a_call_is_recorded_with_who_and_through_what(db: Db, folder: Path) -> None:
    document = {
        **WORLD,
        "policies": {"read": {**WORLD["policies"]["read"], "targets": {"names": ["template/*", "plane/*"]}}},
    }

    async def work(world: World) -> None:
        uids = {f"{kind}/{name}": uid for kind, name, uid in db.sql("SELECT kind, name, uid FROM resources")}
        by_key = await world.mediator.access(KEYED, TOP, {"region": "eu"}, "run-7")
        by_token = await world.mediator.access(BY_TOKEN, Ask("plane/desk", "query"), {"region": "eu"})
        found = {row["id"]: row for row in await world.evidence()}
        call = found[by_key.evidence_id]
        assert (call["key"], call["token_roles"], call["run"], call["project"]) == ("k9", [], "run-7", "shop")
        chain = ["template/top", "datasource/sales", "connector/warehouse"]
        assert call["path"] == [{"address": f"acme/{name}", "uid": uids[name]} for name in chain]
        assert call["output_hash"] == hmac.digest(b"k" * 32, b'[{"name":"Ann"}]', "sha256").hex()
        other = found[by_token.evidence_id]
        assert (other["key"], other["token_roles"]) == ("jwt:corp", ["analyst", "crm"])
        assert other["target"] == "plane/desk:query"
        assert [one["address"] for one in other["path"]] == ["acme/plane/desk", *(f"acme/{name}" for name in chain)]

    in_world(db, folder, work, document)


@pytest.mark.parametrize(
    ("ask", "reason", "path", "action"),
    [
        (Ask("template/none"), "unknown-target", 0, ""),
        (Ask("template/top", "made-up"), "action-mismatch", 0, "made-up"),
        (Ask("template/add"), "denied", 3, "write"),
    ],
)
def test_a_refusal_is_recorded_the_same_way(
    db: Db, folder: Path, ask: Ask, reason: str, path: int, action: str
) -> None:
    document = {**WORLD, "policies": {**WORLD["policies"]}}
    document["policies"]["stop"] = {
        "effect": "deny", "subjects": "any", "actions": ["write"], "targets": {"names": ["template/add"]},
    }  # fmt: skip

    async def work(world: World) -> None:
        with pytest.raises(Refusal) as caught:
            await world.mediator.access(BY_TOKEN, ask, {}, "run-7")
        (row,) = await world.evidence()
        assert row["id"] == caught.value.evidence_id
        assert (row["reason"], len(row["path"]), row["action"], row["target"]) == (reason, path, action, str(ask))
        assert (row["key"], row["token_roles"], row["run"]) == ("jwt:corp", ["analyst", "crm"], "run-7")

    in_world(db, folder, work, document)


def test_every_refusal_of_a_minute_resolves(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        given = []
        for _ in range(15):
            with pytest.raises(Refusal) as caught:
                await world.mediator.access(KEYED, Ask("template/none"), {})
            given.append(caught.value.evidence_id)
        found = {row["id"] for row in await world.evidence()}
        assert {*given} == found
        assert len(found) == 11

    in_world(db, folder, work)


def test_a_token_names_its_issuer(db: Db, folder: Path) -> None:
    document = {
        **WORLD,
        "callers": {"bot": {"roles": ["analyst"], "auth": {"jwt": {"issuer": "corp", "claims": {"azp": "b"}}}}},
    }

    async def work(world: World) -> None:
        caller = by_claims(world.source.current(), "corp", {"azp": "b"})
        assert caller is not None
        assert (caller.credential, KEYED.credential, Caller("acme", "bot").credential) == ("jwt:corp", "k9", "")

    in_world(db, folder, work, document)

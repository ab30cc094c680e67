"""What holds in the copy of the program that has the toy kind; `test_toy.py` runs it there."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry

from reconciler.access.decide import Ask
from reconciler.kinds.table import KINDS
from reconciler.runtime.mediator import Refusal
from reconciler.runtime.surfaces.openapi import openapi
from reconciler.runtime.surfaces.tools import tool_of
from tests.conftest import Db, reconciler
from tests.runtime.servers import served, world_with_data
from tests.runtime.worlds import BOT, WORLD, World, in_world
from tests.store.support import cli_on

MANIFEST: dict[str, Any] = {
    **copy.deepcopy(WORLD),
    "sensors": {"roof": {"connector": "warehouse", "unit": "celsius", "classification": "internal"}},
    "limits": {"roof": {"target": "sensor/roof", "per": "day", "requests": 2, "tokens": 5}},
    "policies": {
        "read": {
            "effect": "allow",
            "subjects": "any",
            "actions": "any",
            "targets": {"names": ["sensor/*"], "classification": ["internal"]},
        }
    },
}


def changed(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    document = copy.deepcopy(MANIFEST)
    document[kind][name] |= fields
    return document


WRONG = [
    changed("sensors", "roof", unit=5),
    changed("sensors", "roof", more=1),
    changed("policies", "read", targets={"names": ["sensors/*"]}),
    changed("policies", "read", targets={"names": ["limit/*"]}),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_validate_and_the_schema_agree(folder: Path, wrong: dict[str, Any]) -> None:
    schema = reconciler("schema", "manifest", cwd=folder).ok().json
    checker = Draft202012Validator(schema, registry=Registry())
    for document, code in ((MANIFEST, 0), (wrong, 3)):
        (folder / "acme.yaml").write_text(yaml.safe_dump(document))
        reconciler("validate", cwd=folder).ok(code)
        assert checker.is_valid(document) == (code == 0), [one.message for one in checker.iter_errors(document)]


def test_plan_apply_show_and_drift(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(yaml.safe_dump(MANIFEST))
    assert "acme/sensor/roof" in run("plan").ok().out
    run("apply", "--auto-approve").ok()
    assert "No changes" in run("plan").ok().out
    assert run("show", "acme/sensor/roof", "--format", "json").ok().json["status"]["state"] == "enabled"
    assert "roof" in run("list", "sensors").ok().out
    (folder / "acme.yaml").write_text(yaml.safe_dump(changed("sensors", "roof", unit="kelvin")))
    assert "kelvin" in run("plan").ok().out
    (folder / "acme.yaml").write_text(yaml.safe_dump(changed("sensors", "roof", classification="public")))
    assert "classification-lowered" in run("plan", "--format", "json").ok().out
    db.sql("UPDATE resources SET spec = replace(spec, 'celsius', 'volt') WHERE kind = 'sensor'")
    assert "acme/sensor/roof" in run("drift").ok(2).out


def test_explain_and_freeze(db: Db, folder: Path) -> None:
    run = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(yaml.safe_dump(MANIFEST))
    run("apply", "--auto-approve").ok()
    asked = ("access", "explain", "acme/sensor/roof", "--caller", "bot")
    for more in ((), ("--offline",)):
        told = run(*asked, *more).ok().out
        assert "bot is allowed to retrieve sensor/roof" in told
        assert "acme/sensor/roof, acme/connector/warehouse" in told
        assert "classification:  internal" in told
    run("freeze", "acme/sensor/roof", "--reason", "incident 7").ok()
    assert "incident 7" in run(*asked).ok().out


def test_it_is_called_limited_and_recorded(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        (tool,) = world.mediator.tools(BOT).items()
        assert tool_of(*tool)["name"] == "sensor_roof"
        assert (tool_of(*tool)["action"], tool_of(*tool)["read_only"]) == ("retrieve", True)
        ask = Ask(world.mediator.target_of(BOT, "sensor_roof"))
        for _ in range(2):
            await world.mediator.access(BOT, ask, {})
        with pytest.raises(Refusal, match="limit-exceeded"):
            await world.mediator.access(BOT, ask, {})
        assert (await world.evidence())[-1]["target"] == "sensor/roof"
        await asyncio.to_thread(world.command, "freeze", "acme/sensor/roof", "--reason", "x")
        await world.look()
        assert not world.mediator.tools(BOT)

    in_world(db, folder, work, MANIFEST)


def test_switched_off_it_is_denied(db: Db, folder: Path) -> None:
    async def work(world: World) -> None:
        with pytest.raises(Refusal, match="not-found"):
            await world.mediator.access(BOT, Ask("sensor/roof"), {})
        assert (await world.evidence())[0]["reason"] == "inactive"

    in_world(db, folder, work, changed("sensors", "roof", enabled=False))


def test_operators_list_it(db: Db, folder: Path) -> None:
    document = {**world_with_data(folder), **{key: MANIFEST[key] for key in ("sensors", "limits", "policies")}}
    with served(folder, db, document) as server:
        (found,) = server.operator("/v1/tenants/acme/sensors").json()["sensors"]
        assert (found["name"], found["frozen"], found["suspended"]) == ("roof", False, False)
        assert server.operator("/v1/tenants/acme/sensors/roof").json()["spec"]["unit"] == "celsius"
    assert "/v1/tenants/{tenant}/sensors" in openapi("operators")["paths"]


def test_it_is_documented(folder: Path) -> None:
    assert "e.g. `celsius`" in reconciler("explain", "sensor.unit", cwd=folder).ok().out
    reconciler("debug", "reference", "--out", "pages", cwd=folder).ok()
    page = (folder / "pages" / "sensor.md").read_text()
    assert "unit: celsius" in page
    assert "sensor.md" in (folder / "pages" / "README.md").read_text()
    assert json.loads(reconciler("schema", "sensor", cwd=folder).ok().out)["properties"]["unit"]["maxLength"] == 20
    assert KINDS["sensor"].examples

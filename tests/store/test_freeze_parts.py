"""One tool of a connector is frozen by itself: it stays so through a rename, and the connector's other tools go on."""

from __future__ import annotations

from pathlib import Path

import yaml

from reconciler.access.decide import Ask
from reconciler.access.judge import Caller, judge
from reconciler.access.snapshot import snapshot_of
from reconciler.kinds.connector.mcp_definition import digest_of
from reconciler.model.status import Freeze, Status
from reconciler.store.carrying import Life, carried
from reconciler.store.status import freezes, read_status
from reconciler.store.url import parse_database
from reconciler.store.watch import Watch
from tests.conftest import Db
from tests.store.support import cli_on

DEFINITION = {"description": "Does it.", "input": {"type": "object"}}


def manifest(name: str, **more: object) -> str:
    tools = {tool: {"pin": digest_of(tool, DEFINITION), "definition": DEFINITION} for tool in ("look", "wipe")}
    connector = {"type": "mcp", "transport": "streamable_http", "url": "https://mcp.example.com", "tools": tools}
    allow = {"effect": "allow", "subjects": "any", "actions": ["invoke"], "targets": {"names": ["tool/*"]}}
    return yaml.safe_dump(
        {
            "version": 1,
            "tenant": "acme",
            "connectors": {name: connector},
            "callers": {"bot": {"auth": {"api_key": {}}}},
            "policies": {"all": allow},
            **more,
        }
    )


def test_a_frozen_tool(db: Db, tmp_path: Path) -> None:
    run = cli_on(db.url, tmp_path)
    database = parse_database(db.url, tmp_path)

    def reasons(connector: str) -> list[str]:
        watch = Watch(database)
        try:
            world = watch.world()
        finally:
            watch.close()
        tenant = snapshot_of(world.known, world.generations).tenant("acme")
        asked = (Ask(f"tool/{connector}/{tool}") for tool in ("look", "wipe"))
        return [judge(tenant, world.status, Caller("acme", "bot"), ask).reason for ask in asked]

    (tmp_path / "a.yaml").write_text(manifest("files"))
    run("apply", "--auto-approve")
    assert reasons("files") == ["allowed", "allowed"]
    misspelt = run("freeze", "acme/tool/files/wip", "--reason", "x")
    assert "did you mean acme/tool/files/wipe?" in misspelt.text
    run("freeze", "acme/tool/files/wipe", "--reason", "incident 7")
    assert reasons("files") == ["allowed", "frozen"]
    moved = [{"from": "acme/connector/files", "to": "acme/connector/archive"}]
    (tmp_path / "a.yaml").write_text(manifest("archive", moved=moved))
    planned = run("plan").text
    assert "wipe frozen since" in planned
    run("apply", "--auto-approve")
    assert reasons("archive") == ["allowed", "frozen"]
    (entry,) = freezes(database)
    assert (entry.address, entry.state) == ("acme/tool/archive/wipe", "in-force")
    run("unfreeze", "acme/tool/archive/wipe", "--reason", "over")
    assert reasons("archive") == ["allowed", "allowed"]
    assert read_status(database).freezes == ()


def test_a_part_s_freeze_is_carried_to_the_next_life() -> None:
    freeze = Freeze("1", "acme/tool/files/wipe", "x", "t", "ada", "acme", "u1/wipe", "1")
    (copy,) = carried([freeze], [Life("acme", "u1", "u2")])
    assert (copy.uid, copy.origin) == ("u2/wipe", "1")
    assert Status(freezes=(copy,)).freezes[0].uid == "u2/wipe"

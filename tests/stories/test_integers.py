"""Whole numbers up to 64 bits pass from files to a request unchanged: files, plans, both databases, drift, history, the runtime."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Db
from tests.runtime.servers import served
from tests.runtime.test_strict_values import send, upstream, with_api
from tests.store.support import cli_on

EDGES = [2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1]
LEAST, MOST = -(2**63), 2**64 - 1


def templates(edge: int) -> dict[str, Any]:
    count = {"type": "integer", "min": LEAST, "max": edge, "default": edge}
    picked = {"type": "integer", "enum": [edge, 5], "nullable": True}
    exact = {"type": "object", "properties": {"n": {"type": "integer", "minimum": edge, "const": edge}}}
    http = {"type": "http", "connector": "api", "method": "POST", "path": "/pay"}
    query = {"count": "{count}", "picked": "{picked}"}
    return {"pay": {**http, "query": query, "parameters": {"count": count, "picked": picked}, "body": exact}}


def document(edge: int) -> dict[str, Any]:
    api = {"type": "http", "base_url": "https://api.example.com", "allowed_methods": ["POST"]}
    return {"version": 1, "tenant": "acme", "connectors": {"api": api}, "templates": templates(edge)}


@pytest.mark.parametrize("edge", EDGES)
def test_files_plans_and_databases_keep_them(edge: int, db: Db, folder: Path) -> None:
    call = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(yaml.safe_dump(document(edge)))
    call("plan", "--out", "p.json").ok()
    call("apply", "p.json", "--auto-approve").ok()
    assert "No changes" in call("plan").ok().out
    body = db.rows()["acme/template/pay"]
    assert (body["parameters"]["count"]["max"], body["parameters"]["count"]["default"]) == (edge, edge)
    assert body["body"]["properties"]["n"]["const"] == edge
    assert yaml.safe_load(call("export").ok().out)["templates"]["pay"]["parameters"]["count"]["max"] == edge
    near = edge - 1 if edge > 0 else edge + 1
    (folder / "acme.yaml").write_text(yaml.safe_dump(document(near)))
    planned = json.loads(call("plan", "--format", "json").ok().out)
    (change,) = (one["change"] for one in planned["resource_changes"] if one["address"] == "acme/template/pay")
    seen = [change[side]["body"]["properties"]["n"]["minimum"] for side in ("before", "after")]
    assert seen == [edge, near]
    for form in ("text", "markdown", "html"):
        shown = call("plan", "--format", form).ok().out
        assert str(abs(edge)) in shown  # HTML marks the sign apart
        assert str(abs(near)) in shown
    call("apply", "--auto-approve").ok()
    assert str(near) in call("history", "2").ok().out
    call("rollback", "1", "--auto-approve").ok()
    assert db.rows()["acme/template/pay"] == body


@pytest.mark.parametrize("edge", EDGES)
def test_drift_tells_neighbours_apart(edge: int, db: Db, folder: Path) -> None:
    call = cli_on(db.url, folder)
    (folder / "acme.yaml").write_text(yaml.safe_dump(document(edge)))
    call("apply", "--auto-approve").ok()
    assert call("drift").code == 0
    near = edge - 1 if edge > 0 else edge + 1
    db.set_field("acme/template/pay", "body", {**templates(edge)["pay"]["body"], "title": str(near)})
    db.set_field("acme/template/pay", "body", templates(near)["pay"]["body"])
    drift = call("drift")
    assert drift.code == 2
    assert str(edge) in drift.out
    assert str(near) in drift.out


@pytest.mark.parametrize(
    ("number", "code"), [(2**64, 3), (-(2**63) - 1, 3), ("9007199254740993.5", 3), ("1e19", 0), ("1e20", 3)]
)
def test_others_are_refused(number: Any, code: int, folder: Path) -> None:
    text = yaml.safe_dump(document(7)).replace("max: 7", f"max: {number}").replace("default: 7", "default: 8")
    (folder / "acme.yaml").write_text(text)
    found = cli_on("sqlite:///x.db", folder)("validate")
    assert found.code == code, found.text
    assert code == 0 or "expected a whole number from -2^63 to 2^64 - 1" in found.err


@pytest.mark.parametrize("edge", EDGES)
def test_a_call_sends_them_as_they_are(edge: int, db: Db, folder: Path) -> None:
    with upstream() as (api, port):
        world = with_api(folder, port)
        world["templates"] |= templates(edge)
        with served(folder, db, world) as server:
            answer = send(
                server, "/v1/tools/pay/call", f'{{"arguments": {{"picked": {edge}, "body": {{"n": {edge}}}}}}}'
            )
            assert answer.status_code == 200, answer.text
            assert api.bodies == [b'{"n":%d}' % edge]
            assert api.paths == [f"/pay?count={edge}&picked={edge}"]
            for wrong in (
                f'"count": {edge + 1}, "body": {{}}',
                f'"body": {{"n": {edge + 1}}}',
                f'"picked": {edge + 1}, "body": {{}}',
            ):
                assert send(server, "/v1/tools/pay/call", f'{{"arguments": {{{wrong}}}}}').status_code == 422, wrong
            assert len(api.bodies) == 1

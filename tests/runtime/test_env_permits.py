"""A server reads no variable of its environment for a tenant unless its operator permits it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.load.serve_file import read_serve
from reconciler.runtime.setup import permitted_of
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data

CODE = "credential-unresolved"


def document(folder: Path) -> dict[str, Any]:
    found = world_with_data(folder)
    found["connectors"]["api"] = {
        "type": "http",
        "base_url": "http://127.0.0.1:1",
        "auth": {"type": "bearer", "token": "env://API_TOKEN"},
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": 1}],
    }
    found["templates"]["ask"] = {"type": "http", "connector": "api", "method": "GET", "path": "/"}
    return found


@pytest.mark.parametrize(
    ("permits", "good"),
    [
        ({}, False),
        ({"env": ["API_*"]}, True),
        ({"tenants": {"acme": {"env": ["API_TOKEN"]}}}, True),
        ({"tenants": {"globex": {"env": ["API_TOKEN"]}}}, False),
    ],
    ids=["nothing", "every tenant", "this tenant", "another tenant"],
)
def test_a_variable_has_to_be_permitted(db: Db, folder: Path, permits: dict[str, Any], good: bool) -> None:
    more = {"sqlite_roots": ["data"], "networks": ["127.0.0.0/8"], **permits}
    with served(folder, db, document(folder), {"API_TOKEN": "token-of-the-machine"}, permits=more) as server:
        told = server.call("ask").json()
        assert (told["code"] == CODE) is not good, told
    log = server.log.read_text()
    warned = "Warning: acme/connector/api: env://API_TOKEN does not resolve: this server permits the variable API_TOKEN not to acme"
    assert (warned in log) is not good
    assert ("permits: {env: [API_TOKEN]}" in log) is not good
    assert "token-of-the-machine" not in log


def test_a_variable_that_is_not_there_is_told_at_the_start(db: Db, folder: Path) -> None:
    permits = {"env": ["API_TOKEN"], "sqlite_roots": ["data"], "networks": ["127.0.0.0/8"]}
    with served(folder, db, document(folder), permits=permits) as server:
        assert server.call("ask").json()["code"] == CODE
    assert (
        "acme/connector/api: env://API_TOKEN does not resolve: the environment has no variable"
        in server.log.read_text()
    )


def test_the_settings_of_single_tenants(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("version: 1\npermits: {env: ['${TENANT}__*'], tenants: {acme: {env: [KEY]}}}\n")
    permitted = permitted_of(read_serve(file))
    assert permitted.has("acme", "KEY")
    assert permitted.has("globex", "GLOBEX__A")
    assert not permitted.has("globex", "KEY")
    assert not permitted.has("globex", "ACME__A")

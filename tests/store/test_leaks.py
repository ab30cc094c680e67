"""A secret typed into a live row by plain SQL: no command prints it, and no table keeps it once an apply has mended the row."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.kinds.table import KINDS
from reconciler.model.body import put
from tests.conftest import Db
from tests.kinds.support import CANARY, REF
from tests.store.support import Cli, cli_on

HTTP = {"type": "http", "base_url": "https://api.example.com"}
STDIO = {"type": "mcp", "transport": "stdio", "command": "server"}
BODIES: dict[str, dict[str, Any]] = {
    "integration/llm": {"provider": "openai", "credential": REF},
    "connector/bearer": {**HTTP, "auth": {"type": "bearer", "token": REF}},
    "connector/key": {**HTTP, "auth": {"type": "api_key", "key": REF}},
    "connector/basic": {**HTTP, "auth": {"type": "basic", "username": "u", "password": REF}},
    "connector/oauth": {
        **HTTP,
        "auth": {
            "type": "oauth2",
            "token_url": "https://login.example.com/token",
            "client_id": "c",
            "client_secret": REF,
        },
    },
    "connector/headers": {**HTTP, "headers": {"Authorization": REF}},
    "connector/env": {**STDIO, "env": {"TOKEN": REF}},
    "connector/args": {**STDIO, "args": ["--verbose"]},
    "connector/dsn": {"type": "sql", "dialect": "postgresql", "dsn": REF},
    "connector/password": {
        "type": "sql",
        "dialect": "postgresql",
        "host": "db.example.com",
        "database": "shop",
        "username": "u",
        "password": REF,
    },
    "connector/options": {"type": "sql", "dialect": "snowflake", "dsn": REF, "options": {"private_key": REF}},
    "connector/vector": {"type": "vector", "engine": "qdrant", "url": "https://q.example.com", "api_key": REF},
    "connector/s3": {
        "type": "file",
        "provider": "s3",
        "bucket": "b",
        "access_key_id": REF,
        "secret_access_key": REF,
    },
    "connector/custom": {"type": "custom", "credential": REF, "config": {"api_key": REF}},
}
PLACES: dict[str, tuple[tuple[str | int, ...], ...]] = {
    "integration/llm": (("credential",), ("base_url",), ("config", "api_key")),
    "connector/bearer": (("auth", "token"), ("auth",), ("auth", "type"), ("base_url",)),
    "connector/key": (("auth", "key"),),
    "connector/basic": (("auth", "password"), ("unknown",)),
    "connector/oauth": (("auth", "client_secret"), ("auth", "token_url")),
    "connector/headers": (("headers", "Authorization"), ("headers",)),
    "connector/env": (("env", "TOKEN"), ("env", "OTHER"), ("env",)),
    "connector/args": (("args",),),
    "connector/dsn": (("dsn",), ("type",), ("dialect",), ("max_rows",)),
    "connector/password": (("password",), ("labels",)),
    "connector/options": (("options", "private_key"), ("options",)),
    "connector/vector": (("api_key",), ("url",)),
    "connector/s3": (("secret_access_key",), ("access_key_id",)),
    "connector/custom": (("credential",), ("config", "api_key")),
}
READING = (
    *(("plan", "--format", one) for one in ("text", "json", "markdown", "html", "github", "gitlab", "sarif", "junit")),
    *(("drift", "--format", one) for one in ("text", "json", "markdown", "html", "github", "gitlab", "sarif", "junit")),
    ("drift", "--pending"),
    ("plan", "-v"),
    ("list",),
    ("list", "--format", "json"),
    ("export",),
    ("export", "--canonical"),
    ("db", "status"),
    ("graph",),
    ("show",),
)


def manifest(**more: Any) -> str:
    document: dict[str, Any] = {"version": 1, "tenant": "acme", **more}
    for name, body in BODIES.items():
        kind, _, short = name.partition("/")
        document.setdefault(KINDS[kind].plural, {})[short] = body
    return json.dumps(document)


def dump(db: Db) -> str:
    """Everything that every table holds."""
    if db.is_sqlite:
        connection = sqlite3.connect(db.path)
        text = "\n".join(connection.iterdump())
        connection.close()
        return text
    with psycopg.connect(db.url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return "\n".join(
            str(connection.execute(f"SELECT * FROM {name}").fetchall())  # type: ignore[arg-type]
            for (name,) in tables
        )


@pytest.fixture
def run(db: Db, folder: Path) -> Cli:
    (folder / "reconciler.yaml").write_text(
        json.dumps(
            {
                "version": 1,
                "project": "shop",
                "notifications": {"hook": {"type": "webhook", "url": "env://HOOK", "secret": "env://HOOK_SECRET"}},
            }
        )
    )
    (folder / "acme.yaml").write_text(manifest())
    call = cli_on(db.url, folder)
    call("apply", "--auto-approve").ok()
    return call


def plant(db: Db, number: int) -> list[str]:
    """A canary into one place of each row, the ``number``-th of those that are listed; returns of which rows."""
    planted = []
    for name, places in PLACES.items():
        if number < len(places):
            value = [CANARY] if places[number] == ("labels",) else CANARY
            value = [f"--token={CANARY}"] if places[number] == ("args",) else value
            _, _, short = name.partition("/")
            body = json.dumps(put(BODIES[name], places[number], value))
            db.sql("UPDATE resources SET spec = ? WHERE name = ?", [body, short])
            planted.append(name)
    return planted


def everything(run: Cli, folder: Path, planted: list[str]) -> str:
    """What all reading commands print; of those that are about one resource, of some."""
    texts = [run(*command).text for command in READING]
    for name in planted[:2] + planted[-2:]:
        texts += [
            run(command, f"acme/{name}", *more).text
            for command in ("show", "blame")
            for more in ((), ("--format", "json"))
        ]
        texts += [run("adopt", f"acme/{name}").text]
    run("plan", "--out", "saved.plan").ok()
    texts += [run("show", "saved.plan").text, run("show", "saved.plan", "--format", "json").text]
    return "\n".join([*texts, (folder / "saved.plan").read_text()])


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_it_is_printed_nowhere_and_kept_nowhere(db: Db, run: Cli, folder: Path, number: int) -> None:
    planted = plant(db, number)
    assert CANARY in dump(db)
    text = everything(run, folder, planted)
    assert CANARY not in text
    assert "(not a reference: " in text or "(not shown: " in text
    mended = run("apply", "saved.plan", "--auto-approve").ok()
    later = [run("history", "2", *more).ok() for more in ((), ("--format", "json"))]
    assert CANARY not in mended.text + "".join(one.text for one in later)
    assert CANARY not in dump(db)
    assert "No changes." in run("plan").ok().out
    assert run("drift").ok().code == 0
    undone = [run("revert", "2"), run("rollback", "1"), run("blame", "acme/connector/dsn")]
    assert CANARY not in "".join(one.text for one in undone)


def test_a_row_that_is_let_go_or_deleted(db: Db, run: Cli, folder: Path) -> None:
    plant(db, 0)
    assert CANARY not in run("forget", "acme/connector/dsn", "--auto-approve").ok().text
    document = json.loads(manifest())
    del document["connectors"]["vector"], document["connectors"]["dsn"]
    (folder / "acme.yaml").write_text(json.dumps(document))
    gone = run("apply", "--auto-approve", "--overwrite-outside").ok()
    history = [run("history", number, "--format", "json").text for number in ("2", "3")]
    assert CANARY not in gone.text + "".join(history)
    db.sql("DELETE FROM resources WHERE name = 'dsn'")
    assert CANARY not in dump(db)


ELSEWHERE: dict[str, Any] = {
    "a key": {CANARY: 1, "auth": {CANARY: "x"}},
    "a value of another type": {
        "capabilities": CANARY,
        "labels": CANARY,
        "description": [CANARY],
        "timeout_seconds": CANARY,
    },
    "a tag": {"type": CANARY},
    "deep in a field that there is not": {"more": {"a": [{CANARY: {CANARY: CANARY}}]}},
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_an_error_about_a_row_repeats_nothing_of_it(db: Db, run: Cli, where: str) -> None:
    """What a file may hear of its own lines ("write [x]", "unknown field `x`") is not for a row that anybody wrote."""
    body = json.dumps({**BODIES["connector/bearer"], **ELSEWHERE[where]})
    db.sql("UPDATE resources SET spec = ? WHERE name = 'bearer'", [body])
    address = "acme/connector/bearer"
    refused = run("adopt", address).ok(3)
    assert f"{address} is not a valid connector as it is: " in refused.err
    commands = [("drift",), ("plan",), ("show", address), ("blame", address), ("forget", address), ("export",)]
    commands += [("adopt", address, "--format", "json"), ("export", "--canonical"), ("revert", "1"), ("rollback", "1")]
    assert CANARY not in refused.text + "".join(run(*command).text for command in commands)


def test_another_secret_is_another_difference(db: Db, run: Cli) -> None:
    """A plan that was reviewed before somebody typed another one is stale: what it overwrites is not what was seen."""
    plant(db, 0)
    run("plan", "--out", "saved.plan").ok()
    body = json.dumps({**BODIES["integration/llm"], "credential": CANARY + "2"})
    db.sql("UPDATE resources SET spec = ? WHERE name = 'llm'", [body])
    assert "acme/integration/llm is no longer as it was" in run("apply", "saved.plan", "--auto-approve").ok(4).err


def test_an_ignored_field_keeps_no_mask(db: Db, run: Cli, folder: Path) -> None:
    """What stands for a value is never written where the value was."""
    project = json.loads((folder / "reconciler.yaml").read_text())
    project["ignore"] = [{"address": "acme/integration/llm", "field": "description", "reason": "theirs"}]
    (folder / "reconciler.yaml").write_text(json.dumps(project))
    body = json.dumps({**BODIES["integration/llm"], "description": [CANARY]})
    db.sql("UPDATE resources SET spec = ? WHERE name = 'llm'", [body])
    run("apply", "--auto-approve", "--overwrite-outside").ok()
    text = dump(db)
    assert CANARY not in text
    assert db.rows()["acme/integration/llm"]["description"] == ""


def test_no_mask_is_exported_as_a_value(db: Db, run: Cli) -> None:
    """A masked description is a text, and would load again as one."""
    body = json.dumps({**BODIES["integration/llm"], "description": [CANARY]})
    db.sql("UPDATE resources SET spec = ? WHERE name = 'llm'", [body])
    assert "live-invalid" in run("export", "--target", "acme/integration/llm").ok(1).err


def test_what_an_older_reconciler_left_in_history(db: Db, run: Cli) -> None:
    """It printed and kept what somebody had typed."""
    leaked = json.dumps({**BODIES["integration/llm"], "credential": CANARY})
    db.sql("UPDATE changes SET before = ? WHERE name = 'llm'", [leaked])
    for more in ((), ("--format", "json")):
        assert CANARY not in run("history", "1", *more).ok().text

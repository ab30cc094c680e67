"""Every command that writes: its command line, and what the database or the disk says of whether it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.conftest import Db
from tests.faults.world import World

Oracle = Callable[[World], Any]


class Case(NamedTuple):
    """``path`` is the command's name; ``written`` is read before and after. ``empty``: in a database without tables;
    ``notified``: in a project with a destination of notifications, which nobody answers at; ``code``: its exit code.
    """

    path: str
    arguments: tuple[str, ...]
    written: Oracle
    stdin: str = ""
    empty: bool = False
    only: str = ""
    code: int = 0
    notified: bool = False

    @property
    def name(self) -> str:
        return " ".join((self.path, *self.arguments[:1], *(["(empty)"] if self.empty else [])))


def sql(*statements: str) -> Oracle:
    """Read it from the database."""
    return lambda world: tuple(world.value(statement) for statement in statements)


def files(*names: str) -> Oracle:
    """Read it from the disk: which of these exist, with content."""
    return lambda world: tuple(
        (world.folder / name).is_file() and (world.folder / name).stat().st_size > 0 for name in names
    )


def content(name: str) -> Oracle:
    def read(world: World) -> str | None:
        path: Path = world.folder / name
        return path.read_text() if path.exists() else None

    return read


def keys(world: World) -> Any:
    """Count the keys of the key file; the id of a new one is random."""
    return len(json.loads((world.folder / "keys.json").read_text())["keys"])


def frozen(world: World) -> int:
    """Count freezes in force, those that are not filed yet included."""
    filed = dict(
        zip(
            world.value("SELECT id FROM freezes ORDER BY id"),
            world.value("SELECT lifted_at FROM freezes ORDER BY id"),
            strict=True,
        )
    )
    new = {one["id"] for one in _pending(world) if one["event"] == "freeze"} - filed.keys()
    return len(new) + sum(lifted is None for lifted in filed.values())


def valid_keys(world: World) -> int:
    """Count keys that were not revoked, by a filed decision or by one that is not filed yet."""
    revoked = {one["target"] for one in _pending(world) if one["event"] == "key-revoke"}
    return len({*world.value("SELECT id FROM caller_keys WHERE revoked_at IS NULL")} - revoked)


def _pending(world: World) -> list[dict[str, str]]:
    if not world.db.is_sqlite:
        return [json.loads(one) for one in world.value("SELECT decision FROM switch")]
    return [json.loads(file.read_text()) for file in world.db.path.parent.glob("*-switch/*.json")]


def store(world: World) -> Any:
    """Read the version of the runtime's own store in a file."""
    found = Db(f"sqlite:///{world.folder}/runtime.db")
    return world._replace(db=found).value("SELECT version FROM runtime_schema")


APPLY = ("--auto-approve", "--lock-timeout", "3")
generations = sql(
    "SELECT number FROM generations ORDER BY 1", "SELECT requests FROM (SELECT count(*) AS requests FROM changes) c"
)
secrets = sql("SELECT name || version FROM secrets ORDER BY 1", "SELECT count(*) FROM audit")
suspensions = sql("SELECT count(*) AS suspended FROM statuses WHERE suspended_at IS NOT NULL")
schema = sql("SELECT version_num FROM reconciler_schema")

DATABASE = (
    Case("apply", (".", *APPLY), generations),
    Case("apply", ("saved.plan", *APPLY), generations),
    Case(
        "apply",
        (".", *APPLY),
        sql("SELECT number FROM generations"),
        empty=True,
    ),
    Case("adopt", ("acme/connector/free", *APPLY), generations),
    Case("forget", ("acme/connector/api", *APPLY), generations),
    Case("rollback", ("1", *APPLY), generations),
    Case("revert", ("2", *APPLY), generations),
    Case("freeze", ("acme/connector/api", "--reason", "a fault"), frozen),
    Case("unfreeze", ("acme/caller/bot", "--reason", "over"), frozen),
    Case("suspend", ("acme/connector/api", "--reason", "a fault"), suspensions),
    Case("resume", ("acme/integration/llm", "--reason", "over"), suspensions),
    Case("keys issue", ("acme/bot",), valid_keys),
    Case("keys revoke", ("acme/bot",), valid_keys),
    Case("project rename", ("shop", "store"), sql("SELECT name FROM projects")),
    Case("secrets set", ("acme/fresh",), secrets, "a value"),
    Case(
        "secrets set",
        ("acme/fresh",),
        sql("SELECT name FROM secrets"),
        "a value",
        empty=True,
    ),
    Case("secrets rotate", ("acme/s1",), secrets, "the next value"),
    Case(
        "secrets update", ("acme/s1", "--description", "another"), sql("SELECT description FROM secrets ORDER BY name")
    ),
    Case("secrets delete", ("acme/s2", "--auto-approve"), secrets),
    Case("secrets reencrypt", (), sql("SELECT count(*) FROM audit WHERE body LIKE '%secret-rewrap%'")),
    Case("secrets keys retire", ("{spare}",), sql("SELECT count(*) FROM secret_keys WHERE retired_at IS NOT NULL")),
    Case(
        "audit take-over",
        ("--reason", "a test"),
        sql("SELECT count(*) FROM audit WHERE body LIKE '%trail-take-over%'"),
    ),
    Case("db upgrade", (), schema, empty=True),
    Case("drift", ("--notify",), sql("SELECT count(*) FROM outbox"), code=2, notified=True),
)
"""Those that write to the database of the configuration."""

FILES = (
    Case("init", ("new",), files("new/reconciler.yaml")),
    Case("fmt", ("acme.yaml",), content("acme.yaml")),
    Case("plan", (".", "--out", "new.plan"), files("new.plan")),
    Case("adopt", ("acme/connector/free", "--out", "new.plan"), files("new.plan")),
    Case("forget", ("acme/connector/api", "--out", "new.plan"), files("new.plan")),
    Case("rollback", ("1", "--out", "new.plan"), files("new.plan")),
    Case("revert", ("2", "--out", "new.plan"), files("new.plan")),
    Case("convert", ("openapi", "openapi.json", "--out", "converted"), files("converted/openapi.yaml")),
    Case("schema", ("--out", "schemas"), files("schemas/manifest.schema.json", "schemas/project.schema.json")),
    Case("secrets keys create", ("--out", "new.json"), files("new.json")),
    Case("secrets keys add", (), keys),
    Case("secrets keys promote", ("{spare}",), content("keys.json")),
    Case("audit checkpoint", ("--out", "checkpoint.json"), files("checkpoint.json")),
    Case("db backup", ("copy.db",), files("copy.db"), only="sqlite"),
    Case("drift", ("--metrics", "drift.prom"), files("drift.prom"), code=2),
    Case("evidence prepare", (), sql("SELECT version FROM runtime_schema"), only="postgresql"),
    Case("evidence prepare", (), store, only="sqlite"),
)
"""Those that write files, or to the runtime's own store."""

CASES = (*DATABASE, *FILES)
ELSEWHERE = {
    "serve": "runs until it is ended; tests/runtime holds it to its own promises",
    "evidence rollup": "each hour is a transaction, and a second run goes on; tests/runtime/ledger/test_rollup.py ends it in between",
    "approvals approve": "one statement of the runtime's store, of which a second run says that it was decided; tests/runtime/test_deciding.py",
    "approvals deny": "the same",
    "usage": "--acknowledge is one statement of the runtime's store, of which a second run says that it was done; tests/runtime/test_usage.py",
    "mcp pin": "asks a server first, and then replaces whole files by the one function that the others use; tests/cli/test_mcp_pin.py",
    "test": "leaves an entry for each secret that it reads; it is about no change",
    "validate": "with --check it leaves an entry for each secret that it reads; it is about no change",
}
"""Commands that reach a writing connection and are no case of their own, with the reason."""

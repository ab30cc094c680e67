"""The GRANT lines of docs/gitops.md, on a real PostgreSQL: enough for plans and drift, and for nothing that writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.conftest import BASE, ROOT, Db, Ran, new_postgres_database, reconciler

LINES = re.search(r"<!-- planner -->\n```sql\n(.*?)```", (ROOT / "docs/gitops.md").read_text(), re.DOTALL)
MORE = """
integrations:
  chat: {provider: openai, credential: encrypted://chat, models: [gpt-5]}
callers:
  bot: {auth: {api_key: {max_age_days: 30}}}
"""
CHANGED = (
    (BASE + MORE)
    .replace("public.orders", "public.wages")  # an update
    .replace("  month: {", "  monthly: {")  # a move
    .replace("callers:\n  bot: {auth: {api_key: {max_age_days: 30}}}\n", "")  # a deletion
    .replace("provider: openai", "provider: mistral")  # a replacement
    + "moved: [{from: limit/month, to: limit/monthly}]\n"
)


class Role:
    """A project whose owner has applied it, and a role that only plans."""

    def __init__(self, folder: Path, owner: Db) -> None:
        self.folder, self.owner = folder, owner
        self.name = f"planner_{uuid4().hex[:12]}"  # roles belong to the server, which other tests may share
        self.url = owner.url.replace("postgres:@", f"{self.name}@")
        self.run(owner.url, "secrets", "keys", "create", "--out", "key").ok()
        self.run(owner.url, "apply", "--auto-approve").ok()
        self.run(owner.url, "secrets", "set", "acme/chat", stdin="first").ok()
        self.run(owner.url, "keys", "issue", "acme/bot").ok()

    def run(self, url: str, *arguments: str, stdin: str = "") -> Ran:
        env = {"RECONCILER_DATABASE_URL": url, "RECONCILER_KEY_FILE": "key"}
        return reconciler(*arguments, cwd=self.folder, env=env, stdin=stdin)


@pytest.fixture
def role(folder: Path, postgres_server: str) -> Iterator[Role]:
    (folder / "reconciler.yaml").write_text("version: 1\nproject: shop\ninclude: [acme.yaml]\n")
    (folder / "acme.yaml").write_text(BASE + MORE)
    found = Role(folder, Db(new_postgres_database(postgres_server)))
    assert LINES
    with psycopg.connect(found.owner.url, autocommit=True) as connection:
        connection.execute(LINES[1].replace("reconciler_planner", found.name))
        yield found
        connection.execute(f"DROP OWNED BY {found.name}")
        connection.execute(f"DROP ROLE {found.name}")


def test_it_plans_and_looks_for_drift(role: Role) -> None:
    (role.folder / "acme.yaml").write_text(CHANGED)
    planned = role.run(role.url, "plan", "--out", "shop.plan").ok()
    assert "1 to add, 1 to change, 2 to destroy" in planned.out
    assert planned.out.partition("\n")[2] == role.run(role.owner.url, "plan", "--out", "own.plan").ok().out.partition(
        "\n"
    )[2].replace("own.plan", "shop.plan")
    role.run(role.url, "drift").ok()
    role.owner.set_field("acme/limit/month", "cost_usd", "7")
    assert "acme/limit/month" in role.run(role.url, "drift", "--pending", "--format", "markdown").ok(2).out
    for command in (("list",), ("history",), ("show", "acme/limit/month"), ("export",)):
        role.run(role.url, *command).ok()
    # an invalid body is shown masked, under the key of the table mask_key
    role.owner.set_field("acme/limit/month", "cost_usd", [])
    role.run(role.url, "plan").ok()


def test_it_writes_nothing_and_opens_no_secret(role: Role) -> None:
    (role.folder / "acme.yaml").write_text(CHANGED)
    role.run(role.url, "plan", "--out", "shop.plan").ok()
    assert (
        "[database-permission]"
        in role.run(role.url, "apply", "shop.plan", "--auto-approve", "--allow-deletes", "9").ok(1).err
    )
    assert "[database-permission]" in role.run(role.url, "plan", "--check").text
    with psycopg.connect(role.url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM secrets")
    tables = role.owner.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in tables:
        may = role.owner.sql(
            "SELECT has_table_privilege(?, ?::regclass, 'INSERT, UPDATE, DELETE, TRUNCATE')", [role.name, table]
        )
        assert may == [(False,)], table


@pytest.mark.parametrize("line", [line for line in (LINES[1] if LINES else "").splitlines() if "SELECT" in line])
def test_each_line_is_needed(role: Role, line: str) -> None:
    (role.folder / "acme.yaml").write_text(CHANGED)
    line = line.replace("reconciler_planner", role.name)
    role.owner.sql(line.replace("GRANT ", "REVOKE ").replace(" TO ", " FROM "))
    assert "[database-permission]" in role.run(role.url, "plan", "--out", "shop.plan").text

"""What the server itself is made of is no data source: neither the configuration nor the evidence, by whatever name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from reconciler.runtime.setup import resolving
from reconciler.secrets.fetch import Outside
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import Resolver
from tests.conftest import Db
from tests.runtime.servers import served, world_with_data


def test_no_template_reads_evidence(db: Db, tmp_path: Path) -> None:
    document = world_with_data(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path)
    document["connectors"]["warehouse"]["database"] = str(tmp_path / "alias" / "runtime.db")
    document["templates"]["top"] = {"type": "sql", "datasource": "sales", "sql": "SELECT caller FROM intents"}
    with served(tmp_path, db, document, permits={"sqlite_roots": ["."], "networks": []}) as server:
        assert server.call("top").json()["code"] == "control-database"
        # another file in its place is one that the next start would use: nothing is asked before the store is back
        os.rename(tmp_path / "runtime.db", tmp_path / "old.db")
        (tmp_path / "runtime.db").write_bytes(b"")
        assert server.call("top").json()["code"] == "unavailable"


def test_a_refused_secret_is_asked_for_past_what_was_kept() -> None:
    environ = {"TOKEN": "old"}
    resolve, anew = resolving(Resolver(Policy(), Outside(environ)))

    async def work() -> list[str]:
        found = [await resolve("acme", "env://TOKEN")]
        environ["TOKEN"] = "new"
        return [*found, await resolve("acme", "env://TOKEN"), await anew("acme", "env://TOKEN")]

    assert asyncio.run(work()) == ["old", "old", "new"]

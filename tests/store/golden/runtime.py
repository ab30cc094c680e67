"""The runtime's store as each commit that touched its schema made it, with some rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMITS = ("ea0f08e", "5ef6be3", "180cb08", "61f44f9", "176bdf5")
BY_NUMBERS = ("fb84564", "b1516ae", "d8a1aa4")
"""Commits whose evidence names subjects, paths and policies by numbers: their own program writes it, and rolls it up."""
_MAKE = """
import asyncio, sys
from pathlib import Path
from reconciler.runtime.ledger import postgresql, sqlite

ROWS = (
    "INSERT INTO settings VALUES ('values-key', 'golden')",
    "INSERT INTO counters VALUES ('acme', 'integration/openai-prod', 'requests', '2026-11', 7)",
    "INSERT INTO intents VALUES ('0645a2e7f00001', 1764230400.5, 1764230430.5, 'acme', 'bot', 'r', 'template/totals', "
    "'warehouse', 'query', 'h', 'acme/policy/read', 3, 0)",
    "INSERT INTO intents VALUES ('0645a2e7f00002', 1764230401.5, 1764230431.5, 'globex', 'bot', 'r', 'template/totals', "
    "'warehouse', 'query', 'h', 'acme/policy/read', 3, 0)",
    "INSERT INTO outcomes VALUES ('0645a2e7f00001', 1764230401.0, 'done', 2, 40, 12, '')",
    "INSERT INTO denials VALUES ('0645a2e7f00003', 1764230402.0, 'acme', 'bot', 'template/salaries', 'no-policy', '', 3, 1)",
)
connection = sqlite.opened(Path(sys.argv[1]))
for row in ROWS:
    connection.execute(row)
connection.close()


async def main():
    connection = await postgresql.opened(sys.argv[2])
    for row in ROWS:
        await connection.execute(row)
    await connection.close()


asyncio.run(main())
"""
_MAKE_BY_NUMBERS = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import create_engine, text
from reconciler.runtime.ledger import rollup
from reconciler.runtime.ledger.batch import Batch
from reconciler.runtime.ledger.entries import Denial, DenialCount, Intent, Level, Outcome
from reconciler.runtime.ledger.postgresql import Postgresql
from reconciler.runtime.ledger.sqlite import Sqlite
from reconciler.store.url import parse_database

# in the autumn of 2025; what they were is evidence of every revision
IDS = [f"0645a2e7f0000{n}" + "0" * 18 for n in range(1, 6)]
CHAIN = (("acme/template/totals", "u1"), ("acme/datasource/sales", "u2"), ("acme/connector/warehouse", "u3"))
LEVELS = (
    Level("acme", "integration/openai-prod", "requests", "month", 9, counter="u9"),
    Level("acme", "caller/bot", "concurrent", "", 2, counter="u4"),
)


def intent(number, tenant, **more):
    return Intent(
        IDS[number], tenant, "bot", "run-1", "template/totals", "connector/warehouse", "query", "cd" * 32,
        "policy/read", 3, False, 9.0, caller_uid="u4", project="shop", chain=CHAIN, **more,
    )


INTENTS = (
    intent(0, "acme", key="a1b2", levels=LEVELS, repeat="k1", trace="0af7651916cd43dd8448eb211c80319c"),
    intent(1, "globex", key="jwt:corp", roles=("analyst",), shadow="policy/strict"),
    intent(2, "acme", key="a1b2", levels=LEVELS[:1]),
)
OUTCOMES = (
    Outcome(IDS[0], "success", 2, 40, 12, "", b"sealed", 200, "ef" * 32),
    Outcome(IDS[1], "unknown", None, 0, 0, "no-outcome"),
    Outcome(IDS[2], "failure", None, 0, 7, "upstream-status", None, 503),
)
DENIALS = (
    Denial(IDS[3], "acme", "bot", "template/salaries", "no-policy", "", 3, run="run-1", action="query", uid="u4", key="a1b2"),
    Denial(
        IDS[4], "acme", "bot", "template/totals", "limit-exceeded", "policy/read", 3, "integration/openai-prod:requests/month",
        "run-2", "query", "u4", "a1b2", project="shop", connector="connector/warehouse", chain=CHAIN,
    ),
)


async def write(backend):
    await backend.identify("ab" * 32)
    await backend.flush(Batch(INTENTS))
    await backend.flush(Batch((), OUTCOMES, DENIALS, (DenialCount(IDS[4], 13),)))
    await backend.close()


AT = int(IDS[0][:14], 16) / 1e6
THEN = (
    f"UPDATE intents SET at = {AT}, ends = {AT + 9}",
    *(f"UPDATE {table} SET at = {AT + 1}" for table in ("outcomes", "denials", "denial_counts", "repeats")),
)
for backend, url in ((Sqlite(Path(sys.argv[1])), f"sqlite:///{sys.argv[1]}"), (Postgresql(sys.argv[2]), sys.argv[2])):
    asyncio.run(write(backend))
    # rows are dated by the store's clock, and only hours that are over are counted
    with create_engine(url.replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
        for statement in THEN:
            connection.execute(text(statement))
    assert rollup.roll_up(parse_database(url, Path("/")))
"""


def make_store(program: Path, commit: str, file: str, url: str) -> None:
    """Let the program of a commit open a new store of each kind; the rows are what agents' calls left."""
    environment = {**os.environ, "PYTHONPATH": str(program)}
    make = _MAKE_BY_NUMBERS if commit in BY_NUMBERS else _MAKE
    subprocess.run([sys.executable, "-c", make, file, url], cwd=program, env=environment, check=True)

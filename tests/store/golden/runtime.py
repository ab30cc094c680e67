"""The runtime's store as each commit that touched its schema made it, with some rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMITS = ("ea0f08e", "5ef6be3", "180cb08", "61f44f9", "176bdf5")
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


def make_store(program: Path, file: str, url: str) -> None:
    """Let the program of a commit open a new store of each kind; the rows are what agents' calls left."""
    environment = {**os.environ, "PYTHONPATH": str(program)}
    subprocess.run([sys.executable, "-c", _MAKE, file, url], cwd=program, env=environment, check=True)

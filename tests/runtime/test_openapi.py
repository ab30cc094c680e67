"""Both listeners against what they say of themselves, by schemathesis; the seeds are fixed.

`python -m tests.campaigns.properties` asks ten times as much.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import Db, command_environment
from tests.properties.strategies import EXAMPLES
from tests.runtime.servers import OPERATOR, served

LEFT_OUT = "positive_data_acceptance"
"""What a template takes, or may be frozen, is not in the document: a value of the right form may be refused as 422."""


def test_no_answer_is_unlike_what_is_said(db: Db, folder: Path) -> None:
    seed = 1 if db.is_sqlite else 2
    with served(folder, db) as server:
        for base, token in ((server.agents, server.key), (server.operators, OPERATOR)):
            command = [sys.executable, "-m", "schemathesis.cli", "run", f"{base}/openapi.json", "--seed", str(seed)]
            command += [
                "--max-examples",
                str(round(100 * EXAMPLES)),
                "--exclude-checks",
                LEFT_OUT,
                "--no-color",
                "-H",
                f"Authorization: Bearer {token}",
            ]
            done = subprocess.run(
                command,
                cwd=folder,
                env=command_environment(),
                capture_output=True,
                text=True,
                timeout=240 * max(1, 10 * EXAMPLES),
                check=False,
            )
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
            assert " passed" in done.stdout
    assert "Traceback" not in server.log.read_text()

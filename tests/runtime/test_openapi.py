"""Both listeners against what they say of themselves, by schemathesis; the seeds are fixed.

`python -m tests.campaigns.properties` asks ten times as much.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from reconciler.runtime.llm.errors import STATUSES, wire_code
from reconciler.runtime.llm.reading import STREAMS
from reconciler.runtime.surfaces.llm_paths import BY_PATH
from reconciler.runtime.surfaces.openapi import openapi
from tests.conftest import Db, command_environment
from tests.properties.strategies import EXAMPLES
from tests.runtime.servers import OPERATOR, served

LEFT_OUT = "positive_data_acceptance"
"""What a template takes, or may be frozen, is not in the document: a value of the right form may be refused as 422."""


def test_every_endpoint_of_models_is_in_the_document_for_agents() -> None:
    """With each code of our own errors, at its status, in the shape of its format."""
    paths = openapi("agents")["paths"]
    assert {path for path in paths if path in BY_PATH} == {*BY_PATH}
    assert {"/v1/models", "/v1/models/{id}"} <= {*paths}
    assert not [path for path in openapi("operators")["paths"] if path in BY_PATH or path.startswith("/v1/models")]
    for path, endpoint in BY_PATH.items():
        answers = paths[path]["post"]["responses"]
        for code, status in STATUSES.items():
            shown = 529 if status == 503 and endpoint.format == "anthropic" else status
            assert wire_code(code) in answers[str(shown)]["description"]
        for status, answer in answers.items():
            if status == "200":
                assert ("text/event-stream" in answer["content"]) == (endpoint.name in STREAMS)
            else:
                schema = answer["content"]["application/json"]["schema"]["$ref"]
                assert schema.endswith("OpenaiError" if endpoint.format == "openai" else "AnthropicError")


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

"""Every command of docs/secrets.md about credentials runs, on all eight types of them."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import PrivateFormat

from reconciler.model.stored_secret import TYPES
from reconciler.secrets.keys import create_keys
from tests.conftest import ROOT, command_environment
from tests.secrets.test_values import certificate, private_key, written

MANIFEST = """version: 1
tenant: acme
integrations:
  openai: {provider: openai, credential: "encrypted://openai", models: [gpt-4o]}
connectors:
  warehouse: {type: sql, dialect: postgresql, dsn: "encrypted://warehouse"}
  login: {type: http, base_url: "https://a.example", auth: {type: basic, username: shop, password: "encrypted://login#password"}}
  tickets: {type: http, base_url: "https://b.example", auth: {type: bearer, token: "encrypted://tickets"}}
  others:
    type: http
    base_url: https://c.example
    headers:
      X-Crm-Secret: encrypted://crm#client_secret
      X-Pin: encrypted://other#pin
      X-Key: encrypted://deploy#public_key
      X-Certificate: encrypted://mtls#certificate
"""


def commands() -> list[str]:
    block = re.search(r"<!-- credentials -->\n```sh\n(.*?)```", (ROOT / "docs" / "secrets.md").read_text(), re.DOTALL)
    assert block is not None
    return [line for line in block[1].splitlines() if not line.startswith("#")]


def test_each_command_of_the_page_runs(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (tmp_path / "id_ed25519").write_text(private_key(form=PrivateFormat.OpenSSH))
    (tmp_path / "client.pem").write_text(certificate(datetime.now(UTC) + timedelta(days=400), key) + written(key))
    (tmp_path / "acme.yaml").write_text(MANIFEST)
    create_keys(tmp_path / "keys.json")
    given = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "RECONCILER_DATABASE_URL": "sqlite:///state.db",
        "RECONCILER_PROJECT": "shop",
        "RECONCILER_KEY_FILE": str(tmp_path / "keys.json"),
        "OPENAI_KEY": "sk-live-9fQz-of-nobody",
        "TICKETS_TOKEN": "tk-live-9fQz-of-nobody",
        "DB_PASSWORD": "9fQz-of-nobody",
    }
    found: dict[str, str] = {}
    for command in commands():
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=tmp_path,
            env=command_environment(given),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert "9fQz-of-nobody" not in done.stdout + done.stderr
        found[command] = done.stdout
    types = {kind for command in found for kind in re.findall(r"--type (\w+)", command)}
    assert types == set(TYPES)
    asked = {command.split("secrets ")[1].split()[0] for command in found if "secrets " in command}
    assert asked == {"set", "show", "list", "rotate", "update", "expiring", "access-log", "delete"}
    due = found["reconciler secrets expiring --days 120"].splitlines()
    assert [line.split()[0] for line in due[1:]] == ["acme/tickets", "acme/openai"]
    log = found["reconciler secrets access-log acme/openai"].splitlines()
    assert [line.split()[1] for line in log[1:]] == ["rotate", "access", "set"]

"""Pages of this machine may ask a listener that listens to this machine alone; no others, and no other listener."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.load.serve_file import Listener
from reconciler.runtime.surfaces.origins import is_loopback_origin, takes_loopback_pages
from tests.conftest import Db
from tests.runtime.servers import served

OURS = ["http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:8080"]
OTHERS = [
    "null",
    "",
    "localhost",
    "http://localhost.evil.example",
    "http://evil.example",
    "http://127.0.0.1.evil.example:80",
    "http://127.0.0.2",
    "http://localhost:6274@evil.example",
    "http://localhost/x",
    "http://localhost:123456",
    "file://localhost",
    "http://localhost\nx",
]


def test_which_origins_are_loopback() -> None:
    assert [one for one in OURS if not is_loopback_origin(one)] == []
    assert [one for one in OTHERS if is_loopback_origin(one)] == []


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("a.example", False),
    ],
)
def test_which_listeners_take_them(host: str, taken: bool) -> None:
    assert takes_loopback_pages(Listener(host=host)) is taken


def test_over_http(db: Db, folder: Any) -> None:
    with served(folder, db) as server:
        for origin, status in ((OURS[1], 200), (OURS[3], 200), (OTHERS[4], 403), ("null", 403)):
            with server.client(headers={"Origin": origin}) as client:
                assert client.get("/v1/tools").status_code == status, origin


PAGE, STRANGER = "https://console.example", "https://evil.example"
ASKED = (
    "authorization, content-type, idempotency-key, x-run-id, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name"
)


def test_a_page_of_an_allowed_origin_may_ask(db: Db, folder: Path) -> None:
    """As browsers do: a preflight without a credential, then the request; a page may read answers, refusals too."""
    with (
        served(folder, db, agents={"allowed_origins": [PAGE]}) as server,
        httpx.Client(base_url=server.agents, timeout=20) as web,
    ):
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ASKED}
        for path in ("/mcp", "/v1/tools/top/call", "/healthz", "/.well-known/oauth-protected-resource/mcp"):
            answer = web.options(path, headers={"Origin": PAGE, **preflight})
            assert (answer.status_code, answer.content) == (204, b"")
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert answer.headers["Vary"] == "Origin"
            assert "POST" in answer.headers["Access-Control-Allow-Methods"]
            allowed = {one.strip().lower() for one in answer.headers["Access-Control-Allow-Headers"].split(",")}
            assert {*ASKED.split(", ")} <= allowed
            assert "Access-Control-Allow-Credentials" not in answer.headers
            refused = web.options(path, headers={"Origin": STRANGER, **preflight})
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong-origin")
            assert not [name for name in refused.headers if name.startswith("access-control")]
        bearer = {"Authorization": f"Bearer {server.key}"}
        done = web.post("/v1/tools/top/call", json={"arguments": {"region": "eu"}}, headers={"Origin": PAGE, **bearer})
        unknown = web.post("/mcp", json={}, headers={"Origin": PAGE})
        nobody = web.options("/mcp", headers={"Origin": PAGE})  # no preflight: like any other request
        for answer, status in ((done, 200), (unknown, 401), (nobody, 401)):
            assert answer.status_code == status
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            readable = answer.headers["Access-Control-Expose-Headers"]
            assert {"WWW-Authenticate", "Retry-After", "X-Cut", "Idempotency-Replayed"} <= {*readable.split(", ")}
        without = web.get("/v1/tools", headers=bearer)
        assert without.status_code == 200
        assert not [name for name in without.headers if name.startswith("access-control")]

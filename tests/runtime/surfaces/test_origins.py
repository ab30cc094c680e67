"""Pages of this machine may ask a listener that listens to this machine alone; no others, and no other listener."""

from __future__ import annotations

from typing import Any

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

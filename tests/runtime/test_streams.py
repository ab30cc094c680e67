"""A stream over a real connection to a real server ends when its key is revoked, and no other stream does."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx

from tests.conftest import Db
from tests.runtime.servers import Served, served
from tests.store.support import cli_on


class Stream:
    """What one client reads, in a thread, until the server ends it."""

    def __init__(self, server: Served, key: str) -> None:
        self.text, self.error, self.ended = "", "", 0.0
        self._thread = threading.Thread(target=self._read, args=(server, key), daemon=True)
        self._thread.start()

    def _read(self, server: Served, key: str) -> None:
        try:
            with server.client(key) as client, client.stream("GET", "/mcp") as answer:
                for part in answer.iter_text():
                    self.text += part
        except httpx.HTTPError as error:
            self.error = type(error).__name__
        self.ended = time.monotonic()

    @property
    def events(self) -> int:
        return self.text.count("data: 1\n\n")


def test_a_stream_ends_with_its_key(db: Db, folder: Path) -> None:
    with served(folder, db, module="tests.runtime.streaming") as server:
        other = cli_on(db.url, folder)("keys", "issue", "acme/bot").ok().out.strip()
        server.until(lambda: server.client(other).get("/v1/tools").status_code == 200)
        stays, goes = Stream(server, server.key), Stream(server, other)
        server.until(lambda: stays.events > 2 and goes.events > 2)
        server.command("keys", "revoke", "acme/bot", other.split("_")[1])
        revoked = time.monotonic()
        server.until(lambda: goes.ended > 0, 10)
        assert goes.ended - revoked < 5
        assert goes.error == ""  # it is whole: the last event says why
        last = goes.text.rpartition("event: error\ndata: ")[2]
        assert json.loads(last)["code"] == "unauthenticated"
        seen = stays.events
        server.until(lambda: stays.events > seen + 2)
        assert stays.ended == 0
        metrics = server.operator("/metrics").text
        assert 'code="unauthenticated",surface="mcp",tenant="acme"' in metrics

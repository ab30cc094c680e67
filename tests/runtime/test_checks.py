"""Checks of what is reached with access tokens, and of integrations in the sweep: what each grant can be asked, and what can't."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.resource import Resource
from reconciler.access.snapshot import snapshot_of
from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.health import Check, unasked
from reconciler.model.known import Known
from reconciler.model.spec import Spec
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.checks import check_of
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.health import Sweep
from reconciler.runtime.ledger.health_rows import health_of
from reconciler.runtime.ledger.use_counts import Counts, add
from reconciler.runtime.pools import Pools
from reconciler.store.url import parse_database
from reconciler.store.watch import look
from tests.conftest import Db
from tests.runtime.ledger.support import store_of, with_ledger
from tests.runtime.worlds import WORLD, apply

SECRET = "s3cret"


class Server:
    """A server of tokens and an API in one: tokens are `token-1` and so on, and ``refused`` are those that the API refuses."""

    def __init__(self, refused: tuple[str, ...] = (), status: int = 200) -> None:
        self.refused, self.status = refused, status
        self.fetched = 0
        self.seen: list[str] = []
        self.port = 0


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.fetched += 1
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(200, json.dumps({"access_token": f"token-{server.fetched}", "token_type": "Bearer"}))

        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            server.seen.append(f"{self.path} {token}")
            self._answer(401 if token in server.refused else server.status, "{}")

        do_HEAD = do_GET

        def _answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            return

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = made.server_address[1]
    threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        made.shutdown()
        made.server_close()


def around() -> Surroundings:
    async def resolve(_tenant: str, _reference: str) -> str:
        return SECRET

    return Surroundings(resolve, resolve, Permits((ip_network("127.0.0.0/8"),)))


def connector(server: Server, kind: str = "http", grant: str = "client_credentials") -> Resource:
    base = f"http://127.0.0.1:{server.port}"
    auth = {
        "type": "oauth2",
        "grant": grant,
        "client_id": "bot",
        "client_secret": "env://SECRET",
        "token_url": f"{base}/token",
    }
    reach = (
        {"type": "http", "base_url": f"{base}/v1"}
        if kind == "http"
        else {"type": "mcp", "transport": "streamable_http", "url": f"{base}/mcp"}
    )
    exceptions = [{"cidr": "127.0.0.0/8", "port": server.port}]
    address = Address("acme", "connector", "crm")
    spec = parse(KINDS["connector"], {**reach, "auth": auth, "network_exceptions": exceptions}, address)
    assert isinstance(spec, Spec), spec
    return Resource(Known(address, "uid", None, "p1", True), spec.normalised())


def checked(*resources: Resource) -> list[Check | None]:
    """Return checks that are made one after the other in one server process."""

    async def main() -> list[Check | None]:
        pools = Pools(CONNECTORS, around(), lambda _id: False)
        try:
            return [await check_of("acme", one, pools) for one in resources]
        finally:
            await pools.close()

    return asyncio.run(main())


def test_an_api_behind_oauth_is_asked_with_a_token() -> None:
    with serving(Server(status=404)) as server:
        first, second = checked(*[connector(server)] * 2)
        assert first is not None
        assert second is not None
        assert (first.state, second.state) == ("healthy", "healthy")
        assert server.seen == ["/v1 token-1"] * 2
        assert server.fetched == 1


def test_a_token_that_was_revoked_is_fetched_anew() -> None:
    with serving(Server(("token-1",))) as server:
        (found,) = checked(connector(server))
        assert found is not None
        assert (found.state, server.seen) == ("healthy", ["/v1 token-1", "/v1 token-2"])


def test_a_credential_that_is_refused_is_failing() -> None:
    with serving(Server(("token-1", "token-2"))) as server:
        (found,) = checked(connector(server))
        assert found is not None
        assert (found.state, found.reason) == ("failing", "it refuses the credential (401)")


@pytest.mark.parametrize("kind", ["http", "mcp"])
@pytest.mark.parametrize("grant", ["token_exchange", "on_behalf_of"])
def test_with_tokens_of_users_nothing_is_asked(kind: str, grant: str) -> None:
    """It is not called failing for want of a user, and a test says why nothing was asked."""
    with serving(Server()) as server:
        one = connector(server, kind, grant)
        assert checked(one) == [None]
        assert (server.fetched, server.seen) == (0, [])
        assert unasked(one.body).reason.startswith("its access tokens are made of its callers' own")


@pytest.mark.parametrize(("status", "state", "worse"), [(200, "healthy", 0), (429, "unknown", 1)])
def test_an_integration_that_was_used_is_swept_by_its_probe(
    db: Db, folder: Path, tmp_path: Path, status: int, state: str, worse: int
) -> None:
    with_ledger(db, _nothing)
    control = Db(f"sqlite:///{tmp_path}/control.db")
    with serving(Server(status=status)) as server:
        local = {"provider": "ollama", "base_url": f"http://127.0.0.1:{server.port}"}
        apply(control, folder, {**WORLD, "integrations": {"local": local, "unused": local}})
        snapshot = snapshot_of(look(parse_database(control.url, Path("/"))).known)
        uid = snapshot.tenant("acme").resources["integration/local"].uid
        add(store_of(db), {("acme", uid): Counts(1, 0)})

        async def main() -> int | None:
            pools = Pools(CONNECTORS, around(), lambda _id: False)

            async def check(tenant: str, resource: Resource) -> Check | None:
                return await check_of(tenant, resource, pools)

            return await Sweep(store_of(db), "one", check, ()).once(snapshot)

        assert asyncio.run(main()) == 1
        assert server.seen == ["/api/tags "]
        ((_, found),) = health_of(store_of(db)).items()
        assert (found.state, found.worse) == (state, worse)


async def _nothing(*_: object) -> None:
    return None

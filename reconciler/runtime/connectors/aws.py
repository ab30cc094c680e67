"""Clients of AWS and of compatible services, which dial judged addresses only and know nothing of the machine that they run on.

By itself aiobotocore follows redirects and sends every byte through ``HTTP_PROXY``, past any guard; botocore reads profiles, credentials,
endpoints and models from the environment and from ``~/.aws``, and asks metadata servers for credentials.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, TypeAlias

import aiohttp

from reconciler.codes import Code
from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Resolve, Surroundings
from reconciler.runtime.connectors.guarded import CONNECTIONS, PIECE, Guard, refusal_behind
from reconciler.runtime.extras import client_not_installed

MOST_SAID = 16 * 1024 * 1024
"""Bytes of an answer that is not streamed: one page of a list."""
REGION = "us-east-1"
"""Where a connector names none."""
_FIELDS = ("access_key_id", "secret_access_key")
_ROLE_SECONDS = 3600
_EARLY = timedelta(minutes=5)
_SLOWEST = 3600
"""Seconds that the client itself waits at most: the deadline of a call comes first."""
Keys: TypeAlias = tuple[str, str, str | None]
"""The access key's id, the secret, and the token of a session."""
_REFUSING = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignatureException", "InvalidAccessKeyId",
    "InvalidClientTokenId", "InvalidSignatureException", "InvalidToken", "MissingAuthenticationTokenException", "SignatureDoesNotMatch",
    "UnrecognizedClientException", "401", "403",
})  # fmt: skip
_LIMITING = frozenset({
    "EC2ThrottledException", "RequestLimitExceeded", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "429",
})  # fmt: skip
_BY_KIND: Mapping[str, tuple[Code, str]] = {
    "refused": ("credential-refused", "the service refuses the credential"),
    "limited": ("upstream-limited", "the service says that a limit of its own is used up"),
    "failed": ("upstream-failed", "the service says that it failed"),
}


class Aws:
    """The client of one service for one connector, made when it is first asked for, with the connector's own credential."""

    def __init__(self, service: str, tenant: str, connector: Body, around: Surroundings) -> None:
        self._service, self._tenant, self._body, self._around = service, tenant, connector, around
        self._stack, self._lock = AsyncExitStack(), asyncio.Lock()
        self._client: Any = None
        self._credentials: Any = None
        self._role: tuple[Keys, datetime] | None = None

    async def client(self, anew: bool = False) -> Any:
        """Return the client. Raises Failed; ``anew``: the credential that was used was refused.

        References are resolved each time, so that a secret that was rotated takes effect.
        """
        keys = await self._keys(self._around.resolve_anew if anew else self._around.resolve)
        async with self._lock:
            if self._body.get("role_arn") is not None:
                keys = await self._assumed(keys, anew)
            if self._client is None:
                self._client, self._credentials = await self._made(self._service, keys)
            held = self._credentials
            held.access_key, held.secret_key, held.token = keys
        return self._client

    async def close(self) -> None:
        await self._stack.aclose()
        self._client = None

    async def _keys(self, resolve: Resolve) -> Keys:
        first, second = (self._body.get(name) for name in _FIELDS)
        if first is None or second is None:
            message = "the connector has no `access_key_id` and `secret_access_key`, and the identity of the machine is not used"
            raise Failed("credential-unresolved", message, "blocked")
        return await resolve(self._tenant, first), await resolve(self._tenant, second), None

    async def _assumed(self, keys: Keys, anew: bool) -> Keys:
        """Return the keys of a session of the connector's role, which are kept until shortly before they end. Raises Failed."""
        if self._role is not None and not anew and datetime.now(UTC) < self._role[1] - _EARLY:
            return self._role[0]
        async with AsyncExitStack() as stack:
            client, _ = await self._made("sts", keys, stack)
            try:
                found = await client.assume_role(
                    RoleArn=self._body["role_arn"], RoleSessionName="reconciler", DurationSeconds=_ROLE_SECONDS
                )
            except Exception as error:
                raise failure_of(error, "failure") from None
        given = found["Credentials"]
        for secret in (given["SecretAccessKey"], given["SessionToken"]):
            self._around.note(self._tenant, secret)
        assumed = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        self._role = assumed, given["Expiration"]
        return assumed

    async def _made(self, service: str, keys: Keys, stack: AsyncExitStack | None = None) -> tuple[Any, Any]:
        """Return a client and the credential that it signs with, which may be changed. Raises Failed."""
        try:
            session, config = _session(), _config(self._body, self._around)
        except ModuleNotFoundError as error:
            raise client_not_installed(error) from None
        session.set_credentials(*keys)
        making = session.create_client(
            service,
            region_name=self._body.get("region") or REGION,
            endpoint_url=self._body.get("endpoint_url"),
            verify=ssl.get_default_verify_paths().cafile or True,
            config=config,
        )
        try:
            client = await (self._stack if stack is None else stack).enter_async_context(making)
        except Exception as error:
            raise failure_of(error, "failure") from None
        client.meta.events.register("before-call.s3", _stay_in_the_region)
        return client, await session.get_credentials()


def _stay_in_the_region(context: dict[str, Any], **_: Any) -> None:
    """Stop S3's own kind of redirect: a store that names another region gets the request once more there."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _session() -> Any:
    """Return a session that reads neither the environment nor a file of the machine."""
    from aiobotocore.session import AioSession
    from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

    unread = {name: (None, None, line[2], line[3]) for name, line in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    unread["config_file"] = unread["credentials_file"] = (None, None, None, None)
    session = AioSession(session_vars=unread)
    session.register_component("data_loader", _models())
    return session


@cache
def _models() -> Any:
    """Return the loader of the services' models, which keeps what it has read: to parse S3's costs half a second."""
    from botocore.loaders import Loader

    return Loader([Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _config(connector: Body, around: Surroundings) -> Any:
    from aiobotocore.config import AioConfig
    from aiobotocore.httpsession import AIOHTTPSession

    class WithoutRedirects(AIOHTTPSession):  # type: ignore[misc]
        """The client's own session, which would follow redirects."""

        async def _get_session(self, proxy_url: Any) -> Any:
            return _Once(await super()._get_session(proxy_url))

    guard = Guard(connector.get("network_exceptions", ()), around.permits)
    return AioConfig(
        connector_args={"resolver": guard, "socket_factory": guard.socket, "use_dns_cache": False},
        http_session_cls=WithoutRedirects,
        warm_up_loader_caches=True,
        proxies={},
        ignore_configured_endpoint_urls=True,
        max_pool_connections=CONNECTIONS,
        connect_timeout=_SLOWEST,
        read_timeout=_SLOWEST,
        retries={"total_max_attempts": 1, "mode": "standard"},
        user_agent="config-reconciler",
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if connector.get("endpoint_url") else "auto",
            "use_accelerate_endpoint": False,
            "use_dualstack_endpoint": False,
            "use_arn_region": False,
            "us_east_1_regional_endpoint": "regional",
        },
    )


class _Once:
    """A session of aiohttp whose requests are one request each, and whose answers are bounded where they are read whole."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def request(self, method: str, **more: Any) -> Any:
        response = await self._session.request(method, allow_redirects=False, **more)
        response.read = partial(
            _bounded, response
        )  # by itself it takes whatever comes; what is streamed is read otherwise
        return response


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return a whole answer. Raises Failed for a larger one than any service sends."""
    data = bytearray()
    async for piece in response.content.iter_chunked(PIECE):
        data += piece
        if len(data) > MOST_SAID:
            response.close()
            raise Failed("too-large", "the answer is larger than allowed", "failure")
    response.release()
    return bytes(data)


def failure_of(error: BaseException, outcome: str) -> Failed:
    """Return what an error of a client means for a call; ``outcome`` where it is open whether the service acted."""
    if (refused := refusal_behind(error)) is not None:
        return refused
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return _by_answer(error, outcome)
    if isinstance(error, HTTPClientError | ConnectionError | OSError | asyncio.TimeoutError | aiohttp.ClientError):
        dialled = not isinstance(getattr(error, "kwargs", {}).get("error"), aiohttp.ClientConnectorError)
        message = "the service can't be reached, or ended the connection"
        return Failed("unreachable", message, outcome if dialled else "failure")
    return Failed("upstream-failed", "the service or the client for it failed", outcome)


def _by_answer(error: Any, outcome: str) -> Failed:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    kind = "refused" if code in _REFUSING else "limited" if code in _LIMITING else "failed"
    server_failed = kind == "failed" and isinstance(status, int) and status >= 500
    return Failed(*_BY_KIND[kind], outcome if server_failed else "failure", status if isinstance(status, int) else None)

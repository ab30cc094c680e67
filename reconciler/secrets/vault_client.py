"""A logged-in client of HashiCorp Vault or OpenBao, made of the variables that their own command lines read.

The address comes from the environment alone: a file in a pull request must not say where a token is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import hvac
import requests
from hvac import exceptions

from reconciler.errors import CredentialUnresolved
from reconciler.secrets.fetch import Outside, Retry, Unreachable, retried
from reconciler.secrets.secret import Secret

MOST_BYTES = 1024 * 1024
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token"
EARLY = 10.0
"""Seconds before a token's end at which a new one is fetched."""

REFUSED = "secret-store-refused"
T = TypeVar("T")


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """``VAULT_name``, or OpenBao's ``BAO_name``."""
    return environ.get(f"VAULT_{name}") or environ.get(f"BAO_{name}") or None


class Vault:
    """One server. Safe for threads."""

    def __init__(self, outside: Outside) -> None:
        """Raises CredentialUnresolved where the environment doesn't say which server, or how to log in."""
        environ = outside.environ
        self._environ = environ
        self.timeout = outside.timeout
        address = variable(environ, "ADDR")
        if not address:
            raise Unreachable("no Vault is configured", hint="set VAULT_ADDR, and VAULT_TOKEN or VAULT_AUTH_METHOD")
        self.address = address
        self._login = _login(environ)
        self._session = _session(environ)
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._until = 0.0

    def call(self, work: Callable[[hvac.Client], T], what: str) -> T:
        """``work`` with a client, tried again in bounds. ``what`` names the thing that is asked for, in errors.

        Raises CredentialUnresolved: not there, not permitted, or (Unreachable) no fitting answer.
        """

        def attempt(seconds: float) -> T:
            client = self._ready(seconds)
            return work(client)

        return retried(lambda seconds: self._translated(attempt, seconds, what), self.timeout)

    def _translated(self, attempt: Callable[[float], T], seconds: float, what: str) -> T:
        where = f"the Vault at {_host(self.address)}"
        try:
            return attempt(seconds)
        except exceptions.InvalidPath:
            raise CredentialUnresolved(
                f"{what} does not resolve: {where} has no such secret, or it is deleted"
            ) from None
        except (exceptions.Forbidden, exceptions.Unauthorized):
            self._forget_token()
            denied = CredentialUnresolved(
                f"{what} does not resolve: {where} does not permit it",
                code="secret-store-denied",
                hint="does the token's policy allow to read this path, in this namespace?",
            )
            # a token that was fetched a while ago may have ended since
            raise (denied if self._session.own.fresh else Retry(denied)) from None
        except exceptions.InvalidRequest:
            raise CredentialUnresolved(
                f"{what} does not resolve: {where} refuses the request as malformed",
                code=REFUSED,
                hint="check the login's role and the reference's path",
            ) from None
        except exceptions.RateLimitExceeded:
            raise Retry(Unreachable(f"{what} does not resolve: {where} answers too many requests (429)")) from None
        except exceptions.VaultDown:
            sealed = Unreachable(f"{what} does not resolve: {where} is sealed or down (503)", hint="unseal it")
            raise Retry(sealed) from None
        except (exceptions.InternalServerError, exceptions.BadGateway):
            raise Retry(Unreachable(f"{what} does not resolve: {where} has an internal error")) from None
        except exceptions.VaultError as error:
            raise Unreachable(f"{what} does not resolve: {where} answers with {type(error).__name__}") from None
        except requests.exceptions.SSLError:
            raise Unreachable(
                f"{what} does not resolve: the certificate of {where} can't be verified", hint="set VAULT_CACERT"
            ) from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise Unreachable(f"{what} does not resolve: VAULT_ADDR is not a URL") from None
        except requests.exceptions.RequestException as error:
            reason = "does not answer in time" if isinstance(error, requests.exceptions.Timeout) else "can't be reached"
            raise Retry(Unreachable(f"{what} does not resolve: {where} {reason}")) from None

    def _ready(self, seconds: float) -> hvac.Client:
        with self._lock:
            if self._client is None:
                self._client = hvac.Client(
                    url=self.address,
                    token="",
                    namespace=variable(self._environ, "NAMESPACE"),
                    session=self._session,
                    timeout=max(1, round(self.timeout)),  # the session bounds it more exactly
                    allow_redirects=False,
                )
            self._session.own.seconds = seconds
            self._session.own.fresh = False
            if not self._client.token or time.monotonic() > self._until:
                lasts = self._login(self._client)
                self._until = time.monotonic() + lasts - EARLY if lasts else float("inf")
                self._session.own.fresh = True
            return self._client

    def _forget_token(self) -> None:
        """A token may have been revoked: the next call logs in anew."""
        with self._lock:
            if self._client is not None:
                self._client.token = ""


Login = Callable[[hvac.Client], float]
"""Sets the client's token; returns how many seconds it lasts, 0 for no end that is known."""


def _login(environ: Mapping[str, str]) -> Login:
    given, role_id = variable(environ, "TOKEN"), variable(environ, "ROLE_ID")
    method = variable(environ, "AUTH_METHOD") or ("approle" if role_id and not given else "token")
    mount = variable(environ, "AUTH_MOUNT") or method
    role = variable(environ, "ROLE") or ""

    def token(client: hvac.Client) -> float:
        found = given or _file(str(Path(environ.get("HOME", "/nonexistent")) / ".vault-token"))
        if not found:
            raise Unreachable("there is no token for Vault", hint="set VAULT_TOKEN, or VAULT_AUTH_METHOD")
        client.token = found
        return 0.0

    def approle(client: hvac.Client) -> float:
        secret_id = variable(environ, "SECRET_ID") or _file(variable(environ, "SECRET_ID_FILE"))
        return _lasting(client.auth.approle.login(role_id or "", secret_id, mount_point=mount))

    def kubernetes(client: hvac.Client) -> float:
        jwt = _file(variable(environ, "JWT_FILE") or SERVICE_ACCOUNT)
        return _lasting(client.auth.kubernetes.login(role, _there(jwt), mount_point=mount))

    def jwt(client: hvac.Client) -> float:
        found = variable(environ, "JWT") or _file(variable(environ, "JWT_FILE"))
        return _lasting(client.auth.jwt.jwt_login(role, _there(found), path=mount))

    methods: dict[str, Login] = {"token": token, "approle": approle, "kubernetes": kubernetes, "jwt": jwt}
    if method not in methods:
        raise Unreachable(f"VAULT_AUTH_METHOD is none of {', '.join(methods)}")
    return methods[method]


def _there(jwt: str | None) -> str:
    if not jwt:
        raise Unreachable("there is no JWT to log in to Vault with", hint="set VAULT_JWT_FILE")
    return jwt


def _file(name: str | None) -> str | None:
    try:
        found = Path(name).read_text().strip() if name else ""
    except (OSError, UnicodeDecodeError):
        return None
    return found or None


def _lasting(answer: Any) -> float:
    try:
        auth = answer["auth"]
        Secret(str(auth["client_token"]))  # so that it is scrubbed from whatever is written
        return float(auth["lease_duration"])
    except (KeyError, TypeError, ValueError):
        raise Unreachable("Vault's answer to the login is not what its API promises") from None


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2] or "VAULT_ADDR"


class _Own(threading.local):
    """What belongs to the call of one thread: how long it may last, and whether it has just logged in."""

    seconds = 10.0
    fresh = False


class _Bounded(requests.Session):
    """Reads no more than ``MOST_BYTES`` and no longer than ``seconds``: requests' own timeout is per read."""

    def __init__(self) -> None:
        super().__init__()
        self.own = _Own()

    def send(self, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        deadline = time.monotonic() + self.own.seconds
        response = super().send(request, **{**named, "stream": True, "timeout": self.own.seconds})
        body = b""
        for chunk in response.iter_content(8192):
            body += chunk
            if len(body) > MOST_BYTES:
                raise requests.exceptions.ContentDecodingError("too long")
            if time.monotonic() > deadline:
                raise requests.exceptions.ReadTimeout("too slow")
        response._content = body
        if response.is_redirect:  # from a standby; the token must not follow it
            raise exceptions.UnexpectedError("a redirect")
        return response


def _session(environ: Mapping[str, str]) -> _Bounded:
    session = _Bounded()
    session.trust_env = False  # no .netrc, no proxy that was meant for something else
    session.verify = variable(environ, "CACERT") or variable(environ, "CAPATH") or True
    proxy = variable(environ, "PROXY_ADDR")
    session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    certificate, key = variable(environ, "CLIENT_CERT"), variable(environ, "CLIENT_KEY")
    if certificate and key:
        session.cert = (certificate, key)
    return session

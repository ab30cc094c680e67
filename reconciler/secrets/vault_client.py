"""A logged-in client of HashiCorp Vault or OpenBao, made of the variables that their own command lines read.

The address comes from the environment alone: a file in a pull request must not say where a token is sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import hvac
import requests
from hvac import adapters, exceptions

from reconciler.errors import CredentialUnresolved
from reconciler.secrets.fetch import Outside, Retry, Unreachable, retried
from reconciler.secrets.vault_login import login_of
from reconciler.secrets.vault_session import Odd, session_of

EARLY = 10.0
"""Seconds before a token's end at which a new one is fetched; half of its time for a token that lasts no longer."""
T = TypeVar("T")


def settings(environ: Mapping[str, str]) -> dict[str, str]:
    """``VAULT_name`` as ``name``. Where ``BAO_ADDR`` alone says where the server is, ``BAO_name`` goes before it.

    Beside a ``VAULT_ADDR``, OpenBao's variables are not read: a token for one server is never sent to another one.
    """
    families = ("VAULT_",) if environ.get("VAULT_ADDR") else ("VAULT_", "BAO_")
    return {
        name.removeprefix(family): text
        for family in families
        for name, text in environ.items()
        if name.startswith(family) and text
    }


class ExactAdapter(adapters.RawAdapter):
    """Answers of status 200 as JSON, with decimals as the text that was sent: a float would make ``1.10`` into ``1.1``."""

    def get_login_token(self, response: Any) -> str:
        token: str = response["auth"]["client_token"]
        return token

    def request(self, *args: Any, **kwargs: Any) -> Any:
        response = super().request(*args, **kwargs)
        if response.status_code != HTTPStatus.OK:
            return response
        try:
            return response.json(parse_float=str)
        except ValueError:
            return response


class Purpose(NamedTuple):
    """What a request is for: how a failed one is described, and which capabilities a token's policy needs for it."""

    failed: str
    capabilities: str


READING = Purpose("does not resolve", "read")
WRITING = Purpose("is not written", "read, create, update and patch")


class _LoggedIn(NamedTuple):
    """A client whose token never changes, so that no thread takes it from another; a new token is a new client."""

    client: hvac.Client
    until: float


class Vault:
    """One server. Safe for threads."""

    def __init__(self, outside: Outside) -> None:
        """Read the settings. Raises Unreachable where the environment doesn't say which server, or how to log in."""
        self._settings = settings(outside.environ)
        self.timeout = outside.timeout
        self.address = self._settings.get("ADDR", "").strip()
        if not self.address:
            raise Unreachable("no Vault is configured", hint="set VAULT_ADDR, and VAULT_TOKEN or VAULT_AUTH_METHOD")
        namespace = self._settings.get("NAMESPACE", "")
        if not (namespace.isascii() and namespace.isprintable()):
            raise Unreachable("VAULT_NAMESPACE is no namespace", hint="it is a path, as team/shop")
        self._where = f"the Vault at {_host(self.address)}"
        self._login = login_of(self._settings, outside.environ.get("HOME"))
        self._session = session_of(self._settings)
        self._lock = threading.Lock()
        self._now: _LoggedIn | None = None

    def call(self, work: Callable[[hvac.Client], T], what: str, purpose: Purpose = READING) -> T:
        """``work`` with a client, tried again in bounds. ``what`` names the thing that is asked for, in errors.

        Raises CredentialUnresolved: not there, not permitted, or (Unreachable) no fitting answer.
        """
        return retried(lambda seconds: self._attempt(work, what, seconds, purpose), self.timeout)

    def _attempt(self, work: Callable[[hvac.Client], T], what: str, seconds: float, purpose: Purpose) -> T:
        self._session.own.until = time.monotonic() + seconds
        trouble = f"{what} {purpose.failed}: {self._where}"
        with self._translated(trouble):
            logged_in, is_new = self._ready(seconds)
            try:
                return work(logged_in.client)
            except (exceptions.Forbidden, exceptions.Unauthorized):
                denied = CredentialUnresolved(
                    f"{trouble} does not permit it",
                    code="secret-store-denied",
                    hint=f"does the token's policy allow to {purpose.capabilities} this path, in this namespace? "
                    "Has the token ended?",
                )
                if not is_new and self._is_over(logged_in.client):
                    self._forget(logged_in)
                    raise Retry(denied) from None
                raise denied from None

    def _ready(self, seconds: float) -> tuple[_LoggedIn, bool]:
        """Return the client, and whether it has logged in just now."""
        if not self._lock.acquire(timeout=seconds):  # another thread's login hangs
            raise requests.exceptions.ReadTimeout
        try:
            if self._now is not None and time.monotonic() < self._now.until:
                return self._now, False
            client = hvac.Client(
                url=self.address,
                adapter=ExactAdapter,
                token="",
                namespace=self._settings.get("NAMESPACE"),
                session=self._session,
                allow_redirects=False,
            )
            try:
                lasts = self._login(client)
            except (
                exceptions.InvalidRequest, exceptions.Unauthorized, exceptions.Forbidden, exceptions.InvalidPath
            ):  # fmt: skip
                # no other reference fares better, and each try may count against the login's limits
                raise Unreachable(
                    f"{self._where} refuses the login",
                    code="secret-store-denied",
                    hint="check VAULT_AUTH_METHOD, VAULT_AUTH_MOUNT, VAULT_NAMESPACE, the role and its credentials",
                ) from None
            self._now = _LoggedIn(client, time.monotonic() + (lasts - min(EARLY, lasts / 2) if lasts else float("inf")))
            return self._now, True
        finally:
            self._lock.release()

    @staticmethod
    def _is_over(client: hvac.Client) -> bool:
        """Whether a token that was denied is no token any more, rather than one that may not see everything."""
        try:
            client.adapter.get("/v1/auth/token/lookup-self")
        except (exceptions.Forbidden, exceptions.Unauthorized):
            return True
        except (exceptions.VaultError, requests.exceptions.RequestException):
            return False
        return False

    def _forget(self, logged_in: _LoggedIn) -> None:
        """Forget a login, so that the next call logs in anew; unless another thread has done so already."""
        with self._lock:
            if self._now is logged_in:
                self._now = None

    @staticmethod
    @contextmanager
    def _translated(trouble: str) -> Iterator[None]:
        """Turn exceptions of the client into errors of ours, without any text of their own: it may hold secrets."""
        with _without_answer(trouble), _with_answer(trouble):
            yield


@contextmanager
def _with_answer(trouble: str) -> Iterator[None]:
    """Translate what the client raises for a response."""
    try:
        yield
    except exceptions.InvalidPath:
        raise CredentialUnresolved(f"{trouble} has no such secret, or it is deleted") from None
    except exceptions.InvalidRequest as error:
        if _WANTS_TLS in str(error.text):
            raise Unreachable(f"{trouble} speaks HTTPS, and was asked by HTTP", hint=_HTTPS) from None
        raise CredentialUnresolved(
            f"{trouble} refuses the request as malformed",
            code="secret-store-refused",
            hint="check the reference's path",
        ) from None
    except exceptions.RateLimitExceeded:
        raise Retry(Unreachable(f"{trouble} answers too many requests (429)")) from None
    except exceptions.VaultDown:
        raise Retry(Unreachable(f"{trouble} is sealed or down (503)", hint="unseal it")) from None
    except exceptions.VaultNotInitialized:
        raise Unreachable(f"{trouble} is not initialized (501)") from None
    except (exceptions.InternalServerError, exceptions.BadGateway):
        raise Retry(Unreachable(f"{trouble} has an internal error")) from None
    except Odd as odd:
        raise Unreachable(f"{trouble} answers with {odd.args[0]}") from None
    except exceptions.VaultError as error:
        raise Unreachable(f"{trouble} answers with {type(error).__name__}") from None


@contextmanager
def _without_answer(trouble: str) -> Iterator[None]:
    """Translate what the client raises where there is no response, or none by Vault's API."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        if any(sign in str(error) for sign in _NO_TLS):
            raise Unreachable(f"{trouble} speaks HTTP, and was asked by HTTPS", hint=_HTTP) from None
        raise Unreachable(f"{trouble} has a certificate that can't be verified", hint="set VAULT_CACERT") from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise Unreachable(f"{trouble} can't be asked: VAULT_ADDR is not a URL of HTTP") from None
    except requests.exceptions.Timeout:
        raise Retry(Unreachable(f"{trouble} does not answer in time")) from None
    except requests.exceptions.RequestException:
        raise Retry(Unreachable(f"{trouble} can't be reached")) from None
    except OSError:
        raise Unreachable(
            f"{trouble} can't be asked: a file of certificates can't be read",
            hint="check VAULT_CACERT, VAULT_CAPATH, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY",
        ) from None
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError):
        raise Unreachable(f"{trouble} gives an answer that is not as Vault's API promises") from None


_WANTS_TLS = "HTTP request to an HTTPS server"
"""How Go's HTTP server, and so Vault and OpenBao, refuses a request without TLS."""
_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "wrong version number",
    "UNKNOWN_PROTOCOL",
    "record layer failure",
    "RECORD_LAYER_FAILURE",
)
"""What OpenSSL makes of an answer that is no TLS."""
_HTTPS = "write https:// in VAULT_ADDR, and name its certificate in VAULT_CACERT where no public authority signed it"
_HTTP = "write http:// in VAULT_ADDR for a server on this machine; anywhere else the server should speak TLS"


def _host(address: str) -> str:
    """Host and port alone: a URL may hold a password."""
    try:
        parts = urlsplit(address)
        return f"{parts.hostname or 'VAULT_ADDR'}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "VAULT_ADDR"

"""HTTP with JSON for the API of a forge, by the standard library: a pipeline's step installs nothing more for it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

TIMEOUT = 30.0
MAX_BYTES = 64 * 2**20
PAGE = 100
_PAGES = 50
_PASSING = {429, 502, 503, 504}
_TRIES = 3


class ForgeError(Exception):
    """The forge answered with an error, or not at all; ``status`` is None then."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """One API with the credentials for it, which no other host sees."""

    def __init__(self, base: str, headers: Mapping[str, str], pause: float = 2.0) -> None:
        if urlsplit(base).scheme not in {"http", "https"}:
            raise ForgeError("the address of the API is no URL")
        self._base, self._headers, self._pause = base.rstrip("/"), dict(headers), pause
        self._opener: OpenerDirector = build_opener(_Redirects(tuple(headers)))

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        """Return the JSON of a response. Raises ForgeError."""
        data = None if body is None else json.dumps(body).encode()
        text = self._ask(method, path, data, "application/json", query)
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise ForgeError(f"{method} {path}: the response is no JSON") from None

    def pages(self, path: str, key: str | None = None, **query: str) -> Iterator[Any]:
        """Yield the items of all pages of a list; with ``key`` each page is an object that holds its items there."""
        for number in range(1, _PAGES + 1):
            page = self.json("GET", path, None, **query, per_page=str(PAGE), page=str(number))
            items = page[key] if key is not None else page
            yield from items
            if len(items) < PAGE:
                return

    def download(self, path: str) -> bytes:
        """Return the bytes of a file, at most MAX_BYTES of it. Raises ForgeError."""
        return self._ask("GET", path, None, None, {})

    def upload(self, path: str, data: bytes) -> None:
        """Store a file. Raises ForgeError."""
        self._ask("PUT", path, data, "application/octet-stream", {})

    def _ask(self, method: str, path: str, data: bytes | None, content: str | None, query: Mapping[str, str]) -> bytes:
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers, **({"Content-Type": content} if content and data is not None else {})}
        for attempt in range(1, _TRIES + 1):
            try:
                request = Request(url, data, headers, method=method)  # noqa: S310 - the scheme was checked
                with self._opener.open(request, timeout=TIMEOUT) as response:
                    found: bytes = response.read(MAX_BYTES + 1)
            except HTTPError as error:
                if method == "GET" and error.code in _PASSING and attempt < _TRIES:
                    time.sleep(self._pause * attempt)
                    continue
                raise ForgeError(f"{method} {path}: {error.code} {error.reason}", error.code) from None
            except (URLError, OSError) as error:
                reason = getattr(error, "reason", None) or type(error).__name__
                raise ForgeError(f"{method} {path}: no response ({reason})") from None
            if len(found) > MAX_BYTES:
                raise ForgeError(f"{method} {path}: the response is too large")
            return found
        raise AssertionError("unreachable")


class _Redirects(HTTPRedirectHandler):
    """Follow a redirect to another host without the credentials: files are stored with another company."""

    def __init__(self, secret: tuple[str, ...]) -> None:
        self._secret = {name.lower() for name in secret}

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        """Return the request of the new address; none from https to http."""
        found = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if found is None or new.scheme not in {"http", "https"} or (old.scheme == "https" != new.scheme):
            return None
        if old.netloc != new.netloc:
            found.headers = {name: value for name, value in found.headers.items() if name.lower() not in self._secret}
        return found

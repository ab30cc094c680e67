"""Containers of Azure's Blob Storage, by its REST API.

Source: Authorize with Shared Key, and Blob service REST API, version 2021-08-06.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import xml.etree.ElementTree as ElementTree
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from reconciler.kinds.template.file_path import Segments
from reconciler.model.body import Body
from reconciler.model.status import moment
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.file_rest import MISSING, Request, Rest
from reconciler.runtime.connectors.file_store import Entry, Opened, Store, Written, exists, key_of, prefix_of

VERSION = "2021-08-06"
_TAKEN = frozenset({409, 412})
_SIGNED = ("Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Type", "Date",
           "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range")  # fmt: skip
_LIST = {"restype": "container", "comp": "list"}


async def open_store(tenant: str, connector: Body, around: Surroundings) -> Store:
    """Reaches nobody yet."""
    return _Azure(tenant, connector, around)


class _Page(NamedTuple):
    entries: list[Entry]
    following: str


class _Azure:
    """One container."""

    def __init__(self, tenant: str, connector: Body, around: Surroundings) -> None:
        self._tenant, self._reference, self._around = tenant, connector.get("credential"), around
        self._account = connector["account"]
        base = connector.get("endpoint_url") or f"https://{quote(self._account, safe='')}.blob.core.windows.net"
        self._container = f"{base.rstrip('/')}/{quote(connector['container'], safe='')}"
        self._rest = Rest(connector, around)
        self._credential = ""

    async def authorize(self, anew: bool) -> None:
        if self._reference is None:
            message = "the connector has no `credential`, and the identity of the machine is not used"
            raise Failed("credential-unresolved", message, "blocked")
        resolve = self._around.resolve_anew if anew else self._around.resolve
        self._credential = (await resolve(self._tenant, self._reference)).strip()

    async def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        query = {**_LIST, "prefix": prefix_of(folder), "maxresults": "1000"}
        while True:
            page = await self._page(query)
            for one in page.entries:
                yield one
            if not page.following:
                return
            query["marker"] = page.following

    def opened(self, path: Segments) -> AbstractAsyncContextManager[Opened]:
        return self._rest.opened(self._request("GET", self._blob(path)))

    async def write(self, path: Segments, written: Written) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": written.media_type}
        if not written.replaces:
            headers["If-None-Match"] = "*"
        try:
            await self._rest.ask(self._request("PUT", self._blob(path), headers=headers, data=written.data))
        except Failed as error:
            raise exists() if error.status in _TAKEN and not written.replaces else error from None

    async def delete(self, path: Segments) -> None:
        try:
            await self._rest.ask(self._request("DELETE", self._blob(path)))
        except Failed as error:
            if error.status != MISSING:
                raise

    async def ping(self) -> None:
        await self._page({**_LIST, "maxresults": "1"})

    async def close(self) -> None:
        await self._rest.close()

    def _blob(self, path: Segments) -> str:
        return f"{self._container}/{quote(key_of(path), safe='/')}"

    async def _page(self, query: Mapping[str, str]) -> _Page:
        return _read(
            await self._rest.ask(self._request("GET", f"{self._container}?{urlencode(query, quote_via=quote)}"))
        )

    def _request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> Request:
        """Return a request with its credential: a SAS in the query, or a signature with the account's key. Raises Failed."""
        whole = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": VERSION, **(headers or {})}
        if "sig=" in self._credential:
            return Request(method, f"{url}{'&' if '?' in url else '?'}{self._credential.lstrip('?')}", whole, data)
        try:
            key = b64decode(self._credential, validate=True)
        except binascii.Error:
            message = "the credential is neither an account's key nor a SAS token"
            raise Failed("credential-unresolved", message, "blocked") from None
        # by itself the client sends a Content-Type with a body, which would have to be signed: ours is always given
        signature = hmac.new(key, _to_sign(method, url, whole, data, self._account).encode(), hashlib.sha256).digest()
        whole["Authorization"] = f"SharedKey {self._account}:{b64encode(signature).decode()}"
        return Request(method, url, whole, data)


def _to_sign(method: str, url: str, headers: Mapping[str, str], data: bytes | None, account: str) -> str:
    parts = urlsplit(url)
    length = str(len(data)) if data else ""
    standard = [length if name == "Content-Length" else headers.get(name, "") for name in _SIGNED]
    own = [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("x-ms-")]
    query = [f"{name}:{value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True))]
    return "\n".join([method, *standard, *own, f"/{account}{parts.path}", *query])


def _read(said: bytes) -> _Page:
    """Return a page of a list. Raises Failed for one of another form, and for one that defines entities."""
    try:
        if b"<!DOCTYPE" in said:
            raise ValueError
        root = ElementTree.fromstring(said.decode("utf-8-sig"))  # noqa: S314  # without a DTD there are no entities
        entries = [_entry(one) for one in root.iter("Blob")]
    except (ElementTree.ParseError, ValueError, UnicodeDecodeError):
        raise Failed("invalid-response", "the store's list is not what is expected", "failure") from None
    return _Page(entries, root.findtext("NextMarker") or "")


def _entry(one: ElementTree.Element) -> Entry:
    """Return a file of a list. Raises ValueError."""
    name = one.find("Name")
    text = (name.text or "") if name is not None else ""
    # names that XML can't hold come encoded
    shown = unquote(text) if name is not None and name.get("Encoded") == "true" else text
    size = int(one.findtext("Properties/Content-Length") or "0")
    changed = parsedate_to_datetime(one.findtext("Properties/Last-Modified") or "")
    return Entry(tuple(shown.split("/")), size, moment(changed))

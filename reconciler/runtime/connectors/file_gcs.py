"""Buckets of Google Cloud Storage, by its JSON API."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from secrets import token_hex
from typing import Any
from urllib.parse import quote, urlencode

from reconciler import strict_json
from reconciler.kinds.template.file_path import Segments
from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.file_rest import MISSING, Request, Rest
from reconciler.runtime.connectors.file_store import Entry, Opened, Store, Written, exists, key_of, prefix_of
from reconciler.runtime.connectors.google import GoogleTokens
from reconciler.strict_json import NotStrict

URL = "https://storage.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TAKEN = 412


async def open_store(tenant: str, connector: Body, around: Surroundings) -> Store:
    """Reaches nobody yet."""
    return _Gcs(tenant, connector, around)


class _Gcs:
    """One bucket."""

    def __init__(self, tenant: str, connector: Body, around: Surroundings) -> None:
        self._tenant, self._credential, self._around = tenant, connector.get("credential"), around
        base = (connector.get("endpoint_url") or URL).rstrip("/")
        bucket = quote(connector["bucket"], safe="")
        self._objects, self._upload = f"{base}/storage/v1/b/{bucket}/o", f"{base}/upload/storage/v1/b/{bucket}/o"
        self._rest = Rest(connector, around)
        self._tokens = GoogleTokens(self._rest, _SCOPE, lambda token: around.note(tenant, token))
        self._headers: dict[str, str] = {}

    async def authorize(self, anew: bool) -> None:
        if self._credential is None:
            message = "the connector has no `credential`, and the identity of the machine is not used"
            raise Failed("credential-unresolved", message, "blocked")
        resolve = self._around.resolve_anew if anew else self._around.resolve
        key = await resolve(self._tenant, self._credential)
        self._headers = {"Authorization": f"Bearer {await self._tokens.token(key, anew)}"}

    async def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        query = {"prefix": prefix_of(folder), "maxResults": "1000", "fields": "items(name,size,updated),nextPageToken"}
        while True:
            page = await self._page(query)
            try:
                entries = [_entry(one) for one in page.get("items", ())]
                following = page.get("nextPageToken")
            except (KeyError, TypeError, ValueError, AttributeError):
                raise Failed("invalid-response", "the store's list is not what is expected", "failure") from None
            for one in entries:
                yield one
            if not isinstance(following, str) or not following:
                return
            query = {**query, "pageToken": following}

    def opened(self, path: Segments) -> AbstractAsyncContextManager[Opened]:
        # with gzip the store sends what it has; without, it would unpack some files, and not say how long they are
        headers = {**self._headers, "Accept-Encoding": "gzip"}
        return self._rest.opened(Request("GET", f"{self._object(path)}?alt=media", headers))

    async def write(self, path: Segments, written: Written) -> None:
        border = token_hex(16)
        facts = strict_json.write({"name": key_of(path), "contentType": written.media_type})
        parts = [
            f"--{border}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode() + facts,
            f"\r\n--{border}\r\nContent-Type: {written.media_type}\r\n\r\n".encode() + written.data,
            f"\r\n--{border}--\r\n".encode(),
        ]
        query = {"uploadType": "multipart", **({} if written.replaces else {"ifGenerationMatch": "0"})}
        headers = {**self._headers, "Content-Type": f"multipart/related; boundary={border}"}
        try:
            await self._rest.ask(Request("POST", f"{self._upload}?{urlencode(query)}", headers, b"".join(parts)))
        except Failed as error:
            raise exists() if error.status == _TAKEN else error from None

    async def delete(self, path: Segments) -> None:
        try:
            await self._rest.ask(Request("DELETE", self._object(path), self._headers))
        except Failed as error:
            if error.status != MISSING:
                raise

    async def ping(self) -> None:
        await self._page({"maxResults": "1", "fields": "nextPageToken"})

    async def close(self) -> None:
        await self._rest.close()

    def _object(self, path: Segments) -> str:
        return f"{self._objects}/{quote(key_of(path), safe='')}"

    async def _page(self, query: dict[str, str]) -> dict[str, Any]:
        said = await self._rest.ask(Request("GET", f"{self._objects}?{urlencode(query)}", self._headers))
        try:
            page = strict_json.read(said.decode())
        except (NotStrict, UnicodeDecodeError):
            page = None
        if not isinstance(page, dict):
            raise Failed("invalid-response", "the store's list is not what is expected", "failure")
        return page


def _entry(one: dict[str, Any]) -> Entry:
    """Return a file of a list. Raises KeyError, TypeError or ValueError."""
    moment = str(one["updated"])
    return Entry(tuple(str(one["name"]).split("/")), int(one["size"]), f"{moment[:19]}Z")

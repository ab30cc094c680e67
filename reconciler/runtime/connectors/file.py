"""Files of any store: one operation of a template, with its path joined and judged, its bytes bounded, its text decoded strictly."""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from reconciler import strict_json
from reconciler.access.resource import Resource
from reconciler.kinds.template.file_path import MEDIA_TYPE, Segments, covers, extent, filled, is_segment
from reconciler.kinds.template.sql_values import least
from reconciler.runtime.call import Answer, Call, Connection, Failed, Surroundings, ValuesRefused
from reconciler.runtime.connectors.file_store import Store, Written, open_store
from reconciler.runtime.deadline import until
from reconciler.runtime.threads import aside
from reconciler.runtime.tracing import part

MOST_RESULTS = 1000
"""Files of a list, where the template says nothing."""
MOST_SEEN = 100_000
"""Files that are looked at for one list, of which its datasource may cover few."""
_UNKNOWN = "application/octet-stream"
_BY_NAME = mimetypes.MimeTypes(filenames=())
"""Python's own table; by itself it reads those of the machine."""
_ENDS_LATE = 3
"""Bytes of a character of UTF-8 that a cut may leave behind."""


async def open_file(tenant: str, connector: Resource, around: Surroundings) -> Connection:
    """Reaches nobody yet."""
    return _Files(await open_store(tenant, connector.body, around))


async def judge_file(call: Call) -> None:
    """Raise Failed for a path outside of what the datasource lists, and for content above the bounds."""
    _path_of(call)
    if call.operation.body["operation"] == "write":
        _content_of(call)


def _path_of(call: Call) -> tuple[Segments, Segments]:
    """Return the datasource's folder and the path below it. Raises Failed: what values were judged for is judged once more."""
    body, datasource = call.operation.body, call.datasource
    folder, listed = extent(datasource.body) if datasource is not None else (None, ())
    if folder is None:
        raise Failed("invalid-path", "the prefix of the datasource is no folder", "blocked")
    path = filled(body.get("path"), call.values)
    if not all(map(is_segment, path)):
        raise ValuesRefused("invalid-path", "a value makes no name of a file", "blocked")
    if body["operation"] != "list" and not covers(listed, path):
        raise ValuesRefused("path-not-in-datasource", "the datasource does not list that file", "blocked")
    return folder, path


def _content_of(call: Call) -> bytes:
    """Return the bytes to be written. Raises Failed for more than allowed."""
    body = call.operation.body
    content: str | None = body.get("content")
    data: bytes = call.values[content[1:-1]].encode() if content else strict_json.write(call.body)
    if len(data) > least(body, call.connector.body, "max_bytes"):
        raise ValuesRefused("file-too-large", "the content is larger than allowed", "blocked")
    return data


class _Files:
    """One way to a store, for all calls."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self, call: Call) -> Answer:
        operation = call.operation.body["operation"]
        run = _OPERATIONS[operation]
        try:
            with until(call.deadline), part("http-client", operation):
                await self._store.authorize(anew=False)
                try:
                    return await run(self._store, call)
                except Failed as error:
                    if error.code != "credential-refused" or error.outcome == "unknown":
                        raise
                await self._store.authorize(anew=True)
                return await run(self._store, call)
        except TimeoutError:
            raise Failed("timeout", "it took too long", "unknown" if _changes(call) else "timeout") from None

    async def ping(self) -> None:
        await self._store.authorize(anew=False)
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()


def _changes(call: Call) -> bool:
    """Whether a call that ended early may have had its effect."""
    return call.effect and call.target.writes


async def _list(store: Store, call: Call) -> Answer:
    (folder, path), seen, more = _path_of(call), 0, False
    assert call.datasource is not None
    _, listed = extent(call.datasource.body)
    most = call.operation.body.get("max_results") or MOST_RESULTS
    found: list[dict[str, Any]] = []
    try:
        async with aclosing(store.listed((*folder, *path))) as entries:
            async for one in entries:
                name, seen = one.path[len(folder) :], seen + 1
                if one.path[: len(folder)] == folder and all(map(is_segment, name)) and covers(listed, name):
                    if more := len(found) == most:
                        break
                    found.append({"name": "/".join(name), "size": one.size, "modified": one.modified})
                if more := seen == MOST_SEEN:
                    break
    except Failed as error:
        if error.code != "no-such-file":  # a folder that is missing has no files, as in stores that have none
            raise
    return Answer(found, len(found), sum(len(one["name"]) for one in found), more)


async def _read(store: Store, call: Call) -> Answer:
    folder, path = _path_of(call)
    body = call.operation.body
    most, cuts = least(body, call.connector.body, "max_bytes"), body.get("too_large") == "cut"
    async with store.opened((*folder, *path)) as opened:
        if opened.size > most and not cuts:
            raise Failed("file-too-large", "the file is larger than allowed", "failure")
        data, wanted = bytearray(), min(opened.size, most)
        async for piece in opened.pieces:
            data += piece
            if len(data) >= most:
                break
    cut = opened.size > most
    if len(data) < wanted or (len(data) > wanted and not cut):
        raise Failed("invalid-response", "the store sent more or fewer bytes than it announced", "failure")
    del data[wanted:]
    facts = {"path": "/".join(path), "size": opened.size, "media_type": _media_type(opened.media_type, path)}
    content = await aside(len(data), _content, data, cut)
    return Answer({**facts, **content}, None, len(data), cut)


async def _write(store: Store, call: Call) -> Answer:
    folder, path = _path_of(call)
    body, data = call.operation.body, _content_of(call)
    media_type = body.get("media_type") or ("application/json" if not body.get("content") else _media_type("", path))
    call.effect = True
    await store.write((*folder, *path), Written(data, media_type, body.get("if_exists") == "replace"))
    return Answer({"path": "/".join(path), "size": len(data), "media_type": media_type}, None, len(data))


async def _delete(store: Store, call: Call) -> Answer:
    folder, path = _path_of(call)
    call.effect = True
    await store.delete((*folder, *path))
    return Answer({"path": "/".join(path)}, None, 0)


_OPERATIONS: Mapping[str, Callable[[Store, Call], Awaitable[Answer]]] = {
    "list": _list,
    "read": _read,
    "write": _write,
    "delete": _delete,
}


def _content(data: bytearray, cut: bool) -> dict[str, str]:
    """Return bytes as text where they are strict UTF-8, otherwise as base64; what is cut may end inside of a character."""
    for late in range(_ENDS_LATE + 1 if cut else 1):
        try:
            return {"text": str(memoryview(data)[: len(data) - late], "utf-8")}
        except UnicodeDecodeError:
            continue
    return {"base64": b64encode(data).decode()}


def _media_type(given: str, path: Segments) -> str:
    """Return the media type that a store says, or that of the name's end."""
    said = given.partition(";")[0].strip().lower()
    if said not in {"", _UNKNOWN, "binary/octet-stream"} and MEDIA_TYPE.fullmatch(said):
        return said
    return _BY_NAME.guess_type(path[-1])[0] or _UNKNOWN

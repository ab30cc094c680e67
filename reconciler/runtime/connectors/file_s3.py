"""Buckets of S3 and of compatible stores, by the guarded client of AWS."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from reconciler.kinds.template.file_path import Segments
from reconciler.model.body import Body
from reconciler.model.status import moment
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.aws import Aws, failure_of
from reconciler.runtime.connectors.file_store import (
    PIECE,
    Entry,
    Opened,
    Store,
    Written,
    exists,
    key_of,
    not_found,
    prefix_of,
    unmeasured,
)

_MISSING = frozenset({"NoSuchKey", "404"})
_TAKEN = frozenset({"PreconditionFailed", "412"})


async def open_store(tenant: str, connector: Body, around: Surroundings) -> Store:
    """Reaches nobody yet."""
    return _S3(connector["bucket"], Aws("s3", tenant, connector, around))


class _S3:
    """One bucket."""

    def __init__(self, bucket: str, aws: Aws) -> None:
        self._bucket, self._aws = bucket, aws
        self._client: Any = None

    async def authorize(self, anew: bool) -> None:
        self._client = await self._aws.client(anew)

    async def listed(self, folder: Segments) -> AsyncGenerator[Entry, None]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix_of(folder))
        try:
            async for page in pages:
                for one in page.get("Contents", ()):
                    yield _entry(one)
        except GeneratorExit:
            raise
        except Exception as error:
            raise failure_of(error, "failure") from None

    @asynccontextmanager
    async def opened(self, path: Segments) -> AsyncIterator[Opened]:
        try:
            found = await self._client.get_object(Bucket=self._bucket, Key=key_of(path))
        except Exception as error:
            raise not_found() if _code(error) in _MISSING else failure_of(error, "failure") from None
        body = found["Body"]
        try:
            if (size := found.get("ContentLength")) is None:
                raise unmeasured()
            yield Opened(size, found.get("ContentType", ""), _pieces(body))
        finally:
            body.close()

    async def write(self, path: Segments, written: Written) -> None:
        only_new = {} if written.replaces else {"IfNoneMatch": "*"}
        try:
            await self._client.put_object(
                Bucket=self._bucket, Key=key_of(path), Body=written.data, ContentType=written.media_type, **only_new
            )
        except Exception as error:
            raise exists() if _code(error) in _TAKEN else failure_of(error, "unknown") from None

    async def delete(self, path: Segments) -> None:
        try:
            await self._client.delete_object(Bucket=self._bucket, Key=key_of(path))
        except Exception as error:
            if _code(error) not in _MISSING:
                raise failure_of(error, "unknown") from None

    async def ping(self) -> None:
        try:
            await self._client.head_bucket(Bucket=self._bucket)
        except Exception as error:
            raise failure_of(error, "failure") from None

    async def close(self) -> None:
        await self._aws.close()


def _entry(one: Any) -> Entry:
    return Entry(tuple(one["Key"].split("/")), one["Size"], moment(one["LastModified"]))


async def _pieces(body: Any) -> AsyncIterator[bytes]:
    """Yield the bytes of an object. One ``read(n)`` of this client may return fewer without being at the end."""
    try:
        async for piece in body.iter_chunks(PIECE):
            yield piece
    except Exception as error:
        raise failure_of(error, "failure") from None


def _code(error: BaseException) -> str:
    """Return S3's own word for an error; "" for errors of another sort."""
    if isinstance(error, Failed):
        return ""
    response: Any = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""

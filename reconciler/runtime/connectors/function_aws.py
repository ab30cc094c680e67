"""Functions of AWS Lambda, by the guarded client of AWS.

Source: the API reference of Lambda, Invoke. ``LogType`` is never ``Tail``: a log holds more than the result.
"""

from __future__ import annotations

from typing import Any

from reconciler.model.body import Body
from reconciler.runtime.call import Failed, Surroundings
from reconciler.runtime.connectors.aws import Aws, failure_of
from reconciler.runtime.connectors.function import Engine, Invocation, Invoked, function_failed, too_large

_PIECE = 65536


async def open_engine(tenant: str, connector: Body, around: Surroundings) -> Engine:
    """Reaches nobody yet."""
    return _Lambda(Aws("lambda", tenant, connector, around))


class _Lambda:
    """The functions of one account and region."""

    most_bytes = 6 * 1024 * 1024
    most_bytes_async = 256 * 1024

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._client: Any = None

    async def authorize(self, function: str, anew: bool) -> None:
        self._client = await self._aws.client(anew)

    async def invoke(self, asked: Invocation) -> Invoked:
        try:
            found = await self._client.invoke(
                FunctionName=asked.function,
                InvocationType="Event" if asked.is_async else "RequestResponse",
                LogType="None",
                Payload=asked.event,
            )
        except Exception as error:
            raise failure_of(error, "unknown") from None
        return Invoked(await _read(found, asked.most), _request_id(found))

    async def ping(self, functions: list[str]) -> None:
        """Ask whether the first function might be called, which calls none; without one, for the account's limits."""
        await self.authorize("", anew=False)
        try:
            if functions:
                await self._client.invoke(FunctionName=functions[0], InvocationType="DryRun", LogType="None")
            else:
                await self._client.get_account_settings()
        except Exception as error:
            raise failure_of(error, "failure") from None

    async def close(self) -> None:
        await self._aws.close()


async def _read(found: Any, most: int) -> bytes:
    """Return the payload. Raises Failed for one that is too large, cut, or what a function says of its failure."""
    body = found["Payload"]
    try:
        if found.get("FunctionError"):
            raise function_failed()
        data = bytearray()
        async for piece in body.iter_chunks(_PIECE):
            data += piece
            if len(data) > most:
                raise too_large()
    except Failed:
        raise
    except Exception as error:
        raise failure_of(error, "unknown") from None
    finally:
        body.close()
    announced = found["ResponseMetadata"]["HTTPHeaders"].get("content-length", "")
    if announced.isdecimal() and int(announced) != len(data):
        raise Failed("invalid-response", "the result is shorter than announced", "unknown")
    return bytes(data)


def _request_id(found: Any) -> str:
    said = str(found["ResponseMetadata"].get("RequestId", ""))
    return said if said.isascii() and said.isprintable() and len(said) <= 200 else ""

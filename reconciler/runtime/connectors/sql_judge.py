"""Statements of calls judged before anything is recorded or reached."""

from __future__ import annotations

from functools import cache

from reconciler.runtime.call import Call, Failed
from reconciler.runtime.connectors.sql_common import Reader
from reconciler.runtime.threads import Worker


async def judge_sql(call: Call) -> None:
    """Raise Failed for a statement that may not run here."""
    reader = _reader()
    try:
        await reader.read(call)
    except Failed as error:
        reader.report(call, error)
        raise


@cache
def _reader() -> Reader:
    """One for all tenants, with one thread: what many statements cost at once is bounded."""
    return Reader(Worker().do)

"""Whatever another system echoes of a credential, in whatever form: no answer holds it. Every engine that is served is asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.connector.served import SERVED
from reconciler.runtime.call import Permits, StdioPermit, Surroundings
from reconciler.runtime.connectors.table import CONNECTORS
from reconciler.runtime.pools import Pools
from tests.runtime.calls import LOOPBACK, SECRETS, resolve
from tests.runtime.connectors.echo_forms import EVERY, SECRET
from tests.runtime.connectors.echoes import ECHOES, Asked, echo_command
from tests.runtime.connectors.file_stores import azure, gcs, s3  # noqa: F401
from tests.runtime.connectors.test_vector import chroma  # noqa: F401

ENGINES = {(kind, value) for kind, served in SERVED.items() for value in served.by} | {
    (kind, "") for kind in CONNECTORS if kind not in SERVED
}


def test_every_engine_is_asked() -> None:
    assert ECHOES.keys() == ENGINES, "what is served needs an echo in echoes.py"


@pytest.mark.parametrize("engine", ECHOES, ids="-".join)
def test_no_connector_hands_out_an_echo(
    engine: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SECRETS, "env://TOKEN", SECRET)
    echo, folder = ECHOES[engine], tmp_path.resolve()
    part = request.getfixturevalue(echo.part) if echo.part else None
    command, arguments = echo_command(folder)
    permits = Permits(
        LOOPBACK, (folder,), file_roots=(folder,), stdio={"echo": StdioPermit("echo", command, arguments)}
    )

    async def main() -> list[Any]:
        pools = Pools(CONNECTORS, Surroundings(resolve, resolve, permits), lambda _id: True)
        try:
            return await echo.tells(Asked(pools, folder, part))
        finally:
            await pools.close()

    told = asyncio.run(main())
    assert len(told) >= len(EVERY)
    texts = {*_texts(told)}
    leaked = [name for name, encode in EVERY.items() if texts & {encode(SECRET), SECRET}]
    assert leaked == []
    assert all(("***" in json.dumps(one)) is not echo.is_silent for one in told)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in _texts(one)]
    return [text for one in value for text in _texts(one)] if isinstance(value, list) else [str(value)]

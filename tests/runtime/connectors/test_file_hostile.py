"""A bounded run of the campaign of hostile paths, and the same names in a store that has no folders."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

from aiohttp import web

from reconciler.runtime.call import Answer
from tests.campaigns.hostile_paths import campaign, value
from tests.runtime.calls import SECRETS, around
from tests.runtime.connectors.file_stores import s3_connector
from tests.runtime.connectors.file_support import Files
from tests.runtime.connectors.test_http import serving


def test_no_path_leads_out_of_the_datasource(tmp_path: Path) -> None:
    found = asyncio.run(campaign(tmp_path.resolve(), 600, 7))
    assert found["unchanged"]
    assert found["shown"] == 0
    assert found["codes"].keys() >= {"success", "invalid-values", "invalid-path", "no-such-file"}


def test_no_key_leads_out_of_the_prefix() -> None:
    """What a store is asked for stands below the prefix, segment by segment, whatever it decodes."""
    chance, paths = random.Random(7), list[str]()
    SECRETS.setdefault("env://S3_ID", "AKIDTESTS")

    async def store(request: web.Request) -> web.StreamResponse:
        paths.append(request.raw_path)
        return web.Response(text="x")

    async def main() -> list[Any]:
        async with serving(store) as server:
            files = Files(s3_connector(server.port, region="eu-central-1"), around())
            own = {"datasource": {"prefix": "in"}}
            return [
                await files.called("read", "{n}/{m}.txt", {"n": value(chance), "m": value(chance)}, **own)
                for _ in range(150)
            ]

    answers = asyncio.run(main())
    taken = sum(isinstance(one, Answer) for one in answers)
    assert 0 < taken < 150
    assert len(paths) == taken
    for path in paths:
        assert path.startswith("/reports/in/")
        assert path.count("/") == 4
        assert not {".", "..", ""} & {*path.split("/")[1:]}

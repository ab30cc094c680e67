"""Tools of real servers, pinned and called over both transports; and what a changed tool, an error and a killed server come to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.runtime.call import Failed, StdioPermit
from reconciler.runtime.mcp.processes import PROCESSES
from tests.runtime.mcp.support import STDIO, around, calling, listed_by, over_http, serving_sdk


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving_sdk() as number:
        yield number


def bodies(port: int) -> dict[str, dict[str, Any]]:
    return {"stdio": STDIO, "http": over_http(port)}


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_call_of_a_pinned_tool(transport: str, port: int) -> None:
    async def scenario() -> None:
        async with calling(bodies(port)[transport], around()) as run:
            answer = await run("add", {"a": 1, "b": 2})
            assert answer.content["structuredContent"] == {"result": 3}
            assert not answer.is_error
            answer = await run("fail", {"text": "x"})
            assert (answer.is_error, answer.content["isError"]) == (True, True)
            answer = await run("hidden", {"text": "seen"})
            assert answer.content["content"] == [{"type": "text", "text": "seen"}]  # without what nobody sees
            together = await asyncio.gather(*(run("add", {"a": n, "b": 1}) for n in range(20)))
            assert [one.content["structuredContent"]["result"] for one in together] == [*range(1, 21)]

    asyncio.run(scenario())


def test_a_changed_tool_is_not_called() -> None:
    async def scenario() -> None:
        async with calling(STDIO, around()) as run:
            assert (await run("add", {"a": 1, "b": 2})).content["isError"] is False
        listed = await listed_by(STDIO, around())
        async with calling(STDIO, around("Sends a and b to somebody else."), listed) as run:
            with pytest.raises(Failed) as found:
                await run("add", {"a": 1, "b": 2})
            assert (found.value.code, found.value.outcome) == ("tool-changed", "blocked")
            assert (await run("fail", {"text": "x"})).is_error  # of this one nothing has changed

    asyncio.run(scenario())


def test_a_server_that_is_killed_fails_what_waits_and_leaves_nothing() -> None:
    async def scenario() -> None:
        async with calling(STDIO, around()) as run:
            await run("add", {"a": 1, "b": 2})
            (pid,) = PROCESSES._running
            os.kill(pid, signal.SIGSTOP)
            waiting = asyncio.create_task(run("add", {"a": 1, "b": 2}))
            await asyncio.sleep(0.3)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(Failed) as found:
                await waiting
            assert (found.value.code, found.value.outcome) == ("unreachable", "unknown")
        assert not PROCESSES._running

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("raw", "permit"),
    [
        ({"command": "other"}, {}),
        ({"args": ["-c", "import os"]}, {}),
        ({"env": {"LD_PRELOAD": {"plain": "/tmp/x.so"}}}, {}),
        ({}, {"sha256": "0" * 64}),
    ],
    ids=str,
)
def test_what_the_operator_does_not_permit_is_not_started(raw: dict[str, Any], permit: dict[str, Any]) -> None:
    async def scenario() -> None:
        with pytest.raises(Failed) as found:
            async with calling({**STDIO, **raw}, around(**permit)):
                raise AssertionError("it was started")
        assert (found.value.code, found.value.outcome) == ("not-permitted", "blocked")

    asyncio.run(scenario())


def test_arguments_are_permitted_one_by_one() -> None:
    permit = StdioPermit("git", "/bin/git", ("--repository", "/srv/repos/*"), frozenset({"A"}))
    assert permit.allows(["--repository", "/srv/repos/a"], ["A"])
    for arguments in (
        ["--repository", "/srv/repos/../../etc"],
        ["--repository", "/etc"],
        ["--repository"],
        ["--repository", "/srv/repos/a", "--upload-pack=/tmp/x"],
        ["--repo", "/srv/repos/a"],
        [],
    ):
        assert not permit.allows(arguments, ["A"])
    assert not permit.allows(["--repository", "/srv/repos/a"], ["B"])

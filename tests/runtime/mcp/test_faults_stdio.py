"""Each fault of a server over pipes ends the call that it concerns, and no other call; nothing of it is left running."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.runtime.call import Failed, Permits, StdioPermit, Surroundings
from reconciler.runtime.mcp import processes, stdio
from reconciler.runtime.mcp.processes import PROCESSES
from tests.runtime.mcp.support import STDIO, calling, nothing

SERVER = str(Path(__file__).parent / "faulty_stdio.py")
FINE = {"content": [{"type": "text", "text": "fine"}], "isError": False}


def faulty(fault: str, *before: str) -> Surroundings:
    """``before`` is a program with its arguments that starts the server."""
    command, *args = [*before, sys.executable, SERVER, fault]
    permit = StdioPermit("demo", command, tuple(args), processes=8)
    return Surroundings(nothing, nothing, Permits(stdio={"demo": permit}))


def below() -> list[psutil.Process]:
    """Return what of this process's children runs in a session of its own: all that a server is, and has started.

    What has ended and waits to be reaped runs no more: of a bomb that happens while other tests begin.
    """
    found = psutil.Process().children(recursive=True)
    return [one for one in found if _runs(one) and _session(one.pid) != os.getsid(0)]


def _runs(one: psutil.Process) -> bool:
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return os.getsid(0)


@pytest.mark.parametrize(
    ("fault", "code", "ends"),
    [
        ("huge", "too-large", False),
        ("huge-id-last", "too-large", False),
        ("endless-line", "unreachable", True),
        ("invalid-bytes", "invalid-response", False),
        ("surrogate", "invalid-response", False),
        ("wrong-ids", "timeout", False),
        ("error", "tool-failed", False),
        ("no-result", "invalid-response", False),
        ("requests", "timeout", False),
        ("flood", "timeout", False),
        ("stderr", "timeout", False),
        ("exit", "unreachable", True),
    ],
)
def test_a_fault_ends_its_call_and_no_other(fault: str, code: str, ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.runtime.connectors.mcp.REVIVE_SECONDS", 0.0)

    async def scenario() -> None:
        async with calling(STDIO, faulty("none")) as healthy, calling(STDIO, faulty(fault)) as run:
            assert (await run("look", {})).content == FINE
            assert (await healthy("look", {})).content == FINE
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            bad = asyncio.create_task(run("look", {"bad": True}, seconds=3.0))
            slowest = 0.0
            while not bad.done():
                begun = time.monotonic()
                assert (await healthy("look", {})).content == FINE
                slowest = max(slowest, time.monotonic() - begun)
                await asyncio.sleep(0.01)
            with pytest.raises(Failed) as found:
                await bad
            assert (found.value.code, "failure" if fault == "error" else "unknown") == (code, found.value.outcome)
            assert slowest < 0.5
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB
            assert (await run("look", {}, seconds=15)).content == FINE  # by the same process, or by a new one
        assert not PROCESSES._running
        assert not below()

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["log", "small-pieces"])
def test_noise_before_an_answer_is_passed_over(fault: str) -> None:
    async def scenario() -> None:
        async with calling(STDIO, faulty(fault)) as run:
            assert (await run("look", {"bad": True})).content["isError"] is False

    asyncio.run(scenario())


def test_a_long_line_in_small_pieces_costs_no_more_than_its_length() -> None:
    rest = stdio._Rest(2**20)
    begun = time.process_time()
    for _ in range(2**20 - 1):
        assert rest.lines(b"x") == []
    (line,) = rest.lines(b"\n")
    assert (len(line.text), line.is_whole) == (2**20 - 1, True)
    small = time.process_time() - begun
    begun = time.process_time()
    for _ in range(4 * 2**20):
        rest.lines(b"x")
    assert len(rest._kept) <= 2**20
    assert time.process_time() - begun < 12 * small + 1


def test_a_server_that_reads_nothing_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded, and so is the time of a call, and that of taking it back."""

    async def scenario() -> None:
        async with calling(STDIO, faulty("deaf")) as run:
            await run("look", {})
            text = "x" * 200_000
            begun = time.monotonic()
            calls = (run("look", {"bad": text}, seconds=1.0) for _ in range(20))
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - begun < 15
            assert {getattr(one, "code", one) for one in found} == {"timeout", "overloaded"}

    asyncio.run(scenario())


def test_a_server_that_ends_at_once_is_not_started_again_and_again() -> None:
    async def scenario() -> None:
        async with calling(STDIO, faulty("exit")) as run:
            await run("look", {})
            failed = []
            begun = time.monotonic()
            while time.monotonic() - begun < 2.5:
                try:
                    await run("look", {"bad": True})
                except Failed as error:
                    failed.append(error.retry_after)
                await asyncio.sleep(0.005)
            assert 1 <= failed.count(None) <= 4
            assert failed.count(1) > 10

    asyncio.run(scenario())


WRAPPERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "shell": ("/bin/sh", "-c", '"$0" "$@"; exit'),
    "left-behind": ("/bin/sh", "-c", 'exec 3<&0; "$0" "$@" <&3 & exit'),
    "left-behind-in-a-session": ("/bin/sh", "-c", 'exec 3<&0; setsid "$0" "$@" <&3 & exit'),
    "nohup": ("/bin/sh", "-c", 'exec 3<&0; nohup setsid "$0" "$@" <&3 2>/dev/null & sleep 0.4'),
}


@pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is Linux's")
@pytest.mark.parametrize("fault", ["none", "stays", "children", "bomb"])
@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_nothing_is_left_running(wrapper: tuple[str, ...], fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "END_SECONDS", 0.3)
    if fault == "bomb" and wrapper is WRAPPERS["left-behind-in-a-session"]:
        # a known gap where others start processes too: what flees into sessions of its own faster than anybody looks belongs to
        # nobody; under `serve`, which starts servers alone, it is killed as a stray
        pytest.xfail("a bomb in a session of its own may outrun the one who looks")

    async def scenario() -> None:
        async with calling(STDIO, faulty(fault, *wrapper)) as run:
            assert (await run("look", {})).content == FINE
        assert not PROCESSES._running
        for _ in range(40):
            if not below():
                return
            await asyncio.sleep(0.05)
        assert not below()

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is Linux's")
def test_the_end_of_one_server_is_not_that_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WATCH_SECONDS", 0.05)

    async def scenario() -> None:
        for wrapper in ("left-behind", "nohup"):
            async with calling(STDIO, faulty("none", *WRAPPERS[wrapper])) as run:
                await run("look", {})
                await asyncio.sleep(1)
                started = {*PROCESSES._running}
                async with calling(STDIO, faulty("none")) as other:
                    await other("look", {})
                assert (await run("look", {})).content == FINE
                assert {*PROCESSES._running} == started

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="counts processes by /proc")
def test_a_server_that_starts_too_many_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(processes, "MOST_OF_ONE", 50)

    async def scenario() -> None:
        permit = faulty("bomb").permits.stdio["demo"]
        started = await PROCESSES.start(permit, permit.args, {})
        try:
            await asyncio.wait_for(started.process.wait(), 10)
        finally:
            await PROCESSES.end(started)
        for _ in range(40):
            if not below():
                return
            await asyncio.sleep(0.05)
        assert not below()

    asyncio.run(scenario())


def test_closing_under_load_ends_every_call() -> None:
    async def scenario() -> None:
        async with calling(STDIO, faulty("deaf")) as run:
            await run("look", {})
            tasks = [asyncio.create_task(run("look", {"bad": True})) for _ in range(10)]
            await asyncio.sleep(0.1)
        for found in await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 15):
            assert isinstance(found, Failed), found
        assert not below()

    asyncio.run(scenario())


def test_all_are_ended_without_waiting() -> None:
    async def scenario() -> Any:
        async with calling(STDIO, faulty("stays")) as run:
            await run("look", {})
            begun = time.monotonic()
            await PROCESSES.end_all()
            assert time.monotonic() - begun < 2
            assert not [one for one in below() if one.status() != psutil.STATUS_ZOMBIE]

    asyncio.run(scenario())

"""A bound on time: it ends what is late, and is not taken for a cancellation by somebody else."""

from __future__ import annotations

import asyncio

import pytest

from reconciler.runtime.deadline import until


def in_loop(work: object) -> None:
    asyncio.run(work)  # type: ignore[arg-type]


def test_what_is_late_is_ended() -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError), until(asyncio.get_running_loop().time() + 0.01):
            await asyncio.sleep(5)
        await asyncio.sleep(0)  # nothing of it is left

    in_loop(work())


def test_what_is_in_time_goes_on() -> None:
    async def work() -> None:
        with until(asyncio.get_running_loop().time() + 0.02):
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)

    in_loop(work())


def test_an_error_stays_one() -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError), until(asyncio.get_running_loop().time() + 5):
            raise ZeroDivisionError

    in_loop(work())


def test_a_cancellation_stays_one() -> None:
    async def work() -> None:
        async def waiting() -> None:
            with until(asyncio.get_running_loop().time() + 5):
                await asyncio.sleep(5)

        task = asyncio.create_task(waiting())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_loop(work())


def test_a_moment_that_has_passed_ends_the_first_wait() -> None:
    async def work() -> None:
        with pytest.raises(TimeoutError), until(asyncio.get_running_loop().time() - 1):
            await asyncio.sleep(5)

    in_loop(work())

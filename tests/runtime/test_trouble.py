"""Trouble of a worker: logged once while it stays the same, and again after it ended."""

from __future__ import annotations

import asyncio
import logging

import pytest

from reconciler.runtime.logs import Trouble


def test_an_exception_is_logged_once_and_again_after_an_end(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble(logging.getLogger("reconciler.test"), "it failed: %s")
    for fails in (True, True, False, True):
        with trouble.watching():
            if fails:
                raise ValueError("a secret")
    assert caplog.messages == ["it failed: ValueError"] * 2


def test_a_worker_that_is_cancelled_ends() -> None:
    with (
        pytest.raises(asyncio.CancelledError),
        Trouble(logging.getLogger("reconciler.test"), "it failed: %s").watching(),
    ):
        raise asyncio.CancelledError


def test_a_round_without_reasons_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    trouble = Trouble(logging.getLogger("reconciler.test"), "not sent: %s")
    for reasons in (["refused"], ["refused"], [], ["refused"]):
        trouble.reported(reasons)
    assert caplog.messages == ["not sent: refused"] * 2

"""A value typed at a terminal is asked for twice, and echoed never."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.secrets.keys import create_keys
from tests.conftest import Ran, command_environment
from tests.secrets.support import VALUE, Kept, told


class Terminal:
    """A command line whose stdin, stdout and stderr are a terminal of its own."""

    def __init__(self, kept: Kept, *arguments: str) -> None:
        self.seen = b""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(kept.folder)
            environment = command_environment({**kept.environment({}), "NO_COLOR": "1"})
            os.execve(sys.executable, [sys.executable, "-m", "reconciler", "secrets", *arguments], environment)

    def until(self, words: str, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.seen.count(words.encode()) < times:
            assert time.monotonic() < deadline, self.seen
            if not self._read():
                raise AssertionError(self.seen)

    def type(self, line: bytes) -> None:
        os.write(self._terminal, line + b"\n")

    def _read(self) -> bool:
        select.select([self._terminal], [], [], 1)
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # what Linux says at the end of a terminal
            return False
        self.seen += data
        return bool(data)

    def command_line(self) -> bytes:
        """What every process of the machine may read of it."""
        return Path(f"/proc/{self.pid}/cmdline").read_bytes() + Path(f"/proc/{self.pid}/environ").read_bytes()

    def end(self) -> Ran:
        while self._read():
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self._terminal)
        return told(Ran(os.waitstatus_to_exitcode(status), self.seen.decode(errors="replace"), ""))


def test_a_value_is_asked_for_and_not_shown(here: Kept) -> None:
    terminal = Terminal(here, "set", "acme/one")
    terminal.until("Value of acme/one: ")
    assert VALUE.encode() not in terminal.command_line()
    terminal.type(VALUE.encode())
    terminal.until("Repeat for confirmation: ")
    assert VALUE.encode() not in terminal.command_line()
    terminal.type(VALUE.encode())
    ran = terminal.end().ok()
    assert "Kept acme/one, sealed with" in ran.out
    assert VALUE not in ran.out
    assert here.value("one") == VALUE


def test_two_values_that_differ_are_asked_for_again(here: Kept) -> None:
    terminal = Terminal(here, "set", "acme/one")
    for number, (first, second) in enumerate((("one-value", "another"), (VALUE, VALUE)), 1):
        terminal.until("Value of acme/one: ", number)
        terminal.type(first.encode())
        terminal.until("Repeat for confirmation: ", number)
        terminal.type(second.encode())
    ran = terminal.end().ok()
    assert not any(value in ran.out for value in ("one-value", "another", VALUE))
    assert here.value("one") == VALUE


def test_a_key_that_no_other_secret_knows_is_asked_about(here: Kept) -> None:
    here("set", "acme/one", stdin=VALUE).ok()
    create_keys(here.folder / "other")
    other = replace(here, key_file=here.folder / "other")
    terminal = Terminal(other, "set", "acme/two")
    terminal.until("Enter a value: ")
    terminal.type(b"no")
    assert terminal.end().code == 6
    terminal = Terminal(other, "set", "acme/two")
    terminal.until("Enter a value: ")
    terminal.type(b"yes")
    for words in ("Value of acme/two: ", "Repeat for confirmation: "):
        terminal.until(words)
        terminal.type(VALUE.encode())
    assert "Kept acme/two" in terminal.end().ok().out


@pytest.mark.parametrize("given", [b"\xff\xfe-no-utf-8", b"\x04"], ids=["not UTF-8", "the end"])
def test_what_is_typed_may_be_nothing(here: Kept, given: bytes) -> None:
    terminal = Terminal(here, "set", "acme/one")
    terminal.until("Value of acme/one: ")
    terminal.type(given)
    if given != b"\x04":
        assert "the value is not UTF-8" in terminal.end().ok(64).out
    else:
        assert "nothing was written" in terminal.end().ok(130).out
    assert here.events() == []


def test_deleting_asks(here: Kept) -> None:
    here("set", "acme/one", stdin=VALUE).ok()
    for answer, code in (("y", 6), ("yes", 0)):
        terminal = Terminal(here, "delete", "acme/one")
        terminal.until("Enter a value: ")
        terminal.type(answer.encode())
        ran = terminal.end().ok(code)
        assert ("approval was declined" in ran.out) is bool(code)
    assert here.events() == ["set", "delete"]

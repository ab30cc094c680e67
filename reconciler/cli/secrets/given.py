"""What the commands about secrets are given: a value from stdin or a prompt, a day on which it ends, an interval."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, time, timedelta

import click

from reconciler.cli.workspace import now
from reconciler.errors import UsageError
from reconciler.model.stored_secret import MOST_BYTES

MOST_DAYS, MOST_INTERVAL, MOST_WORDS = 36500, 3650, 1000
NEVER = "never"


def check_description(text: str | None) -> None:
    """Raise UsageError for a description that is not one short line."""
    if text is not None and (len(text) > MOST_WORDS or not text.isprintable()):
        raise UsageError(f"--description wants one line of at most {MOST_WORDS} characters", code="invalid-description")


def read_value(name: str) -> str:
    """Read a secret's value: from a prompt at a terminal, from stdin otherwise."""
    if sys.stdin.isatty():
        try:
            asked = str(click.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True, err=True))
            asked.encode()
        except UnicodeError:
            raise _not_utf8() from None
        return asked
    given = sys.stdin.buffer.read(MOST_BYTES + 3)  # with the line break that is no part of it
    if len(given) > MOST_BYTES + 2:
        raise UsageError(f"the value is longer than {MOST_BYTES} bytes", code="unfit-value")
    try:
        value = given.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
    if not value:
        raise UsageError("stdin holds no value", code="unfit-value", hint="e.g. `pass show openai | reconciler ...`")
    return value


def _not_utf8() -> UsageError:
    return UsageError("the value is not UTF-8", code="unfit-value", hint="encode it first, e.g. with base64")


def read_end(text: str) -> datetime:
    """Return the end of the day, in UTC."""
    try:
        if text.isdecimal():
            return now() + timedelta(days=_between(1, int(text), MOST_DAYS))
        ends = datetime.combine(datetime.strptime(text, "%Y-%m-%d"), time(23, 59, 59), UTC)
        _between(0, (ends - now()).days, MOST_DAYS)
    except ValueError:
        raise UsageError(
            "--expires wants a date to come, such as 2027-01-31, or a number of days", code="invalid-expiry"
        ) from None
    return ends


def read_interval(text: str) -> int:
    """Parse the days between rotations. Raises UsageError."""
    try:
        return _between(1, int(text), MOST_INTERVAL)
    except ValueError:
        raise UsageError(
            f"--rotate-every wants a number of days up to {MOST_INTERVAL}, or `{NEVER}`", code="wrong-usage"
        ) from None


def _between(least: int, number: int, most: int) -> int:
    """Return a number in its bounds. Raises ValueError."""
    if not least <= number <= most:
        raise ValueError
    return number

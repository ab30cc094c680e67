"""Texts of messages: values of a call written into a template's own text, and those that can't stand there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.kinds.connector.notification import CHANNELS
from reconciler.kinds.template.http_values import NAME, joined
from reconciler.model.body import Body
from reconciler.model.target import Unfit

MOST_SUBJECT, MOST_KEY = 200, 1_000
"""Characters."""
FIELDS = ("subject", "text", "dedupe")
"""Those of a template that values are written into."""
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CRLF = re.compile("\r\n?")


class Written(NamedTuple):
    """A message with its values; ``key`` is what it is known by as a duplicate, "" without one."""

    subject: str
    text: str
    key: str


def names_in(text: str | None) -> list[str]:
    """Return the parameters that a text uses."""
    return NAME.findall(text or "")


def written(body: Body, values: Mapping[str, Any]) -> Written:
    """Return what the values make of a template. They are text: no placeholder in a value is read."""
    return Written(*(_filled(body, field, values) for field in FIELDS))


def unfit(body: Body, connector: Body, values: Mapping[str, Any]) -> Iterator[Unfit]:
    """Yield those of some values that the channel can't carry, and the whole where it is too long, or says nothing."""
    in_line = {*names_in(body.get("subject"))}
    for name, value in values.items():
        text = _plain(joined(body, name, value))
        if name in in_line and _NOT_IN_LINE.search(text):
            yield Unfit(name, "expected one line without control characters, for the subject")
        elif _NOT_IN_TEXT.search(text):
            yield Unfit(name, "expected text without control characters but line breaks and tabs")
    if not values.keys() >= body["parameters"].keys():
        return
    made = written(body, values)
    for field, text, most in (
        ("subject", made.subject, MOST_SUBJECT),
        ("text", made.text, CHANNELS[connector["provider"]].most),
        ("key of duplicates", made.key, MOST_KEY),
    ):
        if len(text) > most:
            yield Unfit("arguments", f"expected values with which the {field} has at most {most:,} characters")
    if not made.text.strip():
        yield Unfit("arguments", "expected values with which the text is not empty")


def _filled(body: Body, field: str, values: Mapping[str, Any]) -> str:
    return NAME.sub(lambda match: _plain(joined(body, match[1], values[match[1]])), body.get(field) or "")


def _plain(text: str) -> str:
    """Return a text with one kind of line break."""
    return _CRLF.sub("\n", text) if "\r" in text else text

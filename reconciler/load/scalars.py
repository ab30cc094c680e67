"""Turns the text of one scalar into its value, with the meaning of YAML 1.2's core schema."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from reconciler.codes import Code

STANDARD = "tag:yaml.org,2002:"
MAX_DIGITS = 25
MAX_FLOAT_LENGTH = 60

WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
# Only text that starts with one of these may be more than text ("" is the start of the empty text).
LEADS = frozenset(["", *"0123456789+-.~nNtTfF"])
NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<oct>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<odd>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?(?P<exponent>[0-9]+))?)"
)
SPEAKING_TAG = re.compile(r"![A-Za-z][A-Za-z/_:.-]{0,30}")


class ScalarRefused(Exception):
    """A text may not be written there; the arguments are the code, the message, what was expected, and a hint."""

    def __init__(self, code: Code, message: str, expected: str | None = None, hint: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.expected = expected
        self.hint = hint


def plain(text: str) -> Any:
    """Return the value of a text without quotes. Decimals keep what is written: no binary float comes in between."""
    if text in WORDS:
        return WORDS[text]
    found = NUMBER.fullmatch(text)
    if found is None:
        return text
    kind = "float" if found["float"] else found.lastgroup
    hint = "put the text in quotes if it is not a number"
    if kind == "odd":
        raise ScalarRefused("not-a-number", "infinity and not-a-number are not allowed", "a finite number", hint)
    if kind == "float":
        if len(found["exponent"] or "") <= 3 and len(text) <= MAX_FLOAT_LENGTH:
            return Decimal(text)
    else:
        digits = found[kind or 0]
        if len(digits.lstrip("+-")) <= MAX_DIGITS:
            return int(digits, {"oct": 8, "hex": 16}.get(kind or "", 10))
    expected = f"at most {MAX_DIGITS} digits, and 3 in the exponent"
    raise ScalarRefused("number-range", "this number is too large or too long", expected, hint)


def tagged(tag: str, text: str) -> Any:
    """Return the value of a text with a tag."""
    name = tag.removeprefix(STANDARD) if tag.startswith(STANDARD) else ""
    if tag == "!" or name == "str":
        return text
    wanted: type | None = {"int": int, "float": Decimal, "bool": bool, "null": type(None)}.get(name)
    if wanted is None:
        raise unknown_tag(tag, bool(text))
    value = plain(text)
    if wanted is Decimal and type(value) is int:
        return Decimal(value)
    if type(value) is not wanted:
        raise ScalarRefused("invalid-tag", f"the tag !!{name} does not fit this value", f"a value of the type {name}")
    return value


def unknown_tag(tag: str, has_content: bool) -> ScalarRefused:
    """Return the refusal of a tag, named only if it surely is one: an unquoted password that starts with ``!`` is read as a tag."""
    if tag.startswith(STANDARD):
        tag = tag.replace(STANDARD, "!!")
        known = SPEAKING_TAG.fullmatch(tag[1:]) is not None
    else:
        known = has_content and SPEAKING_TAG.fullmatch(tag) is not None
    message = f"the tag {tag} is not known" if known else "this tag is not known"
    return ScalarRefused(
        "unknown-tag", message, hint="remove the tag, or put the text in quotes if the '!' belongs to it"
    )

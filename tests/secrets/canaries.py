"""Fifty secrets with awkward characters, and the ways in which programs write a text: what must be found nowhere."""

from __future__ import annotations

import base64
import html
import json
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape as xml_escape

_AWKWARD = (
    "plain", "two words", "'single'", '"double"', "back\\slash", "percent%41%", "amp&amp;<b>", "</script>", "${var.x}", "$(id)",
    "`tick`", "semi;drop table", "--comment", "line\nbreak", "tab\tbed", "crlf\r\nend", "ünïcödé", "日本語", "emoji😀🔥", "rtl\u202eabc",
    "\x1b[31mred", "nul-free\x01\x02", "curly{a: b}", "[list]", "#hash", "!tag", "&anchor", "*alias", "|pipe", ">fold",
    "@at:80/path?q=1#f", "://scheme", "a=b&c=d", "+plus+", "trailing=", "==", "slash/es/", "~tilde~", "^caret^", "::set-output name=x::y",
    "%0A", "\\u0041", "\\x41", "&#65;", "=?utf-8?q?x?=", "{{jinja}}", "<%= erb %>", "\u00a0nbsp", "comma,semicolon;", "end\\",
)  # fmt: skip
CANARIES = tuple(f"cnry{number:02d}-{middle}-Zq{number * 7919:06d}X" for number, middle in enumerate(_AWKWARD))
assert len(CANARIES) == 50


def _base64_at(offset: int) -> Callable[[str], str]:
    """What base64 of a longer text holds of it for sure, whatever stands around."""

    def coded(value: str) -> str:
        raw = b"\0" * offset + value.encode()
        whole = base64.b64encode(raw).decode().rstrip("=")
        first = -(-8 * offset // 6)  # the first character that holds bits of the value only
        return whole[first : len(raw) * 8 // 6]

    return coded


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda v: json.dumps(v)[1:-1],
    "json, not ASCII": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "json in json": lambda v: json.dumps(json.dumps(v)[1:-1])[1:-1],
    "repr": lambda v: repr(v)[1:-1],
    "ascii": lambda v: ascii(v)[1:-1],
    "bytes": lambda v: repr(v.encode())[2:-1],
    "html": html.escape,
    "xml": xml_escape,
    "url": lambda v: quote(v, safe=""),
    "url path": quote,
    "url form": quote_plus,
    "sql": lambda v: v.replace("'", "''"),
    "shell": lambda v: shlex.quote(v).strip("'"),
    "hex": lambda v: v.encode().hex(),
    "HEX": lambda v: v.encode().hex().upper(),
    "base64": _base64_at(0),
    "base64, moved by one": _base64_at(1),
    "base64, moved by two": _base64_at(2),
    "base64 of URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode()[: len(v.encode()) * 8 // 6],
    "base32": lambda v: base64.b32encode(v.encode()).decode()[: len(v.encode()) * 8 // 5],
    "reversed": lambda v: v[::-1],
}
assert len(ENCODINGS) >= 20


def found_in(text: str, values: tuple[str, ...] = CANARIES) -> list[tuple[str, str]]:
    """Which canaries are in the text, and how they are written there. The unmistakable middle of each counts too."""
    hits = [(value, name) for value in values for name, encode in ENCODINGS.items() if encode(value) in text]
    return hits + [(value, "its beginning") for value in values if value[:12] in text]

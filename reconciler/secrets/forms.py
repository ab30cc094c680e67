"""The ways in which programs write a text: forms of a value that is looked for, and readings of a text that may hold it."""

from __future__ import annotations

import base64
import codecs
import html
import json
import quopri
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import quote, quote_plus, unquote, unquote_plus

SHORTEST = 6
"""Characters; a shorter value stands in half of all words, and masking it would tell what it is."""
LAYERS = 3
"""How many encodings inside each other are read."""
_MOST = 24
"""Readings of one text, over all layers."""


def forms(value: str) -> Iterator[str]:
    """Yield the value as programs write it: plain, escaped, quoted, encoded."""
    raw = value.encode("utf-8", "surrogatepass")
    yield value
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value), ascii(value), repr(raw)):
        yield text.removeprefix("b")[1:-1]
    escaped = json.dumps(value)[1:-1]
    yield escaped.replace("/", "\\/")
    yield json.dumps(escaped)[1:-1]  # JSON inside JSON
    yield from (html.escape(value), html.escape(value, quote=False), html.escape(value).replace("&#x27;", "&#39;"))
    for safe in ("", "/", "/:@!$&'()*+,;=~-._"):
        coded = quote(raw, safe=safe)
        yield from (coded, _lower_escapes(coded))
    yield quote_plus(raw)
    yield from (
        value.replace("'", "''"),
        value.replace("'", "'\\''"),
        value.replace("'", "'\"'\"'"),
        value.replace("\\", "\\\\"),
    )
    yield "".join(f"\\{c}" if c in _MARKDOWN else c for c in value)
    yield from (raw.hex(), raw.hex().upper(), raw.hex(" "), raw.hex(":"), value[::-1], codecs.encode(value, "rot13"))
    yield "".join(f"\\u{unit:04x}" for unit in memoryview(value.encode("utf-16-le", "surrogatepass")).cast("H"))
    yield from (base64.b32encode(raw).decode()[: len(raw) * 8 // 5], base64.b85encode(raw).decode())
    yield base64.a85encode(raw).decode()
    for offset in range(3):  # base64 of a longer text that holds the value at any place
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        # the first characters also hold bits of what stands before, the last one of what comes after
        kept = coded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6]
        if len(kept) >= 2 * SHORTEST or (not offset and len(kept) >= SHORTEST):
            yield from (kept, kept.replace("+", "-").replace("/", "_"))


_MARKDOWN = "\\`*_{}[]<>()#+-.!|~&"


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


def readings(text: str, least: int) -> Iterator[str]:
    """Yield what a text says to a program that reads its escapes and encodings, one layer after the other.

    The text itself is not among them, nor what can't hold ``least`` characters. Work is bounded: a few layers, and a few
    dozen texts of at most its length. What is encoded by itself, in a text that is not, is one of the ``forms``.
    """
    seen, layer = {text}, [text]
    for _ in range(LAYERS):
        found: list[str] = []
        for one in layer:
            for read in _READERS:
                for new in read(one, least):
                    if len(new) >= least and new not in seen and len(seen) < _MOST:
                        seen.add(new)
                        found.append(new)
                        yield new
        layer = found


def _unescaped(text: str, least: int) -> Iterator[str]:
    """Backslashes as JSON, Python, JavaScript and C write them."""
    if "\\" in text:
        yield _paired(_ESCAPE.sub(_of_escape, text))


_ESCAPE = re.compile(
    r"\\(?:[ux]\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.S
)
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "a": "\a", "v": "\v", "e": "\x1b"}


def _of_escape(match: re.Match[str]) -> str:
    *hexadecimal, octal, other = match.groups()
    if other is not None:
        return _NAMED.get(other, other)
    number = int(octal, 8) if octal else int(next(filter(None, hexadecimal)), 16)
    return chr(number) if number <= 0x10FFFF else match[0]


def _paired(text: str) -> str:
    """Surrogates that make one character."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _of_bytes(text: str, least: int) -> Iterator[str]:
    """UTF-8 whose bytes were taken for characters."""
    if not text.isascii():
        with suppress(UnicodeError):
            yield text.encode("latin-1").decode()


def _of_url(text: str, least: int) -> Iterator[str]:
    if "%" in text:
        yield unquote(text)
    elif "+" in text:
        yield unquote_plus(text)


def _of_html(text: str, least: int) -> Iterator[str]:
    if "&" in text:
        yield html.unescape(text)


def _of_mail(text: str, least: int) -> Iterator[str]:
    """Quoted-printable."""
    if "=" in text and _PRINTABLE.search(text):
        yield quopri.decodestring(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


_PRINTABLE = re.compile(r"=(?:[0-9A-Fa-f]{2}|\r?\n)")


def _closed_up(text: str, least: int) -> Iterator[str]:
    """Without what nobody sees, and without the spaces and ends of lines that cut a word into pieces."""
    if not text.isascii() or "\0" in text:
        yield _UNSEEN.sub("", text)
    if "\n" in text:
        yield text.replace("\r", "").replace("\n", "")
        yield "".join(text.split())


_UNSEEN = re.compile("[\0\u00ad\u200b-\u200f\u2060-\u2064\ufeff\ufe00-\ufe0f]")


def _of_hex(text: str, least: int) -> Iterator[str]:
    """Hexadecimal bytes, whatever stands before each and between them."""
    if len(text) >= 2 * least and _HEX.match(text):
        for mark in ("0x", "\\x", "%", ":", "-", ",", ";", "_"):
            text = text.replace(mark, "")
        with suppress(ValueError):
            yield from _texts_of(bytes.fromhex(text))


_HEX = re.compile(r"(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[\s:,;_-]{0,2}){6}")


def _of_base(text: str, least: int) -> Iterator[str]:
    """Base64 and base32, each word by itself."""
    if len(text) < least * 4 // 3:
        return
    for word in text.split():
        if len(word) < least * 4 // 3:
            continue
        coded = word.strip("=\"'<>(),;:")
        with suppress(ValueError):
            coded64 = coded.replace("-", "+").replace("_", "/")
            yield from _texts_of(base64.b64decode(coded64 + "=" * (-len(coded) % 4)))
        if coded.isupper():
            with suppress(ValueError):
                yield from _texts_of(base64.b32decode(coded + "=" * (-len(coded) % 8)))


def _texts_of(raw: bytes) -> Iterator[str]:
    """UTF-8, or UTF-16 of either order."""
    with suppress(UnicodeDecodeError):
        yield raw.decode()
    if b"\0" in raw:
        yield from (raw.decode("utf-16-le", "replace"), raw.decode("utf-16-be", "replace"))


_READERS: tuple[Callable[[str, int], Iterator[str]], ...] = (
    *(_unescaped, _of_url, _of_html, _of_mail, _of_bytes, _closed_up),
    *(_of_hex, _of_base),
)

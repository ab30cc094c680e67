"""The ways in which programs write a text: forms of a value that is looked for, and readings of a text that may hold it."""

from __future__ import annotations

import base64
import codecs
import html
import json
import quopri
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from reconciler.model.secret_text import is_opaque

SHORTEST = 6
"""Characters; a shorter value stands in half of all words, and masking it would tell what it is."""
LAYERS = 3
"""How many encodings inside each other are read."""
_MOST = 48
"""Readings of one text, over all layers."""


def forms(value: str) -> Iterator[str]:
    """Yield the value as programs write it: plain, escaped, quoted, encoded."""
    raw = value.encode("utf-8", "surrogatepass")
    yield from (value, *(unicodedata.normalize(form, value) for form in ("NFC", "NFD", "NFKC")))
    if value.isdigit():
        yield value.lstrip("0")  # as a number
    yield from _halves(value)
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
        value.replace('"', '""'),
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


def _halves(value: str) -> Iterator[str]:
    """Both halves of a key: what is cut in two, or cut short, holds one of them."""
    if (
        len(value) >= 2 * _SHORTEST_HALF
        and not any(map(str.isspace, value))
        and is_opaque(value)
        and "://" not in value
    ):
        for half in (value[: -(-len(value) // 2)], value[len(value) // 2 :]):
            yield from (half, half[::-1])


_SHORTEST_HALF = 8


def skeleton(text: str) -> str:
    """Return the letters and digits of a text alone, without case: what is left where they are set apart or written otherwise."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return text.translate(_NO_SIGNS).lower()


_NO_SIGNS = {code: None for code in range(128) if not chr(code).isalnum()}
SHORTEST_SKELETON = 12
"""Characters; a shorter one may stand in a sentence."""
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
    """UTF-8 whose bytes were taken for characters; what stands around may be as it should."""
    if not text.isascii():
        yield _NOT_ASCII.sub(_of_mistaken, text)
        yield unicodedata.normalize("NFKC", text)


_NOT_ASCII = re.compile(r"[^\x00-\x7f]{2,}")


def _of_mistaken(match: re.Match[str]) -> str:
    for encoding in ("latin-1", "cp1252"):
        with suppress(UnicodeError):
            return match[0].encode(encoding).decode()
    return match[0]


def _of_url(text: str, least: int) -> Iterator[str]:
    if "%" in text:
        yield _paired(_PERCENT_U.sub(_of_number, unquote(text)))
    elif "+" in text:
        yield unquote_plus(text)


_PERCENT_U = re.compile(r"%[uU]([0-9A-Fa-f]{4})")


def _of_number(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number <= 0x10FFFF else match[0]


def _of_points(text: str, least: int) -> Iterator[str]:
    """Code points and bytes by their numbers, as style sheets, LDAP and Unicode's own notation write them."""
    if "U+" in text:
        yield _NOTATION.sub(_of_number, text)
    if "\\" in text and _BACKSLASHED.search(text):
        yield _BACKSLASHED.sub(_of_number, text)
        yield _STYLED.sub(_of_number, text)


_NOTATION = re.compile(r"U\+([0-9A-Fa-f]{4,6})\s?")
_BACKSLASHED, _STYLED = re.compile(r"\\([0-9A-Fa-f]{2})"), re.compile(r"\\([0-9A-Fa-f]{2,6}) ?")


def _of_html(text: str, least: int) -> Iterator[str]:
    if "&" in text:
        yield html.unescape(text)
    if "<" in text:
        yield _ELEMENT.sub("", text)


_ELEMENT = re.compile(r"<[^<>]{1,200}>")


def _of_mail(text: str, least: int) -> Iterator[str]:
    """Quoted-printable."""
    if "=" in text and _PRINTABLE.search(text):
        yield quopri.decodestring(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")


_PRINTABLE = re.compile(r"=(?:[0-9A-Fa-f]{2}|\r?\n)")


def _closed_up(text: str, least: int) -> Iterator[str]:
    """Without what nobody sees, and without the spaces and ends of lines that cut a word into pieces."""
    if not text.isascii() or "\0" in text:
        yield _UNSEEN.sub("", text)
        yield _TAGS.sub(lambda tag: chr(ord(tag[0]) - 0xE0000), text)
    if "\n" in text:
        yield text.replace("\r", "").replace("\n", "")
        yield _FOLD.sub("", text)
        yield "".join(text.split())


_UNSEEN = re.compile(
    "[\0\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]")
"""Letters that nobody sees, one for each of ASCII."""
_FOLD = re.compile(r"\s*\n\s*")


def _of_hex(text: str, least: int) -> Iterator[str]:
    """Hexadecimal bytes anywhere, whatever stands before each and between them."""
    if len(text) >= 2 * least:
        runs = (_NO_DIGIT.sub("", found[0]) for found in _HEX.finditer(text))
        yield from _joined(_texts_of(bytes.fromhex(run)) for run in runs)


_HEX = re.compile(r"(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[\s:,;_-]{0,2}){6,}")
_NO_DIGIT = re.compile(r"0x|[^0-9A-Fa-f]+")


def _of_list(text: str, least: int) -> Iterator[str]:
    """Bytes or code points as decimal numbers, as a JSON list of them is."""
    if len(text) >= 3 * least:
        runs = ([int(one) for one in _DIGITS.findall(found[0])] for found in _LIST.finditer(text))
        yield from _joined(_of_numbers(run) for run in runs)


_LIST = re.compile(r"(?<![0-9.])[0-9]{2,3}(?:[\s,;]{1,8}[0-9]{2,3}){5,}(?![0-9])")
_DIGITS = re.compile(r"[0-9]+")


def _of_numbers(numbers: list[int]) -> Iterator[str]:
    if sum(32 <= one < 127 for one in numbers) * 4 >= 3 * len(numbers):
        yield "".join(chr(one) for one in numbers)


def _of_base(text: str, least: int) -> Iterator[str]:
    """Base64 and base32, each run of their letters by itself."""
    if len(text) >= least * 4 // 3:
        yield from _joined(_of_run(found[0]) for found in _BASE.finditer(text) if len(found[0]) >= least * 4 // 3)


_BASE = re.compile(r"[A-Za-z0-9+/_-]{8,}")


def _of_run(run: str) -> Iterator[str]:
    coded = run.replace("-", "+").replace("_", "/")[: len(run) - (len(run) % 4 == 1)]
    with suppress(ValueError):
        yield from _texts_of(base64.b64decode(coded + "=" * (-len(coded) % 4)))
    if run.isalnum() and (run.isupper() or run.islower()):
        with suppress(ValueError):
            yield from _texts_of(base64.b32decode(run.upper() + "=" * (-len(run) % 8)))


def _joined(texts: Iterable[Iterable[str]]) -> Iterator[str]:
    """All that one reader finds in a text, as one reading."""
    if found := "\n".join(chain.from_iterable(texts)):
        yield found


def _texts_of(raw: bytes) -> Iterator[str]:
    """UTF-8, what is nearly all ASCII, or UTF-16 of either order; unpacked, if it is packed."""
    if raw[:2] in _PACKED:
        with suppress(zlib.error):
            raw = zlib.decompressobj(_ANY_WRAPPER).decompress(raw, _MOST_UNPACKED)
    if len(raw.translate(None, _PRINTABLE_BYTES)) * 4 <= len(raw):
        yield raw.decode("utf-8", "replace")
    else:
        with suppress(UnicodeDecodeError):
            yield raw.decode()
    if raw.count(0) * 4 >= len(raw):
        yield from (raw.decode("utf-16-le", "replace"), raw.decode("utf-16-be", "replace"))


_PACKED = (b"\x1f\x8b", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""The first bytes of gzip and of zlib."""
_ANY_WRAPPER, _MOST_UNPACKED = 47, 1024 * 1024
_PRINTABLE_BYTES = bytes(range(32, 127))


_READERS: tuple[Callable[[str, int], Iterator[str]], ...] = (
    *(_unescaped, _of_url, _of_html, _of_mail, _of_bytes, _closed_up),
    *(_of_hex, _of_base, _of_list, _of_points),
)

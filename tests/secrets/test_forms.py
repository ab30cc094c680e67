"""What other programs make of a secret, alone and in the middle of other text: no answer holds it, and other text stays."""

from __future__ import annotations

import base64
import gzip
import html
import json
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.runtime.call import Answer
from reconciler.runtime.gate import passed
from reconciler.secrets.scrub import Scrubber

AWKWARD = "k9=Vq/Zr+8 t'&<ü>\"w_Xy7"
KEY = "sk-ant-api03-AbCdEf0123456789_-xyz"
SHORT = "S3cret!"
ESCAPES = "p&amp;q\\u0041%25=3D"
SECRETS = (AWKWARD, KEY, SHORT, ESCAPES)


def _units(form: str) -> Callable[[str], str]:
    return lambda value: "".join(form.format(ord(one)) for one in value)


def _b64(raw: bytes | str) -> str:
    return base64.b64encode(raw.encode() if isinstance(raw, str) else raw).decode()


def _cut(mark: str) -> Callable[[str], str]:
    return lambda value: mark.join(value[at : at + 5] for at in range(0, len(value), 5))


EVERYWHERE: dict[str, Callable[[str], str]] = {
    "base64 of an url": lambda v: _b64(quote(v, safe="")),
    "base64 of base64": lambda v: _b64(_b64(v)),
    "base64 of hex": lambda v: _b64(v.encode().hex()),
    "base64 of json": lambda v: _b64(json.dumps({"k": v})),
    "base64 of a word with it": lambda v: _b64("x" + v + "yz"),
    "base64 of UTF-16": lambda v: _b64(v.encode("utf-16-le")),
    "base64 of UTF-16, big-endian": lambda v: _b64(v.encode("utf-16-be")),
    "base64 of UTF-32": lambda v: _b64(v.encode("utf-32-le")),
    "base64 of gzip": lambda v: _b64(gzip.compress(v.encode())),
    "base64 of zlib": lambda v: _b64(zlib.compress(v.encode())),
    "hex of gzip": lambda v: gzip.compress(v.encode()).hex(),
    "hex of base64": lambda v: _b64(v).encode().hex(),
    "hex of UTF-16": lambda v: v.encode("utf-16-le").hex(),
    "hex with colons, upper": lambda v: v.encode().hex(":").upper(),
    "hex with dashes": lambda v: v.encode().hex("-"),
    "hex with prefixes": lambda v: ", ".join(f"0x{byte:02x}" for byte in v.encode()),
    "bytes in decimal": lambda v: str(list(v.encode())),
    "a token's claims": lambda v: "eyJhbGciOiJub25lIn0." + _b64(json.dumps({"pw": v})).rstrip("=") + ".",
    "url with units": _units("%u{:04x}"),
    "url, three times": lambda v: quote(quote(quote(v, safe=""))),
    "a style sheet": _units("\\{:06x}"),
    "a directory's filter": lambda v: "".join(f"\\{byte:02x}" for byte in v.encode()),
    "code points": lambda v: " ".join(f"U+{ord(one):04X}" for one in v),
    "html of an url": lambda v: html.escape(quote(v, safe="")),
    "json of an url of html": lambda v: json.dumps(quote(html.escape(v)))[1:-1],
    "UTF-8 read as Windows-1252": lambda v: v.encode().decode("cp1252"),
    "base32 in small letters": lambda v: base64.b32encode(v.encode()).decode().lower(),
    "full-width letters": lambda v: "".join(chr(ord(one) + 0xFEE0) if "!" <= one <= "~" else one for one in v),
    "letters apart from their marks": lambda v: unicodedata.normalize("NFD", v),
    "letters that nobody sees": lambda v: "".join(chr(0xE0000 + ord(one)) if " " <= one <= "~" else one for one in v),
    "a change of direction within": lambda v: "\u202a".join(v),
    "joiners between": lambda v: "\u034f".join(v),
    "NULs between": lambda v: "\0".join(v),
    "in lines": _cut("\n"),
    "folded, as a header": _cut("\r\n "),
    "lines that go on": _cut("\\\n"),
    "comma-separated": lambda v: v.replace('"', '""'),
}  # fmt: skip
OF_KEYS: dict[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "small letters": str.lower,
    "the other case": str.swapcase,
    "groups": _cut("-"),
    "dots between": lambda v: ".".join(v),
    "spaces between": lambda v: " ".join(v),
    "a sum of texts": _cut("' + '"),
    "an element between": _cut("<wbr>"),
    "cut short": lambda v: v[: len(v) // 2 + 1] + "***",
}
"""What is found of a key alone: in a short text, or in words, it might be anything."""
AROUND = (
    "{}",
    "error: token={} rejected",
    '{{"error":"bad key \\"{}\\"","code":401}}',
    "<html>\n<p>Zugang für &lt;{}&gt; 100% C:\\new\\x &nbsp;</p>\n</html>",
    "https://h.example/cb?state=a%20b&token={}&x=1+2",
    "Authorization: {}\r\nX-A: b\r\nCookie: a=%41; b=\\u0041\r\n",
)


def _answered(content: Any, *secrets: str) -> Any:
    known = Scrubber("***")
    for one in secrets:
        known.add(one)
    return passed(Answer(content, 1, 1), known).content


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("form", [*EVERYWHERE, *OF_KEYS])
def test_no_text_around_a_form_hides_it(secret: str, form: str) -> None:
    if form in OF_KEYS and secret not in (KEY, AWKWARD):
        return
    text = {**EVERYWHERE, **OF_KEYS}[form](secret)
    if text == secret or (form == "cut short" and secret != KEY):
        return
    for around in AROUND:
        shown = around.format(text)
        told = _answered({"text": shown}, secret)["text"]
        assert "***" in told, around
        assert text not in told or form == "cut short"


@pytest.mark.parametrize(
    "content",
    [
        [*KEY.encode()],
        {"type": "Buffer", "data": [*KEY.encode()]},
        [*KEY],
        [KEY[:9], KEY[9:20], KEY[20:]],
        {"a": KEY[:15], "b": KEY[15:]},
        {"second": KEY[15:], "first": KEY[:15]},
        {"a": KEY[15:][::-1], "b": KEY[:15][::-1]},
        {KEY[:17]: KEY[17:]},
        [{"id": 1, "part": KEY[:20]}, {"id": 2, "part": KEY[20:]}],
    ],
)
def test_pieces_are_masked_that_together_are_a_secret(content: Any) -> None:
    told = json.dumps(_answered(content, KEY))
    assert "***" in told
    assert not any(KEY[at : at + 8] in told or KEY[at : at + 8][::-1] in told for at in range(len(KEY) - 8))
    assert str(ord(KEY[5])) not in told


def test_what_stands_beside_pieces_stays() -> None:
    rows = [{"id": 1, "part": KEY[:20], "name": "Ada"}, {"id": 2, "part": KEY[20:], "name": "Bob"}, {"id": 3}]
    told = _answered(rows, KEY)
    assert told == [{"id": 1, "part": "***", "name": "Ada"}, {"id": 2, "part": "***", "name": "Bob"}, {"id": 3}]
    assert rows[0]["part"] == KEY[:20]


def test_a_number_without_its_zeros_is_the_secret() -> None:
    assert _answered({"pin": 123456789012, "other": 12345678901}, "0123456789012") == {
        "pin": "***",
        "other": 12345678901,
    }


@pytest.mark.parametrize(
    "content",
    [
        "Nothing to see: 0x12 0x13 0x14 0x15 0x16 0x17, 65, 66, 67, 68, 69, 70, and bm90aGluZyB0byBzZWU=.",
        ["Größe", "Maß", "C:\\new\\x", "100% <b>fett</b>", "a+b", "U+0041", "\\6b\\39"],
        [[10, 20, 30, 40, 50, 60, 70], [1.5, None, True]],
        {"a": "the summer sale of", "b": "2024"},
    ],
)
def test_other_text_stays(content: Any) -> None:
    assert _answered(content, *SECRETS, "Summer-sale-2024") == content


def test_a_secret_that_is_used_is_not_the_first_to_be_forgotten() -> None:
    known = Scrubber("***", most=3)
    for value in ("first-secret-1", "second-secret-2", "third-secret-3", "first-secret-1", "fourth-secret-4"):
        known.add(value)
    assert known.text("first-secret-1 second-secret-2") == "*** second-secret-2"


CHILD = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s")
from reconciler.secrets.scrub import quieten
from reconciler.secrets.secret import Secret
quieten()
key, *texts = sys.argv[1:]
Secret(key)
for text in texts:
    logging.info("before %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.exception("failed", stack_info=True)
"""


def test_a_log_holds_no_form_that_can_be_read() -> None:
    texts = [*(EVERYWHERE[one](KEY) for one in EVERYWHERE), KEY.upper(), KEY.swapcase()]
    texts = [one for one in texts if "\0" not in one]
    done = subprocess.run([sys.executable, "-c", CHILD, KEY, *texts], capture_output=True, text=True, check=True)
    assert done.stderr.count("(secret)") >= 2 * len(texts)  # the message, and the traceback
    assert "Traceback" in done.stderr
    assert [one for one in texts if one in done.stderr] == []

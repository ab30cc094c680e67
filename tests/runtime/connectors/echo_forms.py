"""One credential in every form in which another system may echo it."""

from __future__ import annotations

import base64
import codecs
import json
import quopri
from collections.abc import Callable
from urllib.parse import quote

from tests.secrets.canaries import ENCODINGS

SECRET = "k9=Vq/Zr+8 t'&<ü>\"w_Xy7"


def _units(form: str) -> Callable[[str], str]:
    return lambda value: "".join(form.format(ord(one)) for one in value)


def _b64(value: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(value.encode(encoding)).decode()


def _in_lines(text: str, width: int) -> str:
    return "\n".join(text[at : at + width] for at in range(0, len(text), width))


MORE: dict[str, Callable[[str], str]] = {
    "json as Gson writes it": lambda v: json.dumps(v)[1:-1].replace("=", "\\u003d").replace("&", "\\u0026").replace("'", "\\u0027"),
    "json as .NET writes it": lambda v: json.dumps(v)[1:-1].replace("+", "\\u002B").replace("<", "\\u003C").replace('\\"', "\\u0022"),
    "json with every unit escaped": _units("\\u{:04X}"),
    "json in json in json": lambda v: json.dumps(json.dumps(json.dumps(v)[1:-1])[1:-1])[1:-1],
    "a JavaScript text": _units("\\x{:02x}"),
    "a C text": _units("\\{:03o}"),
    "code points in braces": _units("\\u{{{:x}}}"),
    "backslashes doubled twice": lambda v: v.replace("'", "\\\\\\'").replace('"', '\\\\\\"'),
    "html, decimal": _units("&#{};"),
    "html, hexadecimal": _units("&#x{:x};"),
    "url, every byte": lambda v: "".join(f"%{byte:02x}" for byte in v.encode()),
    "url of an url": lambda v: quote(quote(v, safe=""), safe=""),
    "url in json": lambda v: json.dumps(quote(v))[1:-1],
    "hex with spaces": lambda v: v.encode().hex(" "),
    "hex with colons": lambda v: v.encode().hex(":"),
    "hex with commas": lambda v: ", ".join(f"0x{byte:02x}" for byte in v.encode()),
    "hex of escaped bytes": lambda v: "".join(f"\\x{byte:02X}" for byte in v.encode()),
    "hex of UTF-16": lambda v: v.encode("utf-16-le").hex(),
    "base64 in lines": lambda v: _in_lines(_b64(v), 12),
    "base64 of a header": lambda v: "Basic " + _b64("user:" + v),
    "base64 of base64": lambda v: _b64(_b64(v)),
    "base64 of json": lambda v: _b64(json.dumps({"k": v})),
    "base64 of an url": lambda v: _b64(quote(v, safe="")),
    "base64 of UTF-16": lambda v: _b64(v, "utf-16-le"),
    "base32 with its end": lambda v: base64.b32encode(v.encode()).decode(),
    "base85": lambda v: base64.b85encode(v.encode()).decode(),
    "ascii85": lambda v: base64.a85encode(v.encode()).decode(),
    "rot13": lambda v: codecs.encode(v, "rot13"),
    "quoted-printable": lambda v: quopri.encodestring(v.encode(), quotetabs=True).decode(),
    "UTF-8 read as Latin-1": lambda v: v.encode().decode("latin-1"),
    "zero-width spaces between": lambda v: "\u200b".join(v),
    "soft hyphens within": lambda v: v[:9] + "\u00ad" + v[9:],
    "in lines": lambda v: _in_lines(v, 7),
    "python, twice": lambda v: repr(repr(v))[2:-2],
}  # fmt: skip
EVERY = {**ENCODINGS, **MORE}
assert len(EVERY) >= 50
TEXTS = [encode(SECRET) for encode in EVERY.values()]


def is_json(text: str) -> bool:
    """Whether it may stand between quotes as it is, as a program that escapes in its own way would write it."""
    try:
        return isinstance(json.loads(f'"{text}"'), str)
    except ValueError:
        return False


def in_quotes(text: str) -> str:
    return f'"{text}"' if is_json(text) else json.dumps(text)

"""Types of fields: what YAML gives, checked and normalised, for the specs of all kinds.

Specs are strict: no coercion. Where YAML's list has to become a tuple, or its exact decimal a Decimal, the field says
so. Every string and number is bounded, since strict types alone accept NUL characters, lone surrogates and 10^30.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Any, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, Strict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from reconciler.codes import Code
from reconciler.errors import Path
from reconciler.model.address import BARE_NAME, NAME_RULE, is_name
from reconciler.model.characters import name_fault, unseen_fault
from reconciler.model.integers import SAFE_INTEGER, is_whole
from reconciler.model.judges import other_host, other_path, other_references
from reconciler.model.risk import Health, Risk
from reconciler.model.secret_ref import EXAMPLE, SecretRef, form_of_references, looks_secret

T = TypeVar("T")
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s@:]*:[^/\s@]+@")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


Translated: TypeAlias = Literal["decimal_type", "dict_type", "string_too_long", "scalar", "number"]
"""Pydantic's own codes, and two like them, that `kinds.wording` turns into one of ours."""


class Private:
    """Marks a field whose value is never shown in an excerpt or a message, since it may hold a secret."""


class Public:
    """Marks free text that may be shown; where ``Private`` stands too, that counts."""


class Form(Struct, frozen=True):
    """What a schema can say of text beside its validator: a pattern, and an editor's message for it.

    The pattern never refuses what the validator accepts; it may accept more. Editors compile it as JavaScript does.
    ``name`` is that of the definition in a schema's ``$defs``.
    """

    name: str
    pattern: str
    message: str


class Shaped(Struct, frozen=True):
    """The same as a form, for a single field that has no type of its own."""

    pattern: str


class FormLater(Struct, frozen=True):
    """A form that only the whole table of kinds knows."""

    make: Callable[[], Form]


class Whole:
    """Marks JSON of any shape that ignore rules select as one value, and never in parts."""


class SecretKeys(Struct, frozen=True):
    """Marks a map in which a key that looks secret takes a reference; ``further`` are ends of keys that look so here.

    ``is_free``: at any depth of JSON. Otherwise a map `{plain: ...}` may stand there too.
    """

    further: str = ""
    is_free: bool = False


class Object:
    """Marks JSON of any shape that is a map, or nothing."""


class Unordered:
    """Marks a list that is a set."""


def fail(code: Code | Translated, message: str, **context: Any) -> PydanticCustomError:
    """Return an error of a field; ``message`` must not repeat the value."""
    return PydanticCustomError(code, message, context or None)


def _clean(text: str) -> str:
    if _CONTROL.search(text):
        raise fail("control-character", "control characters are not allowed in text")
    return text


def identifier(text: str) -> str:
    """Return a text that names something, where a person who reads it sees all of it. Raises PydanticCustomError."""
    fault = name_fault(text)
    if fault is not None:
        raise fail("unseen-character", fault)
    return text


def for_models(text: str) -> str:
    """Return a text that a person sees as a model reads it. Raises PydanticCustomError."""
    fault = unseen_fault(text)
    if fault is not None:
        raise fail("unseen-character", fault)
    return text


def _name(text: str) -> str:
    if not is_name(text):
        raise fail("invalid-name", f"expected a name: {NAME_RULE}")
    return text


def _reference(text: str) -> str:
    kind, _, name = text.partition("/")
    if not (is_name(kind) and is_name(name)):
        raise fail("invalid-reference", "expected kind/name, e.g. integration/openai-prod")
    return text


def _secret(text: str) -> str:
    try:
        SecretRef.parse(text)
    except ValueError as error:
        raise fail("plaintext-secret", str(error)) from None
    return text


def _url(text: str) -> str:
    if any(c in text for c in ' \t\n\\"<>^`{|}'):
        raise fail("invalid-url", "a URL has no spaces, quotes, brackets or backslashes")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise fail("invalid-url", "expected a URL such as https://api.example.com/v1") from None
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise fail(
            "url-with-credentials", "a URL must not carry a user or a password; use a reference in its own field"
        )
    if parts.scheme not in {"http", "https"} or not host:
        raise fail("invalid-url", "expected a URL that begins with https:// or http:// and names a host")
    if parts.query or parts.fragment:
        raise fail("invalid-url", "a base URL has no query and no fragment")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(
        r"[A-Za-z0-9_](?:[A-Za-z0-9_.:-]*[A-Za-z0-9_])?|/[^\s:@]*|\[[0-9A-Fa-f:.]+\]|::[0-9A-Fa-f:.]*", text
    ):
        raise fail("invalid-host", "expected a host name or an IP address, without scheme, user or path")
    return text


def _cidr(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise fail("invalid-cidr", "expected a network such as 10.20.0.0/16 with no host bits set") from None


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise fail("invalid-pattern", "expected a regular expression that compiles") from None
    return text


def _decimal(value: Any) -> Any:
    if isinstance(value, bool | float):
        value = str(value)
    if isinstance(value, str) and not re.fullmatch(r"[-+]?[0-9]{1,15}(\.[0-9]{1,9})?", value):
        if re.fullmatch(r"[0-9]+(_[0-9]+)+(\.[0-9]+)?", value):
            raise fail("underscore-number", f"expected a number; write {value.replace('_', '')}")
        raise fail("decimal_type", "expected a decimal number such as 2500.00")
    return value


def plain_decimal(value: Decimal) -> str:
    """2500, 2500.0 and 2.5e3 all as ``2500``: one text per number."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _normal_decimal(value: Decimal) -> Decimal:
    return Decimal(plain_decimal(value)) if value else Decimal(0)


def _sorted_set(items: tuple[T, ...]) -> tuple[T, ...]:
    unique = set(items)
    if len(unique) != len(items):
        raise fail("duplicate-item", "each item may stand only once in this list")
    return tuple(sorted(unique, key=str))


MOST_LEVELS = 20


def _json_number(value: float | Decimal) -> int | float:
    """Return a number in its one form: 1.0 and 1 are equal, and PostgreSQL keeps their texts apart."""
    # NaN differs from itself; a Decimal's would raise where it is compared
    if value == value and is_whole(value):
        return int(value)
    if value != value or not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        raise fail(
            "number-range",
            "expected a whole number from -2^63 to 2^64 - 1, or a decimal one between -(2^53 - 1) and 2^53 - 1; "
            "quote it to keep it as text",
        )
    return float(value)


def free_json(value: Any, depth: int = 0, most: int = MOST_LEVELS) -> Any:
    """Return JSON of any shape, bounded and with one form per number. Raises PydanticCustomError."""
    if depth > most:
        raise fail("too-deep", f"at most {most} levels of nesting are allowed here")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return _json_number(value)
    if isinstance(value, str):
        if len(value) > 65536:
            raise fail("string_too_long", "text is at most 65536 characters here")
        return _clean(value)
    if isinstance(value, list | tuple):
        return [free_json(item, depth + 1, most) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) and len(key) <= 256 and not _CONTROL.search(key) for key in value):
            raise fail("invalid-key", "keys are text of at most 256 characters without control characters")
        return {key: free_json(item, depth + 1, most) for key, item in value.items()}
    raise fail("json", "expected a JSON value")


def _plain_secrets(value: Any, path: Path = ()) -> Iterator[InitErrorDetails]:
    """In free maps a secret-looking key needs a reference, and a URL no password, at any depth; each with its path."""
    if isinstance(value, str) and _USERINFO.match(value):
        error = fail("url-with-credentials", "a URL must not carry a password; use a reference in a key of its own")
        yield InitErrorDetails(type=error, loc=path, input=None)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _plain_secrets(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            plain = _no_reference(item) if looks_secret(key) else None
            if plain:
                yield InitErrorDetails(type=fail("plaintext-secret", plain), loc=(*path, key), input=None)
            else:
                yield from _plain_secrets(item, (*path, key))


def _no_reference(value: Any) -> str | None:
    """Why a value may not stand under a secret-looking key; maps, null and booleans are no secrets."""
    if isinstance(value, list):
        return next(filter(None, map(_no_reference, value)), None)
    if value is None or value == "" or isinstance(value, bool | dict):
        return None
    try:
        SecretRef.parse(str(value))
    except ValueError as error:
        return str(error)
    return None


def _free_map(value: Any) -> Any:
    if not isinstance(value, dict):
        raise fail("dict_type", "expected a map")
    free: dict[str, Any] = free_json(value)
    secrets = list(_plain_secrets(free))
    if secrets:
        raise ValidationError.from_exception_data("config", secrets, hide_input=True)
    return free


Text: TypeAlias = Annotated[str, Field(max_length=1024), AfterValidator(_clean), Public()]
ModelText: TypeAlias = Annotated[Text, AfterValidator(for_models)]
"""Text that language models read: nothing in it is hidden from a person."""
BareText: TypeAlias = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_clean), Public()]
"""Short text that a rule of its own judges, which is asked before ``identifier``."""
ShortText: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=256), AfterValidator(_clean), AfterValidator(identifier), Public()
]
"""Text that names something of somebody else's: a model, a table, a region."""
Name: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=63),
    AfterValidator(_name),
    Form("name", f"^{BARE_NAME}$", f"expected a name: {NAME_RULE}"),
]
AnyReference: TypeAlias = Annotated[
    str,
    Field(max_length=127),
    AfterValidator(_reference),
    Form("reference", f"^{BARE_NAME}/{BARE_NAME}$", "expected kind/name"),
]
Secret: TypeAlias = Annotated[
    str,
    Field(max_length=4096),
    AfterValidator(_secret),
    Form(
        "secret",
        form_of_references(),
        f"expected a reference to a secret, such as {EXAMPLE}; a plain value is refused",
    ),
    Private(),
    Risk("credential-changed"),
    Health(),
]
Url: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=2048),
    AfterValidator(_clean),
    AfterValidator(_url),
    AfterValidator(identifier),
    Form(
        "url",
        r'^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\"<>^`{|}]+(?:/[^\s?#\\"<>^`{|}]*)?$',
        "expected a URL that begins with https:// or http://, without user, password, query and fragment",
    ),
    Private(),
    Risk("endpoint-host-changed", by=other_host),
    Health(),
]
BaseUrl: TypeAlias = Annotated[Url, Risk("endpoint-path-changed", by=other_path)]
"""An address to which paths are added. Another path matters on any other URL too: those that have one say what it risks."""
Host: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=255),
    AfterValidator(_host),
    AfterValidator(identifier),
    Form("host", r"^(?:/[^\s:@]*|[^\s/@]+)$", "expected a host's name or address, without scheme and user"),
    Private(),
    Risk("endpoint-host-changed"),
    Health(),
]
Cidr: TypeAlias = Annotated[
    str,
    Field(max_length=64),
    AfterValidator(_cidr),
    Form(
        "cidr",
        r"^(?:(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!/|$)|(?=/|$))){4}(?:/[0-9.]+)?|[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*(?:/[0-9]+)?)$",
        "expected a network such as 10.20.0.0/16",
    ),
]
Pattern: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=1024), AfterValidator(_clean), AfterValidator(_pattern), Public()
]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
Amount: TypeAlias = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    Strict(False),
    Field(ge=0, le=Decimal("999999999999999"), decimal_places=9),
    AfterValidator(_normal_decimal),
    PlainSerializer(plain_decimal, return_type=str),
]
Items: TypeAlias = Annotated[tuple[T, ...], Strict(False), Field(max_length=1000)]
"""A list whose order means something."""
ItemSet: TypeAlias = Annotated[
    tuple[T, ...], Strict(False), Field(max_length=1000), AfterValidator(_sorted_set), Unordered()
]
"""A list whose order means nothing: kept sorted, so that reordering is no change."""
LabelKey: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?$")
]
LabelValue: TypeAlias = Annotated[str, Field(max_length=256), AfterValidator(_clean), Public()]
Labels: TypeAlias = Annotated[dict[LabelKey, LabelValue], Field(max_length=64)]
FreeMap: TypeAlias = Annotated[
    dict[str, Any],
    BeforeValidator(_free_map),
    SecretKeys(is_free=True),
    Private(),
    Risk("credential-changed", by=other_references),
]
FreeJson: TypeAlias = Annotated[Any, BeforeValidator(free_json), Private()]
Replacing: TypeAlias = Annotated[T, Risk("replaces")]
"""The field that decides which other fields there are: another value is another resource."""

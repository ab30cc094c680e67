"""Secrets where only their place tells: behind an option of a program, in a part of an address, as a wallet's words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.model.secret_ref import looks_secret
from reconciler.model.secret_text import hints_secret, is_opaque, is_random, may_be_secret, secret_arguments

_SEED_LENGTHS = frozenset({12, 15, 18, 21, 24})
"""Words of a recovery phrase (BIP 39)."""
_SEED = re.compile(r"[a-z]{3,8}(?: [a-z]{3,8})+\Z")
_PHRASES = re.compile(r"(?i)(?:seed|mnemonic|recovery|passphrase|pass_phrase|words)")
_SHORT_OPTION = re.compile(r"-[A-Za-z]\Z")
_GLUED = re.compile(r"-[pkts](?=.)")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z][A-Za-z_.-]*|v?[0-9]+(?:\.[0-9]+)*|[a-z0-9-]{1,24}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{24,}\Z", re.IGNORECASE)
_CREDENTIALS = frozenset(
    [
        "key",
        "apikey",
        "api_key",
        "api-key",
        "token",
        "access_token",
        "auth",
        "auth_token",
        "sig",
        "signature",
        "secret",
        "password",
        "code",
        "sas",
    ]
)
"""Parameters of an address's query that carry a credential."""


def is_seed_phrase(text: str) -> bool:
    """Whether a text has the form of a wallet's recovery phrase: so many short words in lower case, and nothing else."""
    words = text.split(" ")
    return len(words) in _SEED_LENGTHS and _SEED.match(text) is not None and len({*words}) > len(words) // 2


def is_secret(name: str, text: str) -> bool:
    """Whether the value of a variable, header or option is treated as a secret; an empty one never is."""
    if not text.strip():
        return False
    named = _PHRASES.search(name) is not None and " " in text.strip()
    return hints_secret(name) or named or may_be_secret(text) or is_seed_phrase(text)


def secret_segments(url: str) -> list[str]:
    """Return the parts of an address's path that are random enough to be a key."""
    path = urlsplit(url).path if not re.search(r"[\[\]]", url) else ""
    return [part for part in map(unquote, path.split("/")) if is_secret_segment(part)]


def is_secret_segment(text: str) -> bool:
    """Whether one part of a path gives access by itself, as in the address of a webhook."""
    if "{" in text or "$" in text or len(text) < 16:
        return False
    if may_be_secret(text) or _HEX.match(text):
        return True
    return _PLAIN_SEGMENT.fullmatch(text) is None and is_opaque(text) and is_random(text)


def secret_queries(url: str) -> list[tuple[str, str]]:
    """Return name and value of each parameter of an address's query that carries a credential."""
    query = url.partition("?")[2].partition("#")[0]
    return [(name, value) for name, value in parse_qsl(query) if is_secret_query(name, value)]


def is_secret_query(name: str, value: str) -> bool:
    """Whether a parameter of a query carries a credential, by its name or by its value."""
    return bool(value) and (looks_secret(name) or name.lower() in _CREDENTIALS or may_be_secret(value))


def secrets_of_arguments(arguments: Sequence[Any]) -> Iterator[tuple[int, str]]:
    """Yield index and text of each secret among a program's arguments, those behind short options included."""
    texts = [one if isinstance(one, str) else str(one) for one in arguments]
    listed = {*secret_arguments(texts)}
    for index, text in enumerate(texts):
        before = texts[index - 1] if index else ""
        name, assigned, value = text.partition("=")
        if index in listed:
            yield index, value if assigned and looks_secret(name.lstrip("-")) else text
        elif (not text.startswith("-") and is_seed_phrase(text)) or (
            _SHORT_OPTION.match(before) and not text.startswith("-") and is_opaque(text) and not _is_name(text)
        ):
            yield index, text
        elif (glued := _GLUED.match(text)) and is_opaque(text[glued.end() :]) and not _is_name(text[glued.end() :]):
            yield index, text[glued.end() :]


def _is_name(text: str) -> bool:
    """Whether an argument is a package, an image, a path, an assignment or an address."""
    return re.search(r"[/@=,\s]|\A[\w.-]+:[\w.-]+\Z|\.[a-z]{2,4}\Z", text) is not None

"""Names that were probably meant: the nearest of those that are known, by spelling or by what the peers call it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from heapq import nsmallest
from operator import eq

# what users of the peers write for the same thing
_SYNONYMS = {
    "apikey": ("credential", "token", "key"),
    "apibase": ("base_url",),
    "endpoint": ("base_url", "url", "endpoint_url"),
    "url": ("base_url", "dsn"),
    "baseurl": ("url",),
    "uri": ("dsn", "url"),
    "user": ("username",),
    "secret": ("credential", "password"),
    "statement": ("sql",),
    "query": ("sql",),
    "params": ("parameters",),
    "source": ("connector", "datasource"),
    "model": ("models", "default_model"),
    "timeout": ("timeout_seconds",),
    "db": ("database",),
    "engine": ("dialect",),
    "window": ("per",),
    "period": ("per",),
    "budget": ("cost_usd",),
    "float": ("number",),
    "decimal": ("number",),
    "text": ("string",),
    "datetime": ("timestamp",),
    "list": ("array",),
    "postgres": ("postgresql", "pgvector"),
    "sqlserver": ("mssql",),
    "azure": ("azure_openai",),
    "google": ("gemini",),
    "aws": ("bedrock",),
}
_HINTS_AT_MOST = 64
_COMPARED = 50
"""How many names are compared as a whole: difflib needs 30 ms for a thousand, and a renamed thing is missed often."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None if no name is near."""
    if len(word) > _HINTS_AT_MOST:
        return None
    plain = {_plain(name): name for name in known}
    folded = _plain(word)
    if folded in plain:
        return plain[folded]
    synonym = next((name for name in _SYNONYMS.get(folded, ()) if name in plain.values()), None)
    likely: Iterable[str] = plain
    if len(plain) > _COMPARED:
        likely = nsmallest(_COMPARED, plain, key=lambda name: (abs(len(name) - len(folded)) > 2, -_alike(name, folded)))
    return synonym or next((plain[match] for match in get_close_matches(folded, likely, 1)), None)


def near(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean `models`?``, or None where no name is near; never repeat the word itself."""
    match = nearest(word, known)
    return f"did you mean `{match}`?" if match else None


def _alike(one: str, other: str) -> int:
    """Count the characters that two words share near their beginning and near their end; quick, not exact."""
    same: int = sum(map(eq, one[:12], other[:12])) + sum(map(eq, one[:-9:-1], other[:-9:-1]))
    return same


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).lower()

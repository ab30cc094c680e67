"""References to secrets: the text that git, plans and the database hold instead of a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.errors import Path
from reconciler.patterns import regex

EXAMPLE = "vault://kv/acme/openai#api_key, encrypted://openai, env://OPENAI_API_KEY or aws-sm://acme/openai#api_key"

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.@=+-]*"
_PATH = rf"{_SEGMENT}(?:/{_SEGMENT})*"
_KEY = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_GRAMMAR = {
    # mount/path#key with an optional version; no "..", no empty part, so that it can't be sent as another path
    "vault": re.compile(rf"{_SEGMENT}/{_PATH}(?:\?version=[1-9][0-9]{{0,8}})?#{_KEY}\Z"),
    "encrypted": re.compile(rf"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:#{_KEY})?\Z"),
    "env": re.compile(r"[A-Z_][A-Z0-9_]*\Z"),
    "aws-sm": re.compile(rf"{_PATH}(?:\?version=[A-Za-z0-9-]{{1,64}})?(?:#{_KEY})?\Z"),
}
"""By scheme; each has a module of its name in secrets/schemes, where it is resolved. A further one is a line here."""
SCHEMES = tuple(_GRAMMAR)
MAX_LENGTH = 512


def form_of_references() -> str:
    """Return the grammar as a pattern for editors, in which ${tenant} may stand in a path for some of its letters."""
    tenant = re.escape("${tenant}")
    forms = []
    for scheme, grammar in _GRAMMAR.items():
        text = grammar.pattern.removesuffix(r"\Z")
        for letters in (
            "[A-Za-z0-9_.@=+-]",
            "[A-Za-z0-9_]",
            "[A-Za-z0-9_.-]",
            "[a-z0-9-]",
            "[a-z0-9]",
            "[A-Z0-9_]",
            "[A-Z_]",
        ):
            text = text.replace(letters, f"(?:{letters}|{tenant})")
        forms.append(f"{scheme}://{text}")
    return rf"^(?!.*\.\.)(?:{'|'.join(forms)})$"


class SecretRef(NamedTuple):
    """A parsed reference: ``scheme`` and what the scheme's own grammar reads after ``://``."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.rest}"

    @property
    def part(self) -> str:
        """The key behind ``#``; empty where the whole secret is meant."""
        return self.rest.partition("#")[2]

    @property
    def name(self) -> str:
        """The path or name in the store, without version and part."""
        return self.rest.partition("#")[0].partition("?")[0]

    def is_of(self, secret: SecretRef) -> bool:
        """Whether both mean one secret. A part is a secret of its own in Vault and AWS, and none in the database."""
        same_part = self.scheme == "encrypted" or self.part == secret.part
        return (self.scheme, self.name) == (secret.scheme, secret.name) and same_part

    @classmethod
    def parse(cls, text: str) -> SecretRef:
        """Parse a reference. Raises ValueError with a message that never repeats the text, which may be a secret."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES:
            raise ValueError(f"expected a reference to a secret, such as {EXAMPLE}; a plain value is refused")
        if len(text) > MAX_LENGTH or not _GRAMMAR[scheme].match(rest) or ".." in rest:
            raise ValueError(f"this is not a well-formed {scheme}:// reference; expected the form of {EXAMPLE}")
        return cls(scheme, rest)


class Use(NamedTuple):
    """A reference, and where in a body it stands."""

    path: Path
    reference: SecretRef


_WRITTEN = regex(rf'"({"|".join(SCHEMES)})://([^"]*)"')


def references_written(text: str) -> list[SecretRef]:
    """Return what a body, as canonical JSON, may refer to: all of ``references_in``, and also what only looks like one.

    Most bodies hold none, and this is asked of every resource.
    """
    return [SecretRef(*found) for found in _WRITTEN.findall(text)] if "://" in text else []


_PROSE = ("description", "labels", "tags")
_TOLD = "definition"
"""Of a tool: what a server says of it, which refers to nothing of ours."""


def references_in(body: Any) -> Iterator[Use]:
    """Every reference in a resource's body; a text that only mentions one is none."""
    stack: list[tuple[Path, Any]] = [((key,), body[key]) for key in reversed([*body]) if key not in _PROSE]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            # `{plain: ...}` says that it is none
            stack.extend(
                ((*path, key), value[key])
                for key in reversed([*value])
                if [*value] != ["plain"] and not (key == _TOLD and len(path) == 2 and path[0] == "tools")
            )
        elif isinstance(value, list):
            stack.extend(((*path, index), value[index]) for index in reversed(range(len(value))))
        elif isinstance(value, str) and value.partition("://")[0] in SCHEMES:
            try:
                yield Use(path, SecretRef.parse(value))
            except ValueError:
                continue


_SECRET_KEY = regex(
    r"(?:^|[_.-])(?:api[_-]?key|apikey|access[_-]?key|secret|secrets|password|passwd|pwd|pass|token|credential|credentials"
    r"|private[_-]?key|auth|authorization|cookie|session[_-]?key|signing[_-]?key|encryption[_-]?key"
    r"|bearer|jwt|dsn|connection[_-]?string|passphrase|pat)[_-]?[0-9]*\Z",
    re.IGNORECASE,
)


def form_of_secret_keys(further: str = "") -> str:
    """Return ``looks_secret`` as a pattern for editors, whose patterns have no flags; ``further`` are other ends of such keys."""
    words = _SECRET_KEY.pattern.removeprefix("(?:^|[_.-])(?:").removesuffix(r")[_-]?[0-9]*\Z")
    words, further = (re.sub("[a-z]", lambda one: f"[{one[0].upper()}{one[0]}]", text) for text in (words, further))
    own = rf"(?:^|[_.-]|(?<=[a-z0-9])(?=[A-Z]))(?:{words})[_-]?[0-9]*$"
    return f"{own}|(?:{further})$" if further else own


def looks_secret(key: str) -> bool:
    """Whether a key of a free map or a header names a secret: ``api_key``, ``Authorization``, ``X-Auth-Token``.

    Only the end of a key counts, so that ``max_tokens`` and ``password_policy`` stay free.
    """
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return _SECRET_KEY.search(snake) is not None

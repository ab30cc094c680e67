"""What the validators of fields check, as far as JSON Schema can say it: a pattern, and an editor's message for it.

A pattern never refuses what its validator accepts; it may accept more. Editors compile patterns as JavaScript does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, get_args

from pydantic import AfterValidator, BeforeValidator
from pydantic.fields import FieldInfo

from reconciler.kinds.connector.common import HeaderName
from reconciler.kinds.connector.mcp import Command
from reconciler.kinds.connector.stream import Broker
from reconciler.kinds.datasource import ApiPath
from reconciler.kinds.limit import TENANT, Limit
from reconciler.kinds.policy import CallerPattern, TargetPattern
from reconciler.kinds.table import kinds_that
from reconciler.kinds.template.http import UrlPath
from reconciler.kinds.template.parameter import ParameterName
from reconciler.load.plain import Plain as PlainSetting
from reconciler.load.project import DatabaseUrl, Day
from reconciler.model.access import ToolName
from reconciler.model.address import NAME, NAME_RULE
from reconciler.model.fields import AnyReference, Cidr, Host, ItemSet, Name, Secret, Url
from reconciler.model.kind import Ability
from reconciler.model.secret_ref import EXAMPLE, SCHEMES

BARE_NAME = NAME.pattern.removesuffix(r"\Z")


class Fact(NamedTuple):
    """``name`` is that of the definition in a schema's ``$defs``."""

    name: str
    pattern: str
    message: str


def flat(metadata: Iterable[Any]) -> Iterator[Any]:
    """The metadata of an annotation, with that of its ``Field(...)`` in their place."""
    for item in metadata:
        if isinstance(item, FieldInfo):
            yield from flat(item.metadata)
        else:
            yield item


def validators(metadata: Iterable[Any]) -> Iterator[Callable[..., Any]]:
    """The functions that check a value, in their order."""
    for item in flat(metadata):
        if isinstance(item, AfterValidator | BeforeValidator):
            yield item.func


def _own(alias: Any) -> Callable[..., Any]:
    """The validator that sets this alias apart from the one it is made of: its last."""
    return [*validators(get_args(alias)[1:])][-1]


_NO_VARIABLES = r"(?![\s\S]*\$\{)"
_LIMITABLE, _NAMEABLE = kinds_that(Ability.LIMITABLE), kinds_that(Ability.NAMEABLE)
_TARGETS = rf"^(?:{TENANT}|(?:{'|'.join(_LIMITABLE)})/{BARE_NAME})$"

UNIQUE = _own(ItemSet)
"""The validator of lists that are sets."""

FACTS: dict[Callable[..., Any], Fact] = {
    _own(Name): Fact("name", f"^{BARE_NAME}$", f"expected a name: {NAME_RULE}"),
    _own(AnyReference): Fact("reference", f"^{BARE_NAME}/{BARE_NAME}$", "expected kind/name"),
    _own(Secret): Fact(
        "secret",
        rf"^(?:{'|'.join(SCHEMES)})://\S+$",
        f"expected a reference to a secret, such as {EXAMPLE}; a plain value is refused",
    ),
    _own(Url): Fact(
        "url",
        r'^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#@\\"<>^`{|}]+(?:/[^\s?#\\"<>^`{|}]*)?$',
        "expected a URL that begins with https:// or http://, without user, password, query and fragment",
    ),
    _own(Host): Fact("host", r"^(?:/[^\s:@]*|[^\s/@]+)$", "expected a host's name or address, without scheme and user"),
    _own(ToolName): Fact(
        "tool_name",
        r"^(?=.*[_A-Z])(?!.*__)[A-Za-z0-9_-]+$",
        "expected letters, digits, _ and -, with one _ or a capital at least, and no two _ beside each other",
    ),
    _own(TargetPattern): Fact(
        "target_pattern",
        rf"^(?:\*|{'|'.join(_NAMEABLE)})/[a-z0-9*?-]+$",
        "expected kind/name, such as template/sales-*",
    ),
    _own(CallerPattern): Fact("caller_pattern", "^[a-z0-9*?-]+$", "expected a caller's name; * and ? are patterns"),
    _own(Cidr): Fact("cidr", r"^[0-9A-Fa-f.:]+(?:/[0-9.]+)?$", "expected a network such as 10.20.0.0/16"),
    _own(HeaderName): Fact("header_name", r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "expected the name of a header"),
    _own(Command): Fact("command", r"""^[^\s;|&<>$`'"]+$""", "expected one program; arguments go into `args`"),
    _own(Broker): Fact("broker", r"^[^\s/@]+:[0-9]{1,5}$", "expected host:port, without scheme and user"),
    _own(ApiPath): Fact("api_path", r"^/[^\s?#]*$", "expected a path that begins with / and has no query"),
    _own(UrlPath): Fact("url_path", r"^/[^\s?#%\\]*$", "expected a path that begins with / and has no query"),
    _own(ParameterName): Fact(
        "parameter_name", r"^[a-z_][a-z0-9_]*$", "expected lower-case letters, digits and underscores"
    ),
    [*validators(Limit.model_fields["target"].metadata)][-1]: Fact(
        "target", _TARGETS, f"expected `{TENANT}`, or one of {', '.join(_LIMITABLE)} with its name: kind/name"
    ),
    _own(PlainSetting): Fact("plain", f"^{_NO_VARIABLES}", "no ${...} here"),
    _own(DatabaseUrl): Fact(
        "database_url",
        rf"^{_NO_VARIABLES}(?![\s\S]*?://[^/]*:[^/]+@)",
        "no ${...} and no password here; the password belongs into RECONCILER_DATABASE_URL or PGPASSFILE",
    ),
    _own(Day): Fact("day", r"^[0-9]{4}-?[0-9W][0-9-]*$", "expected a date such as 2026-12-31"),
}

"""The format of ``reconciler.yaml``."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails

from reconciler.errors import Path
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema import shown
from reconciler.kinds.table import BY_PLURAL, KINDS
from reconciler.load.audit_settings import AuditSettings
from reconciler.load.notifications import Notification
from reconciler.load.plain import NO_VARIABLES, Plain, no_variables
from reconciler.load.secret_settings import Schemes, SecretSettings
from reconciler.model.body import canonical, leaves
from reconciler.model.days import Day
from reconciler.model.fields import Form, FreeJson, FreeMap, Items, ItemSet, Name, Private, ShortText, Text, fail
from reconciler.model.risk import RISKS
from reconciler.model.secret_ref import looks_secret
from reconciler.model.spec import Part
from reconciler.patterns import regex


def _database(text: str) -> str:
    """Where an apply writes; credentials come from the environment."""
    scheme, _, rest = text.partition("://")
    address, _, query = rest.partition("?")
    # a password may hold the signs that end it, so it is looked for before the first @ and the last one
    users = address.partition("@")[0] if "@" in address else "", address.partition("/")[0].rpartition("@")[0]
    names = (unquote(part.partition("=")[0]).lower() for part in re.split("[&;]", query))
    named = any(looks_secret(name) or name.endswith("password") for name in names)
    if named or (not scheme.startswith("sqlite") and any(":" in user for user in users)):
        message = (
            "a password does not belong into this file; give the URL in RECONCILER_DATABASE_URL, or use PGPASSFILE"
        )
        raise fail("url-with-credentials", message)
    return text


def _variables(value: dict[str, Any]) -> dict[str, Any]:
    """No secrets, at whatever depth, and nothing that would have to be replaced in turn."""
    _free().validate_python(value)
    found = [path for path, item in leaves(value) if "${" in canonical(item)]
    if found:
        error = fail("variable-syntax", "a variable's value holds no ${...}: variables are replaced once")
        details = [InitErrorDetails(type=error, loc=path, input=None) for path in found]
        raise ValidationError.from_exception_data("variables", details, hide_input=True)
    return value


def _empty_maps(value: Any) -> Any:
    """``dev:`` with nothing below it is an environment without settings of its own."""
    return {key: item if item is not None else {} for key, item in value.items()} if isinstance(value, dict) else value


def _external(text: str) -> str:
    _, _, short = text.rpartition("/")[0].rpartition("/")
    if not _PATTERN.fullmatch(text) or (short not in KINDS and not {*short} & {*"*?"}):
        raise fail("invalid-reference", f"expected tenant/kind/name or kind/name, with a kind of {', '.join(KINDS)}")
    return text


def _form(value: Any) -> str:
    return "map" if isinstance(value, dict | Part) else "text"


@cache
def _free() -> TypeAdapter[dict[str, Any]]:
    """Built for the first project with variables."""
    return TypeAdapter(FreeMap)


_PATTERN = regex(r"(?:[a-z0-9*?-]+/)?[a-z*?]+/[a-z0-9*?-]+")
DatabaseUrl = Annotated[
    ShortText,
    AfterValidator(no_variables),
    AfterValidator(_database),
    Form(
        "database_url",
        rf"^{NO_VARIABLES}(?![\s\S]*?://[^/]*:[^/]+@)",
        "no ${...} and no password here; the password belongs into RECONCILER_DATABASE_URL or PGPASSFILE",
    ),
    Private(),
]
ExternalPattern = Annotated[Plain, AfterValidator(_external)]
VariableName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
RuleName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Severity = Literal["error", "warning", "info"]
Variables = Annotated[dict[VariableName, FreeJson], AfterValidator(_variables)]
if TYPE_CHECKING:
    RiskName = str
else:
    RiskName = Literal[tuple(RISKS)]


class Include(Part):
    """A glob that may match nothing."""

    path: Plain = Field(description="Glob of manifests, relative to this file.")
    optional: bool = Field(False, description="Whether it may match nothing.")


Glob = Annotated[Annotated[Plain, Tag("text")] | Annotated[Include, Tag("map")], Discriminator(_form)]


class Environment(Part):
    """One environment: where it lives and how it differs."""

    database: DatabaseUrl | None = Field(None, description="URL of its database, without a password.")
    variables: Variables = Field(
        default_factory=dict, description="Values for ${var.NAME}; they win over the project's."
    )
    overlays: Items[Plain] = Field((), description="Folders whose manifests are merged over the base, in this order.")
    schemes: Schemes = Field(
        default_factory=dict, description="Schemes of secret references, where they differ from `secrets.schemes`."
    )


class GuardSettings(Part):
    """What an apply is refused for unless its flag is given."""

    max_deletes: Annotated[int, Field(ge=0, le=1_000_000)] | None = Field(
        None, description="Refuse an apply that deletes or replaces more than this many resources (--allow-deletes N)."
    )
    max_delete_percent: Annotated[int, Field(ge=0, le=100)] = Field(
        30, description="Refuse an apply that deletes or replaces a larger share of ten or more owned resources."
    )
    outside: Literal["refuse", "overwrite"] = Field(
        "refuse", description="What an unattended apply does with outside changes that no saved plan shows."
    )
    refuse: ItemSet[RiskName] = Field(
        (), description="Refuse an apply in which a change has one of these risks (--allow-risk RISK)."
    )


class IgnoreRule(Part):
    """Fields that are left to somebody else."""

    address: Plain = Field(description="Pattern of addresses, e.g. `*/integration/*`.")
    field: Plain = Field(description="Pattern of field paths, e.g. `labels.*` or `max_rows`.")
    reason: Text = Field(min_length=1, description="Why the field is not managed here.")
    until: Day | None = Field(None, description="Last day on which the rule counts, e.g. 2026-12-31.")
    optional: bool = Field(False, description="Whether the address may match nothing that is declared.")


class HistorySettings(Part):
    """How long history is kept whole: an apply prunes what is older. Generations keep their numbers."""

    keep_generations: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Keep the changes of this many generations, at least."
    )
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = Field(
        None, description="Keep the changes of this many days, at least."
    )


class LintSettings(Part):
    """What `reconciler lint` goes by, besides the rules that come with it."""

    rules: Items[Plain] = Field((), description="Files of rules, relative to this file; they are no manifests.")
    disable: dict[RuleName, Annotated[Text, Field(min_length=1)]] = Field(
        default_factory=dict, description="Rules that do not count here, each with the reason."
    )
    severity: dict[RuleName, Severity] = Field(
        default_factory=dict, description="Another severity for a rule; one that is off by default is on then."
    )


class ExternalEntry(Part):
    """A resource that another project declares."""

    address: ExternalPattern = Field(
        description="tenant/kind/name (with * as a pattern), or kind/name in every tenant."
    )
    project: Name | None = Field(None, description="The project that declares it; `shared_with` may name it.")
    optional: bool = Field(False, description="Whether nothing here has to refer to it.")


External = Annotated[
    Annotated[ExternalPattern, Tag("text")] | Annotated[ExternalEntry, Tag("map")], Discriminator(_form)
]


class ProjectFile(Part):
    """The settings of one project; everything but `version` may be left out."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    project: Name | None = Field(None, description="The project's name; what it creates is owned under this name.")
    default_tenant: Name | None = Field(None, description="Tenant of documents that name none.")
    include: Items[Glob] = Field(
        (), description="Globs of manifests relative to this file; each must match. Default: every YAML file below it."
    )
    database: DatabaseUrl | None = Field(None, description="URL of the database, without a password.")
    variables: Variables = Field(
        default_factory=dict, description="Values for ${var.NAME} in manifests; never secrets."
    )
    environments: Annotated[dict[Name, Environment], BeforeValidator(_empty_maps)] = Field(
        default_factory=dict, description="Named environments; where there are any, --env chooses one."
    )
    default_environment: Name | None = Field(
        None, description="The environment of commands that name none, neither by --env nor by RECONCILER_ENV."
    )
    guards: GuardSettings = Field(default_factory=GuardSettings, description="What an apply is refused for.")
    ignore: Items[IgnoreRule] = Field((), description="Fields that others manage.")
    defaults: dict[str, dict[str, FreeJson]] = Field(
        default_factory=dict,
        description="Per kind (plural): fields for every resource that has them and does not set them.",
    )
    secrets: SecretSettings = Field(default_factory=SecretSettings, description="Keys, and which references are good.")
    history: HistorySettings = Field(
        default_factory=HistorySettings, description="How long history is kept; everything, unless this says less."
    )
    notifications: dict[Name, Notification] = Field(
        default_factory=dict, description="Who is told of applies and of drift, by names of your own."
    )
    lint: LintSettings = Field(default_factory=LintSettings, description="What `reconciler lint` goes by.")
    audit: AuditSettings = Field(default_factory=AuditSettings, description="Where heads of the audit trail go.")
    external: Items[External] = Field((), description="Resources of other projects that may be referred to.")

    @model_validator(mode="after")
    def _rules(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        if self.default_environment is not None and self.default_environment not in self.environments:
            hint: str | None = near(self.default_environment, self.environments) or "name it under `environments`"
            message = "`default_environment` is none of `environments`"
            yield Fault(("default_environment",), "unknown-environment", message, hint)
        for key, values in self.defaults.items():
            kind = BY_PLURAL.get(key) or KINDS.get(key)
            if kind is None:
                hint = near(key, BY_PLURAL)
                yield Fault(("defaults", key), "unknown-kind", f"`defaults` is per kind: {', '.join(BY_PLURAL)}", hint)
                continue
            if key == kind.name and kind.plural in self.defaults:
                message = f"`{key}` and `{kind.plural}` are the same; put both into one"
                yield Fault(("defaults", key), "conflicting-fields", message)
            if kind.discriminator in values:
                message = f"`{kind.discriminator}` has no default: it says what a {kind.name} is"
                yield Fault(("defaults", key, kind.discriminator), "default-discriminator", message)


def shown_in(raw: Any) -> Callable[[Path], bool]:
    """Return what may be shown of a project's file: what its schema knows, and does not keep private."""
    return lambda path: bool(path) and shown((ProjectFile,), raw, path) and not looks_secret(str(path[-1]))

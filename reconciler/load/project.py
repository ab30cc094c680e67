"""``reconciler.yaml``: the project's own settings, validated."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import unquote

from msgspec.structs import replace
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

from reconciler.errors import Path, Place, Problem, Problems
from reconciler.kinds.rules import Fault, settle
from reconciler.kinds.schema import shown
from reconciler.kinds.table import BY_PLURAL, KINDS
from reconciler.kinds.wording import near, problem_of
from reconciler.load.notifications import Notification
from reconciler.load.plain import NO_VARIABLES, Plain, no_variables
from reconciler.load.secret_settings import SchemeName, SchemeSettings, SecretSettings
from reconciler.load.selectors import World
from reconciler.load.source import Source, read_source, shown_name
from reconciler.model.body import canonical, leaves
from reconciler.model.configuration import Guards, Ignore, Retention
from reconciler.model.fields import Form, FreeJson, FreeMap, Items, ItemSet, Name, Private, ShortText, Text, fail
from reconciler.model.notification import Destination
from reconciler.model.risk import RISKS
from reconciler.model.secret_ref import looks_secret
from reconciler.model.spec import Part
from reconciler.secrets.policy import Policy

FILE_NAME = "reconciler.yaml"
DEFAULT_PROJECT = "default"
"""Of who names none."""
SERVE_FILE = "serve.yaml"
"""Belongs to whoever runs a server; see ``load/serve_file.py``."""


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


def _date(text: str) -> str:
    try:
        if str(date.fromisoformat(text)) != text:  # Python also reads week dates, and dates without hyphens
            raise ValueError
    except ValueError:
        raise fail("invalid-date", "expected a date such as 2026-12-31") from None
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


_PATTERN = re.compile(r"(?:[a-z0-9*?-]+/)?[a-z*?]+/[a-z0-9*?-]+")
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
Day = Annotated[
    str, AfterValidator(_date), Form("day", r"^[0-9]{4}-?[0-9W][0-9-]*$", "expected a date such as 2026-12-31")
]
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
    schemes: dict[SchemeName, SchemeSettings] = Field(
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
    external: Items[External] = Field((), description="Resources of other projects that may be referred to.")

    @model_validator(mode="after")
    def _defaults_name_kinds(self) -> ProjectFile:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
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


class Project:
    """The settings, the folder they count from, and the file for its places. Without a file everything is default."""

    def __init__(self, root: FilePath, settings: ProjectFile, source: Source | None, raw: Any) -> None:
        self.root = root
        self.settings = settings
        self.source = source
        self.raw = raw
        self.worlds: dict[str, World] = {}
        """What environments declare, by their names, as far as somebody asked for it."""
        self._names: dict[str, str] = {}

    def own_name(self, path: str) -> str:
        """Return a file's name from the project's folder: the same whatever the working directory is."""
        if path not in self._names:
            # a PATH is given from the working directory; what was piped in has no folder
            whole = path if path.startswith("<") else os.path.abspath(path)
            self._names[path] = shown_name(FilePath(whole), FilePath(os.path.abspath(self.root)))
        return self._names[path]

    def placed(self, place: Place, path: str) -> Place:
        """Return a place in the file at ``path``, by the file's own name."""
        return Place(self.own_name(path), place.line, place.column)

    def seen_from_here(self, place: Place) -> Place:
        """Return a place of this project with its file named from the working directory, as messages do."""
        return Place(shown_name(self.root / place.file), place.line, place.column)

    @property
    def has_file(self) -> bool:
        return self.source is not None

    def defaults(self, kind: str) -> tuple[Path, dict[str, Any]] | None:
        """The kind's defaults as written, and where they stand."""
        for key in (KINDS[kind].plural, kind):
            if key in self.settings.defaults:
                return ("defaults", key), self.raw["defaults"][key]
        return None

    def variables(self, environment: str | None) -> dict[str, Any]:
        """The values as written (a decimal keeps all of its digits); those of the environment win."""
        found: dict[str, Any] = dict(self.raw.get("variables", {}))
        if environment is not None:
            found |= (self.raw["environments"][environment] or {}).get("variables", {})
        return found

    def ignore_rules(self) -> tuple[Ignore, ...]:
        return tuple(
            Ignore(r.address, r.field, r.reason, date.fromisoformat(r.until) if r.until else None)
            for r in self.settings.ignore
        )

    def guards(self) -> Guards:
        own = self.settings.guards
        return Guards(own.max_deletes, own.max_delete_percent, own.outside == "overwrite", frozenset(own.refuse))

    def retention(self) -> Retention:
        own = self.settings.history
        return Retention(own.keep_generations, own.keep_days)

    def secret_policy(self, environment: str | None) -> Policy:
        """What a tenant's references may reach; what the environment says wins over the project."""
        schemes = dict(self.settings.secrets.schemes)
        if environment is not None:
            for name, own in self.settings.environments[environment].schemes.items():
                schemes[name] = own.over(schemes.get(name))
        return Policy(
            {name: one.enabled for name, one in schemes.items()},
            {name: one.prefixes for name, one in schemes.items()},
            environment,
        )

    def destinations(self) -> tuple[Destination, ...]:
        """Who is told something, by name."""
        return tuple(
            Destination(name, one.type, one.url, getattr(one, "secret", None), frozenset(one.events))
            for name, one in sorted(self.settings.notifications.items())
        )

    def problem(self, problem: Problem, path: Path) -> Problem:
        """``problem`` with its place in reconciler.yaml, if there is one."""
        return self.source.locate(problem, 0, path, shown_in(self.raw)) if self.source else problem


def shown_in(raw: Any) -> Callable[[Path], bool]:
    """What may be shown of a project's file: what its schema knows, and does not keep private."""
    return lambda path: bool(path) and shown((ProjectFile,), raw, path) and not looks_secret(str(path[-1]))


def without_file(root: FilePath) -> Project:
    return Project(root, ProjectFile(version=1), None, {})


def read_project(path: FilePath, problems: Problems) -> Project | None:
    """Reads and validates ``reconciler.yaml``; None where it can't be used, with the problems added."""
    source = read_source(path, problems)
    if source is None:
        return None
    if len(source.documents) != 1:
        if not problems.found:
            what = "is empty" if not source.documents else "holds several documents"
            problems.add(
                Problem(
                    "project-file",
                    f"{source.name} {what}",
                    place=Place(source.name, 1, 1),
                    hint="write one document that says `version: 1`",
                )
            )
        return None
    if not os.path.realpath(path).startswith(os.path.join(os.path.realpath(path.parent), "")):
        message = f"{source.name} leads out of the project's folder"
        problems.add(Problem("outside-project", message, place=Place(source.name), hint="put the file itself there"))
        return None
    raw = source.documents[0].value
    try:
        settings = ProjectFile.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors(include_input=False, include_url=False):
            problem = replace(problem_of(ProjectFile, raw, detail, ""), address=None)
            problems.add(source.locate(problem, 0, problem.path, shown_in(raw)))
        problems.found[:] = map(source.masking, problems.found)
        return None
    return Project(path.parent, settings, source, raw)

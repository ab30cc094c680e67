"""What ``reconciler.yaml`` says, read and validated: plain values that everybody but its reader goes by."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from reconciler.model.configuration import Guards, Ignore, Retention
from reconciler.model.notification import Destination


class Include(Struct, frozen=True):
    """A glob of manifests. ``as_map``: written as a map, of which it is the `path`."""

    pattern: str
    optional: bool = False
    as_map: bool = False


class IgnoreRule(Struct, frozen=True):
    """Fields that are left to somebody else; ``optional`` where its address may match nothing."""

    rule: Ignore
    optional: bool = False


class External(Struct, frozen=True):
    """Resources of another project: a pattern of addresses, or `kind/name` in every tenant."""

    address: str
    project: str | None = None
    optional: bool = False


class Scheme(Struct, frozen=True):
    """The settings of a scheme of secret references; None stands for the usual.

    Is it on, below which prefixes tenants stay, and which variables they may name.
    """

    enabled: bool | None = None
    prefixes: tuple[str, ...] | None = None
    allow: tuple[str, ...] | None = None

    def over(self, other: Scheme | None) -> Scheme:
        """Return these settings, and the other's where these say nothing."""
        if other is None:
            return self
        enabled = other.enabled if self.enabled is None else self.enabled
        return Scheme(
            enabled,
            other.prefixes if self.prefixes is None else self.prefixes,
            other.allow if self.allow is None else self.allow,
        )


class Environment(Struct, frozen=True):
    """Where an environment lives, and how it differs; its variables are asked of the ``Project``."""

    database: str | None = None
    overlays: tuple[str, ...] = ()
    schemes: Mapping[str, Scheme] = {}


class Secrets(Struct, frozen=True):
    """Where keys are, and how references are resolved."""

    keys: str | None = None
    transit: str | None = None
    timeout_seconds: int = 10
    schemes: Mapping[str, Scheme] = {}


class Lint(Struct, frozen=True):
    """Files of rules, the rules that are off, each with the reason, and other severities."""

    rules: tuple[str, ...] = ()
    disable: Mapping[str, str] = {}
    severity: Mapping[str, str] = {}


class Heads(Struct, frozen=True):
    """Where signed heads of the audit trail go; ``every`` counts entries."""

    every: int = 1
    file: str | None = None
    git_notes: bool = False


class Settings(Struct, frozen=True):
    """The settings of one project. ``lint`` is None where the file says nothing of it."""

    project: str | None = None
    default_tenant: str | None = None
    database: str | None = None
    include: tuple[Include, ...] = ()
    environments: Mapping[str, Environment] = {}
    default_environment: str | None = None
    guards: Guards = Guards()
    ignore: tuple[IgnoreRule, ...] = ()
    defaults: frozenset[str] = frozenset()
    """The keys of kinds with defaults; what they are is asked of the ``Project``."""
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
    destinations: tuple[Destination, ...] = ()
    lint: Lint | None = None
    external: tuple[External, ...] = ()
    heads: Heads = Heads()

    @property
    def ignored(self) -> tuple[Ignore, ...]:
        """The fields that planning leaves to others."""
        return tuple(one.rule for one in self.ignore)

    @property
    def linting(self) -> Lint:
        """What `reconciler lint` goes by, also where the file says nothing of it."""
        return self.lint or Lint()

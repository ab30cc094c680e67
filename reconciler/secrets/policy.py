"""Which references a tenant may use, before anybody is asked for a secret.

A reference may stand in a pull request, so what it can reach is bounded by rules and not by good will: a tenant sees
its own part of a store, and the environment is no store in production.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct, field

from reconciler.model.secret_ref import SecretRef

POLICY_HINT = "see `secrets.schemes` in reconciler.yaml"
TENANT, UPPER = "${tenant}", "${TENANT}"
OWN_PREFIXES: Mapping[str, tuple[str, ...]] = {"vault": ("*/${tenant}/",), "aws-sm": ("${tenant}/",)}
"""Where the project says nothing: below any mount, and in Secrets Manager, the first part is the tenant's name."""
OPEN = frozenset({"local", "dev", "development", "test"})
"""Parts of the names of environments in which ``env://`` takes any variable unless the project says which: ``dev-eu`` is
one. So it does in every environment of a project that is called so, and in a project without environments."""
PRODUCTION = frozenset({"live", "prd", "preprd", "preprod", "prod", "production"})
"""Each begins a part of the names of environments that are never open, whatever the project is called."""
_PRODUCTION = re.compile("|".join(sorted(PRODUCTION)))
WILDCARD = "_*"
"""Ends a pattern of variables: any name with this prefix."""
OPERATORS = ("env",)
"""Schemes of references that belong to no tenant: what the operator's own settings say, as in ``notifications``."""
OURS = (
    "RECONCILER_",
    "VAULT_",
    "BAO_",
    "AWS_",
    "PGPASS",
    "ACTIONS_",
    "GITHUB_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "RUNNER_TOKEN",
    "BITBUCKET_STEP_",
    "BUILDKITE_AGENT_",
    "CIRCLE_OIDC_",
    "PGSERVICEFILE",
    "CI_BUILD_",
    "CI_JOB_",
    "CI_DEPLOY_",
    "CI_REGISTRY_",
    "GITLAB_TOKEN",
    "SYSTEM_ACCESSTOKEN",
)
"""Variables with the credentials of this program and of its pipeline: a prefix has to allow them by name."""


class Permitted(Struct, frozen=True):
    """Patterns of variables that a server's operator permits to every tenant, and to single ones besides."""

    every: tuple[str, ...] = ()
    tenants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def has(self, tenant: str, name: str) -> bool:
        return _is_named(name, (*self.every, *self.tenants.get(tenant, ())), tenant)


class Policy(Struct, frozen=True):
    """Per scheme: is it on (None: as usual), and below which prefixes (None: as usual) a tenant's references stay.

    ``variables`` are patterns of what ``env://`` may name (None: as usual). ``permitted`` are those that the operator of a
    server permits there, to every tenant and to single ones; None where this is no server.
    """

    enabled: Mapping[str, bool | None] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    environment: str | None = None
    project: str | None = None
    variables: tuple[str, ...] | None = None
    permitted: Permitted | None = None

    def own(self, scheme: str) -> tuple[str, ...] | None:
        """Return the prefixes that the project itself names."""
        return self.prefixes.get(scheme)

    @property
    def is_open(self) -> bool:
        """Whether ``env://`` takes any variable where the project names none: a name such as `non-prod` is not open."""
        if self.environment is None:
            return True
        parts = {*self.environment.split("-")}
        is_open = self.project in OPEN or not OPEN.isdisjoint(parts)
        return is_open and not any(map(_PRODUCTION.match, parts))


def hint_for(reference: SecretRef) -> str:
    """Return what to write where the project forbids a reference."""
    if reference.scheme != "env" or reference.rest.startswith(OURS):
        return POLICY_HINT
    return (
        f"write `secrets: {{schemes: {{env: {{allow: [{reference.rest}]}}}}}}` in reconciler.yaml (or `schemes` of the "
        "environment there), or keep the value with `reconciler secrets set` and write encrypted://"
    )


def refusal(policy: Policy, tenant: str, reference: SecretRef) -> str | None:
    """Why ``tenant`` may not use ``reference``; None where it may."""
    scheme, rest = reference
    if policy.enabled.get(scheme) is False:
        return f"{scheme}:// is switched off here"
    if scheme == "env":
        return _variable_refusal(policy, tenant, rest)
    prefixes = policy.own(scheme)
    if prefixes is None:
        prefixes = OWN_PREFIXES.get(scheme)
    if prefixes is None or any(_is_below(rest, prefix, tenant) for prefix in prefixes):
        return None
    return f"it lies outside of what the tenant {tenant} may see: {', '.join(prefixes)}"


def _variable_refusal(policy: Policy, tenant: str, name: str) -> str | None:
    prefixes = policy.own("env")
    if policy.variables is not None or prefixes is not None:
        below = any(_is_below(name, prefix, tenant) for prefix in prefixes or ())
        if not below and not _is_named(name, policy.variables or (), tenant):
            allowed = ", ".join((*(policy.variables or ()), *(prefixes or ()))) or "no variable"
            return f"it lies outside of what the tenant {tenant} may see: {allowed}"
    elif policy.enabled.get("env") is None and not policy.is_open:
        return f"env:// is off in {policy.environment}: no variable is allowed there"
    elif name.startswith(OURS):
        return "this variable belongs to the program itself, not to a tenant"
    return None


def _is_named(name: str, patterns: tuple[str, ...], tenant: str) -> bool:
    """Whether a pattern allows the variable: a name, or the beginning of names up to ``_*``."""
    return any(_fits(name, pattern, tenant) for pattern in patterns)


def _fits(name: str, pattern: str, tenant: str) -> bool:
    whole = pattern.replace(TENANT, UPPER)
    if UPPER in whole and "--" in tenant:
        return False  # a-b and a--b would share a name
    whole = whole.replace(UPPER, tenant.upper().replace("-", "_"))
    if whole.endswith(WILDCARD):
        return name.startswith(whole[:-1]) and len(name) >= len(whole)
    return name == whole


def _is_below(rest: str, prefix: str, tenant: str) -> bool:
    if prefix.startswith("*/"):
        prefix, rest = prefix[2:], rest.partition("/")[2]
    if UPPER in prefix and "--" in tenant:
        return False  # a-b and a--b would share a prefix
    whole = prefix.replace(TENANT, tenant).replace(UPPER, tenant.upper().replace("-", "_"))
    return rest.startswith(whole) and len(rest) > len(whole)

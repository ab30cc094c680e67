"""Which references a tenant may use, before anybody is asked for a secret.

A reference may stand in a pull request, so what it can reach is bounded by rules and not by good will: a tenant sees
its own part of a store, and the environment is no store in production.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from reconciler.model.secret_ref import SecretRef

POLICY_HINT = "see `secrets.schemes` in reconciler.yaml"
TENANT, UPPER = "${tenant}", "${TENANT}"
OWN_PREFIXES: Mapping[str, tuple[str, ...]] = {"vault": ("*/${tenant}/",), "aws-sm": ("${tenant}/",)}
"""Where the project says nothing: below any mount, and in Secrets Manager, the first part is the tenant's name."""
PRODUCTION = frozenset({"prod", "production", "live"})
"""Parts of the names of environments in which ``env://`` is off unless the project allows it: ``prod-eu`` is one."""
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
    "GH_TOKEN",
    "CI_JOB_",
    "CI_DEPLOY_",
    "CI_REGISTRY_",
    "GITLAB_TOKEN",
    "SYSTEM_ACCESSTOKEN",
)
"""Variables with the credentials of this program and of its pipeline: a prefix has to allow them by name."""


class Policy(Struct, frozen=True):
    """Per scheme: is it on (None: as usual), and below which prefixes (None: as usual) a tenant's references stay."""

    enabled: Mapping[str, bool | None] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    environment: str | None = None

    def own(self, scheme: str) -> tuple[str, ...] | None:
        """The prefixes that the project itself names."""
        return self.prefixes.get(scheme)


def is_production(environment: str) -> bool:
    """Whether any part of the name says so. A name such as `non-prod` counts too: a project can switch the scheme on."""
    return not PRODUCTION.isdisjoint(environment.split("-"))


def refusal(policy: Policy, tenant: str, reference: SecretRef) -> str | None:
    """Why ``tenant`` may not use ``reference``; None where it may."""
    scheme, rest = reference
    on = policy.enabled.get(scheme)
    if on is False:
        return f"{scheme}:// is switched off here"
    if on is None and scheme == "env" and is_production(policy.environment or ""):
        return f"env:// is off in {policy.environment}, unless `schemes: {{env: {{enabled: true}}}}` says otherwise"
    prefixes = policy.own(scheme)
    if prefixes is None:
        if scheme == "env" and rest.startswith(OURS):
            return "this variable belongs to the program itself, not to a tenant"
        prefixes = OWN_PREFIXES.get(scheme)
    if prefixes is None or any(_is_below(rest, prefix, tenant) for prefix in prefixes):
        return None
    return f"it lies outside of what the tenant {tenant} may see: {', '.join(prefixes)}"


def _is_below(rest: str, prefix: str, tenant: str) -> bool:
    if prefix.startswith("*/"):
        prefix, rest = prefix[2:], rest.partition("/")[2]
    if UPPER in prefix and "--" in tenant:
        return False  # a-b and a--b would share a prefix
    whole = prefix.replace(TENANT, tenant).replace(UPPER, tenant.upper().replace("-", "_"))
    return rest.startswith(whole) and len(rest) > len(whole)

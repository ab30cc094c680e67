"""``secrets`` of reconciler.yaml: where keys are, and which references are good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.load.plain import Plain
from reconciler.model.fields import Items, ShortText, fail
from reconciler.model.secret_ref import SCHEMES
from reconciler.model.spec import Part
from reconciler.secrets.policy import TENANT, UPPER


def _prefix(text: str) -> str:
    """One tenant's name may begin with another's, so a prefix ends where a name ends."""
    rest = text.replace(TENANT, "t").replace(UPPER, "T")
    if "${" in rest:
        raise fail("no-variables", f"a prefix takes {TENANT} and {UPPER}, and no other variable")
    if UPPER in text and not text.endswith("__"):
        raise fail(
            "invalid-prefix", f"a prefix with {UPPER} ends in `__`, e.g. `{UPPER}__`: ACME_ is a part of ACME_EU_"
        )
    if not text.endswith(("/", "_")):
        raise fail("invalid-prefix", f"a prefix ends in `/` or `_`, e.g. `kv/{TENANT}/`")
    if "*" in text.removeprefix("*/"):
        raise fail("invalid-prefix", f"a prefix takes `*` only as its first part, for any mount: `*/{TENANT}/`")
    return text


if TYPE_CHECKING:
    SchemeName = str
else:
    SchemeName = Literal[SCHEMES]
Prefix = Annotated[ShortText, AfterValidator(_prefix)]


class SchemeSettings(Part):
    """One scheme of secret references: is it on, and what may a tenant reach by it."""

    enabled: bool | None = Field(
        None,
        description="Whether references of this scheme are good. `env` is off in production unless this says true.",
    )
    prefixes: Items[Prefix] | None = Field(
        None,
        description=f"A tenant's references begin with one of these, e.g. `kv/{TENANT}/`. Default: for vault `*/{TENANT}/`,"
        f" for aws-sm `{TENANT}/`, and for env any name.",
    )


class SecretSettings(Part):
    """Where keys are, and how references are resolved."""

    keys: Plain | None = Field(
        None, description="Path of the key file, relative to this file; it belongs outside of git."
    )
    transit: Plain | None = Field(
        None, description="Vault transit key, as mount/name, that wraps secrets instead of the key file."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = Field(
        10, description="Seconds that resolving one reference may take, with all of its tries."
    )
    schemes: dict[SchemeName, SchemeSettings] = Field(
        default_factory=dict, description="Schemes of secret references, e.g. `env: {enabled: false}`."
    )

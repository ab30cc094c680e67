"""``secrets`` of reconciler.yaml: where keys are, and which references are good."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from reconciler.load.plain import Plain
from reconciler.model.fields import Items, ShortText, fail
from reconciler.model.secret_ref import SCHEMES
from reconciler.model.spec import Part
from reconciler.patterns import regex
from reconciler.secrets.policy import TENANT, UPPER, WILDCARD


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


_VARIABLES = regex(r"[A-Z_][A-Z0-9_]*\*?\Z")


def _variables(text: str) -> str:
    """Parse a name, or a prefix that ends where one tenant's name can't go on as another's."""
    whole = text.replace(TENANT, UPPER)
    before, named, after = whole.partition(UPPER)
    if "${" in before + after:
        raise fail("no-variables", f"a pattern of variables takes {UPPER} once, and no other variable")
    if named and not (after.startswith("__") or (not after and before.endswith("__"))):
        raise fail(
            "invalid-prefix",
            f"{UPPER} is set apart by `__`, e.g. `{UPPER}__*` or `KEY__{UPPER}`: ACME_ is a part of ACME_EU_",
        )
    if not _VARIABLES.match(whole.replace(UPPER, "T")) or (whole.endswith("*") and not whole.endswith(WILDCARD)):
        raise fail(
            "invalid-pattern", f"expected the name of a variable, or a prefix such as `AGENTS_*` or `{UPPER}__*`"
        )
    return text


if TYPE_CHECKING:
    SchemeName = str
else:
    SchemeName = Literal[SCHEMES]
Prefix = Annotated[ShortText, AfterValidator(_prefix)]
Variables = Annotated[ShortText, AfterValidator(_variables)]
"""A pattern of variables of the environment."""


class SchemeSettings(Part):
    """One scheme of secret references: is it on, and what may a tenant reach by it."""

    enabled: bool | None = Field(
        None,
        description="Whether references of this scheme are good.",
    )
    allow: Items[Variables] | None = Field(
        None,
        description=f"For env alone: the variables that it may name, or prefixes of them, e.g. `AGENTS_*` or `{UPPER}__*`. "
        "Default: any but the program's own where there is no environment, or where its name or the project's has the part "
        "local, dev, development or test; none in other environments.",
    )
    prefixes: Items[Prefix] | None = Field(
        None,
        description=f"A tenant's references begin with one of these, e.g. `kv/{TENANT}/`. Default: for vault `*/{TENANT}/`,"
        f" for aws-sm `{TENANT}/`. For env it counts like `allow`.",
    )


def _of_env(found: dict[str, SchemeSettings]) -> dict[str, SchemeSettings]:
    for name, one in found.items():
        if one.allow is not None and name != "env":
            raise fail("conflicting-fields", f"`allow` is for env; {name} takes `prefixes`")
    return found


Schemes = Annotated[dict[SchemeName, SchemeSettings], AfterValidator(_of_env)]


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
    schemes: Schemes = Field(
        default_factory=dict, description="Schemes of secret references, e.g. `env: {allow: [AGENTS_*]}`."
    )

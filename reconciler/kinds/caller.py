"""The kind `caller`: who may ask for something, with which roles, and how it proves that it is who it says."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self, TypeAlias

from pydantic import Field, model_validator

from reconciler.kinds.rules import Case, by_cases, settle
from reconciler.model.access import Role
from reconciler.model.body import Body
from reconciler.model.fields import ItemSet, Name, ShortText
from reconciler.model.judges import appears
from reconciler.model.kind import Ability, Kind
from reconciler.model.risk import BY_ACCESS, Risk
from reconciler.model.selector import ACCESS_ROLE, CALLER_LABEL, ROLE, Offer, labels
from reconciler.model.spec import Part, Spec

Claims: TypeAlias = Annotated[
    dict[ShortText, ShortText],
    Field(min_length=1, max_length=20),
    Risk("credential-changed"),
    BY_ACCESS,
]
RoleMap: TypeAlias = Annotated[dict[ShortText, Role], Field(min_length=1, max_length=1000)]


class ApiKey(Part):
    """Keys that `reconciler keys` issues; they never stand in a file."""

    max_age_days: Annotated[int, Field(ge=1, le=3650), Risk("credential-changed")] = Field(
        90, description="How many days a key is good for after it was issued."
    )


class RolesFrom(Part):
    """Further roles, from a claim of the token."""

    claim: Annotated[ShortText, Risk("credential-changed"), BY_ACCESS] = Field(
        description="The claim that lists them, e.g. `groups`."
    )
    map: Annotated[RoleMap, Risk("credential-changed"), BY_ACCESS] = Field(
        description="The role that each value of the claim stands for; other values give none."
    )


class Jwt(Part):
    """Tokens of an issuer that the operator of the server trusts."""

    issuer: Annotated[Name, Risk("credential-changed")] = Field(
        description="The issuer's name in the operator's `serve.yaml`, e.g. `corp`."
    )
    claims: Claims = Field(
        description="What the token has to say, e.g. `azp: sales-bot`. No other caller may be matched by the same token."
    )
    roles_from: Annotated[RolesFrom | None, Risk("credential-changed"), BY_ACCESS] = Field(
        None, description="Further roles that the token gives."
    )


class Auth(Part):
    """The ways in which a caller may prove who it is; any one of them will do."""

    api_key: Annotated[ApiKey | None, Risk("credential-changed", by=appears), BY_ACCESS] = Field(
        None, description="By a key that was issued to it."
    )
    jwt: Annotated[Jwt | None, Risk("credential-changed", by=appears), BY_ACCESS] = Field(
        None, description="By a token of a trusted issuer."
    )

    cases: ClassVar = (
        Case(some=("api_key", "jwt"), says="give `api_key`, `jwt` or both: nobody could use this caller"),
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        return settle(self, by_cases(self, self.cases))


class Caller(Spec):
    """An agent, or any other program."""

    roles: Annotated[ItemSet[Role], BY_ACCESS] = Field(
        (), description="Its roles; policies and `access_roles` of datasources name them."
    )
    auth: Auth = Field(description="How it proves who it is.")
    enabled: Annotated[bool, BY_ACCESS] = Field(True, description="Whether it may ask for anything.")


def _offers(body: Body) -> Iterator[Offer]:
    """Its roles, those that its token may give, and its labels."""
    claims = ((body["auth"].get("jwt") or {}).get("roles_from") or {}).get("map") or {}
    for role in (*body["roles"], *claims.values()):
        yield from (Offer(noun, role) for noun in (ROLE, ACCESS_ROLE))
    yield from labels(CALLER_LABEL, body["labels"])


KIND = Kind(
    name="caller",
    plural="callers",
    summary="Who may ask for something: an agent or another program, its roles, and how it proves who it is.",
    variants={"": Caller},
    abilities=frozenset({Ability.FREEZABLE, Ability.SUSPENDABLE, Ability.LIMITABLE, Ability.METERED, Ability.LISTED}),
    offers=_offers,
    examples={"": "roles: [analyst]\nauth:\n  api_key: {max_age_days: 90}"},
)

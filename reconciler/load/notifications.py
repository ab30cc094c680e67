"""``notifications`` of reconciler.yaml: who is told what, where."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Discriminator, Field, Tag

from reconciler.model.fields import ItemSet, Secret, Url, fail
from reconciler.model.notification import Destination
from reconciler.model.secret_ref import SCHEMES, SecretRef
from reconciler.model.spec import Part
from reconciler.secrets.policy import OPERATORS


def _resolvable(text: str) -> str:
    if SecretRef.parse(text).scheme not in OPERATORS:
        known = " or ".join(f"{scheme}://" for scheme in OPERATORS)
        raise fail(
            "unsupported-scheme", f"notifications are sent without a secret store: expected a reference with {known}"
        )
    return text


def _form(value: object) -> str:
    return "reference" if str(value).partition("://")[0] in SCHEMES else "url"


Reference: TypeAlias = Annotated[Secret, AfterValidator(_resolvable)]
UrlOrReference: TypeAlias = Annotated[
    Annotated[Url, Tag("url")] | Annotated[Reference, Tag("reference")], Discriminator(_form)
]
ProjectEvent: TypeAlias = Literal["apply", "drift", "heartbeat", "audit-head"]
_EVENTS = (
    "What it is told: `apply` (something was changed), `drift` and `heartbeat` (`drift --notify` found some, or none), "
    "`audit-head` (a signed head of the audit trail)."
)


RuntimeEvent: TypeAlias = Literal["health", "approval", "incident", "limit"]
_RUNTIME_EVENTS = (
    "What it is told: `health` (a state turned), `approval` (a call waits for one, or was decided), `incident` (a tool "
    "changed, or a model was billed too much), `limit` (80 or 95% of one is used)."
)


class _Slack(Part):
    type: Literal["slack"] = Field(description="An incoming webhook of Slack, Mattermost or Rocket.Chat.")
    url: Reference = Field(description="Reference to the webhook's URL, which is a secret, e.g. `env://SLACK_URL`.")


class _Webhook(Part):
    type: Literal["webhook"] = Field(description="A POST of JSON, signed as the Standard Webhooks specification says.")
    url: UrlOrReference = Field(description="Where to send it; a reference where the URL itself is a secret.")
    secret: Reference = Field(description="Reference to the signing secret: `whsec_` and base64, or 24 bytes and more.")


class SlackDestination(_Slack):
    """A channel of Slack, or of what understands its incoming webhooks."""

    events: ItemSet[ProjectEvent] = Field(("apply", "drift"), description=_EVENTS)


class WebhookDestination(_Webhook):
    """A program that takes signed JSON."""

    events: ItemSet[ProjectEvent] = Field(("apply", "drift"), description=_EVENTS)


class RuntimeSlack(_Slack):
    """A channel of Slack, or of what understands its incoming webhooks."""

    events: ItemSet[RuntimeEvent] = Field(("health", "approval", "incident", "limit"), description=_RUNTIME_EVENTS)


class RuntimeWebhook(_Webhook):
    """A program that takes signed JSON."""

    events: ItemSet[RuntimeEvent] = Field(("health", "approval", "incident", "limit"), description=_RUNTIME_EVENTS)


RuntimeNotification: TypeAlias = Annotated[RuntimeSlack | RuntimeWebhook, Discriminator("type")]
Notification: TypeAlias = Annotated[SlackDestination | WebhookDestination, Discriminator("type")]


def destinations_of(notifications: Mapping[str, Notification | RuntimeNotification]) -> tuple[Destination, ...]:
    """Return destinations sorted by their names."""
    return tuple(
        Destination(name, one.type, one.url, getattr(one, "secret", None), frozenset(one.events))
        for name, one in sorted(notifications.items())
    )

"""Connectors of type `notification`: a channel to people or programs, with the recipients that it may reach."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from reconciler.kinds.connector.common import (
    CallSeconds,
    CallsPerMinute,
    Connector,
    Headers,
    NetworkExceptions,
    header_faults,
)
from reconciler.kinds.rules import GIVEN, Case, Fault, both_or_none, by_cases, only_own, settle
from reconciler.model.body import Body
from reconciler.model.fields import (
    BareText,
    BaseUrl,
    Form,
    Host,
    ItemSet,
    Name,
    Port,
    Private,
    Replacing,
    Secret,
    ShortText,
    fail,
)
from reconciler.model.judges import sinks
from reconciler.model.risk import Health, Risk

_FIELDS = {
    "slack": ("token", "webhook_url", "base_url"),
    "smtp": ("host", "port", "tls", "username", "password"),
    "webhook": ("url", "webhook_url", "signing_secret", "headers"),
    "teams": ("webhook_url",),
}
_NEEDED = {"smtp": ("host",), "teams": ("webhook_url",)}
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_CHANNEL = re.compile(r"#[^\s#@<>&,]{1,80}|[CDGU][A-Z0-9]{6,20}")


class Channel(NamedTuple):
    """What a message may have: whether there is a subject, and how many characters of text."""

    has_subject: bool
    needs_subject: bool
    most: int


CHANNELS: Mapping[str, Channel] = {
    # Slack cuts a text behind 40,000 characters, and escaping makes at most five of one
    "slack": Channel(False, False, 8_000),
    "smtp": Channel(True, True, 100_000),
    "webhook": Channel(True, False, 100_000),
    "teams": Channel(True, False, 8_000),
}
"""By the provider."""


def _mail(text: str) -> str:
    if not _MAIL.fullmatch(text):
        raise fail(
            "invalid-format", "expected one address such as alerts@example.com, without a name and without commas"
        )
    return text


MailAddress = Annotated[
    BareText,
    AfterValidator(_mail),
    Form(
        "mail_address",
        r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$",
        "expected one address such as alerts@example.com",
    ),
]


def _pairs(recipients: Mapping[str, Sequence[str]] | None) -> set[tuple[str, str]]:
    return {(name, one) for name, addresses in (recipients or {}).items() for one in (*addresses, "")}


def _reaches_more(before: Any, after: Any) -> bool:
    """Whether a name is new, or stands for an address that it did not stand for."""
    return bool(_pairs(after) - _pairs(before))


class Notification(Connector):
    """One channel; templates choose among its recipients by name, callers give none."""

    type: Annotated[Replacing[Literal["notification"]], Health()] = Field(description="A channel for messages.")
    provider: Annotated[Literal["slack", "smtp", "webhook", "teams"], Risk("endpoint-host-changed"), Health()] = Field(
        description="The channel: `slack` needs `token` or `webhook_url`, `smtp` needs `host` and `from`, `webhook` needs `url` or "
        "`webhook_url`."
    )
    recipients: Annotated[
        dict[Name, ItemSet[BareText]],
        Field(min_length=1, max_length=200),
        Risk("access-widened", by=_reaches_more),
    ] = Field(
        description="The recipients that templates may name, and their addresses: channels (`#sales` or an id) for Slack by a "
        "token, mail addresses for smtp. A webhook reaches one place: its recipients have no addresses (`[]`).",
    )
    token: Secret | None = Field(None, description="slack: a reference to the bot's token, which may `chat:write`.")
    webhook_url: Secret | None = Field(
        None, description="slack, webhook and teams: a reference to the whole URL, where that is itself a secret."
    )
    base_url: BaseUrl | None = Field(
        None, description="slack, with a token: where its API is. Without it, `https://slack.com/api`."
    )
    url: BaseUrl | None = Field(None, description="webhook: where messages are sent by POST, if the URL is no secret.")
    signing_secret: Secret | None = Field(
        None,
        description="webhook: a reference to the secret that signs messages, as Standard Webhooks says (`whsec_…`).",
    )
    headers: Headers = Field(
        default_factory=dict,
        description="webhook: headers of every request. One that looks secret needs a reference or `{plain: …}`.",
    )
    host: Annotated[Host | None, Health()] = Field(None, description="smtp: the server that takes mail.")
    port: Annotated[Port | None, Risk("endpoint-host-changed"), Health()] = Field(
        None, description="smtp: its port. Without it, 587 for `starttls`, 465 for `tls`, 25 for `none`."
    )
    tls: Annotated[
        Literal["starttls", "tls", "none"] | None,
        Risk("encryption-weakened", by=sinks(("none", "starttls", "tls"), absent="starttls")),
        Health(),
    ] = Field(
        None,
        description="smtp: `starttls` (the default; a server without it gets no mail), `tls` from the first byte, or `none`.",
    )
    username: Annotated[ShortText | None, Private(), Risk("credential-changed"), Health()] = Field(
        None, description="smtp: the user, as plain text."
    )
    password: Secret | None = Field(None, description="smtp: a reference to the password.")
    sender: Annotated[MailAddress | None, Risk("statement-changed")] = Field(
        None, alias="from", description="smtp: the address that mail comes from."
    )
    timeout_seconds: CallSeconds = 30
    rate_limit: CallsPerMinute = 60
    network_exceptions: NetworkExceptions = ()

    cases: ClassVar = (
        *only_own("provider", _FIELDS, _NEEDED),
        Case({"provider": ("slack",)}, some=("token", "webhook_url"), says="`token` or `webhook_url` is required"),
        Case({"provider": ("webhook",)}, some=("url", "webhook_url"), says="`url` or `webhook_url` is required"),
        Case(
            {"webhook_url": (GIVEN,)},
            barred=("token", "url", "base_url"),
            says="`webhook_url` and `{name}` exclude each other",
        ),
        *both_or_none("username", "password", "beside the other one"),
        Case(
            {"tls": ("none",)},
            barred=("username", "password"),
            says="no password is sent over a connection without TLS",
        ),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from by_cases(self, self.cases)
        yield from header_faults(self.headers)
        if self.provider == "smtp" and self.sender is None:
            yield Fault(("from",), "missing-field", "`from` is required for smtp")
        if self.provider != "smtp" and self.sender is not None:
            message = f"`from` has no meaning for {self.provider}; leave it out"
            yield Fault(("from",), "conflicting-fields", message)
        form = _form_of(self.provider, self.webhook_url is not None)
        for name, addresses in self.recipients.items():
            if form is None and addresses:
                message = "the URL says where messages go; this recipient has no addresses: write `[]`"
                yield Fault(("recipients", name), "conflicting-fields", message)
            elif form is not None and not addresses:
                yield Fault(("recipients", name), "missing-value", f"expected at least one {form[1]}")
            elif form is not None:
                for at, one in enumerate(addresses):
                    if not form[0].fullmatch(one):
                        yield Fault(("recipients", name, at), "invalid-format", f"expected {form[2]}")


def _form_of(provider: str, has_url: bool) -> tuple[re.Pattern[str], str, str] | None:
    """Return the form of addresses, a word for one, and an example; None where there are none."""
    if provider == "smtp":
        return _MAIL, "mail address", "one address such as alerts@example.com, without a name and without commas"
    if provider == "slack" and not has_url:
        return _CHANNEL, "channel", "a channel such as #sales, or its id"
    return None


def addresses_of(connector: Body, to: Sequence[str]) -> list[str]:
    """Return the addresses behind names of recipients, each once; "" stands for the one place that a webhook reaches."""
    found = [one for name in to for one in connector["recipients"].get(name, ())]
    has_addresses = _form_of(connector["provider"], connector.get("webhook_url") is not None) is not None
    return [*dict.fromkeys(found)] if has_addresses else [""]

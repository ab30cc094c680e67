"""Templates of type `message`: one reviewed text with parameters, for recipients of a connector."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.errors import Path, Problem
from reconciler.kinds.connector.notification import CHANNELS
from reconciler.kinds.nearest import near
from reconciler.kinds.rules import Seconds, settle
from reconciler.kinds.template import declared
from reconciler.kinds.template.common import Template, action_faults, caps, connector_of, mismatch, used_as_declared
from reconciler.kinds.template.http_values import NAME
from reconciler.kinds.template.message_text import FIELDS, MOST_KEY, MOST_SUBJECT, names_in, unfit
from reconciler.kinds.template.types import TemplateType
from reconciler.model.body import Body
from reconciler.model.fields import ItemSet, Name, Public, Replacing, fail, for_models
from reconciler.model.judges import grown
from reconciler.model.kind import Lookup
from reconciler.model.resource import Resource
from reconciler.model.risk import BY_ACCESS, Risk


def _placeholders(text: str) -> str:
    rest = NAME.sub("", text)
    if "{" in rest or "}" in rest:
        raise fail(
            "invalid-placeholder", "a parameter stands as {name}, with letters, digits and underscores; no other braces"
        )
    if "\r" in text or any(ord(one) < 32 and one not in "\t\n" for one in text):
        raise fail(
            "control-character", "control characters other than line breaks and tabs are not allowed in a message"
        )
    return for_models(text)


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1 or text != text.strip():
        raise fail("invalid-format", "expected one line, without spaces at its ends")
    return text


MessageText: TypeAlias = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_placeholders), Public()]
Subject: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=MOST_SUBJECT),
    AfterValidator(_placeholders),
    AfterValidator(_one_line),
    Public(),
]
Key: TypeAlias = Annotated[str, Field(min_length=1, max_length=MOST_KEY), AfterValidator(_placeholders), Public()]


class Message(Template):
    """One message; the caller gives values, never a recipient and never markup."""

    type: Replacing[Literal["message"]] = Field(description="A message to people or programs.")
    connector: Annotated[Name, BY_ACCESS] = Field(description="The name of the connector of type `notification`.")
    to: Annotated[
        ItemSet[Name],
        Field(min_length=1, max_length=50),
        Risk("statement-changed"),
        Risk("access-widened", by=grown(empty_is_all=False)),
    ] = Field(description="Who gets it: names among the connector's `recipients`.")
    subject: Annotated[Subject | None, Risk("statement-changed")] = Field(
        None, description="The subject, in one line; for mail and webhooks. Each `{name}` is a parameter."
    )
    text: Annotated[MessageText, Risk("statement-changed")] = Field(
        description="The text. Each `{name}` is a parameter, whose value is text: markup and mentions in it mean nothing."
    )
    dedupe: Annotated[Key | None, Risk("statement-changed")] = Field(
        None,
        description='What makes two calls the same message, e.g. `"{id}"`: within a day it is sent once. Without it, each call is sent.',
    )
    digest_minutes: Annotated[Annotated[int, Field(ge=1, le=1440)] | None, Risk("statement-changed")] = Field(
        None,
        description="For how long messages are gathered into one: the first opens the window, at its end they are sent together.",
    )
    timeout_seconds: Seconds | None = Field(
        None, description="How long accepting it may take, in seconds. Without it, the connector's bound counts."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, action_faults(self, False))


def used_parameters(body: Body) -> dict[str, tuple[Path, str]]:
    """Return the parameters that a message uses, with the path and the words for the place."""
    used: dict[str, tuple[Path, str]] = {}
    for field in FIELDS:
        for name in names_in(body.get(field)):
            used.setdefault(name, ((field,), f" in `{field}`"))
    return used


def check(resource: Resource, lookup: Lookup) -> Iterator[Problem]:
    """Rules about the parameters, and those that need the connector."""
    body, address = resource.body, resource.address
    yield from used_as_declared(address, body["parameters"], used_parameters(body))
    path, _, connector = connector_of(resource, lookup)
    if connector is None:
        return
    if connector.body["type"] != "notification":
        yield mismatch(address, path, connector, "notification", "message")
        return
    known = connector.body["recipients"]
    for at, name in enumerate(body["to"]):
        if name not in known:
            message = f"{connector.address} has no recipient of the name {name}"
            expected, hint = ", ".join(known), near(name, known)
            yield Problem("unknown-recipient", message, str(address), ("to", at), expected=expected, hint=hint)
    provider = connector.body["provider"]
    if body.get("subject") is not None and not CHANNELS[provider].has_subject:
        message = f"messages by {provider} have no subject; say it in `text`"
        yield Problem("conflicting-fields", message, str(address), ("subject",))
    if body.get("subject") is None and CHANNELS[provider].needs_subject:
        message = f"`subject` is required for messages by {provider}"
        yield Problem("missing-field", message, str(address), ("connector",))
    yield from caps(resource, connector, ("timeout_seconds",))
    yield from declared.problems(resource, connector, unfit)


def reads(_body: Body) -> bool:
    """Whether it changes nothing: a message is sent, so never."""
    return False


def fits(body: Body, _datasource: Body | None, connector: Body) -> bool:
    """Whether the connector sends messages, has the recipients and a subject where there is one, and each parameter is declared."""
    if connector["type"] != "notification" or not {*body["to"]} <= connector["recipients"].keys():
        return False
    channel, has_subject = CHANNELS[connector["provider"]], body.get("subject") is not None
    if (has_subject and not channel.has_subject) or (channel.needs_subject and not has_subject):
        return False
    declared_names: set[str] = {*body["parameters"]}
    return used_parameters(body).keys() <= declared_names


TYPE = TemplateType(Message, check, fits, reads, "write", unfit)

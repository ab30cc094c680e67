"""Connectors of type `stream`: a message broker."""

import re
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.kinds.connector.common import CallSeconds, CallsPerMinute, Connector, NetworkExceptions
from reconciler.kinds.rules import Bytes, ReadOnly, Rows, both_or_none, by_cases, only_own, settle
from reconciler.model.fields import Form, ItemSet, Private, Replacing, Secret, ShortText, fail
from reconciler.model.judges import grown, sinks
from reconciler.model.risk import Health, Risk

_FIELDS = {
    "kafka": ("brokers", "security", "username", "password", "group"),
    "nats": ("brokers", "security", "username", "password", "credential", "group"),
    "kinesis": ("region", "access_key_id", "secret_access_key", "role_arn"),
    "sqs": ("region", "access_key_id", "secret_access_key", "role_arn"),
    "pubsub": ("project", "credential", "group"),
}
_NEEDED = {
    "kafka": ("brokers",),
    "nats": ("brokers",),
    "kinesis": ("region",),
    "sqs": ("region",),
    "pubsub": ("project",),
}


def _broker(text: str) -> str:
    match = re.fullmatch(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", text)
    if not match or not 0 < int(match[1]) < 65536:
        raise fail("invalid-host", "expected host:port, e.g. kafka-1.example.com:9092, without scheme and user")
    return text


Broker: TypeAlias = Annotated[
    ShortText,
    AfterValidator(_broker),
    Form("broker", r"^[^\s/@]+:[0-9]{1,5}$", "expected host:port, without scheme and user"),
    Private(),
]


class Stream(Connector):
    """Topics or queues; each provider has its own fields."""

    type: Annotated[Replacing[Literal["stream"]], Health()] = Field(description="A message broker.")
    provider: Annotated[
        Literal["kafka", "kinesis", "pubsub", "sqs", "nats"], Risk("endpoint-host-changed"), Health()
    ] = Field(
        description="The broker: `kafka` and `nats` need `brokers`, `kinesis` and `sqs` need `region`, `pubsub` needs `project`."
    )
    brokers: Annotated[ItemSet[Broker], Risk("endpoint-host-changed"), Health()] = Field(
        (), description="kafka and nats: where to connect first, as `host:port`."
    )
    security: Annotated[
        Literal["plaintext", "tls"] | None,
        Risk("encryption-weakened", by=sinks(("plaintext", "tls"), absent="tls")),
        Health(),
    ] = Field(None, description="kafka and nats: whether connections are encrypted. Without it, they are (`tls`).")
    username: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="kafka and nats: the user, as plain text."
    )
    password: Secret | None = Field(None, description="kafka and nats: a reference to the password.")
    group: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The consumer group, queue group or subscription to read as."
    )
    region: Annotated[ShortText | None, Risk("endpoint-host-changed"), Health()] = Field(
        None, description="kinesis and sqs: the region, e.g. `eu-central-1`."
    )
    project: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="pubsub: the project."
    )
    role_arn: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="kinesis and sqs: a role to assume, as an ARN."
    )
    access_key_id: Secret | None = Field(None, description="kinesis and sqs: a reference to the access key's id.")
    secret_access_key: Secret | None = Field(None, description="kinesis and sqs: a reference to the secret access key.")
    credential: Secret | None = Field(
        None, description="pubsub: a reference to the service account's key. nats: to the credentials file's content."
    )
    topics: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=False))] = Field(
        (), description="The topics, streams or queues that may be used. Empty allows none."
    )
    read_only: ReadOnly = Field(True, description="Whether only reading is allowed. Publishing needs false here.")
    max_messages: Rows = Field(1000, description="The most messages that one call may read.")
    max_bytes: Bytes = Field(5242880, description="The most bytes that one call may read. The default is 5 MiB.")
    timeout_seconds: CallSeconds = 30
    rate_limit: CallsPerMinute = 60
    network_exceptions: NetworkExceptions = ()

    cases: ClassVar = (
        *only_own("provider", _FIELDS, _NEEDED),
        *both_or_none("access_key_id", "secret_access_key", "beside the other one"),
        *both_or_none("username", "password", "beside the other one"),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, by_cases(self, self.cases))

"""Connectors of type `serverless`: functions that a cloud runs."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import CallSeconds, CallsPerMinute, Connector, NetworkExceptions
from reconciler.kinds.rules import Bytes, Cap, Case, ReadOnly, Retries, both_or_none, by_cases, settle
from reconciler.model.fields import BaseUrl, ItemSet, Replacing, Secret, ShortText
from reconciler.model.judges import grown
from reconciler.model.risk import Health, Risk

ASYNCHRONOUS = frozenset({"aws_lambda"})
"""Providers that accept a call and run it later."""


class Serverless(Connector):
    """Functions of one account and region."""

    type: Annotated[Replacing[Literal["serverless"]], Health()] = Field(description="Functions that a cloud runs.")
    provider: Annotated[Literal["aws_lambda", "gcp_functions"], Risk("endpoint-host-changed"), Health()] = Field(
        description="The cloud; `gcp_functions` needs `project`."
    )
    region: Annotated[ShortText, Risk("endpoint-host-changed"), Health()] = Field(
        description="The region, e.g. `eu-central-1` or `europe-west4`."
    )
    project: Annotated[ShortText | None, Risk("access-widened"), Health()] = Field(
        None, description="gcp_functions: the project."
    )
    endpoint_url: BaseUrl | None = Field(
        None,
        description="The address of a compatible service in place of the provider's own; for gcp_functions, what the function's name "
        "is added to.",
    )
    role_arn: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="aws_lambda: a role to assume before each session, as an ARN."
    )
    access_key_id: Secret | None = Field(None, description="aws_lambda: a reference to the access key's id.")
    secret_access_key: Secret | None = Field(None, description="aws_lambda: a reference to the secret access key.")
    credential: Secret | None = Field(
        None,
        description="gcp_functions: a reference to the service account's key, as JSON. The identity of the machine is never used.",
    )
    functions: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=False))] = Field(
        (), description="The functions that may be called. Empty (the default) allows none."
    )
    read_only: ReadOnly | None = Field(
        None,
        description="Whether no function may be called: each call is a write. Without it they may, since `functions` allows none by itself.",
    )
    timeout_seconds: CallSeconds = 60
    max_response_bytes: Bytes = Field(5242880, description="The largest result in bytes. The default is 5 MiB.")
    rate_limit: CallsPerMinute = 60
    retries: Cap[Retries] = Field(
        0,
        description="How often a call is sent again that the cloud refused to begin (a limit of its own, no connection). What may have "
        "had its effect is never sent again.",
    )
    network_exceptions: NetworkExceptions | None = Field(
        None,
        description="Private networks and ports that may be reached. All other private addresses are refused.",
    )

    cases: ClassVar = (
        Case(
            {"provider": ("gcp_functions",)},
            "for gcp_functions",
            needed=("project",),
            barred=("role_arn", "access_key_id", "secret_access_key"),
        ),
        Case({"provider": ("aws_lambda",)}, "for aws_lambda", barred=("project", "credential")),
        *both_or_none("access_key_id", "secret_access_key", "beside the other half of the key"),
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        return settle(self, by_cases(self, self.cases))

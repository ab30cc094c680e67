"""Connectors of type `serverless`: functions that a cloud runs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from reconciler.kinds.connector.common import CallSeconds, CallsPerMinute, Connector
from reconciler.kinds.rules import Bytes, Cap, Case, Retries, both_or_none, by_cases, settle
from reconciler.model.fields import ItemSet, Replacing, Secret, ShortText
from reconciler.model.judges import grown
from reconciler.model.risk import Health, Risk


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
    role_arn: Annotated[ShortText | None, Risk("credential-changed"), Health()] = Field(
        None, description="aws_lambda: a role to assume before each session, as an ARN."
    )
    access_key_id: Secret | None = Field(None, description="aws_lambda: a reference to the access key's id.")
    secret_access_key: Secret | None = Field(None, description="aws_lambda: a reference to the secret access key.")
    credential: Secret | None = Field(
        None, description="gcp_functions: a reference to the service account's key. Without it, the machine's identity."
    )
    functions: Annotated[ItemSet[ShortText], Risk("access-widened", by=grown(empty_is_all=False))] = Field(
        (), description="The functions that may be called. Empty (the default) allows none."
    )
    timeout_seconds: CallSeconds = 60
    max_response_bytes: Bytes = Field(5242880, description="The largest result in bytes. The default is 5 MiB.")
    rate_limit: CallsPerMinute = 60
    retries: Cap[Retries] = Field(
        0, description="How often a failed call is sent again. 0 by default, since a function may have had its effect."
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

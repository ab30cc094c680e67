"""Amazon Bedrock."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reconciler.kinds.provider.common import CONFIG, CREDENTIAL_OPTIONAL, Integration
from reconciler.model.fields import Replacing, Secret, ShortText
from reconciler.model.risk import Health, Risk
from reconciler.model.spec import Part

Region: TypeAlias = Annotated[str, Field(max_length=32, pattern=r"^[a-z]{2,}(-[a-z0-9]+)+$")]


class BedrockOptions(Part):
    """Options of Amazon Bedrock."""

    region: Annotated[Region, Risk("endpoint-host-changed")] = Field(description="The AWS region, e.g. `eu-central-1`.")
    profile: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="The profile of the machine's AWS configuration to use."
    )
    role_arn: Annotated[ShortText | None, Risk("credential-changed")] = Field(
        None, description="A role to assume before each session, as an ARN."
    )
    inference_profile: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The inference profile, as an id or an ARN."
    )
    guardrail: Annotated[ShortText | None, Risk("access-widened")] = Field(
        None, description="The guardrail to apply, as `id` or `id:version`."
    )


class Bedrock(Integration):
    """Amazon Bedrock."""

    provider: Annotated[Replacing[Literal["bedrock"]], Health()] = Field(description="Amazon Bedrock.")
    credential: Secret | None = Field(
        None, description=CREDENTIAL_OPTIONAL + "the role of the machine or `config.profile` is used."
    )
    config: Annotated[BedrockOptions, Health()] = Field(description=CONFIG + " `region` is required.")

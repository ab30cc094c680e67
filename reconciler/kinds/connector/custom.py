"""Connectors of type `custom`: anything that an own implementation reaches."""

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.connector.common import CallSeconds, CallsPerMinute, Connector
from reconciler.model.fields import FreeMap, Replacing, Secret
from reconciler.model.risk import Health, Risk


class Custom(Connector):
    """A system of your own; its configuration is free."""

    type: Annotated[Replacing[Literal["custom"]], Health()] = Field(
        description="Anything that none of the other types reaches."
    )
    credential: Secret | None = Field(None, description="A reference to the credential, if the system needs one.")
    config: Annotated[FreeMap, Risk("endpoint-host-changed"), Risk("access-widened"), Health()] = Field(
        default_factory=dict,
        description="Options of your own. Keys that look secret, such as `api_key`, need references.",
    )
    timeout_seconds: CallSeconds = 30
    rate_limit: CallsPerMinute = 60

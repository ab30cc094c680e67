"""Connectors of type `custom`: anything that an own implementation reaches."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.connector.common import Connector
from reconciler.kinds.rules import PerMinute, Seconds
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
    timeout_seconds: Seconds = Field(30, description="How long one call may take, in seconds (1 to 3600).")
    rate_limit: PerMinute = Field(60, description="How many calls are made per minute at most.")

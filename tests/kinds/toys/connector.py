"""A type of connectors for tests: something that tells texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.connector.common import Connector
from reconciler.model.fields import Replacing, Secret
from reconciler.model.risk import Health, Risk


class Note(Connector):
    """Something that tells texts."""

    type: Annotated[Replacing[Literal["note"]], Health()] = Field(description="Something that tells texts.")
    signature: Annotated[Secret, Risk("credential-changed"), Health()] = Field(description="What every text ends with.")

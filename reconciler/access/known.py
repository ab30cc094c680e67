"""A configuration turned into what the runtime would know if exactly this were applied."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.configuration import Configuration
from reconciler.model.known import Known, Text


def known_of(configuration: Configuration) -> Iterator[Known]:
    for address, resource in configuration.resources.items():
        yield Known(address, "", Text(resource.text, SPEC_VERSIONS[address.kind]), configuration.project, True)

"""A configuration turned into what the runtime would know if exactly this were applied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set

from reconciler.kinds.table import SPEC_VERSIONS
from reconciler.model.address import Address
from reconciler.model.configuration import Configuration
from reconciler.model.known import Known, Text
from reconciler.model.live import Row


def known_of(
    configuration: Configuration, wanted: Callable[[Address], bool] = lambda _address: True
) -> Iterator[Known]:
    """Yield what would be known of the resources that are ``wanted``."""
    return known_at(configuration, filter(wanted, configuration.resources))


def known_at(configuration: Configuration, addresses: Iterable[Address]) -> Iterator[Known]:
    """Yield what would be known of the resources at some addresses."""
    for address in addresses:
        text = Text(configuration.resources[address].text, SPEC_VERSIONS[address.kind])
        yield Known(address, "", text, configuration.project, True)


def known_of_rows(rows: Iterable[Row], tenants: Set[str], besides: Set[str]) -> Iterator[Known]:
    """Yield what the runtime would know of rows that are as they were applied last, in some tenants."""
    for row in rows:
        if row.address.tenant in tenants or row.address.tenant in besides:
            yield Known(row.address, row.uid, Text(row.text, row.spec_version), row.project, True)

"""The table of kinds: adding one is a new file and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.kinds import connector, datasource, integration, limit, template
from reconciler.model.kind import Kind

_ALL = (integration.KIND, connector.KIND, datasource.KIND, template.KIND, limit.KIND)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ALL})
"""Every kind by its singular name, as addresses write it."""

BY_PLURAL: Mapping[str, Kind] = MappingProxyType({kind.plural: kind for kind in _ALL})
"""Every kind by its plural, as YAML writes it."""

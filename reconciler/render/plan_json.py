"""The JSON of a plan or of a part of one, as renderers read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

PlanJson: TypeAlias = Mapping[str, Any]

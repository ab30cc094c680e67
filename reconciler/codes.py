"""The types of codes, for those who make problems: mypy reads the table, and nothing loads it but the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from reconciler.error_codes import Code as Code
else:
    Code = str

RuleName = NewType("RuleName", str)
"""The name of a rule of lint, which a finding has in place of a code; projects write rules of their own."""

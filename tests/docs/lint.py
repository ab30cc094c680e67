"""The tables of docs/lint.md, made from the code, to compare them or (``python tests/docs/lint.py``) to write them anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel

from reconciler.lint.condition import Condition, several
from reconciler.lint.read import OWN, SELECTS, own_rules
from reconciler.lint.rule import Rule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lint.md"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    for name, info in model.model_fields.items():
        yield f"`{info.alias or name}`", info.description or ""


def _rules() -> Iterator[tuple[str, str, str, str]]:
    for name, rule in own_rules().items():
        severity = rule.severity if rule.enabled else f"off ({rule.severity})"
        yield f"`{name}`", ", ".join(several(rule.about)), severity, _plain(rule.message)
    for name, (severity, message, _) in OWN.items():
        yield f"`{name}`", "selectors" if name == SELECTS else "comments", severity, message


def _plain(message: str) -> str:
    return re.sub(r"`?\{(\w+)\}`?", lambda match: "it" if match[1] == "address" else f"*{match[1]}*", message)


TABLES = {
    "fields": lambda: _table(("field of a rule", "what it says"), _fields(Rule)),
    "words": lambda: _table(("word", "what it asks"), _fields(Condition)),
    "rules": lambda: _table(("rule", "about", "severity", "what it says"), _rules()),
}


def fresh() -> str:
    """The page with its tables as they are now."""
    text = PAGE.read_text()
    for name, table in TABLES.items():
        made = f"<!-- {name} -->\n{table()}\n<!-- end -->"
        text = re.sub(rf"<!-- {name} -->\n.*?<!-- end -->", lambda _: made, text, flags=re.DOTALL)  # noqa: B023
    return text


if __name__ == "__main__":
    PAGE.write_text(fresh())

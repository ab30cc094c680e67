"""Problems and plans whose texts try to be something else, for the tests of all reports."""

from __future__ import annotations

from typing import Any

from reconciler.errors import Place, Problem
from reconciler.model.address import Address
from reconciler.model.plan import Action, Blocker, Cause, Change, FieldChange, Plan, Touch
from reconciler.plan.convert import to_document
from reconciler.render.problems import errors_json

TEXTS = (
    "::set-output name=x::y",
    "a\n::error::b",
    "a\r\n::add-mask::b",
    "##[command]rm",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "left\u202eright\u2066",
    "]]>",
    "nul\x00 bell\x07 \x85 \ufffe \uffff \ud800",
    "100% of a%0Ab, c: d",
    "[click](https://example.com)",
    "\u2028::warning::b",
)


def document(*problems: Problem, files: tuple[str, ...] = ()) -> dict[str, Any]:
    """What validate hands to its reports."""
    return {**errors_json(problems), "files": [*files]}


def hostile() -> dict[str, Any]:
    """Every text at every place that somebody's files may reach."""
    return document(
        *(
            Problem(
                "invalid-value",
                text,
                address="acme/integration/x",
                place=Place(f"m/{text}.yaml", number, 2),
                expected=f"no {text}",
                hint=text,
                excerpt=text,
                related=((text, Place(text, 3, 1)),),
            )
            for number, text in enumerate(TEXTS, 1)
        ),
        Problem("no-place", TEXTS[0]),
        files=("good.yaml",),
    )


def plan(*texts: str) -> dict[str, Any]:
    """A plan's document with a change of each sort, a blocker, and ``texts`` where others may write."""
    text = "".join(texts).replace("\ud800", "")  # which the JSON of a plan can't hold
    place = Place(f"m/a{text}.yaml", 4, 3)
    old = Address("acme", "limit", "old")

    def change(name: str, action: Action, **more: Any) -> Change:
        before = None if action is Action.CREATE else {"x": 1}
        after = None if action is Action.DELETE else {"x": 2}
        return Change(Address("acme", "limit", name), action, before, after, source=place, **more)

    changed = FieldChange((f"x{text}",), "change", 1, 2, Cause.BOTH)
    return to_document(
        Plan(
            project="shop",
            environment="prod",
            lineage=None,
            generation=1,
            database=f"sqlite:///x{text}",
            database_state="current",
            configuration="0",
            tool_version="0",
            changes=(
                change("new", Action.CREATE),
                change("other", Action.UPDATE, fields=(changed,), outside=Touch(f"eve{text}", "2026-01-01T00:00:00Z")),
                change("kind", Action.REPLACE),
                change("gone", Action.DELETE),
                change("moved", Action.MOVE, previous=old),
            ),
            blockers=(
                Blocker("protected", f"it is protected{text}", f"say so{text}", Address("acme", "limit", "gone")),
            ),
        )
    )


EMPTY = to_document(Plan("shop", None, None, 0, "sqlite://", "current", "0", "0", changes=()))

"""Problems that kept a command from its result, turned into the Markdown of a review comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.diff.visible import visible
from reconciler.model.amount import amount
from reconciler.render.markdown.marks import code, fenced
from reconciler.render.markdown.plan import BUDGET, marker
from reconciler.render.sentence import sentence

_WHY = {
    3: "the configuration is invalid",
    4: "stale",
    5: "the lock could not be had",
    6: "refused",
    7: "a credential could not be resolved",
    8: "an integrity check failed",
}


def failure_markdown(document: Mapping[str, Any], budget: int = BUDGET) -> str:
    """Return the comment of a plan that failed.

    ``document`` is ``problems.errors_json``; beside its errors stand ``project`` and ``environment``, None where
    unknown, ``exit_code`` and the ``subject``, e.g. ``Plan``.
    """
    where = code(document["project"] or "(unknown)")
    where += f" in {code(document['environment'])}" if document["environment"] else ""
    errors = document["errors"]
    lines = [
        marker({"project": document["project"] or "-", "environment": document["environment"]}),
        "",
        f"### {document['subject']} for {where}: {_WHY.get(document['exit_code'], 'failed')}",
        "",
        f"{amount(len(errors), 'problem')}; nothing was written.",
        "",
    ]
    room = budget - sum(len(line) + 1 for line in lines) - 100  # for what says how many were left out
    for shown, error in enumerate(errors):
        block = list(_block(error))
        room -= sum(len(line) + 1 for line in block)
        if room < 0:
            return "\n".join([*lines, f"- … and {len(errors) - shown} more: run `reconciler validate`"]) + "\n"
        lines += block
    return "\n".join(lines).rstrip() + "\n"


def _block(error: Mapping[str, Any]) -> Iterator[str]:
    place = ":".join(str(error[key]) for key in ("file", "line", "column") if error[key] is not None)
    yield f"- {f'{code(place)}: ' if place else ''}{code(sentence(error), 1000)} ({error['code']})"
    if error["excerpt"] is not None:
        yield from ("", *(f"  {line}" for line in fenced([visible(error["excerpt"])], "yaml")), "")

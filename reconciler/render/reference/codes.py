"""The exit codes and the codes of errors, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.error_codes import CODES
from reconciler.render.reference.prose import bullet, paragraph

EXITS: Mapping[int, str] = {
    0: "done; a plan with changes too, without `--detailed-exitcode`",
    1: "any other failure",
    2: "changes pending (`plan --detailed-exitcode`), or drift found (`drift`)",
    3: "the configuration is invalid",
    4: "the plan is stale",
    5: "the lock could not be had in time",
    6: "refused: a guard, a protection, ownership, the wrong environment; or approval was declined",
    7: "a credential could not be resolved",
    8: "an integrity check failed",
    9: "outcome unknown: whether the transaction was committed could not be found out",
    64: "wrong usage of the command line",
    130: "interrupted",
}


def codes_page() -> Iterator[str]:
    """Render the reference's page of exit codes and error codes."""
    yield "# Exit codes and codes of errors"
    yield ""
    yield "| exit | meaning |"
    yield "|---:|---|"
    yield from (f"| {number} | {meaning} |" for number, meaning in EXITS.items())
    yield ""
    yield from paragraph(
        "Where several hold, the highest of 3 to 9 counts. Every error has a code that stays the same, in brackets below "
        "its text and as `code` with `--format json`; the server's APIs answer with the same codes. Findings of `lint` "
        "have the name of their rule there."
    )
    for code, meaning in CODES.items():
        yield from bullet(f"`{code}`: {meaning}")

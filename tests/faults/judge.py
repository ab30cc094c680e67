"""Holds what a command said of itself against what is true."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple

FOREIGN = (
    *("Traceback", "psycopg", "sqlalchemy", "sqlite3.", "asyncpg", "internal-error", "Exception ignored", "DETAIL"),
    *("terminating connection", "Exception in thread", "BrokenPipeError", "OSError", "RuntimeWarning", "Fatal Python"),
)
"""Words of the interpreter and of drivers, which a command never shows."""
UNKNOWN_CODE = 9
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Said(Enum):
    """What a command says of itself."""

    DONE = "done"
    WRITTEN = "written"
    NOT_WRITTEN = "not written"
    UNKNOWN = "unknown"
    NOTHING = "no sentence"
    KILLED = "killed"


class Ended(NamedTuple):
    """A command that ended: by which code, after how many seconds; ``late``: it had to be killed, its time was up."""

    code: int
    out: str
    err: str
    seconds: float
    late: bool = False


class Truth(NamedTuple):
    """What the oracle read before the run, after one that nothing disturbed, and after this one."""

    before: Any
    whole: Any
    found: Any

    @property
    def text(self) -> str:
        if self.found == self.before:
            return "not written"
        return "written" if self.found == self.whole else "written in part"


def said(ended: Ended, done: int = 0) -> Said:
    """Read the sentence; an exit with ``done`` says that all was written."""
    if ended.code == -9:
        return Said.KILLED
    if _was_starting(ended):
        return Said.NOT_WRITTEN
    text = " ".join(ended.err.split()) + " " + " ".join(ended.out.split())
    if ended.code == done and "was not queued" not in text:
        return Said.DONE
    if ended.code == UNKNOWN_CODE or re.search(r"whether (this|it) was written is not known", text):
        return Said.UNKNOWN
    if re.search(r"(nothing (was|is) (written|changed)|was not queued)", text):
        return Said.NOT_WRITTEN
    return Said.WRITTEN if re.search(r"w(as|ere) written before that", text) else Said.NOTHING


def _was_starting(ended: Ended) -> bool:
    """Whether a signal ended the interpreter before it had read a line of ours: its words then are its own.

    Python itself ends by the signal, or with 1 and a traceback where it was loading what it loads at its start.
    """
    interrupted = ended.code == 1 and ended.err.rstrip().endswith("KeyboardInterrupt")
    return (ended.code in {-2, -15} or interrupted) and "reconciler/" not in ended.err


def ids_in(ended: Ended) -> list[str]:
    return _ID.findall(ended.err + ended.out)


def judge(
    ended: Ended, truth: Truth, bound: float, done: int = 0, can_be_asked: bool = True, unread: bool = False
) -> list[str]:
    """Return what is wrong with how a command ended.

    ``can_be_asked``: its outcome can be looked up in the database. ``unread``: nobody reads its output; a command that
    ends for that and has written nothing says so by its code alone.
    """
    if ended.late:
        return [f"LATE: not ended after {ended.seconds:.0f} s ({truth.text})"]
    spoken, true = said(ended, done), truth.text
    foreign = () if _was_starting(ended) else FOREIGN
    wrong = [f"FOREIGN: {word!r} on stderr" for word in foreign if word in ended.err][:1]
    if ended.seconds > bound:
        wrong.append(f"LATE: {ended.seconds:.1f} s, more than {bound:.0f}")
    if spoken is Said.NOTHING and not (unread and true == "not written"):
        wrong.append(f"SILENT: exit {ended.code} without a sentence ({true})")
    claims = {Said.DONE: {"written"}, Said.WRITTEN: {"written", "written in part"}, Said.NOT_WRITTEN: {"not written"}}
    if true not in claims.get(spoken, {true}):
        wrong.append(f"FALSE: says {spoken.value!r}, is {true}")
    if spoken is Said.UNKNOWN:
        if can_be_asked:
            wrong.append(f"UNKNOWN: could have been looked up ({true})")
        if not ids_in(ended):
            wrong.append(f"UNKNOWN: without an id ({true})")
        if ended.code != UNKNOWN_CODE:
            wrong.append(f"UNKNOWN: exit {ended.code}, not {UNKNOWN_CODE}")
    return wrong

"""The program that SQLite makes of a statement: whether each of its steps is over in a moment.

SQLite can be interrupted between two steps, and not within one. ``EXPLAIN`` lists the steps (https://sqlite.org/opcode.html).
"""

from __future__ import annotations

import sqlite3

from reconciler.runtime.connectors.sql_common import Bound

_STEPS = """
    Add AddImm Affinity AggFinal AggStep And BeginSubrtn BitAnd BitNot BitOr Blob Cast Close CollSeq Column Compare Concat Copy
    CursorHint DecrJumpZero DeferredSeek Delete Divide ElseEq EndCoroutine Eq Expire Explain Filter FilterAdd FinishSeek Found
    Function Ge Gosub Goto Gt Halt HaltIfNull IdxGE IdxGT IdxInsert IdxLE IdxLT IdxRowid If IfNoHope IfNot IfNotOpen IfNotZero
    IfNullRow IfPos IfSmaller Init InitCoroutine Insert Int64 Integer IsNull IsTrue IsType Jump Last Le Lt MakeRecord MaxPgcnt
    MemMax Move Multiply MustBeInt Ne NewRowid Next NoConflict Noop Not NotExists NotFound NotNull Null NullRow OffsetLimit Once
    OpenAutoindex OpenDup OpenEphemeral OpenPseudo OpenRead Or Permutation Prev PureFunc Real RealAffinity Remainder ReopenIdx
    ResetSorter ResultRow Return Rewind RowData Rowid RowSetAdd RowSetRead RowSetTest SCopy SeekGE SeekGT SeekHit SeekLE SeekLT
    SeekRowid SeekScan Sequence SequenceTest ShiftLeft ShiftRight SoftNull Sort SorterCompare SorterData SorterInsert SorterNext
    SorterOpen SorterSort String String8 Subtract Trace Transaction Variable Yield ZeroOrNull
"""
_SHORT = frozenset(_STEPS.split())
"""Steps whose time does not grow with a table. Sorting is a step of its own: what it sorts came by as many steps before.
Missing: Count, which walks through a table, and what reads a virtual table."""
_CALLS = frozenset({"Function", "PureFunc", "AggStep", "AggFinal"})
_NAMES = """
    abs avg coalesce count date datetime ifnull iif julianday length likelihood likely lower max min nullif round sign strftime
    substr substring sum time total typeof unixepoch unlikely upper
"""
_FUNCTIONS = frozenset(_NAMES.split())
"""Functions whose time grows with the length of their arguments at most."""


def is_interruptible(connection: sqlite3.Connection, statement: Bound) -> bool:
    """Whether a statement can be ended at any moment, whatever its values. Raises sqlite3.Error for one that can't be compiled."""
    steps = connection.execute(f"EXPLAIN {statement.sql}", [None] * len(statement.names))
    return all(_is_short(row[1], row[5]) for row in steps)


def _is_short(step: str, argument: str | None) -> bool:
    """``argument`` is the step's fourth, for a call the function and how many arguments it takes: `lower(1)`."""
    if step in _CALLS:
        return (argument or "").partition("(")[0] in _FUNCTIONS
    return step in _SHORT

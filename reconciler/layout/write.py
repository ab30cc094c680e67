"""The text of one YAML file turned into its canonical text, token by token: what a token says is copied, not made anew."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NamedTuple

from msgspec import Struct
from yaml.tokens import (
    AnchorToken,
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    DirectiveToken,
    DocumentEndToken,
    DocumentStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    TagToken,
    ValueToken,
)

from reconciler.layout.gaps import Gap, comment, gap_of
from reconciler.layout.scalars import STEP, block, inline
from reconciler.layout.tokens import tokens

BLOCKS = frozenset({BlockMappingStartToken, BlockSequenceStartToken})
BRACKETS = frozenset({FlowMappingStartToken, FlowSequenceStartToken})
CLOSING = frozenset({FlowMappingEndToken, FlowSequenceEndToken})
MARKERS = frozenset({DirectiveToken, DocumentStartToken, DocumentEndToken})
PROPERTIES = frozenset({AnchorToken, TagToken})  # a sign right behind one could be read as a part of it
INDICATORS = frozenset({BlockEntryToken, KeyToken})
NO_MARKERS = ("---", "...", "\ufeff")  # texts that would mean something else in the first column
OPENERS = INDICATORS | {ValueToken}
APART = PROPERTIES | {KeyToken, ValueToken}  # nor may a bracket or a comma stand right behind these
END_OF_KEY = frozenset({ScalarToken, *BRACKETS, *CLOSING})


class BreakRule(Enum):
    """Whether a token begins a line, if no comment makes it."""

    ALWAYS = auto()
    AS_WRITTEN = auto()
    NEVER = auto()


class Spot(NamedTuple):
    """Where a token goes: behind ``glue`` on the same line, or on a line of its own with this indent."""

    rule: BreakRule
    glue: str
    indent: int
    first: bool = False  # it opens what it belongs to: no blank line before it
    last: bool = False  # it closes it: the same
    below: tuple[tuple[int, int], ...] = ()  # where something inside of it would stand: column and indent


class Level(Struct):
    """An open block collection: its column in the source, its indent in the result."""

    is_list: bool
    column: int
    indent: int
    hanging: bool = False  # a list whose items are not indented below their key; libyaml has no token for it
    first: bool = True  # nothing of it was written yet
    is_simple: bool = False  # the key that comes is `key:`, not `? key`

    @property
    def place(self) -> tuple[int, int]:
        return self.column, self.indent


class WrittenDocument(NamedTuple):
    """The canonical text, and all comments in their order."""

    text: str
    comments: list[str]


def canonical(text: str) -> WrittenDocument:
    """``text`` is known to be YAML, with line feeds only. Raises Odd for what is neither token nor comment."""
    writer = _Writer(text)
    for token in tokens(text):
        writer.take(token)
    return writer.finish()


class _Writer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.out: list[str] = []
        self.comments: list[str] = []
        self.end = 0  # of the last token in the text ...
        self.before: type | None = None  # ... its type ...
        self.fresh, self.blank = True, False  # ... whether a line begins behind it, and whether blank lines did before
        self.below: tuple[tuple[int, int], ...] = ()  # where something inside of it would stand
        self.closed: list[tuple[int, int]] = []  # the levels that ended since then
        self.levels: list[Level] = []
        self.flow: list[int] = []  # per open bracket the indent of the line that it stands on
        self.base = 0  # the indent of the line that a bracket would stand on
        self.at_key = False

    def take(self, token: Any) -> None:
        kind = type(token)
        if kind in BLOCKS:
            self.open(kind is BlockSequenceStartToken, token.start_mark.column)
        elif kind is BlockEndToken:
            self.close_hanging()
            self.close()
        elif kind is KeyToken and token.start_mark.index == token.end_mark.index:
            if not self.flow:
                self.close_hanging()
                self.levels[-1].is_simple = self.at_key = True
        else:
            self.put(token, kind, self.in_flow(kind) if self.flow else self.in_block(token, kind))

    # -- levels

    def open(self, is_list: bool, column: int, hanging: bool = False) -> None:
        indent = self.levels[-1].indent + STEP if self.levels else 0
        self.levels.append(Level(is_list, column, indent, hanging))

    def close(self) -> None:
        self.closed.append(self.levels.pop().place)

    def close_hanging(self) -> None:
        if self.levels[-1].hanging:
            self.close()

    # -- where a token goes

    def in_block(self, token: Any, kind: type) -> Spot:
        if kind in MARKERS:
            return Spot(BreakRule.ALWAYS, "", 0, last=kind is not DirectiveToken)
        if kind is BlockEntryToken and not self.levels[-1].is_list:
            self.open(True, token.start_mark.column, hanging=True)
        elif kind in (KeyToken, ValueToken):
            self.close_hanging()
        level = self.levels[-1] if self.levels else None
        if level is None:
            indent = STEP if self.text.startswith(NO_MARKERS, token.start_mark.index) else 0
            return Spot(BreakRule.ALWAYS if self.before is None else BreakRule.AS_WRITTEN, " ", indent, first=True)
        below = level.indent + STEP
        if kind is ValueToken and level.is_simple:
            level.is_simple, self.base = False, level.indent
            glue = "" if self.before in END_OF_KEY else " "
            return Spot(BreakRule.NEVER, glue, level.indent, below=((level.column + 1, below),))
        if self.at_key or kind in OPENERS:
            first, level.first = level.first, False
            compact = first and self.before in OPENERS and self.base == level.indent
            inside = () if self.at_key else ((level.column + 1, below),)
            self.at_key, self.base = False, below if inside else level.indent
            return Spot(BreakRule.NEVER if compact else BreakRule.ALWAYS, " ", level.indent, first, below=inside)
        compact = self.base == below and self.before not in PROPERTIES
        return Spot(BreakRule.NEVER if compact else BreakRule.AS_WRITTEN, " ", below, first=True)

    def in_flow(self, kind: type) -> Spot:
        outside, opened = self.flow[-1], self.before in BRACKETS
        glue = " " if self.before in APART else ""
        if kind in CLOSING:
            return Spot(BreakRule.NEVER if opened else BreakRule.AS_WRITTEN, glue, outside, last=True)
        if kind is FlowEntryToken:
            return Spot(BreakRule.NEVER, glue, outside + STEP)
        if kind is ValueToken:
            return Spot(BreakRule.NEVER, "" if self.before in END_OF_KEY else " ", outside + STEP)
        return Spot(BreakRule.AS_WRITTEN, "" if opened else " ", outside + STEP, opened)

    # -- writing

    def put(self, token: Any, kind: type, spot: Spot) -> None:
        start, end = token.start_mark.index, token.end_mark.index
        between = self.text[self.end : start]
        if (
            between in ("", " ") and spot.rule is not BreakRule.ALWAYS and not self.fresh
        ):  # most tokens, and quickly told
            self.out.append(spot.glue)
        else:
            self.put_gap(gap_of(between, self.fresh, self.blank), token.start_mark.column, spot)
        self.fresh = self.blank = False
        if kind is ScalarToken and token.style in ("|", ">"):
            self.put_block(self.text[start:end])
        elif kind is ScalarToken:
            margin = self.base if self.flow else self.levels[-1].indent if self.levels else 0
            self.out.append(inline(self.text[start:end], margin + STEP))
        else:
            self.out.append(self.text[start:end])
        if kind in BRACKETS:
            self.flow.append(self.base)
        elif kind in CLOSING:
            self.flow.pop()
        self.below, self.closed = spot.below, []
        self.end, self.before = end, kind

    def put_gap(self, gap: Gap, column: int, spot: Spot) -> None:
        """Write the gap before a token that is at ``column`` of the source, the start of its line included."""
        breaks = spot.rule is BreakRule.ALWAYS or (spot.rule is BreakRule.AS_WRITTEN and gap.is_break)
        if not (breaks or gap.comments or gap.trailing is not None):
            self.out.append(spot.glue)
            return
        first = self.put_comments(gap, column, spot)
        self.new_line(gap.blank and not first and not spot.last, spot.indent)
        if not spot.below:
            self.base = spot.indent

    def put_block(self, source: str) -> None:
        level = self.levels[-1] if self.levels else None
        found = block(source, level.column if level else -1, level.indent + STEP if level else STEP)
        self.out.append(found.header)
        if found.comment:
            self.put_trailing(comment(found.comment))
        self.out += [f"\n{line}" for line in found.lines]
        self.fresh, self.blank = source.endswith("\n"), found.blank

    def put_trailing(self, text: str) -> None:
        self.comments.append(text)
        self.out.append(f"  {text}")

    def put_comments(self, gap: Gap, column: int, spot: Spot) -> bool:
        """Says whether what comes next still is the first of what it belongs to."""
        first, beside = spot.first, None
        if gap.trailing is not None:
            self.put_trailing(gap.trailing)
            beside = self.columns()
        if not gap.comments:
            return first
        places = [] if self.flow else [*self.closed, *self.below, *(level.place for level in self.levels)]
        for one in gap.comments:
            if self.flow:
                indent = self.flow[-1] + STEP
            elif one.column <= column:
                indent = spot.indent
            elif beside is not None and one.column == beside[0] and not one.blank:
                indent = beside[1]  # it goes on with the comment at the end of the line above
            else:
                indent = max([spot.indent, *(there for place, there in places if place <= one.column)])
            if beside is not None and indent != beside[1]:
                beside = None
            self.new_line(one.blank and not first, indent)
            self.out.append(one.text)
            self.comments.append(one.text)
            first = False
        return first

    def columns(self) -> tuple[int, int]:
        """Of the comment that was just written behind a token: in the source, and in the result."""
        sign = self.text.index("#", self.end)
        width = 0
        for piece in reversed(self.out):
            _, line_feed, line = piece.rpartition("\n")
            width += len(line)
            if line_feed:
                break
        return sign - self.text.rfind("\n", 0, sign) - 1, width - len(self.out[-1]) + 2

    def new_line(self, blank: bool, indent: int) -> None:
        if self.out:
            self.out.append("\n\n" if blank else "\n")
        self.out.append(" " * indent)

    def finish(self) -> WrittenDocument:
        gap = gap_of(self.text[self.end :], self.fresh, self.blank)
        self.put_comments(gap, 0, Spot(BreakRule.ALWAYS, "", 0, first=self.before is None, last=True))
        if self.out:
            self.out.append("\n")
        return WrittenDocument("".join(self.out), self.comments)

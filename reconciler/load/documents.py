"""Read the bytes of one YAML file into plain values of YAML 1.2 core, from libyaml's event stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from sys import intern
from typing import Any, NoReturn, TypeAlias

from msgspec import Struct
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from yaml.reader import ReaderError

from reconciler.errors import Place, Problem
from reconciler.kinds.accept import BodyText
from reconciler.load.faults import Stop
from reconciler.load.keys import MERGE, UNUSABLE, Anchor, Keys
from reconciler.load.scalars import LEADS, STANDARD, unknown_tag
from reconciler.load.syntax import MAX_DEPTH as MAX_DEPTH
from reconciler.load.syntax import (
    character_problem,
    encoding_problem,
    syntax_problem,
    tab_problem,
    unreadable,
    version_problem,
)

MAX_BYTES = 16 * 2**20
"""Of one file; `--max-file` sets another bound. Whoever asks looks here."""
FREE_NODES = 250_000  # aliases and merges may add this many nodes ...
NODES_PER_NODE = 10  # ... and this many for each node that is written out
MAX_TAG_DIRECTIVES = 100  # libyaml compares each with each

Places: TypeAlias = dict[tuple[str, str], tuple[int, int]]


class Document(Struct, frozen=True):
    """One document of a file. Aliases share objects inside ``value``: never change it in place."""

    file: str
    index: int
    value: Any
    key_places: Mapping[tuple[str, str], tuple[int, int]]
    has_variables: bool
    size: int = 0  # in nodes, those that aliases add included
    plain: Mapping[tuple[str, str], BodyText | None] = {}
    """Entries of the first level that are known to hold no variables, each with its body as text."""
    is_harmless: bool = False
    """Whether all of its texts were looked at, and none looks like a secret."""


def read_documents(data: bytes, file: str) -> tuple[list[Document], list[Problem]]:
    """Read every document; return them with every problem, and never raise for what the file holds."""
    reader = _Reader(data, file)
    try:
        reader.check()
        reader.read()
    except Stop:
        pass
    except ReaderError:
        return reader.documents, [character_problem(data, file)]  # not a text file: one problem is enough
    except MarkedYAMLError as error:
        reader.put(syntax_problem(error, data, file))
    except Exception:  # PyYAML also raises ValueError, KeyError, IndexError and MemoryError for hostile files
        reader.put(unreadable(file))
    return reader.documents, reader.reported()


def too_large(file: str) -> Problem:
    """Return the problem of a file that nobody reads."""
    message = f"this file is larger than {MAX_BYTES // 2**20} MiB"
    return Problem("file-too-large", message, place=Place(file), hint="split it, or read it with `--max-file MIB`")


class _Reader(Keys):
    def __init__(self, data: bytes, file: str) -> None:
        super().__init__(data, file)
        self.documents: list[Document] = []

    def too_deep(self, event: Any) -> NoReturn:
        self.stop("too-deep", f"more than {MAX_DEPTH} levels inside each other", event.start_mark)

    def check(self) -> None:
        if len(self.data) > MAX_BYTES:
            self.put(too_large(self.file))
            raise Stop
        if self.data.count(b"\n%TAG") > MAX_TAG_DIRECTIVES:
            self.stop("yaml-syntax", f"more than {MAX_TAG_DIRECTIVES} %TAG directives", Place(self.file))
        if b"%YAML" in self.data and (problem := version_problem(self.data, self.file)):
            self.put(problem)
            raise Stop
        if not self.data.isascii() and (problem := encoding_problem(self.data, self.file)):
            self.put(problem)
            raise Stop

    def source(self) -> Callable[[], Any]:
        """Return the next event; where lines start with tabs, watches for those that libyaml accepts, inside of brackets."""
        get = CParser(self.data).get_event
        tabbed: set[int] = set()
        if b"\t" in self.data:
            lines = enumerate(self.data.splitlines())
            tabbed = {number for number, line in lines if b"\t" in line and re.match(rb" *\t\s*[^\s#]", line)}
        if not tabbed:
            return get
        end = -1  # the line where the event before ended: what follows there does not start its line

        def watched() -> Any:
            nonlocal end
            event: Any = get()
            line = event.start_mark.line
            if line in tabbed and line > end and type(event) not in (StreamStartEvent, DocumentStartEvent):
                self.put(tab_problem(Place(self.file, line + 1, 1)))
            end = event.end_mark.line
            return event

        return watched

    def read(self) -> None:  # noqa: C901 - one loop over local variables: calls would make reading a file slower
        """Read every document, event by event."""
        get = self.source()
        decorated = b"&" in self.data or b"!" in self.data or b"<<" in self.data  # may have anchors, tags or merges
        may_vary = b"$" in self.data or b"\\" in self.data
        watch = variables = False  # whether to look for variables, and whether there are some
        read = added = before = 0  # nodes written out, nodes added by aliases, and both before this document
        anchors: dict[str, Anchor] = {}
        places: Places = {}
        container: Any = []
        append: Callable[[Any], None] | None = None  # of a list; None: the container is a mapping ...
        key: str | None = ""  # ... and its key; None: a key is next
        named: Any = None  # the event of that key, if it is a scalar
        marks: list[Any] = []  # of the mapping's keys, in their order
        first: str | None = None  # the first-level key that the reader is below of
        deepest = 0  # level reached below the container
        indirect = False  # whether the document has aliases or merges
        value: Any
        stack: list[tuple[Any, Any, str | None, list[Any], int, Anchor | None]] = []
        while True:
            event = get()
            kind = type(event)
            if kind is ScalarEvent:
                read += 1
                text: str = event.value
                if watch and "${" in text:
                    variables, watch = True, False
                if key is None:
                    key = self.odd_key(event, text, anchors) if decorated else intern(text)
                    if key in container:
                        self.duplicate(key, event, container, marks)
                    else:
                        marks.append(event.start_mark)
                    named = event
                    continue
                is_plain, is_quoted = event.implicit
                value = text if is_quoted or (is_plain and text[:1] not in LEADS) else self.scalar(event, text)
                if not text and is_plain and append is None and self.is_bare(named, event):
                    if key not in container:
                        marks.pop()
                    key = None
                    continue
                if decorated and event.anchor is not None:
                    anchors[event.anchor] = Anchor(value, text)
                if append is not None:
                    append(value)
                else:
                    container[key] = value
                    key = None
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                read += 1
                is_map = kind is MappingStartEvent
                if event.tag is not None and event.tag not in ("!", STANDARD + ("map" if is_map else "seq")):
                    self.refuse(unknown_tag(event.tag, True), event)
                value = {} if is_map else []
                depth = len(stack) + 1
                if depth == 2:
                    first = key if append is None and key not in (MERGE, UNUSABLE) else None
                if append is not None:
                    append(value)
                elif key is None:
                    key, named = self.take(UNUSABLE, event, container, marks), None
                else:
                    container[key] = value
                    key = None
                if depth > MAX_DEPTH:
                    self.too_deep(event)
                anchor = None
                if event.anchor is not None:
                    anchors[event.anchor] = anchor = Anchor(value, start=read + added)
                stack.append((container, append, key, marks, deepest, anchor))
                container, deepest, marks = value, depth, []
                append, key = (None, None) if is_map else (value.append, "")
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                depth = len(stack)
                if append is None:
                    indirect = indirect or MERGE in container
                    if depth <= 2 or MERGE in container or UNUSABLE in container:
                        names = self.close(container, marks)
                        if depth == 2 and first is not None:
                            self.note(places, first, container, names)
                        elif depth == 1 and indirect:  # what comes by an alias or a merge stands where that stands
                            for name, body in container.items():
                                if type(body) is dict:
                                    self.note(places, name, body, {MERGE: names.get(name) or names.get(MERGE)})
                container, append, key, marks, outer, anchor = stack.pop()
                if anchor is not None:
                    anchor.size += read + added - anchor.start
                    anchor.height = deepest - depth + 1
                    anchor.open = False
                if outer > deepest:
                    deepest = outer
            elif kind is AliasEvent:
                read += 1
                indirect = True
                anchor = self.alias(event, anchors.get(event.anchor))
                value = None
                if anchor is not None:
                    value = anchor.value
                    added += anchor.size
                    deepest = max(deepest, len(stack) + anchor.height)
                    if added > FREE_NODES + NODES_PER_NODE * read:
                        self.stop("too-many-nodes", "aliases and merges make this file too large", event.start_mark)
                    if deepest > MAX_DEPTH:
                        self.too_deep(event)
                if append is not None:
                    append(value)
                elif key is not None:
                    container[key] = value
                    key = None
                else:
                    text_of_anchor = anchor.text if anchor is not None else ""
                    named = None
                    key = self.take(UNUSABLE if text_of_anchor is None else text_of_anchor, event, container, marks)
            elif kind is DocumentStartEvent:
                container, anchors, places = [], {}, {}
                append, key = container.append, ""
                watch, variables, indirect = may_vary, False, False
                before = read + added
            elif kind is DocumentEndEvent:
                size = read + added - before
                self.documents.append(Document(self.file, len(self.documents), container[0], places, variables, size))
            elif kind is StreamEndEvent:
                return

    @staticmethod
    def note(places: Places, first: str, body: dict[str, Any], marks: dict[str, Any]) -> None:
        for name in body:
            if (first, name) not in places and (mark := marks.get(name) or marks.get(MERGE)):
                places[first, name] = (mark.line + 1, mark.column + 1)

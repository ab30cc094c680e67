"""The bytes of one YAML file turned into its canonical bytes, or into a problem where a law of the style would not hold."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from yaml.events import ScalarEvent, StreamEndEvent

from reconciler.errors import Place, Problem
from reconciler.layout.gaps import Odd, essence
from reconciler.layout.tokens import parser
from reconciler.layout.write import WrittenDocument, canonical
from reconciler.load.documents import read_documents
from reconciler.load.source import Source

NOT_FORMATTED: Final = "not-formatted"
SAYING = ("anchor", "tag", "implicit", "explicit", "flow_style", "version", "tags")


def formatted(source: Source) -> bytes | Problem:
    """``source`` was read without a problem. Whatever is returned as bytes, the laws were checked on it."""
    text = _plain(source.data)
    try:
        written = canonical(text)
        data = written.text.encode()
        law = None if data == source.data else _broken(source, text, written)
    except Odd:
        law = "something stands there that is neither YAML nor a comment"
    if law is None:
        return data
    message = f"{source.name} was left as it is: {law}"
    hint = "this is a defect of reconciler: report it, and format the file by hand"
    return Problem(NOT_FORMATTED, message, place=Place(source.name), hint=hint)


def _plain(data: bytes) -> str:
    """Without a byte order mark, with line feeds only: readers of YAML see no other ends of lines."""
    return data.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _broken(source: Source, text: str, written: WrittenDocument) -> str | None:
    """Return the law that a rewritten text breaks, if any: the same values, the same comments, and nothing left to do the second time."""
    documents, problems = read_documents(written.text.encode(), source.name)
    if problems:
        return "its canonical text could not be read"
    before = [(document.value, document.has_variables) for document in source.documents]
    if [(document.value, document.has_variables) for document in documents] != before:
        return "its canonical text would have other values"
    if any(one != other for one, other in zip_longest(_said(text), _said(written.text))):
        return "its canonical text would say something else"
    again = canonical(written.text)
    if [*map(essence, written.comments)] != [*map(essence, again.comments)]:
        return "its comments would not stay the same"
    return None if again.text == written.text else "formatting it twice would change it twice"


def _said(text: str) -> Iterator[tuple[Any, ...]]:
    """Everything that libyaml hears, but places and quotes."""
    get = parser(text).get_event
    while type(event := get()) is not StreamEndEvent:
        if type(event) is ScalarEvent:
            style = event.style if event.style in ("|", ">") else None
            yield event.value, style, event.anchor, event.tag, event.implicit
        else:
            fields = vars(event)
            yield (type(event), *(fields.get(name) for name in SAYING))

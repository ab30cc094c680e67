"""What may stand as a key while a file is read: scalars, aliases and ``<<``, each key once and with a value."""

from __future__ import annotations

from functools import cached_property
from sys import intern
from typing import Any

from reconciler.errors import Place
from reconciler.kinds.foreign import template_hint
from reconciler.load.excerpt import printable
from reconciler.load.faults import MAX_PROBLEMS, Faults
from reconciler.load.scalars import ScalarRefused, plain, tagged

# A lone surrogate cannot come out of UTF-8 nor out of an escape, so no key of a file is ever equal to these.
MERGE = "\ud800merge"
UNUSABLE = "\ud800unusable"


class Anchor:
    """What an alias may stand for, and how large it is."""

    __slots__ = ("height", "open", "size", "start", "text", "value")

    def __init__(self, value: Any, text: str | None = None, start: int = 0) -> None:
        self.value = value
        self.text = text  # of a scalar
        self.start = start  # nodes counted when it was opened
        self.size = 1  # in expanded nodes
        self.height = 0  # in levels
        self.open = text is None


class Keys(Faults):
    """Reads keys and scalars, and reports those that mean nothing."""

    def __init__(self, data: bytes, file: str) -> None:
        super().__init__(file)
        self.data = data

    @cached_property
    def text(self) -> str:
        return self.data.decode().removeprefix("\ufeff")

    def scalar(self, event: Any, text: str) -> Any:
        """Return the value of a scalar that may be more than text."""
        try:
            if event.tag is not None:
                return tagged(event.tag, text)
            return plain(text) if event.implicit[0] else text
        except ScalarRefused as refused:
            self.refuse(refused, event)
            return None

    def refuse(self, refused: ScalarRefused, event: Any) -> None:
        at = event.start_mark  # without its width, which would give away the length of what may be a secret
        self.add(refused.code, refused.message, at, expected=refused.expected, hint=refused.hint)

    def odd_key(self, event: Any, text: str, anchors: dict[str, Anchor]) -> str:
        """Return a key in a document with anchors, tags or merges: its text is the key, whatever it looks like."""
        if event.anchor is not None:
            anchors[event.anchor] = Anchor(self.scalar(event, text), text)
        elif event.tag is not None:
            self.scalar(event, text)
        elif text == "<<" and event.implicit[0]:
            return MERGE
        return intern(text)

    def take(self, key: str, event: Any, container: dict[str, Any], marks: list[Any]) -> str:
        """Note a key that is not an ordinary one."""
        if key is UNUSABLE:
            lines = self.text.splitlines()
            line = lines[event.start_mark.line] if event.start_mark.line < len(lines) else ""
            hint = template_hint(line[max(0, event.start_mark.column - 1) :])
            message = "`{{ }}` of other tools is not filled in here" if hint else "a key must be a text"
            self.add("complex-key", message, event.start_mark, hint=hint or "write 'key: value'")
        if key not in container:
            marks.append(event.start_mark)
        elif key is not UNUSABLE:
            self.duplicate(key, event, container, marks)
        return key

    def alias(self, event: Any, anchor: Anchor | None) -> Anchor | None:
        """Return what an alias stands for."""
        if anchor is None:  # its name is not shown: an unquoted password may start with "*"
            hint = "put the text in quotes if the '*' belongs to it"
            self.add("undefined-alias", "no anchor of this name stands above", event.start_mark, hint=hint)
            return None
        if anchor.open:
            self.add("recursive-alias", "this alias stands inside of its own anchor", event.start_mark)
            return None
        return anchor

    def duplicate(self, key: str, event: Any, container: dict[str, Any], marks: list[Any]) -> None:
        if len(self.problems) >= MAX_PROBLEMS:  # it is only counted, and looking for the first one takes time
            return self.add("duplicate-key", "", event)
        first = marks[list(container).index(key)]
        name = "<<" if key is MERGE else printable(key)[:80]
        message = f"the key {name!r} is written twice; the first one is in line {first.line + 1}"
        hint = "use one << with a list: <<: [*a, *b]" if key is MERGE else "remove or rename one of the two"
        related = (("first one", Place(self.file, first.line + 1, first.column + 1)),)
        return self.add("duplicate-key", message, event, hint=hint, related=related)

    def is_bare(self, key: Any, value: Any) -> bool:
        """Report a key without a colon and drop it: `{password:x}` and `{password, x}` hold a secret, but no value."""
        if key is None or ":" in self.text[key.end_mark.index : value.start_mark.index]:
            return False
        if not self.problems or not self.problems[-1].place or self.problems[-1].place.line != key.start_mark.line + 1:
            hint = "write 'key: value', with a space after the colon"
            self.add("missing-value", "there is no value for this key", key.start_mark, hint=hint)
        return True

    def close(self, body: dict[str, Any], marks: list[Any]) -> dict[str, Any]:
        """Merge what ``<<`` brings and drop what is unusable; return the marks of what is written out."""
        seen = dict(zip(body, marks, strict=True))
        if MERGE in body:
            source = body.pop(MERGE)
            for more in source if type(source) is list else (source,):
                if type(more) is dict:  # what is written out wins, then what comes first; the budget was checked
                    for key, value in more.items():
                        body.setdefault(key, value)
                elif not (more is None and self.problems):
                    hint = "write <<: *name or <<: [*name, *other]"
                    self.add("invalid-merge", "<< wants a mapping, or a list of them", seen[MERGE], width=2, hint=hint)
        body.pop(UNUSABLE, None)
        return seen

"""Text and values on their way out, freed of every secret that was resolved.

Secrets have no way into text (``Secret``); this is for the ways that nobody thought of, and for what other systems echo.
What was resolved is known by its exact value and by the encodings in which programs and libraries write a value.
"""

from __future__ import annotations

import logging
import re
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from reconciler.model.secret_text import is_opaque
from reconciler.secrets.forms import SHORTEST, SHORTEST_SKELETON, forms, readings, skeleton
from reconciler.secrets.torn import without_torn

MASK = "(secret)"
NOISY = ("boto3", "botocore", "urllib3", "requests", "hvac", "httpx", "httpcore", "psycopg", "sqlalchemy")
"""Loggers of clients; some of them write whole answers, and URLs with what is in them."""


class Scrubber:
    """Knows some secrets in every form, and puts ``mask`` in their places. Threads may share one."""

    def __init__(self, mask: str, most: int | None = None) -> None:
        """``most`` secrets are known at a time; the one whose last ``add`` is longest ago is forgotten first."""
        self._mask, self._most = mask, most
        self._lock = threading.Lock()
        self._forms: dict[str, frozenset[str]] = {}
        self._skeletons: dict[str, frozenset[str]] = {}
        self._matchers: tuple[Any, Any] | None = None
        self._least = 2**31

    def __bool__(self) -> bool:
        """Whether it knows any secret."""
        return bool(self._forms)

    def add(self, value: str) -> None:
        """From now on know ``value``; each line of it too, where it has several."""
        if value in self._forms:
            if self._most is not None:
                with self._lock:
                    self._forms[value] = self._forms.pop(value)
            return
        parts = {value, value.strip(), *(line.strip() for line in value.splitlines())}
        parts = {part for part in parts if len(part) >= SHORTEST}
        found = {form for part in parts for form in forms(part) if len(form) >= SHORTEST}
        bare = {skeleton(part) for part in parts if is_opaque(part)}
        with self._lock:
            self._forms = {**self._forms, value: frozenset(found)}
            self._skeletons = {**self._skeletons, value: frozenset(o for o in bare if len(o) >= SHORTEST_SKELETON)}
            if self._most is not None and len(self._forms) > self._most:
                oldest = next(iter(self._forms))
                del self._forms[oldest], self._skeletons[oldest]
            self._least = min((self._least, *map(len, parts)))
            self._matchers = None

    def text(self, text: str) -> str:
        """Return ``text`` with every known secret masked."""
        parts, at = [], 0
        for start, end in self._spans(text):
            parts += [text[at:start], self._mask]
            at = end
        return "".join([*parts, text[at:]]) if parts else text

    def _spans(self, text: str) -> Iterable[tuple[int, int]]:
        """Where secrets stand, as start and end, in their order and apart."""
        found = self._found(text)
        return _merged(found) if found else ()

    def is_in(self, json: str) -> bool:
        """Whether ``value`` would mask anything in a value, by its JSON text. Most values hold nothing of the kind."""
        if not self._forms:
            return False
        if self._found(json) or self._skeletons_in(json):
            return True
        if "\\" not in json:
            return any(self._is_told(one) for one in json.split('"') if len(one) >= self._least)
        quoted = _QUOTED.findall(json)
        texts = [msgspec.json.decode(one, type=str) if "\\" in one else one[1:-1] for one in quoted]
        texts.append(_QUOTED.sub('""', json))
        return any(self._found(one) or self._is_told(one) for one in texts if len(one) >= self._least)

    def _is_told(self, text: str) -> bool:
        """Whether programs would read a secret out of ``text``."""
        return any(map(self._found, readings(text, self._least))) or self._skeletons_in(text)

    def _skeletons_in(self, text: str) -> bool:
        """Whether a secret's letters and digits stand in the text in their order, with anything but such between them."""
        if len(text) < SHORTEST_SKELETON:
            return False
        return bool(self._automata()[1].find_matches_as_indexes(skeleton(text)))

    def value(self, value: Any, keys: bool = False) -> Any:
        """Return JSON as Python values with the secrets in its texts masked; with ``keys``, in its keys and numbers too.

        A text that holds a secret in a form that can't be cut out is masked whole. Without ``keys`` the words stay that this
        program itself uses as values, such as `delete`.
        """
        if isinstance(value, str):
            if not self._forms:
                return value
            masked = self.text(value)
            masked = self._mask if self._is_told(masked) else masked
            return value if masked != value and not keys and _is_own_word(value) else masked
        if keys and isinstance(value, dict | list | tuple):
            value = without_torn(value, self._mask, self._spans)
        if isinstance(value, dict):
            pairs = ((self._key(key) if keys else key, self.value(item, keys)) for key, item in value.items())
            return dict(_distinct(pairs))
        if isinstance(value, list | tuple):
            items = [self.value(item, keys) for item in value]
            return [self._mask] if keys and self._is_list_of(items) else items
        if keys and value is not None and not isinstance(value, bool) and self._found(str(value)):
            return self._mask
        return value

    def _is_list_of(self, value: Sequence[Any]) -> bool:
        """Whether a list holds a secret as its bytes, characters or pieces."""
        if not self._forms or not 2 <= len(value) <= _LONGEST_LIST or not all(type(one) in (int, str) for one in value):
            return False
        whole = ("" if isinstance(value[0], str) else ",").join(map(str, value))
        return bool(self._found(whole)) or self._is_told(whole)

    def _key(self, key: str) -> str:
        return self._mask if self._found(key) or self._is_told(key) else key

    def _found(self, text: str) -> list[tuple[int, int, int]]:
        """Where forms stand, as (number, start, end); they may overlap."""
        if not self._forms:
            return []
        found: list[tuple[int, int, int]] = self._automata()[0].find_matches_as_indexes(_sound(text), overlapping=True)
        return found

    def _automata(self) -> tuple[Any, Any]:
        """Return what finds forms, and what finds skeletons."""
        made = self._matchers
        if made is None:
            # imported here: most commands resolve no secret
            from ahocorasick_rs import AhoCorasick

            with self._lock:
                every = [
                    {_sound(form) for some in known.values() for form in some}
                    for known in (self._forms, self._skeletons)
                ]
                made = self._matchers = AhoCorasick(sorted(every[0])), AhoCorasick(sorted(every[1]))
        return made


def _is_own_word(text: str) -> bool:
    from reconciler.secrets.weak import is_own_word

    return is_own_word(text)


def _sound(text: str) -> str:
    """Return the text with something in place of lone surrogates, which the matcher can't read."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


_LONGEST_LIST = 64 * 1024
_QUOTED = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
"""Texts of JSON."""
_LONE = re.compile("[\ud800-\udfff]")


def _merged(found: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Start and end of what the matches cover together."""
    spans = sorted((start, end) for _, start, end in found)
    begin, until = spans[0]
    for start, end in spans:
        if start > until:
            yield begin, until
            begin = start
        until = max(until, end)
    yield begin, until


def _distinct(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the pairs, with numbers behind keys that became alike."""
    seen: set[str] = set()
    for key, item in pairs:
        name, number = key, 2
        while name in seen:
            name, number = f"{key}_{number}", number + 1
        seen.add(name)
        yield name, item


_process = Scrubber(MASK)  # of the whole process: what is written last knows nothing of who resolved what
remember = _process.add
"""From now on ``scrub`` knows a value, in every form."""
scrub = _process.text
"""Text with every secret masked that this process has resolved."""
scrub_values = _process.value
"""JSON as Python values, with those secrets masked in its texts: what it says of itself, its keys and numbers, stays."""


def knows_any() -> bool:
    """Whether this process has resolved a secret."""
    return bool(_process)


def _by_lines(text: str) -> str:
    """Mask each line that holds a secret; all of it where a secret reaches over several."""
    lines = (_process.value(line, keys=True) for line in scrub(text).splitlines())
    masked: str = _process.value("\n".join(lines), keys=True)
    return masked


def quieten() -> None:
    """Clients log no more than warnings, and whatever anybody logs is scrubbed, tracebacks included."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    make = logging.getLogRecordFactory()
    if not isinstance(make, _ScrubbedRecords):
        logging.setLogRecordFactory(_ScrubbedRecords(make))


class _ScrubbedRecords:
    """A factory of log records without secrets."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self.make = make

    def __call__(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        record = self.make(*arguments, **named)
        if _process:
            record.msg, record.args = _process.value(record.getMessage(), keys=True), None
            if record.exc_info:
                record.exc_text = _by_lines("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
            if record.stack_info:
                record.stack_info = _by_lines(record.stack_info)
        return record

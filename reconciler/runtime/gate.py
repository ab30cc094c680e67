"""The one gate for values: what enters or leaves the mediator is strict, finite, bounded JSON, whatever surface or connector.

Surfaces refuse sooner what they can't read at all; nothing passes that this gate refuses. What JSON is, says ``strict_json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler import strict_json
from reconciler.model.target import Unfit
from reconciler.runtime.call import Answer, Call
from reconciler.runtime.guardrails.tool_call import CallInspection
from reconciler.secrets.scrub import Scrubber
from reconciler.strict_json import NotStrict

MOST_IN = 1024 * 1024
"""Bytes of the values of a call, as JSON."""
MOST_OUT = 2**30
"""Bytes of a result, as JSON: as many as a connector may be allowed at most."""
LONGEST_RUN, LONGEST_KEY = 128, 255
_LONGEST_NAME = 300
_MOST_ROWS = 2**53


class Labels(NamedTuple):
    """``run`` is in evidence and decides nothing. A write that is sent again with the same ``key`` is not done again."""

    run: str = ""
    key: str = ""


def unfit(arguments: Mapping[str, Any], run: str, key: str) -> Iterator[Unfit]:
    """Yield what is wrong with a request's values, its run id and its Idempotency-Key, before anything looks at them."""
    try:
        size = len(strict_json.write({**arguments}))
    except NotStrict as error:
        yield Unfit("arguments", str(error))
    else:
        if size > MOST_IN:
            yield Unfit("arguments", f"expected at most {MOST_IN} bytes")
    for name, text, longest in (("run", run, LONGEST_RUN), ("idempotency_key", key, LONGEST_KEY)):
        if not is_label(text, longest):
            yield Unfit(name, f"expected {label_form(longest)}")


def size_of(arguments: Mapping[str, Any]) -> int:
    """Return the bytes of a request's values as JSON; 0 for values that ``unfit`` refuses."""
    try:
        return strict_json.size_of(arguments)
    except NotStrict:
        return 0


def hashable(tenant: str, target: str, call: Call) -> bytes:
    """Return the text by which evidence tells the values of a call apart. Raises NotStrict for a value of its identity."""
    return strict_json.write_sorted([tenant, target, dict(call.values), call.body])


def passed(answer: Answer, secrets: Scrubber, inspection: CallInspection | None = None) -> Answer:
    """Return an answer with its JSON text, so that nothing which comes after can fail, and without what ``secrets`` knows.

    Nothing decodes what has passed here: an escape that hid a secret has been read. Raises NotStrict, and Blocked by a
    guardrail.
    """
    text = strict_json.write(answer.content)
    if inspection is not None and (content := inspection.content(answer.content)) is not answer.content:
        answer = answer._replace(content=content)
        text = strict_json.write(content)
    if secrets.is_in(text.decode()):
        answer = answer._replace(content=secrets.value(answer.content, keys=True))
        text = strict_json.write(answer.content)
    if len(text) > MOST_OUT:
        raise NotStrict(f"more than {MOST_OUT} bytes")
    if not all(
        type(one) is int and 0 <= one <= _MOST_ROWS for one in (answer.rows or 0, answer.size, answer.status or 0)
    ):
        raise NotStrict("a count is none")
    return answer._replace(json=text)


def is_label(text: Any, longest: int) -> bool:
    """Whether a text can be a run id or an Idempotency-Key: ASCII alone, since a header says of no other text what it means."""
    return isinstance(text, str) and len(text) <= longest and text.isascii() and text.isprintable()


def label_form(longest: int) -> str:
    """Return what ``is_label`` expects, in words."""
    return f"at most {longest} visible ASCII characters and spaces"


def name(text: str) -> str:
    """Return the name that a caller asked for as evidence can show it; `?` for what is no name."""
    return text if _is_word(text, _LONGEST_NAME) else "?"


def _is_word(text: Any, longest: int) -> bool:
    return isinstance(text, str) and len(text) <= longest and text.isprintable()

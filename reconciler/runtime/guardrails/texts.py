"""Detectors of texts of a certain form: addresses of e-mail, private keys, keys of AWS.

Sources: RFC 5321 (lengths), RFC 7468 (textual encoding of keys), AWS's prefixes of unique identifiers.
"""

from __future__ import annotations

import re

from reconciler.runtime.guardrails.detector import Detector, Span, begins_tail, run_tail

_LOCAL, MOST_LOCAL, MOST_DOMAIN = "A-Za-z0-9._%+'-", 64, 253
_BEFORE = re.compile(f"[{_LOCAL}]*+")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])")
EMAIL_WIDTH = MOST_LOCAL + 1 + MOST_DOMAIN


def _find_email(text: str, start: int) -> Span | None:
    at = text.find("@", start)
    while at != -1:
        before = text[max(start, at - MOST_LOCAL) : at][::-1]
        local = _BEFORE.match(before).end()  # type: ignore[union-attr]
        domain = _DOMAIN.match(text, at + 1, at + 1 + MOST_DOMAIN)
        if local and domain is not None:
            return at - local, domain.end()
        at = text.find("@", at + 1)
    return None


EMAIL = Detector("email", _find_email, run_tail(f"@{_LOCAL}", EMAIL_WIDTH, _LOCAL), EMAIL_WIDTH)

_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:(?:\s|\\[rn])*[A-Za-z0-9+/=]{16,})*+")
KEY_WIDTH = 16_384
_KEY_BEGINS = re.compile(r"-{1,5}\Z|-----B(?:E(?:G(?:I(?:N(?: [A-Z0-9 ]{0,54}-{0,4})?)?)?)?)?\Z")


def _key_tail(text: str) -> int:
    """Return where a key begins that has no end yet, or what may be the beginning of one."""
    position = max(0, len(text) - KEY_WIDTH)
    while (begin := _KEY_BEGIN.search(text, position)) is not None:
        end = _KEY_END.search(text, begin.end(), begin.start() + KEY_WIDTH)
        if end is None:
            return begin.start()
        position = end.end()
    found = _KEY_BEGINS.search(text, max(position, len(text) - 80))
    return len(text) if found is None else found.start()


def _find_key(text: str, start: int) -> Span | None:
    """Return a private key up to its end, or what looks like its text where that is cut off."""
    begin = _KEY_BEGIN.search(text, start)
    if begin is None:
        return None
    end = _KEY_END.search(text, begin.end(), begin.start() + KEY_WIDTH)
    if end is not None:
        return begin.start(), end.end()
    body = _KEY_BODY.match(text, begin.end(), begin.start() + KEY_WIDTH)
    return begin.start(), body.end() if body is not None else begin.end()


PRIVATE_KEY = Detector("private_key", _find_key, _key_tail, KEY_WIDTH)

_AWS = re.compile(
    r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|(?i:(?<![a-z0-9])(?:aws_?)?(?:secret_?access_?key|secret_?key)[\"']?[ ]{0,2}[=:][ ]{0,2}[\"']?)"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
)
AWS_WIDTH = 4 + 17 + 1 + 2 + 1 + 2 + 1 + 40


def _find_aws(text: str, start: int) -> Span | None:
    found = _AWS.search(text, start)
    return None if found is None else found.span()


_AWS_TAIL = re.compile(
    r"(?<![A-Za-z0-9])A[A-Z0-9]*\Z|(?i:(?<![a-z0-9])(?:aws|secret))[A-Za-z0-9_/+=:\"' ]*\Z"
    r"|(?i:(?<![a-z0-9])(?:aw?|s(?:e(?:c(?:re?)?)?)?))\Z"
)
AWS_KEY = Detector("aws_key", _find_aws, begins_tail(_AWS_TAIL, AWS_WIDTH), AWS_WIDTH)

"""Texts that stand where a secret belongs: masks, examples, variables that nobody filled in, references."""

from __future__ import annotations

import re

from reconciler.model.secret_ref import SCHEMES

_WORDS = (
    "(?:change|replace|fill)[-_ ]?(?:me|this|it|in)?"
    "|(?:(?:your|my|some|the|insert|enter|put|add|example|sample|dummy|fake|test|demo|default|real|actual)[-_ ]?)*"
    "(?:api|app|access|auth|client|bearer|secret|private|db|database|service)?[-_ ]?"
    "(?:key|token|secret|password|passwd|pass|credentials?|value|string)?"
    "(?:[-_ ]?(?:goes|comes)?[-_ ]?(?:here|placeholder|value))?"
    "|placeholder|redacted|masked|hidden|removed|censored|secret|null|none|nil|undefined|empty|todo|tbd|fixme|n/?a|foo(?:bar)?|x+|password[0-9]{0,4}"
)
_PLACEHOLDER = re.compile(
    rf"""
    [<\[({{(]*\s* (?: {_WORDS} ) [-_ ]*[0-9]{{0,3}} \s*[>\])}})]*!? \Z   # changeme, <your-api-key>, TODO
    | \$\{{.*\}}\Z | \{{\{{.*\}}\}}\Z | \$\(.*\)\Z | %\(?\w+\)?[%s]?\Z | \$[A-Za-z_]\w*\Z | <[^<>]*>\Z   # ${{X}}, {{{{ x }}}}, %X%, $X
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_REFERENCE = re.compile(
    rf"(?:{'|'.join(SCHEMES)}|op|secretref|awssm|gcp-sm|azure-kv|file)(?:\+\w+)?:/{{0,2}}\S", re.IGNORECASE
)
_PREFIX = re.compile(r"(?:(?:sk|pk|rk|ghp|gho|glpat|hf|xox[abp]|ant|proj|live|test|key|token)[-_]){1,3}", re.IGNORECASE)
"""Of a service's own keys, as in ``sk-your-key-here`` and ``sk_test_xxx``."""
MOST_DIFFERENT = 2
"""Characters that differ in a mask such as ``xxxx-xxxx`` or ``********``."""


def is_placeholder(value: str) -> bool:
    """Whether a value was meant to be replaced: ``changeme``, ``***``, ``${X}``, ``<your-key>``, ``vault://...``."""
    text = value.strip()
    if not text or _PLACEHOLDER.match(text) or _REFERENCE.match(text):
        return True
    prefix = _PREFIX.match(text)
    rest = text[prefix.end() :] if prefix else ""
    return _is_mask(text) or _is_mask(rest) or (len(rest) > 1 and _PLACEHOLDER.match(rest) is not None)


def _is_mask(text: str) -> bool:
    """Whether it is one character, or a few, again and again."""
    return len(text) > 1 and len(set(text.lower()) - set("-_. ")) < MOST_DIFFERENT

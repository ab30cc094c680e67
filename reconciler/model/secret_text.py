"""Find secrets in text: keys and tokens by their form, passwords by what they are assigned to, random text by its letters.

One judge for manifests, excerpts, messages, ``convert`` and ``scan``. It prefers silence to a false alarm: digests, UUIDs,
placeholders (``${X}``, ``<token>``, ``xxxx``) and words are no secrets. Prefixes and lengths are those that the issuers document.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.model.secret_forms import IN_DSN, IN_HEADER, IN_OPTION, IN_SQL, IN_URL, may_have_form, name_of, pattern
from reconciler.model.secret_ref import looks_secret
from reconciler.patterns import regex

MASK = "***"  # of one length, whatever it stands for
SHORT, LONGEST = 512, 256 * 1024
"""Characters of a text that is remembered, and of one that is looked at."""
SHORTEST, SHORTEST_KEY = 7, 13
"""No shorter text, and no shorter key of a map, is looked at."""


class Sighting(NamedTuple):
    """A secret in a text: where it starts and ends, and what it looks like, e.g. ``a GitHub token``."""

    start: int
    end: int
    what: str


_SIGN = regex(r"[:=]+>?[ \t]*[\"']?(?![/:=>])")
_NAME_BACKWARDS = regex(r"[\"']?[ \t]*([A-Za-z0-9_.-]*[A-Za-z_])")
_VALUE = regex(r"(?:(?i:bearer|basic|token|apikey)[ \t]+)?([^\s\"'`,;&#)}\]]{4,512})")
_DENSE = regex(r"[A-Za-z0-9+/_-]{20,}={0,2}")
_PLACEHOLDER = regex(
    r"[\$<{\[(%].*|[xX*._#?-]+|.*(?:x{6}|X{6}|\*{3}|\.{3}|…).*|(?i:.*\b(?:your|my|the|example|placeholder|changeme|change[-_]me|redacted|insert|replace)(?:[-_].*)?)"
    r"|[A-Z][A-Z_]*|os\.environ.*|process\.env.*",
    re.DOTALL,
)
_WORDY = regex(r"(?:v?[0-9]{1,4}|[A-Za-z][a-z]*[0-9]{0,2}|[A-Z]+[0-9]{0,2})(?:[-_./:@][A-Za-z]{0,32}[0-9]{0,4})*")
"""Words and small numbers, as in `oauth2`, `my-secret-v1`."""
_STOCK = frozenset({"password", "passwd", "pass", "pwd", "user", "username", "pw"})
"""Passwords of documentation, as in postgres://user:password@host."""
_OF_IMAGE = regex(r"https?://[^\s\"'<>]{1,200}?(?:/images?/|\.(?:png|svg|jpe?g|gif|webp|ico)\?)[^\s\"'<>]*\Z")
"""What stands before a run in the address of an image: it is signed, and for everybody."""
_CUT = ("...", "…")
"""Behind the beginning of a secret, in documentation."""
_PUBLIC_ID = regex(r"A(?:IDA|ROA|NPA|NVA|GPA|IPA|SCA|PKA)[A-Z0-9]{16,17}")
_DIGESTED = regex(
    r"(?i)(?:sha[0-9]{1,3}|md5|blake[0-9a-z]+|base64|checksum|digest|integrity|fingerprint)[\"']?[:,=@ -]+[\"']?\Z"
)
_DIGEST = regex(r"\Asha[0-9]{3}-|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
"""A digest that names its algorithm, and a UUID."""
_PAIR = regex(r"(?=([a-z]{2}))")
_SEPARATOR = regex(r"[^A-Za-z0-9]+")
_CHANGE = regex(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")
_DIGIT = regex(r"[0-9]")
_PART = regex(r"[^/=]{20,}")
_HEX = regex(r"[0-9a-f-]+\Z|[0-9A-F-]+\Z")
_PUBLIC_KEY = regex(r"-----BEGIN (?:CERTIFICATE|[A-Z0-9 ]*PUBLIC KEY|CERTIFICATE REQUEST|X509 CRL|PGP PUBLIC KEY BLOCK)-----[\s\S]*?(?:-----END|\Z)"
                         r"|AAAA[A-Z0-9][A-Za-z0-9+/=]{20,}|data:[\w/+.-]+;base64,[A-Za-z0-9+/=]+")  # fmt: skip
_PAIRS = (
    "re er in on te es at en ti se or ed st nt de le co al io et me th ar ng an ta ra it li ro ec ce ri ne ns tr he "
    "ct is nd pe as ve ss ac ur ge si ex ou el ic ma no pa di la ea na ch to ca lo am rt fi po un pr om ut ll il ot "
    "nc ts rs id mp em ha ke ad ue im va fo pl od ol"
)
_COMMON = frozenset(_PAIRS.split())
"""The 90 commonest pairs of letters in identifiers and prose: in random text one pair of seven is such a one."""


def secrets_in(text: str) -> tuple[Sighting, ...]:
    """Return what looks like a secret in a text, in its order; no two overlap."""
    if len(text) < SHORTEST:
        return ()
    return _remembered(text) if len(text) <= SHORT else _found(text[:LONGEST])


def holds_secret(name: str, text: str) -> Sighting | None:
    """Return the first secret of the text that stands under a name, such as a header's.

    Under ``Key`` or ``X-Session`` hexadecimal digits are a secret too, which elsewhere are a digest.
    """
    if len(text) < SHORTEST:
        return None
    return _remembered_under(name, text) if len(text) <= SHORT else _first(name, text)


def _first(name: str, text: str) -> Sighting | None:
    found = _found(text[:LONGEST])
    if found:
        return found[0]
    if (
        len(text) >= 16
        and " " not in text
        and hints_secret(name)
        and not _PLACEHOLDER.fullmatch(text)
        and _is_key(text)
    ):
        return Sighting(0, len(text), "a key")
    return None


_remembered_under = lru_cache(maxsize=16384)(_first)


def may_be_secret(text: str) -> bool:
    """Whether a text holds a secret, or is all letters and digits as a key is, digests included: for guesses that cost little."""
    return bool(secrets_in(text)) or (len(text) >= 20 and _is_key(text))


def masked(text: str) -> str:
    """Return the text with a mask in place of every secret."""
    shown, at = [], 0
    for one in secrets_in(text):
        shown += [text[at : one.start], MASK]
        at = one.end
    return "".join((*shown, text[at:])) if shown else text


_HINTS = (
    "key token secret secrets pass password passwd pwd pat cred creds credential credentials auth cookie dsn private bearer "
    "jwt passphrase authorization apikey signature sas webhook session"
)
_WORDS = frozenset(_HINTS.split())


@lru_cache(maxsize=4096)
def hints_secret(name: str) -> bool:
    """Whether a name hints at a secret: more names than ``looks_secret``, for where something else has to agree."""
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())
    return looks_secret(name) or not {*words}.isdisjoint(_WORDS)


def secret_arguments(arguments: Sequence[Any]) -> Iterator[int]:
    """Yield the indexes of a program's arguments that hold a secret.

    ``--token=x``, ``x`` after ``--token``, ``--env=TOKEN=x``, ``Authorization: x``, a URL's password or ``?api_key=x``, and
    whatever looks like a secret by itself.
    """
    before = ""
    for index, argument in enumerate(one if isinstance(one, str) else "" for one in arguments):
        follows = before.startswith("-") and looks_secret(before.lstrip("-")) and not argument.startswith("-")
        if follows or _assigns(argument) or secrets_in(argument):
            yield index
        before = argument


_OPTION = regex(r"(?:--?[A-Za-z][\w.-]*|\w+)=")
_HEADER = regex(r"([A-Za-z][A-Za-z0-9_-]*):\s*\S")
_QUERY = regex(r"[?&;]([\w.-]+)=[^&\s#]")
_USERINFO = regex(r"://[^/\s@]*:[^/\s@]+@")


def _assigns(argument: str) -> bool:
    """Whether an argument gives a value to something of a secret's name, as an option, a variable, a header or in a URL."""
    rest = argument
    while (option := _OPTION.match(rest)) is not None and option.end() < len(rest):
        if looks_secret(option[0][:-1].lstrip("-")):
            return True
        rest = rest[option.end() :]
    header = _HEADER.match(rest)
    named = (
        header is not None
        and "://" not in rest[: header.end()]
        and (looks_secret(header[1]) or header[1].lower().endswith("-key"))
    )
    return named or _USERINFO.search(rest) is not None or any(looks_secret(name) for name in _QUERY.findall(rest))


def _found(text: str) -> tuple[Sighting, ...]:
    """Look for each sort of secret where a quick look leaves it possible: most texts are short words."""
    found: list[Sighting] = []
    if may_have_form(text):
        _add(found, _by_form(text))
    if ":" in text or "=" in text:
        _add(found, _by_assignment(text))
    dense = [*_DENSE.finditer(text)] if len(text) >= 20 else []
    if dense:
        _add(found, _by_letters(text, dense))
    return tuple(found)


_remembered = lru_cache(maxsize=16384)(_found)


def _add(found: list[Sighting], more: Iterable[Sighting]) -> None:
    """Put those in their order that touch none that is there."""
    for one in more:
        at = bisect(found, one)
        is_apart = (at == 0 or found[at - 1].end <= one.start) and (at == len(found) or one.end <= found[at].start)
        if is_apart:
            found.insert(at, one)


def _by_form(text: str) -> Iterator[Sighting]:
    for found in pattern().finditer(text):
        what = name_of(found)
        judge = _JUDGES.get(what)
        if judge(found[0]) if judge else not _is_blank(found[0]):
            start = found.start() + _lead(what, found[0])
            inner = pattern().match(text, start) if what == IN_HEADER else None
            what = name_of(inner) if inner else what
            end = found.start() + _secret_of(what, found[0]).end() if what in _AT_END else found.end()
            yield Sighting(start, end - (what == IN_URL), what)


def _lead(what: str, text: str) -> int:
    """How much of what a pattern found stands before the secret: a user's name, or the scheme of a header."""
    if what == IN_URL:
        return text.index(":") + 1
    if what in _AT_END:
        return _secret_of(what, text).start()
    return len(text) - len(text.split(None, 1)[1]) if what == IN_HEADER else 0


def _secret_of(what: str, text: str) -> re.Match[str]:
    found = _AT_END[what].search(text)
    assert found is not None, what
    return found


_AT_END = {
    IN_DSN: re.compile(r"(?<=:)[^:@]+(?=@(?:tcp|unix)\(\Z)"),
    IN_SQL: re.compile(r"(?<=')[^'\s]+(?='\Z)"),
    IN_OPTION: re.compile(r"(?<=:)[^\s:'\"]+\Z"),
}


def _is_blank(token: str) -> bool:
    """Whether a token is one of documentation: a prefix, and then ``xxxx`` or ``your-key``."""
    return re.search(r"(?i)x{6}|\*{3}|your[-_]?|\.{3}", token) is not None


def _is_token(text: str) -> bool:
    """Whether a JSON Web Token's header says how it is signed."""
    header = text.partition(".")[0]
    try:
        decoded = json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (binascii.Error, ValueError):
        return False
    return isinstance(decoded, dict) and "alg" in decoded


def _is_userinfo(text: str) -> bool:
    password = text[:-1].partition(":")[2]
    return password.lower() not in _STOCK and not _PLACEHOLDER.fullmatch(password)


def _is_credentials(text: str) -> bool:
    scheme, value = text.split(None, 1)
    if scheme.lower() == "basic":
        try:
            return b":" in binascii.a2b_base64(value + "=" * (-len(value) % 4))
        except binascii.Error:
            return False
    return is_opaque(value)


def _is_password(what: str) -> Callable[[str], bool]:
    def judge(text: str) -> bool:
        password = _secret_of(what, text)[0]
        return password.lower() not in _STOCK and not _PLACEHOLDER.fullmatch(password)

    return judge


_JUDGES: Mapping[str, Callable[[str], bool]] = {
    "a JSON Web Token": _is_token,
    IN_URL: _is_userinfo,
    IN_HEADER: _is_credentials,
    "a private key": bool,
    **{what: _is_password(what) for what in (IN_DSN, IN_SQL, IN_OPTION)},
}


def _by_assignment(text: str) -> Iterator[Sighting]:
    """``api_key: x``, ``password=x``, ``?token=x``: a value that is no word, behind a name that is a secret's."""
    for sign in _SIGN.finditer(text):
        backwards = _NAME_BACKWARDS.match(text[max(0, sign.start() - 80) : sign.start()][::-1])
        value = _VALUE.match(text, sign.end()) if backwards else None
        if backwards is None or value is None or "://" in value[1]:
            continue
        name, equals = backwards[1][::-1].lstrip("-."), "=" in sign[0]
        before = sign.start() - backwards.end() - 1
        in_query = equals and before >= 0 and text[before] in "?&"
        if not (_is_secret_name(name) or (equals and name.lower() in _IN_QUERIES)):
            continue
        is_password = equals and _PASSWORD.search(name) and (_DIGITS.search(value[1]) or _is_mixed(value[1]))
        is_meant = (in_query or is_password) and len(value[1]) >= 6 and not _PLACEHOLDER.fullmatch(value[1])
        if is_meant or is_opaque(value[1]):
            yield Sighting(*value.span(1), f"the value of `{name}`")


_DIGITS = regex("[0-9]")


def _is_mixed(value: str) -> bool:
    """Whether letters are in no order that words have, though none of them is a digit."""
    is_long = len(value) >= 10 and value.isalpha()
    return is_long and _changes(value) >= 0.25 and _likeness(value.lower()) < 0.35


_is_secret_name = lru_cache(maxsize=4096)(looks_secret)
_IN_QUERIES = frozenset({"key", "sig", "signature", "sas", "accountkey", "sharedaccesskey", "subscription-key"})
_PASSWORD = regex(r"(?i)(?:pass|password|passwd|pwd|passphrase)\Z")


def is_opaque(value: str) -> bool:
    """Whether a value is neither a word, nor a variable, a path, a call or a number."""
    if len(value) < 8 or _PLACEHOLDER.fullmatch(value) or _WORDY.fullmatch(value) or value[0] in "/.&|":
        return False
    return re.search(r"[A-Za-z]", value) is not None and re.search(r"[0-9]", value) is not None and "(" not in value


def _by_letters(text: str, dense: Iterable[re.Match[str]]) -> Iterator[Sighting]:
    """Random text: long, with digits, and with few of the pairs of letters that words have."""
    public: list[re.Match[str]] | None = None
    for found in dense:
        run, start = found[0], found.start()
        parts = [(start, run)]
        if ("/" in run and not (len(run) in (40, 44, 64, 88) or "+" in run or run.endswith("="))) or not is_random(run):
            parts = [(start + part.start(), part[0]) for part in _PART.finditer(run)] if "/" in run else []
        for at, part in parts:
            if text.startswith(_CUT, at + len(part)) or _OF_IMAGE.search(text, max(0, at - 512), at):
                continue
            if not is_random(part) or _DIGEST.search(part) or _DIGESTED.search(text, max(0, at - 24), at):
                continue
            public = [*_PUBLIC_KEY.finditer(text)] if public is None else public
            if not any(one.start() <= at < one.end() for one in public):
                yield Sighting(at, at + len(part), "random text, as a key is")


def is_random(run: str) -> bool:
    """Whether letters and digits are in no order that a name, a path, a digest or a date has."""
    separators = run.count("-") + run.count("_") + run.count("/") + run.count("+") + run.count("=")
    if separators * 10 >= len(run) or _DIGIT.search(run) is None or _HEX.match(run) or _PUBLIC_ID.fullmatch(run):
        return False
    if sum(map(str.isalpha, run)) < 0.4 * len(run):
        return False
    return _likeness(run.lower()) < 0.45 and _changes(run) >= 0.2


def _likeness(text: str) -> float:
    """Return the share of common ones among the pairs of letters."""
    pairs = _PAIR.findall(text)
    return sum(map(_COMMON.__contains__, pairs)) / len(pairs) if len(pairs) >= 4 else 0.0


def _changes(text: str) -> float:
    """How often small letters, capitals and digits take turns."""
    dense = _SEPARATOR.sub("", text)
    return len(_CHANGE.findall(dense)) / max(1, len(dense) - 1)


def _is_key(text: str) -> bool:
    """Whether the whole text is one random run, or the hexadecimal digits of at least 16 bytes."""
    if not re.fullmatch(r"[A-Za-z0-9+/_.=-]+", text):
        return False
    return is_random(text) or (len(text) >= 32 and re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", text) is not None)

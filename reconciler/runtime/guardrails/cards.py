"""Detectors of numbers with check digits or rules: payment cards, IBANs, US social security numbers, telephone numbers.

Sources: ISO/IEC 7812-1 (Luhn, issuers), ISO 13616 and its registry of lengths (IBAN), SSA's rules for numbers issued since
2011, ITU-T E.164.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from reconciler.runtime.guardrails.detector import Detector, Span, begins_tail, run_tail

SEPARATORS = " .\u00a0\u2009\u202f\u2010\u2011\u2012\u2013-"
"""What stands between groups of digits, one at a time; the hyphen last, for classes of regular expressions."""
_GAP = f"[{SEPARATORS}]?"
_DIGIT = re.compile("[0-9]")
_DIGITS = re.compile(rf"[0-9](?:{_GAP}[0-9])*")
CARD_DIGITS = (12, 19)
CARD_WIDTH = 2 * CARD_DIGITS[1] - 1
_ISSUERS = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|(?:5[1-5]|2[2-7])[0-9]{14}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11,16}"
    r"|(?:6011|64[4-9]|65|60|81|82|508)[0-9]{12,17}|35[0-9]{14,17}|62[0-9]{14,17}|(?:50|5[6-9]|6[0-9])[0-9]{10,17}"
)
"""Visa, Mastercard, American Express, Diners, Discover and RuPay, JCB, UnionPay, Maestro."""


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        total += value if place % 2 == 0 else value * 2 - 9 * (value > 4)
    return total % 10 == 0


def _is_card(digits: str) -> bool:
    return _ISSUERS.fullmatch(digits) is not None and luhn(digits)


def _numbers(text: str, start: int, most: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each place where a number may begin, and the ends of its digits, ``most`` of them and one more at most."""
    found = _DIGIT.search(text, start)
    while found is not None:
        at = found.start()
        if at == 0 or not text[at - 1].isdigit():
            yield at, _ends(text, at, most)
        found = _DIGIT.search(text, at + 1)


def _ends(text: str, at: int, most: int) -> list[int]:
    ends, position, length = [at + 1], at + 1, len(text)
    while len(ends) <= most and position < length:
        if text[position] in SEPARATORS:
            position += 1
        if position == length or text[position] not in "0123456789":
            break
        position += 1
        ends.append(position)
    return ends


def _grouped(judge: Callable[[str, str], bool], least: int, most: int) -> Callable[[str, int], Span | None]:
    """Return a finder of numbers of ``least`` to ``most`` digits; the longest that is good counts."""

    def find(text: str, start: int) -> Span | None:
        for at, ends in _numbers(text, start, most):
            for count in range(min(most, len(ends)), least - 1, -1):
                end = ends[count - 1]
                if end < len(text) and text[end].isdigit():
                    continue
                written = text[at:end]
                if judge("".join(_DIGIT.findall(written)), written):
                    return at, end
        return None

    return find


_NUMBER_TAIL = f"0-9{SEPARATORS}"
CARD = Detector(
    "credit_card",
    _grouped(lambda digits, _: _is_card(digits), *CARD_DIGITS),
    run_tail(_NUMBER_TAIL, CARD_WIDTH, "0-9"),
    CARD_WIDTH,
)

_SSN_GROUPS = re.compile(rf"[0-9]{{3}}([{SEPARATORS}])[0-9]{{2}}\1[0-9]{{4}}")


def _is_ssn(digits: str, written: str) -> bool:
    """Whether it may be one: no area of 000, 666 or 9xx, no group of 00, no serial of 0000; written in its three groups."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    is_issued = area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"
    return is_issued and _SSN_GROUPS.fullmatch(written) is not None


SSN_WIDTH = 17
SSN = Detector("us_ssn", _grouped(_is_ssn, 9, 9), run_tail(_NUMBER_TAIL, SSN_WIDTH, "0-9"), SSN_WIDTH)

_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 "
    "LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 "
    "RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)
IBAN_LENGTHS = {one[:2]: int(one[2:]) for one in _LENGTHS.split()}
IBAN_WIDTH = 2 * max(IBAN_LENGTHS.values()) - 1
_IBAN_BEGIN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}(?=[0-9]{2})")
_IBAN_TAIL = re.compile(rf"(?<![A-Za-z0-9])[A-Za-z](?:[A-Za-z](?:[0-9](?:[0-9](?:{_GAP}[A-Za-z0-9])*+{_GAP})?)?)?\Z")
_ALPHANUMERIC = re.compile("[A-Za-z0-9]")


def mod_97(iban: str) -> bool:
    """Whether the check digits of an IBAN without blanks fit the rest."""
    return int("".join(str(int(one, 36)) for one in iban[4:] + iban[:4])) % 97 == 1


def _find_iban(text: str, start: int) -> Span | None:
    for found in _IBAN_BEGIN.finditer(text, start):
        length = IBAN_LENGTHS.get(found[0].upper())
        end = _after(text, found.start(), length) if length else None
        if end is None or (end < len(text) and _ALPHANUMERIC.match(text, end)):
            continue
        if mod_97("".join(_ALPHANUMERIC.findall(text[found.start() : end]))):
            return found.start(), end
    return None


def _after(text: str, at: int, count: int) -> int | None:
    """Return where so many letters and digits end, with one separator between two at most; None where they don't."""
    position = at
    for number in range(count):
        if number and position < len(text) and text[position] in SEPARATORS:
            position += 1
        if position == len(text) or not _ALPHANUMERIC.match(text, position):
            return None
        position += 1
    return position


IBAN = Detector("iban", _find_iban, begins_tail(_IBAN_TAIL, IBAN_WIDTH), IBAN_WIDTH)

_PHONE = re.compile(
    r"(?<![0-9+])(?:(?:\+|00)[1-9](?:[ .()/\u00a0-]{0,2}[0-9]){6,14}"
    r"|(?:\([2-9][0-9]{2}\)|[2-9][0-9]{2})[ .-][2-9][0-9]{2}[ .-][0-9]{4})(?![0-9])"
)
PHONE_WIDTH = 2 + 15 * 3


def _find_phone(text: str, start: int) -> Span | None:
    found = _PHONE.search(text, start)
    return None if found is None else found.span()


PHONE = Detector("phone", _find_phone, run_tail(r"0-9+ .()/\u00a0-", PHONE_WIDTH, "0-9+("), PHONE_WIDTH)

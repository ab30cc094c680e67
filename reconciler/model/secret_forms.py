"""The forms of keys and tokens that their issuers document: a prefix, and so many characters of an alphabet."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Form(NamedTuple):
    """What a secret looks like: its name, the words that it begins with (``*``: their beginnings), the pattern of its text."""

    what: str
    words: tuple[str, ...]
    pattern: str


IN_URL, IN_HEADER = "a password in a URL", "credentials of a request"
IN_DSN, IN_SQL, IN_OPTION = "a password in a DSN", "a password in SQL", "a password of a command"
_FORMS_TABLE = (
    ("a private key", "BEGIN", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:(?:[^-]|-(?!----BEGIN)){0,20000}?-----END [A-Z0-9 ]+-----)?"),
    ("an age key", "AGE", r"AGE-SECRET-KEY-1[A-Z0-9]{20,}"),
    ("a key of reconciler", "rk", r"rk_[0-9A-Za-z]{4,32}_[A-Za-z0-9_-]{16,}"),
    ("a GitHub token", "ghp gho ghs ghu ghr github", r"gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"),
    ("a GitLab token", "glpat gldt glrt glptt glcbt gloas glft glimt glagent glsoat glffct glrtr",
     r"gl(?:pat|dt|rt|ptt|cbt|oas|ft|imt|agent|soat|ffct|rtr)-[A-Za-z0-9_.-]{16,}"),
    ("an AWS access key", "AKIA* ASIA* ABIA* ACCA*",
     r"(?:AKIA[A-Z0-9]{12,20}|A(?:SIA|BIA|CCA)(?=[A-Z]*[0-9])[A-Z0-9]{16})(?![A-Za-z0-9])"),
    ("a Google key", "AIza* GOCSPX ya29", r"AIza[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{16,}|ya29\.[A-Za-z0-9_-]{16,}"),
    ("a Slack token", "xoxa xoxb xoxc xoxe xoxo xoxp xoxr xoxs xapp",
     r"xox[abceoprs]-[A-Za-z0-9.-]{8,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    ("a webhook's address", "hooks discord discordapp",
     r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{16,}"
     r"|discord(?:app)?\.com/api/webhooks/[0-9]{8,}/[A-Za-z0-9_-]{20,}"),
    ("a Stripe key", "sk rk whsec", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{16,}"),
    ("an Anthropic key", "sk", r"sk-ant-[A-Za-z0-9_-]{12,}"),
    ("an API key", "sk", r"sk-(?:proj|svcacct|admin|live|test|or(?:-v1)?|lf|None)-[A-Za-z0-9_-]{12,}|sk-[A-Za-z0-9]{20,}"
     r"|sk-(?=[a-zA-Z_-]{0,99}[0-9])(?=[a-z0-9_-]{0,99}[A-Z])[A-Za-z0-9_-]{20,}"),
    ("an npm token", "npm", r"npm_[A-Za-z0-9]{20,}"),
    ("a PyPI token", "pypi", r"pypi-[A-Za-z0-9_]{16,}[A-Za-z0-9_-]*"),
    ("a SendGrid key", "SG", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("a Twilio key", "SK*", r"SK[0-9a-f]{32}(?![0-9a-zA-Z])"),
    ("a Hugging Face token", "hf", r"hf_[A-Za-z0-9]{20,}"),
    ("a Vault token", "hvb hvs hvr", r"hv[bsr]\.[A-Za-z0-9_-]{20,}"),
    ("an access token", "gsk glsa glc sntrys sntryu shpat shpca shppa shpss dop doo dor lin ntn r8 pcsk figd sbp nfp dckr e2b jina pscale sq0atp sq0csp",
     r"(?:gsk|glsa|glc|sntrys|sntryu|shp(?:at|ca|pa|ss)|do[opr]_v1|lin_api|ntn|r8|pcsk|figd|sbp|nfp|e2b|jina)_[A-Za-z0-9_]{20,}"
     r"|(?:dckr_[op]at_|figd_|pscale_(?:tkn|pw|oauth)_|sq0(?:atp|csp)-)[A-Za-z0-9_-]{20,}"),
    ("an access token", "sgp bkua bkpt rubygems pul ops CCIPAT dp tskey nvapi fc key-*",
     r"(?:sgp_(?:[0-9a-f]{16}_|local_)?|bk(?:ua|pt)_|rubygems_|pul-|fc-|key-)[0-9a-f]{32,}(?![0-9A-Za-z])|ops_ey[A-Za-z0-9_-]{40,}"
     r"|CCIPAT_[A-Za-z0-9]{16,}_[0-9a-f]{32,}|dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9.]{32,}|tskey-[a-z]+-[A-Za-z0-9]{8,}-[A-Za-z0-9]{16,}"
     r"|nvapi-[A-Za-z0-9_-]{40,}"),
    ("an access token", "pat*", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}(?![0-9A-Za-z])"),
    ("a 1Password key", "A3", r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}(?![0-9A-Za-z])"),
    ("a key of Laravel", "base64", r"base64:[A-Za-z0-9+/]{42,44}={1,2}(?![A-Za-z0-9+/=])"),
    ("an access token", "pplx xai tvly PMAK NRAK CFPAT HRKU ATAT* dapi* lsv2 phc phx",
     r"(?:(?:pplx|xai|tvly|PMAK|NRAK|CFPAT|HRKU)-|ATATT3|dapi|lsv2_pt_|ph[cx]_)(?=[A-Za-z_-]{0,99}[0-9])[A-Za-z0-9_=-]{24,}"),
    ("a JSON Web Token", "ey*", r"ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"),
    (IN_URL, "", r"(?<=://)[^/\s:@'\"<>]{0,256}:[^/\s@'\"]{1,512}@"),
    (IN_DSN, "", r"(?<![^\s'\"=])[A-Za-z0-9_.-]{1,64}:[^\s:@/'\"]{4,256}@(?:tcp|unix)\("),
    (IN_SQL, "PASSWORD password IDENTIFIED identified", r"(?i:(?:with|encrypted|role|user|set)\b[^;']{0,80}?\bpassword|identified\s+by(?:\s+password)?)\s+'[^'\s]{6,256}'"),
    (IN_OPTION, "curl wget", r"(?:curl|wget)\b[^\n|;]{0,200}?\s(?:-u|--user)[ =]?['\"]?[^\s:/'\"]{1,64}:[^\s/'\"][^\s'\")]{3,255}"),
    (IN_HEADER, "", r"(?i:bearer|basic)[ \t]+[A-Za-z0-9._~+/=-]{8,}"),
)  # fmt: skip
FORMS = tuple(Form(what, tuple(words.split()), pattern) for what, words, pattern in _FORMS_TABLE)
"""The order counts: the first that fits names the secret."""
_EXACT = frozenset(word for form in FORMS for word in form.words if word[-1] != "*")
_STARTS = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(word[:-1] for form in FORMS for word in form.words if word[-1] == '*')})"
)
_WORD = re.compile(r"[A-Za-z0-9]+")
_SCHEME = re.compile(r"(?i:bearer|basic)[ \t]")


def may_have_form(text: str) -> bool:
    """Whether any word of the text begins one of the forms: a quick look."""
    return (
        not _EXACT.isdisjoint(_WORD.findall(text))
        or _STARTS.search(text) is not None
        or "@" in text
        or _SCHEME.search(text) is not None
    )


@cache
def pattern() -> re.Pattern[str]:
    """All forms as one pattern, with a group for each. Built for the first text that needs it: that takes 10 ms."""
    groups = (f"(?P<f{at}>{form.pattern})" for at, form in enumerate(FORMS))
    return re.compile(f"(?<![A-Za-z0-9])(?:{'|'.join(groups)})")


def name_of(found: re.Match[str]) -> str:
    """Return what a match of ``pattern`` looks like."""
    return FORMS[int(str(found.lastgroup)[1:])].what

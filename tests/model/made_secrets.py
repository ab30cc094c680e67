"""Make secrets of every sort, as their issuers do: random, from a seed, and good for nothing."""

from __future__ import annotations

import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from random import Random

BASE62 = string.ascii_letters + string.digits
BASE36 = string.ascii_lowercase + string.digits
URL = BASE62 + "-_"
HEX = "0123456789abcdef"


def text(dice: Random, alphabet: str, length: int) -> str:
    return "".join(dice.choices(alphabet, k=length))


def _jwt(dice: Random) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"%d"}' % dice.randrange(10**9), dice.randbytes(32))
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _pem(dice: Random) -> str:
    body = b64encode(dice.randbytes(96)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"  # reconciler: not-a-secret


PREFIXED: Mapping[str, tuple[str, str, int]] = {
    "GitHub": ("ghp_", BASE62, 36),
    "GitHub, fine-grained": ("github_pat_", BASE62 + "_", 82),
    "GitLab": ("glpat-", URL, 20),
    "AWS": ("AKIA", string.ascii_uppercase + "234567", 16),
    "Google": ("AIza", URL, 35),
    "Slack": ("xoxb-", string.digits, 24),
    "Stripe": ("sk_live_", BASE62, 24),
    "OpenAI": ("sk-proj-", URL, 60),
    "OpenAI, older": ("sk-", BASE62, 48),
    "Anthropic": ("sk-ant-api03-", URL, 93),
    "npm": ("npm_", BASE62, 36),
    "PyPI": ("pypi-AgEIcHlwaS5vcmcC", URL, 60),
    "Twilio": ("SK", HEX, 32),
    "Hugging Face": ("hf_", string.ascii_letters, 34),
    "Vault": ("hvs.", URL, 24),
    "Groq": ("gsk_", BASE62, 52),
    "DigitalOcean": ("dop_v1_", HEX, 64),
    "Mailgun": ("key-", HEX, 32),
    "Pulumi": ("pul-", HEX, 40),
    "RubyGems": ("rubygems_", HEX, 48),
    "Buildkite": ("bkua_", HEX, 40),
    "Firecrawl": ("fc-", HEX, 32),
    "Docker": ("dckr_pat_", URL, 27),
    "NVIDIA": ("nvapi-", URL, 64),
    "Square": ("sq0atp-", URL, 22),
    "age": ("AGE-SECRET-KEY-1", string.ascii_uppercase + string.digits, 58),
}
SECRETS: Mapping[str, Callable[[Random], str]] = {
    **{
        name: lambda dice, form=form: form[0] + text(dice, form[1], form[2])  # type: ignore[misc]
        for name, form in PREFIXED.items()
    },
    "Airtable": lambda dice: f"pat{text(dice, BASE62, 14)}.{text(dice, HEX, 64)}",
    "1Password": lambda dice: "A3-" + "-".join(text(dice, string.ascii_uppercase, size) for size in (6, 6, 5, 5, 5, 5)),
    "Laravel": lambda dice: f"base64:{b64encode(dice.randbytes(32)).decode()}",
    "SendGrid": lambda dice: f"SG.{text(dice, URL, 22)}.{text(dice, URL, 43)}",
    "reconciler": lambda dice: f"rk_{text(dice, HEX, 16)}_{text(dice, URL, 43)}",
    "JWT": _jwt,
    "PEM": _pem,
    "AWS, secret": lambda dice: text(dice, BASE62 + "+/", 40),
    "random, base62": lambda dice: text(dice, BASE62, 40),
    "random, base64": lambda dice: b64encode(dice.randbytes(32)).decode(),
    "DSN": lambda dice: f"postgresql://app:{text(dice, BASE62, 12)}@db.example.com/shop",
    "DSN of Go": lambda dice: f"root:{text(dice, BASE62, 12)}@tcp(db:3306)/shop",
    "SQL": lambda dice: f"CREATE ROLE app WITH LOGIN PASSWORD '{text(dice, BASE62, 12)}'",
    "SQL of MySQL": lambda dice: f"CREATE USER app IDENTIFIED BY '{text(dice, BASE62, 12)}'",
    "curl": lambda dice: f"curl -s -u admin:{text(dice, BASE62, 12)}",
    "query": lambda dice: f"https://mcp.example.com/mcp?api_key={text(dice, BASE36, 10)}7",
    "header": lambda dice: f"Authorization: Bearer {text(dice, BASE36, 12)}7a",
    "option": lambda dice: f"--api-key={text(dice, BASE62, 10)}7aQ",
    "variable": lambda dice: f"--env=GITHUB_TOKEN={text(dice, BASE62, 10)}7aQ",
}
"""By the sort's name. Where no prefix says so, one in a hundred random texts of 40 characters may look like words."""
RANDOM = ("AWS, secret", "random, base62", "random, base64")

"""Which texts look like secrets: all that are made here, and hardly any of other people's files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from reconciler.load.documents import read_documents
from reconciler.load.secret_values import suspects_in
from reconciler.model.secret_text import (
    MASK,
    holds_secret,
    is_random,
    masked,
    may_be_secret,
    secret_arguments,
    secrets_in,
)
from tests.conftest import ROOT
from tests.model.made_secrets import BASE36, BASE62, RANDOM, SECRETS, URL, text

OF_COMMANDS = ("SQL", "SQL of MySQL", "DSN of Go", "curl")
FOREIGN = Path(os.environ.get("RECONCILER_FOREIGN", "nowhere"))
AROUND = (
    "{}",
    "use {} for it",
    "a={}",
    "SELECT '{}' FROM t",
    'x: "{}"',
    "({})",
    "https://example.com/{}?a=b",
    "{}\nmore text",
)


@pytest.mark.parametrize("sort", [one for one in SECRETS if one not in (*RANDOM, *OF_COMMANDS)])
def test_every_sort_is_found_wherever_it_stands(sort: str) -> None:
    dice = Random(sort)
    for frame in AROUND:
        if "://" in frame and sort in ("DSN", "query", "header", "PEM", "option", "variable"):
            continue
        for _ in range(25):
            secret = SECRETS[sort](dice)
            whole = frame.format(secret)
            [found, *_] = secrets_in(whole)
            assert whole[found.start : found.end] in secret, (sort, whole)
            assert found.end - found.start >= 7
            assert masked(whole).count(MASK) >= 1
            assert whole[found.start : found.end] not in masked(whole)


@pytest.mark.parametrize("sort", OF_COMMANDS)
def test_the_password_of_a_command_is_found(sort: str) -> None:
    dice = Random(sort)
    for frame in ("{}", "use {} for it", "{}\nmore text"):
        for _ in range(25):
            secret = SECRETS[sort](dice)
            assert masked(frame.format(secret)).count(MASK) == 1, secret
            assert not re.search("[A-Za-z0-9]{12}", masked(secret))


@pytest.mark.parametrize("sort", RANDOM)
def test_of_random_text_one_in_fifty_at_most_goes_unseen(sort: str) -> None:
    dice = Random(sort)
    assert sum(not secrets_in(SECRETS[sort](dice)) for _ in range(1000)) <= 20


@pytest.mark.parametrize(
    ("alphabet", "length", "missed"), [(BASE62, 20, 60), (BASE62, 32, 20), (BASE36, 32, 50), (URL, 43, 20)]
)
def test_how_many_random_texts_are_missed(alphabet: str, length: int, missed: int) -> None:
    dice = Random(length)
    assert sum(not is_random(text(dice, alphabet, length)) for _ in range(1000)) <= missed


@pytest.mark.parametrize(
    "harmless",
    [
        "", "openai-prod", "gpt-4o-mini-2024-07-18", "https://api.openai.com/v1", "vault://kv/acme/openai#api_key", "env://OPENAI_API_KEY",
        "encrypted://a-name-that-is-long-enough-2", "Bearer authentication is required", "Authorization: Bearer ${TOKEN}",
        "Authorization: Bearer <token>", "Authorization: Bearer YOUR_API_KEY", "token: string", "auth: oauth2", "secret: my-secret-v1",
        "api_key=os.environ/KEY", "password = $1", "WHERE token = :token AND api_key = {api_key}", "https://h/x?api_key=YOUR_API_KEY",
        "postgres://user:password@localhost/db", "postgres://${USER}:${PASSWORD}@db/x", "redis://host:6379/0", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "sk-your-api-key-goes-here-please", "ghp_...", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "chatcmpl-f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8KuxwlDNnAF0vfn7n6nEc0f8O4mXnG3b9k", "arn:aws:iam::123456789012:role/OrdersReadOnlyRoleForAnalytics2",
        "com.example.orders.OrdersControllerTest2V1Factory", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8oZ2qVxk1lH0a5nB1Zb0r4q3m7w9e8t6y5u4i3o2p1",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk", "2026-11-30T12:34:56.789012Z/2026-12-01T00:00:00Z",
        "max_tokens=4096", "https://docs.example.com/a/b?page=2&sort=created_at", "npm_config_registry_and_other_names", "note: a note, and 12 more",
        "curl -u user:password https://h", 'curl -u "$USER:$PASSWORD" https://h', "curl -H 'Accept: text/html' https://h:8443/a", "user:pass@tcp(db:3306)/x",
        "ALTER ROLE app WITH PASSWORD 'changeme'", "CREATE USER a IDENTIFIED BY '${PASSWORD}'", "key-value-pairs", "pat.example.com", "base64:abc",
        "the password for user 'admin'", "set the password to 'expire' monthly", "http -u https://h/a:b", "li_at=AQETADxR7bsCqpZlAAACm-lNHKAAA...",
        "https://media.example.com/image/v2/logo_200?e=21&t=MFaqPo93l6qp8Dj0NrAdWyIk3izLBhN1i0WCBf-yVFs",
        "password=getUserPasswordByName", "password: correct-horse-battery",
        "SELECT password_hash, token_count FROM accounts_2024_11_30 WHERE created_at > now() - interval '7 days'",
    ],
)  # fmt: skip
def test_what_is_no_secret(harmless: str) -> None:
    assert secrets_in(harmless) == ()
    assert masked(harmless) == harmless


@pytest.mark.parametrize("password", ["QxLbTzWmRkPn", "PKkvuqdqaQYm", "UlqUpAHGILdZ"])
def test_a_password_may_be_letters_alone(password: str) -> None:
    for frame in ("Server=db;Uid=shop;Pwd={};", "host=db password={} dbname=x", "keystore.password={}"):
        assert masked(frame.format(password)) == frame.format(MASK)


def test_hexadecimal_digits_are_a_secret_under_a_name_that_says_so() -> None:
    digits = "0123456789abcdef" * 2
    assert secrets_in(digits) == ()
    assert holds_secret("sha256", digits) is None
    assert holds_secret("pin", f"sha256:{digits * 2}") is None
    for name in ("Key", "X-Session", "x-api-key", "signing_secret"):
        assert holds_secret(name, digits) is not None
    assert may_be_secret(digits)


def test_arguments() -> None:
    arguments = [
        "--header", "Authorization: hunter2", "--env=GITHUB_TOKEN=hunter2", "-e", "TOKEN=x", "--env", "MODE=fast", "https://h/?api_key=x",
        "--token", "hunter2", "http://localhost:8080/x", "X-Api-Key: x", "https://u:p@h/", "--verbose", "--max-tokens=5",
    ]  # fmt: skip
    assert [arguments[index] for index in secret_arguments(arguments)] == [
        "Authorization: hunter2", "--env=GITHUB_TOKEN=hunter2", "TOKEN=x", "https://h/?api_key=x", "hunter2", "X-Api-Key: x", "https://u:p@h/",
    ]  # fmt: skip


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


def _alarms(files: list[Path]) -> tuple[int, list[str]]:
    count, alarms = 0, []
    for file in files:
        for document in read_documents(file.read_bytes(), file.name)[0]:
            count += sum(1 for _ in _strings(document.value))
            alarms += [f"{file}: {one.path}: {one.what}" for one in suspects_in(document.value)]
    return count, alarms


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="RECONCILER_FOREIGN names the folder of other projects' real files")
def test_false_alarms_on_the_files_of_other_projects() -> None:
    """None in 6,898 values."""
    count, alarms = _alarms([path for path in FOREIGN.rglob("*") if path.suffix in {".yaml", ".yml", ".json"}])
    assert count > 6000
    assert alarms == []


def test_no_false_alarms_in_our_own_files() -> None:
    """Schemas, examples and rules hold no secret."""
    files = [
        *(ROOT / "schemas").rglob("*.json"),
        *(ROOT / "examples").rglob("*.yaml"),
        ROOT / "reconciler/lint/rules.yaml",
    ]
    count, alarms = _alarms(files)
    assert count > 5000
    assert alarms == []


@pytest.mark.parametrize(
    "part",
    ["a", "A1", "a=", "://", "ey", "-", "/a", "a:b@", "xoxb-", "-----BEGIN ", "bearer ", "key='", "&token=", "sk-", "\n", "{", "x.",
     "://a:b1@", "-----BEGIN PRIVATE KEY-----", "token=a1b2c3d4e5 ", "eyJ."],
)  # fmt: skip
def test_no_text_takes_long(part: str) -> None:
    """Linear: nothing in the patterns goes back over a long text again and again."""
    began = time.process_time()
    secrets_in(part * (60_000 // len(part)))
    assert time.process_time() - began < 4

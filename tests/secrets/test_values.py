"""What may be a secret, what its type says of it, and when it ends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.conftest import Db
from tests.secrets.support import VALUE, Kept, clear

NAMES = [
    "acme",
    "acme/",
    "/one",
    "acme/One",
    "acme/one/two",
    "acme/../one",
    "a_b/one",
    f"acme/{'x' * 64}",
    "acme/-",
    "\x1b[31m/x",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_bad_names(here: Kept, name: str) -> None:
    for command in ("set", "rotate", "delete", "access-log"):
        if name or command != "access-log":
            said = clear(here(command, name, stdin=VALUE), 64, "invalid-name")
            assert "\x1b" not in said.text
    assert here.db.sql("SELECT * FROM secrets") == []


@pytest.mark.parametrize(
    "value",
    [b"", b"\n", b" \n\t\n", b"\xff\xfe", b"a\0b", b"x" * 65537, b"x" * (1 << 21), "é".encode() * 40_000],
    ids=["none", "a line break", "blank", "not UTF-8", "NUL", "a byte too many", "2 MB", "80,000 bytes"],
)
def test_values_that_are_none(here: Kept, value: bytes) -> None:
    clear(here("set", "acme/one", stdin=value), 64, "unfit-value")
    assert here.db.sql("SELECT * FROM secrets") == []


@pytest.mark.parametrize(
    ("value", "kept_as"),
    [
        (f"{VALUE}\n", VALUE),
        (f"{VALUE}\r\n", VALUE),
        (f"{VALUE}\n\n", f"{VALUE}\n"),
        (f" {VALUE} ", f" {VALUE} "),
        ("x" * 65536 + "\n", "x" * 65536),
        ("two\nlines ‮ \x1b[31m 🔑", "two\nlines ‮ \x1b[31m 🔑"),
    ],
    ids=["line break", "CRLF", "two line breaks", "spaces", "the most", "anything"],
)
def test_values_as_they_are_here(here: Kept, value: str, kept_as: str) -> None:
    assert "\x1b" not in here("set", "acme/one", stdin=value).ok().text
    assert here.value("one") == kept_as


def private_key(encryption: object = None, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return written(Ed25519PrivateKey.generate(), encryption, form)


def written(key: Ed25519PrivateKey, encryption: object = None, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption()).decode()  # type: ignore[arg-type]


PLACEHOLDERS = [
    *("x", "***", "changeme", "CHANGE_ME_123", "${X}", "$API_KEY", "%API_KEY%", "{{api_key}}", "<your-api-key>"),
    *("your_api_key_here", "sk-xxxxxxxxxxxxxxxx", "sk-your-key-here", "xxxx-xxxx-xxxx", "aaaaaaaaaa", "[redacted]"),
    *("vault://kv/acme/openai#api_key", "encrypted://openai", "env://OPENAI_API_KEY", "https://example.com/key"),
]
FIT = {
    "api_key": ["sk-1-9fQz", "sk-live-keyboard-token"],
    "oauth": ['{"client_id": "a", "client_secret": "b"}', '{"type": "service_account", "private_key": "k"}'],
    "database": [
        "postgresql://me:pw@host/db",
        "host=a password=b",
        "host=a password='b c\\' d' dbname = e",
        "Server=a;Database=b;User Id=me;Password=p w;",
        "jdbc:postgresql://host/db?user=me&password=pw",
        "sqlite:////x.db",
    ],
    "bearer_token": ["eyJ.a.b.c"],
    "basic_auth": ["user:pass:word", "user:"],
    "ssh_key": [private_key(form=PrivateFormat.OpenSSH), private_key(), private_key(BestAvailableEncryption(b"x"))],
    "custom": ["anything at all"],
}
UNFIT = {
    "api_key": [f"{VALUE} {VALUE}", f"{VALUE}\n{VALUE}", f"{VALUE}é", "sk-1\x1b[31m", "short-1", *PLACEHOLDERS],
    "oauth": [
        f'["{VALUE}"]',
        VALUE,
        f'"{VALUE}"',
        f"{{{VALUE}",
        "[" * 50_000,
        "{}",
        '{"client_id": "a"}',
        '{"client_secret": ["b"]}',
        '{"client_secret": "changeme"}',
        f'{{"client_secret": "b", "client_secret": "{VALUE}"}}',
    ],
    "database": [
        VALUE,
        f"postgresql://{VALUE}[::1",
        f"a={VALUE}\nc=d",
        f"a={VALUE}",
        f"postgresql://me:{VALUE}@host:port/db",
        "postgresql://me:${PASSWORD}@host/db",
        "host=a password=changeme",
        "vault://kv/acme/db#dsn",
    ],
    "bearer_token": [f"Bearer {VALUE}", *PLACEHOLDERS],
    "basic_auth": [VALUE, f":{VALUE}", f"{VALUE}:{VALUE}\n{VALUE}", "user:***", "user:${PASS}", "vault://kv/acme/a#b"],
    "ssh_key": [
        VALUE,
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----",
    ],
    "certificate": [VALUE, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", private_key()],
}


@pytest.mark.parametrize("type_", FIT)
def test_values_of_a_type(here: Kept, type_: str) -> None:
    for value in FIT[type_]:
        here("set", "acme/one", "--type", type_, stdin=value).ok()
        assert here.value("one") == value
    version = len(FIT[type_])
    for value in UNFIT.get(type_, ()):
        for command in (("set", "acme/one", "--type", type_), ("rotate", "acme/one")):  # it keeps its type
            said = clear(here(*command, stdin=value), 64, "unfit-value")
            assert len(value) < 4 or value not in said.text
    assert here.db.sql("SELECT version FROM secrets") == [(version,)]


def certificate(end: datetime, key: Ed25519PrivateKey | None = None) -> str:
    key = key or Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(1960, 1, 1, tzinfo=UTC), end)
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


def test_certificates_say_when_they_end(here: Kept) -> None:
    end = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    forever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    long_ago = datetime(1969, 12, 31, tzinfo=UTC)

    def ends(*values: str, more: tuple[str, ...] = ()) -> str | None:
        here("set", "acme/one", "--type", "certificate", *more, stdin="".join(values)).ok()
        assert here.value("one") == "".join(values)
        found: str | None = here("list", "--format", "json").ok().json["secrets"][0]["expires_at"]
        return found

    assert ends(certificate(end)) == "2031-05-06T07:08:09+00:00"
    own = Ed25519PrivateKey.generate()
    whole = certificate(forever, own), written(own), certificate(end)
    assert ends(*whole) == "2031-05-06T07:08:09+00:00"
    assert ends(certificate(forever)) is None  # RFC 5280: there is no end
    assert ends(certificate(end), more=("--expires", "2030-01-01")) == "2030-01-01T23:59:59+00:00"
    assert ends(certificate(long_ago)) == "1969-12-31T00:00:00+00:00"
    told = here("rotate", "acme/one", stdin=certificate(long_ago)).ok()
    assert told.err == "Warning: the value of acme/one expired on 1969-12-31\n"
    clear(here("rotate", "acme/one", stdin=certificate(end) + private_key()), 64, "unfit-value")  # another one's key
    assert "expired" in here("expiring").ok().out
    for value in UNFIT["certificate"]:
        clear(here("set", "acme/one", "--type", "certificate", stdin=value), 64, "unfit-value")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_day_is_the_same_day_everywhere(kept: Kept, zone: str) -> None:
    """PostgreSQL answers in the session's time zone."""
    if kept.db.is_sqlite:
        other = kept
    else:
        other = Kept(Db(f"{kept.db.url}&options=-ctimezone%3D{zone.replace('/', '%2F')}"), kept.folder, kept.key_file)
    other("set", "acme/one", "--expires", "2031-12-31", stdin=VALUE, TZ=zone).ok()
    for at in (kept, other):
        assert "2031-12-31" in at("list", TZ=zone).ok().out
        assert at("list", "--format", "json").ok().json["secrets"][0]["expires_at"] == "2031-12-31T23:59:59+00:00"


ENDS = [
    "0",
    "-1",
    "36501",
    "99999999",
    "9" * 5000,
    "0001-01-01",
    "2020-01-01",
    "9999-12-31",
    "2027-02-30",
    "soon",
    "",
    "٣٠٠٠٠٠",
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: repr(end)[:20])
def test_ends_that_are_none(here: Kept, end: str) -> None:
    ran = here("set", "acme/one", f"--expires={end}", stdin=VALUE)
    if end:
        clear(ran, 64, "invalid-expiry")
    here("list").ok()


def test_texts_that_are_none(here: Kept) -> None:
    for description in ("\udcff", "two\nlines", "\x1b[31m", "x" * 1001):
        clear(here("set", "acme/one", "--description", description, stdin=VALUE), 64, "invalid-description")
    here.process("set", "acme/one", stdin=VALUE, RECONCILER_ACTOR="caf\udce9").ok()
    assert here("list", "--format", "json").ok().json["secrets"][0]["changed_by"] == "caf?"

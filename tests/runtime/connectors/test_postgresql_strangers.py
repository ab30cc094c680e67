"""Whoever answers at the address of a database: what it is told, and what is told of it."""

from __future__ import annotations

import asyncio
import ssl
import struct
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.runtime.call import Failed, Permits, Surroundings
from reconciler.runtime.connectors.sql import open_sql
from tests.runtime.calls import LOOPBACK, call, resolve, resource
from tests.runtime.connectors.support import (
    template,
)


class Stranger:
    """Whatever listens at a port: answers a request for TLS, and then the first message."""

    def __init__(self, tls: ssl.SSLContext | None, answer: bytes = b"") -> None:
        self.tls, self.answer = tls, answer
        self.heard: list[bytes] = []
        self.names: list[str | None] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first == struct.pack("!ii", 8, 80877103):
                writer.write(b"S" if self.tls else b"N")
                await writer.drain()
                if self.tls:
                    await writer.start_tls(self.tls)
                first = await reader.readexactly(8)
            self.heard.append(first + await reader.read(1000))
            writer.write(self.answer)
            if self.answer != WRONG:
                self.heard.append(await reader.read(1000))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def meeting(stranger: Stranger, raw: dict[str, Any], resolving: Any = resolve) -> Failed:
    """``raw`` on a connector to the stranger; PORT in what is resolved stands for its port."""

    async def main() -> Failed:
        server = await asyncio.start_server(stranger.handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def resolved(tenant: str, reference: str) -> str:
            return str(await resolving(tenant, reference)).replace("PORT", str(port))

        place = {"host": "localhost", "port": port, "database": "x", "username": "me"} if "dsn" not in raw else {}
        exceptions = [{"cidr": cidr, "port": port} for cidr in ("127.0.0.0/8", "::1/128")]
        connector = resource(
            "connector", {"type": "sql", "dialect": "postgresql", "network_exceptions": exceptions, **place, **raw}
        )
        connection = await open_sql("acme", connector, Surroundings(resolved, resolved, Permits(LOOPBACK)))
        try:
            with pytest.raises(Failed) as caught:
                await connection.run(call(connector, template("SELECT 1 AS one"), {}, 3.0))
        finally:
            await connection.close()
            server.close()
            await asyncio.sleep(0.02)
        return caught.value

    return asyncio.run(main())


CLEARTEXT = b"R" + struct.pack("!ii", 8, 3)
REFUSED = b"SFATAL\0VFATAL\0C28P01\0MCANARY\0\0"
WRONG = b"E" + struct.pack("!i", 4 + len(REFUSED)) + REFUSED


def test_the_operator_s_own_password_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither from the environment nor from the home of whoever runs the server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".pgpass").write_text("*:*:*:*:OPERATOR-2\n")
    (tmp_path / ".pgpass").chmod(0o600)
    for variable in ("OPERATOR-1", None):
        if variable:
            monkeypatch.setenv("PGPASSWORD", variable)
        else:
            monkeypatch.delenv("PGPASSWORD")
        stranger = Stranger(None, CLEARTEXT)
        meeting(stranger, {"ssl": "disable"})
        assert len(stranger.heard) == 2  # the second is what it says for a password
        assert b"OPERATOR" not in b"".join(stranger.heard)


def test_a_refused_credential_is_asked_for_once_more() -> None:
    asked: list[str] = []

    async def resolving(_tenant: str, reference: str) -> str:
        asked.append(reference)
        return "the-password"

    error = meeting(Stranger(None, WRONG), {"ssl": "disable", "password": "env://PASSWORD"}, resolving)
    assert (error.code, error.outcome, len(asked)) == ("credential-refused", "failure", 2)
    assert "CANARY" not in str(error)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:CANARY\u2100@h\u2100/x",
        "postgresql://me:CANARY@[h/x",
        "postgresql://me:CANARY@h:port/x",
        "postgresql://me:CANARY@h/x?sslmode=CANARY",
        "mysql://me:CANARY@h/x",
        "CANARY",
    ],
)
def test_a_connection_string_that_can_not_be_read_is_not_quoted(dsn: str) -> None:
    async def resolving(_tenant: str, _reference: str) -> str:
        return dsn

    error = meeting(Stranger(None), {"dsn": "env://TOKEN"}, resolving)
    assert error.code == "invalid-dsn"
    assert "CANARY" not in "".join(traceback.format_exception(error))


def certified(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate for the name, and beside it in ``folder`` who vouches for it: itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "crt.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("mode", "name", "trusted", "reached"),
    [
        ("verify-full", "localhost", True, True),
        ("verify-full", "elsewhere", True, False),
        ("verify-full", "localhost", False, False),
        ("verify-ca", "elsewhere", True, True),
        ("verify-ca", "elsewhere", False, False),
        ("require", "elsewhere", False, True),
        ("prefer", "elsewhere", False, True),
        ("require", "", False, False),  # the server has no TLS
        ("verify-full", "", False, False),
        ("prefer", "", False, True),
        ("disable", "", False, True),
    ],
)
@pytest.mark.parametrize("by_dsn", [False, True])
def test_who_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, name: str, trusted: bool, reached: bool, by_dsn: bool
) -> None:
    """The name that was asked for counts, though an address is dialled; a secret's ``sslmode`` can't loosen the spec."""
    tls = certified(tmp_path, name) if name else None
    stranger = Stranger(tls, WRONG)
    if tls is not None:
        tls.sni_callback = lambda _socket, said, _context: stranger.names.append(said)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt.pem"))

    async def resolving(_tenant: str, _reference: str) -> str:
        return "postgresql://me:x@localhost:PORT/x?sslmode=disable"

    meeting(stranger, {"ssl": mode, **({"dsn": "env://TOKEN"} if by_dsn else {})}, resolving)
    assert bool(stranger.heard) == reached
    if reached:
        assert b"user" in stranger.heard[0]
    if name:
        assert set(stranger.names) == {"localhost"}

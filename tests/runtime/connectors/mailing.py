"""A real server of mail on loopback (aiosmtpd), which answers as it is told, with TLS and with passwords where a test wants them."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.runtime.slack import near

PASSWORD = "mail-password-1"


@dataclass
class Mails:
    """What came; ``answers`` are replies to RCPT or DATA, taken one by one, and then everything is taken."""

    port: int = 0
    came: list[Envelope] = field(default_factory=list)
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    hello: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)

    async def handle_EHLO(
        self, server: SMTP, session: Session, _envelope: Envelope, name: str, answers: list[str]
    ) -> list[str]:
        session.host_name = name
        self.hello.append(name)
        return answers

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.rcpt:
            return self.rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.data:
            return self.data.pop(0)
        self.came.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"


@contextmanager
def mailing(tls: ssl.SSLContext | None = None, from_the_first: bool = False, auth: bool = False) -> Iterator[Mails]:
    found = Mails()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    more: dict[str, Any] = {"authenticator": authenticate, "auth_required": True} if auth else {}
    if tls is not None and from_the_first:
        more["ssl_context"] = tls
        more["auth_require_tls"] = False  # it does not see that the connection is encrypted
    elif tls is not None:
        more |= {"tls_context": tls, "require_starttls": True}
    controller = Controller(found, hostname="127.0.0.1", port=free_port(), **more)
    controller.start()
    found.port = controller.port
    try:
        yield found
    finally:
        controller.stop()


def free_port() -> int:
    from tests.runtime.servers import free_port as free

    return free()


def smtp_at(mails: Mails, **more: Any) -> dict[str, Any]:
    return {
        "type": "notification",
        "provider": "smtp",
        "host": "127.0.0.1",
        "port": mails.port,
        "tls": "none",
        "from": "bot@shop.example",
        "recipients": {"sales-alerts": ["sales@shop.example"], "ops": ["a@ops.example", "b@ops.example"]},
        **near(mails.port),
        **more,
    }


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """The context of a server at 127.0.0.1, and the file of the certificate that a client has to trust."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = folder / "mail.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(made.public_bytes(Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file

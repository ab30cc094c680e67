"""Messages by mail: plain text to one address at a time, over a socket that is connected to a judged address."""

from __future__ import annotations

import ssl
from base64 import encodebytes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.header import Header
from email.utils import formatdate
from hashlib import sha256
from typing import TYPE_CHECKING

from reconciler.model.body import Body
from reconciler.model.health import REFUSED
from reconciler.runtime.addresses import dialled
from reconciler.runtime.connectors.message import Outgoing, Undelivered, Way
from reconciler.runtime.extras import client_not_installed

if TYPE_CHECKING:
    from aiosmtplib import SMTP

_UNREACHED = "it can't be reached, does not offer what is asked of it, or ended the connection"
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


async def send(outgoing: Outgoing, address: str, way: Way) -> None:
    """Make one attempt. Raises Undelivered, Failed."""
    data = mail(outgoing, way.body["from"], address)
    async with _connected(way) as client:
        from aiosmtplib.errors import SMTPRecipientsRefused, SMTPResponseException

        try:
            await client.sendmail(way.body["from"], [address], data)
        except SMTPRecipientsRefused as error:
            raise _refused(error.recipients[0].code) from None
        except SMTPResponseException as error:
            raise _refused(error.code) from None


async def ping(way: Way) -> None:
    """Connect, say hello, log in where there is a password, and do nothing. Raises Undelivered, Failed."""
    async with _connected(way) as client:
        await client.noop()


def is_askable(_body: Body) -> bool:
    """Whether it can be asked without a message: a server of mail always can."""
    return True


def mail(outgoing: Outgoing, sender: str, address: str) -> bytes:
    """Return a mail (RFC 5322) of ASCII only: no value stands in a header but the subject, as encoded words (RFC 2047)."""
    seconds = int(outgoing.id[:14], 16) / 1_000_000
    domain, mark = sender.rpartition("@")[2], sha256(address.encode()).hexdigest()[:12]
    in_line = " ".join(outgoing.subject.split())
    subject = Header(in_line, "utf-8", maxlinelen=75, header_name="Subject").encode(linesep="\r\n")
    headers = {
        "From": sender,
        "To": address,
        "Subject": subject,
        "Date": formatdate(seconds),
        "Message-ID": f"<{outgoing.id}.{mark}@{domain}>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "base64",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    lines = encodebytes(outgoing.text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    return head.encode("ascii") + b"\r\n" + lines


@asynccontextmanager
async def _connected(way: Way) -> AsyncIterator[SMTP]:
    """Yield a client that is connected, encrypted and logged in as the connector says. Raises Undelivered, Failed."""
    try:
        from aiosmtplib import SMTP
        from aiosmtplib.errors import SMTPAuthenticationError, SMTPException, SMTPResponseException
    except ModuleNotFoundError as error:
        raise client_not_installed(error) from None
    body = way.body
    tls = body.get("tls") or "starttls"
    password = await way.secret(body["password"]) if body.get("password") else None
    host = body["host"].removeprefix("[").removesuffix("]")
    made = await dialled(host, body.get("port") or _PORTS[tls], way.permits, body["network_exceptions"])
    client = SMTP(
        hostname=host,
        sock=made,
        use_tls=tls == "tls",
        start_tls=tls == "starttls",
        tls_context=None if tls == "none" else ssl.create_default_context(),
        username=body.get("username"),
        password=password,
        # ours is nobody's business, and finding it out asks the network
        local_hostname=body["from"].rpartition("@")[2],
        timeout=body["timeout_seconds"],
    )
    try:
        await client.connect()
        yield client
        with suppress(SMTPException, OSError):  # what was taken is taken, however they part
            await client.quit()
    except SMTPAuthenticationError as error:
        raise Undelivered(f"{REFUSED} ({error.code})", code="credential-refused") from None
    except SMTPResponseException as error:
        raise Undelivered(f"it answers {error.code}") from None
    except (SMTPException, OSError, ValueError) as error:
        is_tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)
        why = "its certificate, or its TLS, can't be trusted" if is_tls else _UNREACHED
        raise Undelivered(why, code="unreachable") from None
    finally:
        client.close()  # which closes the socket, too, once its transport lets go of it


def _refused(code: int) -> Undelivered:
    """Return what a reply to a mail means: 4xx is passing, 5xx is final (RFC 5321, 4.2.1)."""
    return Undelivered(f"it answers {code}", again=not 500 <= code < 600)

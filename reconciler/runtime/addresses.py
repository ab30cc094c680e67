"""A host's name turned into addresses that may be dialled, resolved once and judged all, or into a refusal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeAlias

from reconciler.runtime.call import Failed, Permits

IPAddress: TypeAlias = IPv4Address | IPv6Address
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_COMPATIBLE = ip_network("::/96")
_NEVER = (
    ip_network("168.63.129.16/32"),  # Azure's metadata, at a public address
    ip_network("169.254.0.0/16"),
    ip_network("100.64.0.0/10"),
    ip_network("192.0.0.0/24"),
    ip_network("198.18.0.0/15"),
    ip_network("fe80::/10"),
    ip_network("fec0::/10"),
    ip_network("100::/64"),
    ip_network("2001:db8::/32"),
    ip_network("3fff::/20"),
    ip_network("5f00::/16"),
)
METADATA = (ip_network("169.254.169.254/32"), ip_network("fd00:ec2::254/128"), ip_network("168.63.129.16/32"))
"""Where clouds hand out credentials: nobody can permit these."""


def unwrapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _COMPATIBLE and int(address) > 1:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def refused(text: str, port: int, permits: Permits, exceptions: Sequence[Mapping[str, Any]]) -> str | None:
    """Why this address may not be dialled; None where it may.

    A private one may where both say so: the connector's ``network_exceptions`` (network and port) and the operator.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return "it is no IP address"
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return "it is bound to an interface"
    inner = unwrapped(address)
    if any(inner in network for network in METADATA):
        return "it hands out credentials of a cloud"
    public = inner.is_global and not inner.is_multicast and not inner.is_reserved and not inner.is_unspecified
    if public and not any(inner in network for network in _NEVER):
        return None
    if inner.is_multicast or inner.is_unspecified:
        return "it is no address of one machine"
    by_connector = any(inner in ip_network(one["cidr"]) and one["port"] == port for one in exceptions)
    by_operator = any(inner in network for network in permits.networks)
    return None if by_connector and by_operator else "it is not public"


async def checked(host: str, port: int, permits: Permits, exceptions: Sequence[Mapping[str, Any]]) -> list[str]:
    """All addresses that the name stands for, at this moment; whoever dials takes one of them, and asks nobody again.

    Raises Failed: one that is refused refuses all.
    """
    name = host.removeprefix("[").removesuffix("]")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failed("unreachable", "the name does not resolve") from None
    addresses = [*dict.fromkeys(str(one[4][0]) for one in found)]
    for address in addresses:
        if why := refused(address, port, permits, exceptions):
            raise Failed("address-refused", f"an address of that name may not be reached: {why}", "blocked")
    if not addresses:
        raise Failed("unreachable", "the name does not resolve")
    return addresses


async def dialled(host: str, port: int, permits: Permits, exceptions: Sequence[Mapping[str, Any]]) -> socket.socket:
    """Return a socket that is connected to a judged address of the host, for clients that take one.

    Raises Failed: for an address that is refused, and where none answers. The caller bounds the time.
    """
    for address in await checked(host, port, permits, exceptions):
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException as error:
            made.close()
            if not isinstance(error, OSError):
                raise
        else:
            return made
    raise Failed("unreachable", "it can't be reached")

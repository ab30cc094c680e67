"""Addresses in every spelling: none that is not public is dialled, unless both the connector and the operator say so."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from reconciler.runtime.addresses import checked, refused
from reconciler.runtime.call import Failed, Permits

NOBODY = Permits()
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0x7f.1",
    "127.0.0.01",
    "localhost",
    "0",
    "0.0.0.0",
    "0x0",
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "0xc0a80001",
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::",
    "::127.0.0.1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "2002:c0a8:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "3fff::1",
]


def test_there_are_enough_of_them() -> None:
    assert len(PRIVATE) >= 60


@pytest.mark.parametrize("host", PRIVATE)
def test_nothing_private_is_dialled(host: str) -> None:
    with pytest.raises(Failed) as caught:
        asyncio.run(checked(host, 80, NOBODY, ()))
    assert caught.value.code in {"address-refused", "unreachable"}
    assert caught.value.code == "address-refused" or ":" in host or host.startswith("0")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_public_ones_are(address: str) -> None:
    assert refused(address, 443, NOBODY, ()) is None


LOOPBACK = Permits((ip_network("127.0.0.0/8"),))
EXCEPTION = ({"cidr": "127.0.0.0/8", "port": 8080},)


@pytest.mark.parametrize(
    ("permits", "exceptions", "port", "fits"),
    [
        (LOOPBACK, EXCEPTION, 8080, True),
        (LOOPBACK, EXCEPTION, 8081, False),
        (LOOPBACK, (), 8080, False),
        (NOBODY, EXCEPTION, 8080, False),
        (Permits((ip_network("10.0.0.0/8"),)), EXCEPTION, 8080, False),
    ],
)
def test_both_have_to_say_so(
    permits: Permits, exceptions: tuple[dict[str, object], ...], port: int, fits: bool
) -> None:
    assert (refused("127.0.0.1", port, permits, exceptions) is None) is fits
    assert (refused("::ffff:127.0.0.1", port, permits, exceptions) is None) is fits


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "::ffff:169.254.169.254"])
def test_nobody_permits_what_hands_out_credentials(address: str) -> None:
    everything = Permits((ip_network("0.0.0.0/0"), ip_network("::/0")))
    for cidr in ("0.0.0.0/0", "::/0"):
        assert refused(address, 80, everything, ({"cidr": cidr, "port": 80},)) is not None


def test_one_that_is_refused_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def both(*_: object, **__: object) -> list[tuple[object, ...]]:
            return [(2, 1, 6, "", ("8.8.8.8", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]

        monkeypatch.setattr(loop, "getaddrinfo", both)
        with pytest.raises(Failed) as caught:
            await checked("two.example", 80, NOBODY, ())
        assert caught.value.outcome == "blocked"

    asyncio.run(main())


@pytest.mark.parametrize("host", ["fe80::1%eth0", "fe80::1%1", "a" * 300, "", "nowhere.invalid"])
def test_what_is_no_name(host: str) -> None:
    with pytest.raises(Failed):
        asyncio.run(checked(host, 80, NOBODY, ()))

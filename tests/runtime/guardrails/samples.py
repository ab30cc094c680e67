"""Texts that guardrails find, and texts like them that they leave."""

from __future__ import annotations

KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEAu1SU1LfVLPHCozMxH2Mo\n" * 3 + "-----END RSA PRIVATE KEY-----"
)
FOUND: dict[str, list[str]] = {
    "credit_card": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111\u00a01111\u00a01111\u00a01111",
        "378282246310005",
        "3782 822463 10005",
        "5555555555554444",
        "2223003122003222",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "4222222222222",
        "6304000000000000",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "gb82west12345698765432",
        "GB82 WEST 1234 5698 7654 32",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "FR14-2004-1010-0505-0001-3M02-606",
    ],
    "us_ssn": ["219-09-9999", "219 09 9999", "001-01-0001"],
    "email": ["jane.doe+x@example.co.uk", "a@b.io", "o'neil@example.com", "x" * 64 + "@example.org"],
    "phone": ["+49 30 901820", "+1 (415) 555-2671", "0049 30 901820", "(415) 555-2671", "415-555-2671"],
    "private_key": [KEY, KEY.replace("RSA ", ""), KEY.replace("RSA ", "OPENSSH ")],
    "aws_key": [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        'secretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    ],
}
LEFT: dict[str, list[str]] = {
    "credit_card": [
        "4111111111111112",
        "411111111111",
        "1234567812345678",
        "41111111111111111111",
        "4111  1111  1111  1111",
    ],
    "iban": ["DE88370400440532013000", "XX89370400440532013000", "DE8937040044053201300", "xDE89370400440532013000"],
    "us_ssn": ["000-12-3456", "666-12-3456", "900-12-3456", "219-00-9999", "219-09-0000", "219099999", "219-09 9999"],
    "email": ["jane.doe@", "@example.com", "a@b", "a@b.c", "twitter @jane"],
    "phone": ["12345", "2026-11-30", "10.20.30.40", "1,234,567.89"],
    "private_key": ["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----"],
    "aws_key": ["AKIAIOSFODNN7", "xAKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLES", "secret_key = short"],
}
PROSE = (
    "The order of 12 May came to 1,299.90 and was sent to Berlin. Ask a colleague at the desk if aws or a secret is meant; ",
    "see https://example.com/a-b?c=1 -- it says so. DE is Germany, +49 its code (or 0049). ",
    "Versions 1.2.3, 10.0.0.1 and 2026-11-30 12:30:00. ",
)

"""A file with as many mistakes as fit: the first thousand are reported, and no others are looked for."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from reconciler.load.faults import MAX_FOUND
from reconciler.model.secret_text import secrets_in
from tests.conftest import reconciler

HEAD = "version: 1\ntenant: acme\n"
MANY = 20_000
HOSTILE = {
    "resources": HEAD + "integrations:\n" + "".join(f"  a{at}: {{provider: openai}}\n" for at in range(MANY)),
    "aliases": HEAD + "integrations:\n  a: &a {provider: openai}\n" + "".join(f"  a{at}: *a\n" for at in range(MANY)),
    "documents": "--- {}\n" * MANY,
    "secrets": HEAD + "integrations:\n" + "".join(f"  a{at}: {{x: ghp_{at:036d}}}\n" for at in range(MANY)),
    "references": HEAD
    + "connectors:\n"
    + "".join(
        f'  a{at}: {{type: http, base_url: "https://h", auth: {{type: bearer, token: "env://A"}}}}\n' for at in range(3)
    )
    + "templates:\n"
    + "".join(f"  t{at}: {{type: http, connector: b{at}, method: GET, path: /}}\n" for at in range(MANY)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_the_first_thousand_are_reported(folder: Path, what: str) -> None:
    (folder / "acme.yaml").write_text(HOSTILE[what])
    ran = reconciler("validate", "--format", "json", "acme.yaml", cwd=folder, timeout=120).ok(3)
    codes = [one["code"] for one in json.loads(ran.out)["errors"]]
    assert codes.count("more-problems") == 1
    assert len(codes) <= MAX_FOUND + 10
    assert "no others were looked for" in ran.out


@pytest.mark.parametrize("text", ["${x}", "${", "${var.a}"])
def test_a_text_full_of_mistakes_has_a_few(folder: Path, text: str) -> None:
    (folder / "acme.yaml").write_text(f"{HEAD}integrations: {{a: {{provider: '{text * 200_000}'}}}}\n")
    ran = reconciler("validate", "--format", "json", "acme.yaml", cwd=folder, timeout=120).ok(3)
    assert 1 <= len(json.loads(ran.out)["errors"]) <= 12


def test_beginnings_of_keys_take_linear_time() -> None:
    text = "-----BEGIN PRIVATE KEY-----" * 9_000
    begun = time.process_time()
    assert secrets_in(text)
    assert time.process_time() - begun < 10

"""The table of error codes: each code once, with a sentence, and in use."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import reconciler
from reconciler.error_codes import CODES, Code

PACKAGE = Path(reconciler.__file__).parent


def test_every_code_stands_once() -> None:
    written = [get_args(get_args(entry)[0])[0] for entry in get_args(Code)]
    assert sorted(written) == [*CODES]


def test_every_code_has_a_sentence() -> None:
    for code, sentence in CODES.items():
        assert " " in sentence, code
        assert sentence == sentence.strip().removesuffix("."), code
        assert "…" not in sentence, code


def test_every_code_is_in_use() -> None:
    source = "\n".join(
        path.read_text() for path in PACKAGE.rglob("*.py") if path.name not in {"error_codes.py", "codes.py"}
    )
    assert [code for code in CODES if f'"{code}"' not in source] == []

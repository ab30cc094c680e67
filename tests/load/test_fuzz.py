"""Whatever the files hold, loading them ends in a configuration or in problems, and no problem repeats a secret."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.load.fuzzing import CANARY, is_fair, leaks, problems_of, tree

EXAMPLES = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
HEAD = f"version: 1\ntenant: acme\nintegrations:\n  a: {{provider: openai, credential: '{CANARY}'}}\n".encode()


def check(files: dict[str, str | bytes]) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        found = leaks(problems_of(Path(folder), files))
    assert not found or not is_fair(files)


@EXAMPLES
@given(st.binary(max_size=300))
def test_random_bytes(data: bytes) -> None:
    check({"a.yaml": data})
    check({"a.yaml": HEAD + data})
    check({"reconciler.yaml": data, "a.yaml": HEAD})


@EXAMPLES
@given(st.text(alphabet="ab:-[]{}&*!<>|#'\"\\ \n\t,?%@0.~$1version", max_size=80))
def test_text_that_is_nearly_yaml(text: str) -> None:
    check({"a.yaml": f"version: 1\ntenant: acme\nlimits:\n  a: {text}\n"})
    check({"a.yaml": HEAD + b"  b: " + text.encode()})
    check({"reconciler.yaml": f"version: 1\n{text}", "a.yaml": HEAD})


@EXAMPLES
@given(st.randoms(use_true_random=False))
def test_broken_manifests(dice: random.Random) -> None:
    check(tree(dice))

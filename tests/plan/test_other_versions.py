"""Plans of other versions are to be made again: no integrity failure, whether older or newer. Files that older commits wrote."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reconciler import __version__
from reconciler.errors import PlanStale, ReconcilerError
from reconciler.model.body import canonical
from reconciler.plan.document import FORMAT_VERSION, PlanDocument, ResourceChangeDocument
from reconciler.plan.file import read_plan
from tests.conftest import Run
from tests.plan.oracle import content_digest

OLDER = Path(__file__).parent / "older"
"""What `plan --out` wrote at a commit, unsigned and signed; one of each shape that the format has had."""
PLAIN = sorted(path for path in OLDER.glob("*.plan") if not path.name.endswith(".signed.plan"))
SIGNED = sorted(OLDER.glob("*.signed.plan"))
KEYS = {"k1": b"01234567890123456789012345678901"}
SHAPES = {"1.1": "35d918f1aebda74b", "1.2": "515aad358780443c", "1.3": "22a62e0b33d4f32b", "1.4": "b736a3e1ee7e0e74"}
"""The digest of the schema of each format since 1.1, without its descriptions, by what made the schema at that time."""


def refused(path: Path, keys: dict[str, bytes] | None = None) -> tuple[int, str]:
    with pytest.raises(ReconcilerError) as caught:
        read_plan(path, keys)
    return caught.value.exit_code, caught.value.problems[0].code


def test_there_are_files_of_many_commits() -> None:
    assert len(PLAIN) == len(SIGNED) == 12


@pytest.mark.parametrize("path", [*PLAIN, *SIGNED], ids=lambda path: path.name)
def test_a_plan_of_an_older_commit_is_to_be_made_again(path: Path) -> None:
    with pytest.raises(PlanStale, match=r"made by another version of this program: it has the format '1\.[0123]'"):
        read_plan(path)


@pytest.mark.parametrize("path", SIGNED, ids=lambda path: path.name)
def test_the_signature_is_judged_first_where_that_can_be_known(path: Path, tmp_path: Path) -> None:
    assert refused(path, KEYS) == (4, "plan-format")
    assert refused(path, {"k1": b"x" * 32}) == (8, "plan-signature")
    assert refused(path, {"k2": KEYS["k1"]}) == (8, "plan-signature")
    document = json.loads(path.read_bytes())
    document["digest"] = "0" * 64
    (tmp_path / "forged.plan").write_text(json.dumps(document))
    assert refused(tmp_path / "forged.plan", KEYS) == (8, "plan-signature")


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
def test_an_unsigned_one_is_unsigned_first(path: Path) -> None:
    assert refused(path, KEYS) == (8, "plan-unsigned")


@pytest.mark.parametrize("signature", [{"key": "k1", "value": "0" * 64}, {"algorithm": "another"}, "text"])
def test_how_a_newer_version_signs_is_not_known(signature: Any, tmp_path: Path) -> None:
    newer = {**json.loads(PLAIN[-1].read_bytes()), "format_version": "7.0", "more": {}, "hmac": signature}
    (tmp_path / "newer.plan").write_text(json.dumps(newer))
    assert refused(tmp_path / "newer.plan", KEYS) == (4, "plan-format")
    assert refused(tmp_path / "newer.plan") == (4, "plan-format")


@pytest.mark.parametrize("path", PLAIN[:2], ids=lambda path: path.name)
@pytest.mark.parametrize("command", ["apply", "show"])
def test_the_command_line_says_what_to_do(path: Path, command: str, run: Run, folder: Path) -> None:
    ran = run(command, str(path), *(["--auto-approve"] if command == "apply" else [])).ok(4)
    assert "made by another version of this program" in ran.err
    assert "reconciler plan --out FILE" in ran.err


@pytest.mark.parametrize("version", ["0.0.1", "99.0.0"])
def test_a_plan_of_this_format_by_another_version(version: str, run: Run, base: Path, folder: Path) -> None:
    """The same form may mean something else there: it is shown, and not applied."""
    run("plan", "--out", "some.plan").ok()
    document = json.loads((folder / "some.plan").read_bytes())
    assert document["tool_version"] == __version__
    document["tool_version"] = version
    document["digest"] = content_digest(document)
    (folder / "some.plan").write_text(json.dumps(document))
    run("show", "some.plan").ok()
    ran = run("apply", "some.plan", "--auto-approve").ok(4)
    assert f"made by another version of this program: {version!r}, and this is {__version__!r}" in ran.err


def test_a_new_shape_gets_a_new_version() -> None:
    """Where this fails, the format was changed: raise FORMAT_VERSION, add its shape here, keep a file of it in older/."""

    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: shape(value) for key, value in part.items() if key != "description" or isinstance(value, dict)}
        return [shape(one) for one in part] if isinstance(part, list) else part

    schema = msgspec.json.schema(PlanDocument[ResourceChangeDocument])
    assert SHAPES[FORMAT_VERSION] == sha256(canonical(shape(schema)).encode()).hexdigest()[:16]

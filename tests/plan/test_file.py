"""A plan's file: whole or not there, 0600, and never trusted further than it is checked."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reconciler.errors import IntegrityFailed, PlanStale, ReconcilerError
from reconciler.failpoints import FailpointRaised
from reconciler.model.body import canonical
from reconciler.model.plan import Plan
from reconciler.plan.convert import to_document
from reconciler.plan.file import read_plan, write_plan
from tests.conftest import ROOT, command_environment
from tests.plan.oracle import content_digest

from .plans import EXAMPLE

KEY = ("k-1", b"1" * 32)
OTHER = ("k-2", b"2" * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plans" / "a.plan"
    path.parent.mkdir()
    write_plan(EXAMPLE, path)
    return path


def refused(path: Path, keys: dict[str, bytes] | None = None) -> str:
    with pytest.raises(IntegrityFailed) as caught:
        read_plan(path, keys)
    assert caught.value.exit_code == 8
    return caught.value.problems[0].code


def outcome(path: Path, keys: dict[str, bytes] | None = None) -> Plan | str:
    """The plan, or the code of its refusal: nothing else may happen."""
    try:
        return read_plan(path, keys)
    except (IntegrityFailed, PlanStale) as error:
        return error.problems[0].code


class TestWhole:
    def test_there_and_back(self, file: Path) -> None:
        assert read_plan(file) == EXAMPLE
        assert read_plan(file, {}) == EXAMPLE

    def test_it_is_the_canonical_document(self, file: Path) -> None:
        assert file.read_text(encoding="utf-8") == canonical(to_document(EXAMPLE)) + "\n"

    def test_the_same_plan_gives_the_same_bytes(self, file: Path, tmp_path: Path) -> None:
        write_plan(EXAMPLE, tmp_path / "b", KEY)
        first = (tmp_path / "b").read_bytes()
        write_plan(EXAMPLE, tmp_path / "b", KEY)
        assert (tmp_path / "b").read_bytes() == first

    def test_white_space_and_the_order_of_keys_mean_nothing(self, file: Path) -> None:
        document = json.loads(file.read_bytes())
        file.write_text(json.dumps(dict(reversed(document.items())), indent=2), encoding="utf-8")
        assert read_plan(file) == EXAMPLE


class TestTampered:
    def test_any_flipped_byte_is_refused_or_means_nothing(self, file: Path) -> None:
        data, chosen = file.read_bytes(), random.Random(20260301)
        harmless = 0
        for place in chosen.sample(range(len(data)), 500):
            for mask in (1 << chosen.randrange(8), chosen.randrange(1, 256)):
                file.write_bytes(data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :])
                found = outcome(file)
                assert isinstance(found, str) or found == EXAMPLE, (place, mask)
                harmless += not isinstance(found, str)
        assert harmless < 20

    def test_any_flipped_byte_of_a_signed_plan(self, file: Path) -> None:
        write_plan(EXAMPLE, file, KEY)
        data, chosen = file.read_bytes(), random.Random(7)
        tail = data.index(b'"hmac"')
        for place in [*range(tail, tail + 100), *chosen.sample(range(len(data)), 300)]:
            file.write_bytes(data[:place] + bytes([data[place] ^ 1 << chosen.randrange(8)]) + data[place + 1 :])
            found = outcome(file, dict([KEY]))
            assert isinstance(found, str) or found == EXAMPLE, place

    def test_any_shorter_file(self, file: Path) -> None:
        data = file.read_bytes()
        for length in range(len(data) - 1):
            file.write_bytes(data[:length])
            assert refused(file) == "plan-malformed"
        file.write_bytes(data[:-1])  # only the line's end is gone
        assert read_plan(file) == EXAMPLE

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x00" * 100,
            b"null",
            b"[]",
            b'{"format_version": NaN}',
            b"[" * 100_000,
            b"\xff\xfe",
            b'{"a": "\\ud800"}',
            b"PK\x03\x04",
            b"version: 1\n",
        ],
    )
    def test_what_is_no_plan_at_all(self, file: Path, data: bytes) -> None:
        file.write_bytes(data)
        assert refused(file) == "plan-malformed"

    def test_another_format_version(self, file: Path) -> None:
        document = json.loads(file.read_bytes())
        document["format_version"] = "2.0"
        document["digest"] = content_digest(document)
        file.write_text(json.dumps(document))
        assert outcome(file) == "plan-format"

    def test_a_file_appended_to(self, file: Path) -> None:
        file.write_bytes(file.read_bytes() + b"{}")
        assert refused(file) == "plan-malformed"

    @pytest.mark.parametrize("last", [True, False])
    def test_a_key_twice(self, file: Path, last: bool) -> None:
        """A policy may read the first value where an apply does what the last one says, or the other way round."""
        shown = json.dumps(json.loads(file.read_bytes()), indent=1)
        one, other = '"name": "a"', '"name": "z"'
        assert one in shown
        file.write_text(shown.replace(one, ", ".join([other, one] if last else [one, other]), 1))
        assert refused(file) == "plan-tampered"

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        for path in (tmp_path / "nothing", tmp_path):
            with pytest.raises(ReconcilerError) as caught:
                read_plan(path)
            assert caught.value.problems[0].code == "plan-not-read"


class TestSigned:
    @pytest.fixture
    def signed(self, file: Path) -> Path:
        write_plan(EXAMPLE, file, KEY)
        return file

    def test_with_the_key(self, signed: Path) -> None:
        assert read_plan(signed, dict([KEY])) == EXAMPLE
        assert read_plan(signed, dict([OTHER, KEY])) == EXAMPLE

    def test_without_any_key(self, signed: Path) -> None:
        assert read_plan(signed) == EXAMPLE

    def test_an_unsigned_plan_where_a_key_is_configured(self, file: Path) -> None:
        assert refused(file, dict([KEY])) == "plan-unsigned"

    def test_an_unknown_key(self, signed: Path) -> None:
        assert refused(signed, dict([OTHER])) == "plan-signature"

    def test_another_key_of_the_same_id(self, signed: Path) -> None:
        assert refused(signed, {KEY[0]: OTHER[1]}) == "plan-signature"

    def test_a_signature_that_names_another_known_key(self, signed: Path) -> None:
        """Keys are chosen by their id, never tried."""
        document = json.loads(signed.read_bytes())
        document["hmac"]["key"] = OTHER[0]
        signed.write_text(json.dumps(document))
        assert refused(signed, dict([KEY, OTHER])) == "plan-signature"

    def test_changed_content_with_the_right_digest(self, signed: Path) -> None:
        document = json.loads(signed.read_bytes())
        document["project"] = "other"
        document["digest"] = content_digest(document)
        signed.write_text(json.dumps(document))
        assert refused(signed, dict([KEY])) == "plan-signature"
        assert refused(signed, dict([OTHER])) == "plan-signature"

    def test_the_signature_of_another_plan(self, signed: Path, tmp_path: Path) -> None:
        from msgspec.structs import replace

        write_plan(replace(EXAMPLE, project="other"), tmp_path / "b", KEY)
        document = json.loads(signed.read_bytes())
        document["hmac"] = json.loads((tmp_path / "b").read_bytes())["hmac"]
        signed.write_text(json.dumps(document))
        assert refused(signed, dict([KEY])) == "plan-signature"

    @pytest.mark.parametrize(
        "hmac",
        [
            None,
            {},
            "x",
            [],
            {"key": "k-1"},
            {"value": "0" * 64},
            {"key": "k-1", "value": None},
            {"key": "k-1", "value": ""},
            {"key": "k-1", "value": "é" * 64},
            {"key": "k-1", "value": "0" * 64, "more": 1},
            {"key": ["k-1"], "value": "0" * 64},
        ],
    )
    def test_forms_of_a_signature_that_are_none(self, signed: Path, hmac: Any) -> None:
        document = {**json.loads(signed.read_bytes()), "hmac": hmac}
        signed.write_text(json.dumps(document))
        assert refused(signed, dict([KEY])) in {"plan-malformed", "plan-unsigned"}


class TestWritten:
    def _mode(self, path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    def test_only_its_owner_may_read_it(self, file: Path) -> None:
        assert self._mode(file) == 0o600

    def test_also_where_another_file_was(self, file: Path) -> None:
        file.chmod(0o644)
        old = os.umask(0)
        try:
            write_plan(EXAMPLE, file)
        finally:
            os.umask(old)
        assert self._mode(file) == 0o600

    @pytest.mark.parametrize("name", ["nowhere/a.plan", ".", "x" * 300])
    def test_where_nothing_can_be_written(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ReconcilerError) as caught:
            write_plan(EXAMPLE, tmp_path / name)
        assert caught.value.problems[0].code == "plan-not-written"
        assert list(tmp_path.iterdir()) == []

    def test_a_folder(self, file: Path) -> None:
        with pytest.raises(ReconcilerError) as caught:
            write_plan(EXAMPLE, file.parent)
        assert caught.value.problems[0].code == "plan-not-written"
        assert os.listdir(file.parent) == [file.name]

    def test_a_file_in_place_of_a_folder(self, file: Path) -> None:
        with pytest.raises(ReconcilerError):
            write_plan(EXAMPLE, file / "a.plan")

    def test_a_device_is_not_replaced(self, tmp_path: Path) -> None:
        """A rename over /dev/null would succeed, for root."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(ReconcilerError) as caught:
            write_plan(EXAMPLE, pipe)
        assert caught.value.problems[0].code == "plan-not-written"
        assert stat.S_ISFIFO(pipe.stat().st_mode)

    def test_the_longest_name(self, tmp_path: Path) -> None:
        for name in ("x" * 255, "é" * 127):
            write_plan(EXAMPLE, tmp_path / name)
            assert read_plan(tmp_path / name) == EXAMPLE

    def test_a_failure_leaves_the_old_file_and_no_litter(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = file.read_bytes()
        monkeypatch.setenv("RECONCILER_FAILPOINT", "before_plan_rename:raise:1")
        monkeypatch.setattr("reconciler.failpoints._hits", __import__("collections").Counter())
        with pytest.raises(FailpointRaised):
            write_plan(EXAMPLE, file, KEY)
        assert file.read_bytes() == before
        assert os.listdir(file.parent) == [file.name]


WRITE = """
import sys
from msgspec.structs import replace
from pathlib import Path
from reconciler.plan.file import write_plan
from tests.plan.plans import EXAMPLE
write_plan(replace(EXAMPLE, notes=tuple("a longer plan " * 20 for _ in range(int(sys.argv[2])))), Path(sys.argv[1]))
"""


def _writing(path: Path, failpoint: str, notes: int = 10) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), str(notes)],
        cwd=ROOT,
        env=command_environment({"RECONCILER_FAILPOINT": failpoint} if failpoint else {}),
        stderr=subprocess.PIPE,
    )


class TestKilled:
    def test_before_the_rename(self, file: Path) -> None:
        before = file.read_bytes()
        process = _writing(file, "before_plan_rename:kill:1")
        assert process.wait(60) == -signal.SIGKILL
        assert file.read_bytes() == before
        assert read_plan(file) == EXAMPLE

    def test_after_the_rename(self, file: Path) -> None:
        process = _writing(file, "after_plan_rename:kill:1")
        assert process.wait(60) == -signal.SIGKILL
        assert len(read_plan(file).notes) == 10
        assert os.listdir(file.parent) == [file.name]

    @pytest.mark.parametrize("name", ["before_plan_rename", "after_plan_rename"])
    def test_a_failure_leaves_no_litter(self, file: Path, name: str) -> None:
        process = _writing(file, f"{name}:raise:1")
        _, err = process.communicate(timeout=60)
        assert b"FailpointRaised" in err
        assert os.listdir(file.parent) == [file.name]
        assert len(read_plan(file).notes) == (10 if name == "after_plan_rename" else 1)

    def test_at_any_moment(self, file: Path) -> None:
        """The old plan or the new one, whole, whenever the process dies."""
        for delay in (0.0, 0.002, 0.005, 0.02, 0.1):
            write_plan(EXAMPLE, file)
            process = _writing(file, "before_plan_rename:sleep:0.05:1", notes=2000)
            deadline = time.monotonic() + 60
            while len(os.listdir(file.parent)) < 2 and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(delay)
            process.kill()
            process.communicate(timeout=60)
            assert len(read_plan(file).notes) in {1, 2000}
            for litter in file.parent.glob(".*"):
                litter.unlink()

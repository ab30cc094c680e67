"""Each sample becomes what is expected, validates, applies, and plans empty; no field of it is without a fate."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.cli.convert_check import plays
from reconciler.convert.report import report_json
from reconciler.convert.table import FORMATS, convert
from tests.conftest import reconciler
from tests.convert.samples import DATA, SAMPLES, converted, golden


@pytest.mark.parametrize("name", SAMPLES)
def test_manifests_and_report_are_as_expected(name: str) -> None:
    ran = converted(name)
    manifest, report = golden(name)
    assert ran.out == manifest.read_text(), "look at the difference, then: python -m tests.convert.samples"
    assert ran.err == report.read_text(), "look at the difference, then: python -m tests.convert.samples"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_manifests_validate_apply_and_plan_empty(name: str, tmp_path: Path) -> None:
    reconciler("convert", SAMPLES[name], str(DATA / name), "--out", "manifests", cwd=tmp_path).ok()
    reconciler("validate", "manifests", cwd=tmp_path).ok()
    reconciler("apply", "manifests", "--auto-approve", cwd=tmp_path).ok()
    reconciler("plan", "manifests", "--detailed-exitcode", cwd=tmp_path).ok()


@pytest.mark.parametrize("name", SAMPLES)
def test_every_field_has_a_fate_and_every_field_left_out_is_told(name: str) -> None:
    (one,) = convert(SAMPLES[name], (str(DATA / name),), "acme")
    assert None not in one.ledger.fates.values()
    for path, fate in one.ledger.fates.items():
        whats = {"left": ("left", "restriction"), "reference": ("reference", "left")}.get(str(fate))
        if whats is None:
            continue
        about = [f for f in one.ledger.findings if f.what in whats and path[: len(f.path)] == f.path]
        same = fate == "reference" and not about  # what several entries have in common is told once
        assert about or same, path


@pytest.mark.parametrize("name", SAMPLES)
def test_its_own_examples_and_made_up_ones_are_played(name: str) -> None:
    (one,) = convert(SAMPLES[name], (str(DATA / name),), "acme")
    found = [*plays(one)]
    assert [play for play in found if play.is_own and play.is_refused] == []
    callable_kinds = {"template", "integration"}
    assert {play.address for play in found} >= {address for address in one.specs if address.kind in callable_kinds}


def test_every_format_has_a_sample() -> None:
    assert set(SAMPLES.values()) == set(FORMATS)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_bytes_every_time(name: str, tmp_path: Path) -> None:
    runs = [
        reconciler("convert", SAMPLES[name], str(DATA / name), cwd=tmp_path, env={"PYTHONHASHSEED": seed}).ok()
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", SAMPLES)
def test_all_are_one_configuration_when_converted_together(name: str, tmp_path: Path) -> None:
    twice = [str(DATA / name), str(DATA / name)]
    ran = reconciler("convert", SAMPLES[name], *twice, cwd=tmp_path).ok()
    assert ran.out.count("\n---\n") == 1
    reconciler("validate", "-", cwd=tmp_path, stdin=ran.out).ok()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_report_as_json_says_the_same(name: str, tmp_path: Path) -> None:
    ran = reconciler("convert", SAMPLES[name], str(DATA / name), "--format", "json", cwd=tmp_path).ok()
    report = json.loads(ran.err)
    expected = report_json(convert(SAMPLES[name], (str(DATA / name),), "default"))
    for key in ("resources", "fields"):
        assert report["inputs"][0][key] == expected["inputs"][0][key]
    assert len(report["inputs"][0]["findings"]) == len(expected["inputs"][0]["findings"])
    fields = report["inputs"][0]["fields"]
    assert fields["total"] == fields["carried"] + fields["reference"] + fields["left"]
    assert all(finding["line"] for finding in report["inputs"][0]["findings"])
    assert re.search(r"tenant: default", ran.out)

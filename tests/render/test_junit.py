"""JUnit's XML is checked by a schema of what its readers know, and parsed back by a strict parser."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import xmlschema

from reconciler.errors import Place, Problem
from reconciler.render.junit import problems_junit
from tests.render.hostile import document, hostile

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def read(text: str) -> ElementTree.Element:
    """The root, of valid XML only."""
    SCHEMA.validate(text)
    return ElementTree.fromstring(text)


def test_the_schema_refuses_what_readers_do_not_know() -> None:
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        read('<testsuites name="a" tests="1" failures="0" errors="0"><testcase name="a"/></testsuites>')


def test_a_case_for_each_file_and_its_problems_inside() -> None:
    problems = [
        Problem("a-code", "first", place=Place("b.yaml", 2, 3), excerpt="key: ***"),
        Problem("b-code", "second", place=Place("b.yaml", 4, 1), related=(("declared first", Place("a.yaml", 1, 1)),)),
    ]
    top = read(problems_junit(document(*problems, files=("b.yaml", "a.yaml"))))
    assert (top.get("tests"), top.get("failures")) == ("2", "1")
    good, bad = top.iter("testcase")
    assert good.get("name") == "a.yaml"
    assert len(good) == 0
    (failure,) = bad
    assert failure.get("message") == "first (and 1 more)"
    assert failure.text == (
        "b.yaml:2:3: first [a-code]\n  2 | key: ***\n\nb.yaml:4:1: second [b-code]\n  declared first: a.yaml:1"
    )


def test_a_valid_configuration_succeeds() -> None:
    top = read(problems_junit(document(files=("a.yaml",))))
    assert (top.get("tests"), top.get("failures")) == ("1", "0")
    read(problems_junit(document()))


def test_hostile_problems_stay_text() -> None:
    top = read(problems_junit(hostile()))
    assert {element.tag for element in top.iter()} == {"testsuites", "testsuite", "testcase", "failure"}
    text = "".join(top.itertext())
    assert "<script>alert(1)</script>" in text
    assert "]]>" in text
    assert "\x1b" not in text
    assert "\u202e" not in text

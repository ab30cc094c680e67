"""Problems turned into JUnit's XML: one test case for each file.

There is no standard; the form is the one that Jenkins, GitLab and GitHub's reporters agree on. They show one failure of
a test case and drop the others, so all problems of a file stand in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from reconciler.diff.visible import visible
from reconciler.render.sentence import one_line, sentence

NOWHERE = "configuration"  # the test case of what has no place in a file


def problems_junit(document: Mapping[str, Any]) -> str:
    """``problems.errors_json`` with ``files``, the names of all that were read, as an XML document.

    Where the document says which severities are ``failing``, the others are told as output of a test that passes.
    """
    name, failing = document.get("command", "reconciler validate"), document.get("failing", ["error"])
    by_file: dict[str, list[Mapping[str, Any]]] = {name: [] for name in sorted(document["files"])}
    for error in document["errors"]:
        by_file.setdefault(error["file"] or NOWHERE, []).append(error)
    fails = {file: [e for e in errors if e.get("severity", "error") in failing] for file, errors in by_file.items()}
    failed = sum(bool(errors) for errors in fails.values())
    counts = {"tests": str(len(by_file)), "failures": str(failed), "errors": "0"}
    top = ElementTree.Element("testsuites", {"name": name, **counts})
    suite = ElementTree.SubElement(top, "testsuite", {"name": name, **counts, "skipped": "0"})
    for file, errors in by_file.items():
        case = ElementTree.SubElement(suite, "testcase", {"name": one_line(file), "classname": "reconciler"})
        if fails[file]:
            _failure(case, fails[file])
        if passed := [e for e in errors if e.get("severity", "error") not in failing]:
            ElementTree.SubElement(case, "system-out").text = _texts(passed)
    ElementTree.indent(top)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(top, encoding="unicode")}'


def _failure(case: ElementTree.Element, errors: Sequence[Mapping[str, Any]]) -> None:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    message = f"{one_line(sentence(errors[0]))}{more}"
    failure = ElementTree.SubElement(case, "failure", {"message": message, "type": errors[0]["code"]})
    failure.text = _texts(errors)


def _texts(errors: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(_text(error) for error in errors)


def _text(error: Mapping[str, Any]) -> str:
    place = ":".join(str(error[key]) for key in ("file", "line", "column") if error[key] is not None)
    lines = [one_line(f"{place}: {sentence(error)}" if place else sentence(error)) + f" [{error['code']}]"]
    if error["excerpt"] is not None:
        lines.append(f"  {error['line']} | {visible(error['excerpt'])}")
    lines += [f"  {one_line(one['what'])}: {one_line(one['file'])}:{one['line']}" for one in error["related"]]
    return "\n".join(lines)

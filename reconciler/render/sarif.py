"""Problems turned into SARIF 2.1.0, the exchange format of static analysis (OASIS standard, errata 01)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.render.fingerprint import fingerprints
from reconciler.render.sentence import one_line, sentence

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE = "%SRCROOT%"  # the name that GitHub and others know for the top of a repository
FINGERPRINT = "reconciler/v1"
_HELP = {
    "plaintext-secret": "Write a reference (vault://, encrypted://, env://, aws-sm://) and change the secret: it was in a file.",
    "url-with-credentials": "Take user and password out of the URL, write a reference, and change the password.",
    "dangling-reference": "Declare what is referred to in the same tenant, or list it under `external`.",
    "reference-circle": "Take one of the references out of the circle.",
    "duplicate-address": "Keep one of the two, or give one another name.",
    "duplicate-key": "Keep one of the two keys: YAML allows a key once in a map.",
    "unknown-field": "Correct the name, or take the field out; `reconciler schema` lists what there is.",
    "missing-field": "Add the field; `reconciler schema` says what it holds.",
    "yaml-syntax": "Correct the YAML: the place says where reading stopped.",
    "no-base-resource": "Complete the overlay's resource, or correct its name to one of the base.",
    "unknown-variable": "Declare the variable in reconciler.yaml, or write `$${` for a literal `${`.",
}
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_ANY_HELP = "Each result says what is wrong, what was expected and, where it is known, what to do next."


def problems_sarif(document: Mapping[str, Any]) -> str:
    """``problems.errors_json`` as a SARIF log with one run; a log without results if there is no problem.

    URIs are relative to the top of the repository. Where the code scanner wants a fingerprint of its own making
    (GitHub's ``primaryLocationLineHash``), its uploader adds it; ours has a name of its own.
    """
    errors = document["errors"]
    codes = sorted({error["code"] for error in errors})
    driver = {
        "name": "reconciler",
        "semanticVersion": __version__,
        "rules": [_rule(code, document.get("rules", {}).get(code)) for code in codes],
    }
    results = [
        _result(error, codes.index(error["code"]), fingerprint)
        for error, fingerprint in zip(errors, fingerprints(errors), strict=True)
    ]
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"description": {"text": "The top of the repository."}}},
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, rule: Mapping[str, Any] | None) -> dict[str, Any]:
    """``rule`` is what lint says of it: ``message``, ``help`` and ``severity``."""
    words = code.replace("-", " ")
    told = {"message": f"The configuration is invalid: {words}.", "help": _HELP.get(code, ""), "severity": "error"}
    told |= rule or {}
    return {
        "id": code,
        "shortDescription": {"text": f"{words[:1].upper()}{words[1:]}"},
        "fullDescription": {"text": _message(one_line(told["message"]))},
        "help": {"text": _message(one_line(told["help"] or _ANY_HELP))},
        "defaultConfiguration": {"level": _LEVELS[told["severity"]]},
    }


def _result(error: Mapping[str, Any], rule: int, fingerprint: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": error["code"],
        "ruleIndex": rule,
        "level": _LEVELS[error.get("severity", "error")],
        "message": {"text": _message(one_line(sentence(error)))},
        "partialFingerprints": {FINGERPRINT: fingerprint},
        "locations": [_location(error)] if error["file"] else [],
    }
    if error["address"]:
        for location in result["locations"]:
            location["logicalLocations"] = [{"fullyQualifiedName": error["address"], "kind": "resource"}]
    if error["related"]:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": _message(one_line(one["what"]))}, **_location(one)}
            for number, one in enumerate(error["related"], 1)
        ]
    return result


def _location(place: Mapping[str, Any]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": _artifact(place["file"])}
    if place["line"]:
        physical["region"] = {"startLine": place["line"]}
        if place["column"]:
            physical["region"]["startColumn"] = place["column"]
    return {"physicalLocation": physical}


def _artifact(file: str) -> dict[str, str]:
    path = one_line(file)
    if PurePosixPath(path).is_absolute():
        return {"uri": f"file://{quote(path)}"}
    return {"uri": quote(path), "uriBaseId": BASE}


def _message(text: str) -> str:
    """Plain text of SARIF may hold links, ``[text](target)``; what somebody wrote never becomes one."""
    return text.replace("[", "\\[").replace("]", "\\]") if "](" in text else text

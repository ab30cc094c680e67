"""A plan and its document: there and back, Terraform's names, and documents that nobody of ours wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from reconciler.errors import IntegrityFailed, PlanStale
from reconciler.model.body import canonical
from reconciler.model.plan import Plan
from reconciler.plan.convert import believed, to_document
from reconciler.render.schemas import schemas
from tests.plan.oracle import content_digest

from .plans import EXAMPLE, PLANS


@settings(deadline=None, derandomize=True, max_examples=300)
@given(PLANS)
def test_there_and_back(plan: Plan) -> None:
    document = to_document(plan)
    assert believed(document).plan == plan
    read = json.loads(canonical(document))
    assert read == document
    assert to_document(believed(read).plan) == document


def test_the_example_there_and_back() -> None:
    assert believed(to_document(EXAMPLE)).plan == EXAMPLE


def _forged(**changes: Any) -> dict[str, Any]:
    """The example with other content and the digest that goes with it."""
    document = json.loads(canonical({**to_document(EXAMPLE), **changes}))
    return {**document, "digest": content_digest(document)}


class TestTerraform:
    """Policy rules and scripts written for Terraform find their names."""

    CHANGES = to_document(EXAMPLE)["resource_changes"]

    def test_names(self) -> None:
        for change in self.CHANGES:
            assert {"address", "type", "name", "mode", "change", "action_reason"} <= change.keys()
            assert {"actions", "before", "after"} == change["change"].keys()
            assert change["mode"] == "managed"
            assert change["address"] == f"acme/{change['type']}/{change['name']}"

    def test_actions(self) -> None:
        assert [change["change"]["actions"] for change in self.CHANGES] == [
            ["create"],
            ["update"],
            ["delete", "create"],
            ["delete"],
            ["no-op"],
            ["no-op"],
            ["forget"],
        ]

    def test_before_and_after(self) -> None:
        sides = [(c["change"]["before"] is None, c["change"]["after"] is None) for c in self.CHANGES]
        assert sides == [(True, False), *[(False, False)] * 2, (False, True), *[(False, False)] * 3]

    def test_previous_address(self) -> None:
        assert [c["previous_address"] for c in self.CHANGES] == [None] * 4 + ["acme/connector/old", None, None]

    def test_drift(self) -> None:
        drift = to_document(EXAMPLE)["resource_drift"]
        assert [(d["address"], d["change"]["actions"]) for d in drift] == [
            ("acme/connector/b", ["update"]),
            ("acme/connector/z", ["delete"]),
        ]
        assert all({"type", "name", "change"} <= d.keys() for d in drift)

    def test_counts(self) -> None:
        assert to_document(EXAMPLE)["summary"] == {
            "add": 2,
            "change": 1,
            "destroy": 2,
            "move": 1,
            "adopt": 1,
            "forget": 1,
            "unchanged": 3,
        }

    def test_ours_beside(self) -> None:
        update = self.CHANGES[1]
        assert (update["tenant"], update["action"], update["cause"], update["uid"], update["row_version"]) == (
            "acme",
            "update",
            "both",
            "uid-b",
            7,
        )
        assert update["fields"] == [
            {
                "path": ["description"],
                "field": "description",
                "op": "change",
                "before": "old ü😀",
                "after": "new",
                "cause": "both",
                "source": None,
            }
        ]
        assert update["outside"] == {"by": "bob", "at": "2026-02-28T01:00:00Z"}


def test_the_json_schema_describes_it() -> None:
    schema = schemas()["plan"]
    Draft202012Validator(schema).validate(to_document(EXAMPLE))
    assert not Draft202012Validator(schema).is_valid({**to_document(EXAMPLE), "more": 1})


class TestRefused:
    def _code(self, document: Any) -> str:
        with pytest.raises(IntegrityFailed) as caught:
            believed(document)
        assert caught.value.exit_code == 8
        return caught.value.problems[0].code

    @pytest.mark.parametrize("document", [None, 5, "text", [], {}, {"format_version": "1.0"}, [to_document(EXAMPLE)]])
    def test_what_is_no_plan(self, document: Any) -> None:
        assert self._code(document) == "plan-malformed"

    @pytest.mark.parametrize("version", ["1.0", "1.1", "2.0", "0.9", "", "x" * 5000])
    def test_another_format(self, version: str) -> None:
        """Made by another version: to be planned again, and no integrity failure."""
        with pytest.raises(PlanStale) as caught:
            believed(_forged(format_version=version))
        assert (caught.value.exit_code, caught.value.problems[0].code) == (4, "plan-format")
        assert len(str(caught.value)) < 200

    @pytest.mark.parametrize("version", [1.0, 1, None, ["1.0"]])
    def test_a_format_that_is_no_text(self, version: Any) -> None:
        assert self._code(_forged(format_version=version)) == "plan-malformed"

    @pytest.mark.parametrize("key", sorted(to_document(EXAMPLE)))
    def test_a_missing_key(self, key: str) -> None:
        document = to_document(EXAMPLE)
        del document[key]
        self._code(document)

    @pytest.mark.parametrize("key", sorted(set(to_document(EXAMPLE)) - {"digest", "format_version"}))
    def test_a_changed_value_with_the_old_digest(self, key: str) -> None:
        document = {**to_document(EXAMPLE), key: to_document(EXAMPLE)[key] or "x"}
        value = document[key]
        document[key] = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else "changed"
        self._code(document)

    def test_unknown_keys(self) -> None:
        assert self._code(_forged(more=1)) == "plan-malformed"

    def test_a_name_that_somebody_made_up_is_not_repeated(self) -> None:
        with pytest.raises(IntegrityFailed) as caught:
            believed({**to_document(EXAMPLE), "\x1b[2J evil": 1})
        assert "evil" not in str(caught.value)

    def _change(self, index: int, **fields: Any) -> dict[str, Any]:
        changes = to_document(EXAMPLE)["resource_changes"]
        changes[index] = {**changes[index], **fields}
        return _forged(resource_changes=changes)

    @pytest.mark.parametrize(
        ("index", "fields"),
        [
            # a policy reads one of the two, an apply does the other
            (
                3,
                {
                    "change": {
                        "actions": ["no-op"],
                        "before": {"type": "custom", "description": "old ü😀"},
                        "after": None,
                    }
                },
            ),
            (3, {"before_digest": "0" * 32}),
            (0, {"after_digest": None}),
            (1, {"cause": "configuration"}),
            (1, {"fields": [{**to_document(EXAMPLE)["resource_changes"][1]["fields"][0], "field": "harmless"}]}),
        ],
    )
    def test_what_contradicts_itself(self, index: int, fields: dict[str, Any]) -> None:
        assert self._code(self._change(index, **fields)) == "plan-tampered"

    def test_counts_that_contradict_the_changes(self) -> None:
        assert self._code(_forged(summary={**to_document(EXAMPLE)["summary"], "destroy": 0})) == "plan-tampered"

    @pytest.mark.parametrize(
        "fields",
        [
            {"address": "acme/connector/other"},
            {"address": "acme/connector"},
            {"address": "acme/connector/../x"},
            {"previous_address": "nothing"},
            {"tenant": "globex"},
            {"name": "b"},
        ],
    )
    def test_addresses(self, fields: dict[str, str]) -> None:
        assert self._code(self._change(0, **fields)) == "plan-malformed"

    def test_bodies_that_are_nested_too_deeply(self) -> None:
        deep: Any = 1
        for _ in range(400):
            deep = [deep]
        document = to_document(EXAMPLE)
        document["resource_changes"][0]["change"]["after"] = {"x": deep}
        assert self._code(document) == "plan-tampered"

"""A search of `serve` from end to end: a text, a model's vector, a store's answer, and the evidence of both calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import Db
from tests.runtime.connectors.vector_servers import qdrant_place
from tests.runtime.llm.upstream import upstream, world
from tests.runtime.servers import served

KEY = "sk-provider-0123456789abcdef"
PERMITS = {"networks": ["127.0.0.0/8"], "env": ["MODEL_KEY"]}


def test_a_text_is_searched_for(folder: Path, db: Db) -> None:
    with upstream() as up, qdrant_place(size=2) as place:
        vectors: dict[str, Any] = {"type": "vector", "engine": place.engine, **place.raw}
        source = {"type": "vector", "connector": "vectors", **place.source, "filter": {"tenant": "acme"}}
        find = {
            "type": "vector",
            "datasource": "handbook",
            "operation": "search",
            "embed": {"integration": "main", "model": "embed", "text": "query: {question}"},
            "filter": {"team": "{teams}"},
            "top_k": "{n}",
            "return": ["title"],
            "parameters": {
                "question": {"type": "string", "max_length": 200},
                "teams": {"type": "array", "items": "string", "default": ["a", "b"]},
                "n": {"type": "integer", "min": 1, "max": 5, "default": 2},
            },
        }
        policy = {
            "effect": "allow",
            "subjects": {"roles": ["analyst"]},
            "actions": ["search"],
            "targets": {"names": ["template/find"]},
        }
        document = world(
            up,
            connectors={"vectors": vectors},
            datasources={"handbook": {**source, "classification": "internal"}},
            templates={"find": find},
        )
        document["policies"] = {"find": policy}  # and none for the integration
        with served(folder, db, document, {"MODEL_KEY": KEY}, permits=PERMITS) as server:
            answer = server.call("find", question="where is north?")
            assert answer.status_code == 200, answer.text
            found = answer.json()["result"]
            assert [one["payload"] for one in found] == [{"title": "near north"}, {"title": "north"}]
            assert up.seen[-1]["body"]["input"] == "query: where is north?"
            assert up.seen[-1]["headers"]["Authorization"] == f"Bearer {KEY}"
            outer, inner = sorted(server.evidence(), key=lambda one: str(one["id"]))
            assert (outer["target"], outer["action"], outer["outcome"]) == ("template/find", "search", "success")
            assert (inner["target"], inner["run"], inner["outcome"]) == ("integration/main", outer["id"], "success")
            with server.client() as client:
                (used,) = client.get("/v1/usage").json()["usage"]
                assert (used["calls"], used["source"]) == (1, "metered")
                refused = client.post(
                    "/v1/embeddings", json={"model": "main/embed", "input": "x"}
                )  # the right is the template's alone
                assert refused.status_code == 404
            wrong = server.call("find", question="x", n=6)
            assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-values")
            assert server.call("find", question="x", teams=[]).json()["result"] == []

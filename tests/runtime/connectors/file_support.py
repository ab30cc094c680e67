"""Calls of file templates on any store, for the tests of all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.access.resource import Resource
from reconciler.runtime.call import Answer, Call, Failed, Permits, Surroundings
from reconciler.runtime.connectors.file import judge_file, open_file
from tests.runtime.calls import LOOPBACK, call_of, resolve, resource

NAME = {"type": "string", "max_length": 1000}


class Files:
    """One store, with its connector's fields."""

    def __init__(self, raw: Mapping[str, Any], surroundings: Surroundings) -> None:
        self.raw, self.around = {"type": "file", "read_only": False, **raw}, surroundings
        self.effect = False

    def call(self, operation: str, path: str | None = None, **more: Any) -> Answer | Failed:
        """The answer to a call of a template, or why there is none; ``connector`` and ``datasource`` say more of these."""
        return asyncio.run(self.called(operation, path, **more))

    async def called(
        self,
        operation: str,
        path: str | None = None,
        values: Mapping[str, Any] | None = None,
        seconds: float = 20.0,
        connector: Mapping[str, Any] | None = None,
        datasource: Mapping[str, Any] | None = None,
        schema: Any = None,
        body: Any = None,
        **more: Any,
    ) -> Answer | Failed:
        template = {"type": "file", "datasource": "d", "operation": operation, "path": path, **more}
        given = dict(values or {})
        if schema is not None:
            template["body"] = schema
        template["parameters"] = {name: NAME | {"max_length": 65536} for name in given} | template.get("parameters", {})
        if "text" in given:
            template["content"] = "{text}"
        reaches: Resource = resource("connector", {**self.raw, **(connector or {})})
        data = resource("datasource", {"type": "file", "connector": "it", **(datasource or {})}, "d")
        made: Call = call_of((resource("template", template), data, reaches), given, seconds, body)
        try:
            await judge_file(made)
            connection = await open_file("acme", reaches, self.around)
        except Failed as failed:
            return failed
        try:
            return await connection.run(made)
        except Failed as failed:
            return failed
        finally:
            self.effect = made.effect
            await connection.close()

    def ping(self) -> None:
        async def main() -> None:
            connection = await open_file("acme", resource("connector", self.raw), self.around)
            try:
                await connection.ping()
            finally:
                await connection.close()

        asyncio.run(main())

    def write(self, path: str, text: str, **more: Any) -> Any:
        return content(self.call("write", path, values={"text": text}, **more))


def content(answer: Answer | Failed) -> Any:
    assert isinstance(answer, Answer), (getattr(answer, "code", ""), answer)
    return answer.content


def code(answer: Answer | Failed) -> str:
    assert isinstance(answer, Failed), answer
    return answer.code


def permits(*roots: Path) -> Surroundings:
    return Surroundings(resolve, resolve, Permits(LOOPBACK, file_roots=roots))


def local(root: Path, **more: Any) -> Files:
    return Files({"provider": "local", "root": str(root), **more}, permits(root))
